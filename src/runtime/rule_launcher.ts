/**
 * Turns a prepared rule into a running one: finds or makes its feed, makes its actions.
 * @module
 */
import { codecOf } from "../codec/codecs.ts";
import type { Clock, ConnectorContext, Logger } from "../connector/context.ts";
import type { OpenContext } from "../connector/declare.ts";
import type { PayloadSink, RowSink } from "../connector/sink.ts";
import type { Source } from "../connector/source.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import { Action } from "./action.ts";
import type { ConnectionPool } from "./connections.ts";
import { Feed } from "./feed.ts";
import { LiveRule, type LiveRuleOptions } from "./live_rule.ts";
import type { LookupTables } from "./lookup_tables.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { openRole } from "./open_role.ts";
import type { PreparedAction, PreparedRule, PreparedSource } from "./prepare_rule.ts";
import { payloadTransform, rowTransform } from "./result_transform.ts";

export interface LauncherParts {
  readonly pool: ConnectionPool;
  readonly tables: LookupTables;
  readonly delivery: DeliveryStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timezone: string;
  /** What functions may ask beyond their rule. */
  readonly outside?: LiveRuleOptions["outside"];
  readonly resolvePath?: ConnectorContext["resolvePath"];
}

export class RuleLauncher {
  readonly #parts: LauncherParts;
  /** Feeds of shared streams, by stream; every other rule has a feed of its own. */
  readonly #shared = new Map<string, Feed>();

  constructor(parts: LauncherParts) {
    this.#parts = parts;
  }

  /** Starts a rule. Connections need not be there yet; nothing of this fails because of a peer. */
  launch(prepared: PreparedRule, { onEnded, onFailed }: Pick<LiveRuleOptions, "onEnded" | "onFailed">): LiveRule {
    const { tables, clock, timezone, outside } = this.#parts;
    const { id } = prepared.definition;
    const log = this.#parts.log.with({ rule: id });
    const rule: LiveRule = new LiveRule({
      prepared,
      feeds: prepared.inputs.map(({ source }) => this.#feedOf(source, id)),
      lookups: prepared.lookups.map((lookup) => tables.acquire(lookup)),
      actions: prepared.actions.map((action, index) =>
        this.#createAction(action, index, id, log, (error) => rule.failed(error))
      ),
      clock,
      log,
      timezone,
      ...(outside === undefined ? {} : { outside }),
      onEnded,
      onFailed,
    });
    rule.start();
    return rule;
  }

  #feedOf(source: PreparedSource, ruleId: string): Feed {
    const { stream } = source;
    if (!stream.options.shared) return this.#createFeed(source, `rule ${ruleId} source ${stream.name}`, ruleId);
    const known = this.#shared.get(stream.name);
    if (known !== undefined && !known.closed) return known;
    // A source that is still finishing may own what the next one needs, such as the client id at a broker.
    const feed = this.#createFeed(source, `stream ${stream.name}`, undefined, known?.whenClosed());
    this.#shared.set(stream.name, feed);
    return feed;
  }

  #createFeed(source: PreparedSource, name: string, owner?: string, before?: Promise<void>): Feed {
    const { pool, clock, resolvePath } = this.#parts;
    const log = this.#parts.log.with({ stream: source.stream.name });
    const parts = { pool, clock, log, name, resolvePath, ...(owner === undefined ? {} : { owner }) };
    return new Feed({
      stream: source.stream.name,
      open: async (onStatus) => {
        await before;
        return await openRole<Source>(source, source.role.open, parts, onStatus);
      },
      reportsStatus: source.connection !== undefined,
      createDecoder: source.createDecoder,
      createValidator: source.createValidator,
      clock,
      log,
    });
  }

  #createAction(
    action: PreparedAction,
    index: number,
    ruleId: string,
    log: Logger,
    onFailed: (error: DiagnosticError) => void,
  ): Action {
    const { pool, clock, resolvePath } = this.#parts;
    const { role, common, definition } = action;
    const name = `rule ${ruleId} action ${index} ${definition.type}`;
    const open: (
      settings: never,
      context: OpenContext<never>,
    ) => PayloadSink | RowSink | Promise<PayloadSink | RowSink> = role.open;
    return new Action({
      type: definition.type,
      index,
      encodes: role.accepts === "payloads",
      transform: role.accepts === "payloads"
        ? payloadTransform(common, codecOf(common.format).createEncoder(common))
        : rowTransform(common),
      queue: new MemoryQueue(common.bufferLength),
      open: (onStatus) =>
        openRole<PayloadSink | RowSink>(action, open, { pool, clock, log, name, resolvePath, owner: ruleId }, onStatus),
      reportsStatus: action.connection !== undefined,
      onFailed,
      clock,
      log,
    });
  }
}
