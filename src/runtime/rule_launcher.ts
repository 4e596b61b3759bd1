/**
 * Turns a prepared rule into a running one: finds or makes its feed, makes its actions.
 * @module
 */
import type { Clock, ConnectorContext, Logger } from "../connector/context.ts";
import type { Source } from "../connector/source.ts";
import { diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import type { ConnectionPool } from "./connections.ts";
import { actionName, createAction } from "./create_action.ts";
import { usesCache } from "./durable/cache_settings.ts";
import { DurableRun } from "./durable/durable_run.ts";
import { giveUpLeftBehind } from "./durable/left_behind.ts";
import { RuleJournal } from "./durable/rule_journal.ts";
import { Feed } from "./feed.ts";
import { LiveRule, type LiveRuleOptions } from "./live_rule.ts";
import type { LookupTables } from "./lookup_tables.ts";
import { openRole } from "./open_role.ts";
import { nobodyKnown } from "../policy/actor.ts";
import type { PolicyGuard } from "./policy_guard.ts";
import type { PreparedRule, PreparedSource } from "./prepare_rule.ts";

export interface LauncherParts {
  readonly pool: ConnectionPool;
  readonly tables: LookupTables;
  readonly delivery: DeliveryStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timezone: string;
  /** What functions may ask beyond their rule. */
  readonly outside?: LiveRuleOptions["outside"];
  /** Asked before each message that says by itself where it goes. */
  readonly policies?: PolicyGuard;
  readonly resolvePath?: ConnectorContext["resolvePath"];
}

export class RuleLauncher {
  readonly #parts: LauncherParts;
  /** Feeds of shared streams, by stream; every other rule has a feed of its own. */
  readonly #shared = new Map<string, Feed>();
  /** While an agent starts its rules: resolves when all have been started. */
  #othersStart: Promise<void> | undefined;

  constructor(parts: LauncherParts) {
    this.#parts = parts;
  }

  /** Until `started`, shared streams hand nothing on: what is acknowledged for one rule is gone for those that start later. */
  holdShared(started: Promise<void>): void {
    this.#othersStart = started;
    void started.then(() => (this.#othersStart = undefined));
  }

  /** Starts a rule. Connections need not be there yet; nothing of this fails because of a peer. */
  launch(prepared: PreparedRule, { onEnded, onFailed }: Pick<LiveRuleOptions, "onEnded" | "onFailed">): LiveRule {
    const { pool, tables, delivery, clock, timezone, resolvePath, outside, policies } = this.#parts;
    const { id } = prepared.definition;
    let last: number | undefined;
    const nextSequence = () => last = (last ?? delivery.lastSequence(id)) + 1;
    const log = this.#parts.log.with({ rule: id });
    const onBroken = (error: unknown) => rule.failed(brokenStore(error));
    const durable = this.#createDurable(prepared, log, onBroken);
    const rule: LiveRule = new LiveRule({
      prepared,
      feeds: prepared.inputs.map(({ source }) => this.#feedOf(source, id)),
      lookups: prepared.lookups.map((lookup) => tables.acquire(lookup)),
      actions: prepared.actions.map((action, index) =>
        createAction({
          action,
          index,
          rule: id,
          journal: durable?.journal,
          durability: durable === undefined ? undefined : prepared.definition.options.durability,
          nextSequence,
          sendsErrors: prepared.definition.options.sendError,
          pool,
          delivery,
          clock,
          log,
          resolvePath,
          onFailed: (error) => rule.failed(error),
          ...(policies === undefined
            ? {}
            : { guarding: (sink) => policies.guarding(sink, action, id, prepared.definition.owner ?? nobodyKnown) }),
        })
      ),
      ...(durable === undefined ? {} : { durable }),
      onBroken,
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

  /** What a rule with `qos` 1 or 2 keeps; and what it kept and has no use for any more goes. */
  #createDurable(prepared: PreparedRule, log: Logger, onBroken: (error: unknown) => void): DurableRun | undefined {
    const { delivery, clock } = this.#parts;
    const { id, options } = prepared.definition;
    const isDurable = options.qos > 0;
    const actions = prepared.actions
      .map((action, index) => ({ name: actionName(action, index), keeps: isDurable || usesCache(action.common) }))
      .filter(({ keeps }) => keeps)
      .map(({ name }) => name);
    giveUpLeftBehind(delivery, id, { actions, state: isDurable }, log);
    if (!isDurable) return undefined;
    const { durability, checkpointInterval } = options;
    const journal = new RuleJournal({ rule: id, delivery, durability, clock, log, onBroken });
    return new DurableRun({ rule: id, delivery, journal, checkpointInterval, clock, log });
  }

  #feedOf(source: PreparedSource, ruleId: string): Feed {
    const { stream } = source;
    if (!stream.options.shared) return this.#createFeed(source, `rule ${ruleId} source ${stream.name}`, ruleId);
    const known = this.#shared.get(stream.name);
    if (known !== undefined && !known.closed) return known;
    // A source that is still finishing may own what the next one needs, such as the client id at a broker.
    const feed: Feed = this.#createFeed(source, `stream ${stream.name}`, undefined, known?.whenClosed(), () => {
      if (this.#shared.get(stream.name) === feed) this.#shared.delete(stream.name);
    });
    this.#shared.set(stream.name, feed);
    if (this.#othersStart !== undefined) void this.#othersStart.then(feed.hold());
    return feed;
  }

  #createFeed(
    source: PreparedSource,
    name: string,
    owner?: string,
    before?: Promise<void>,
    onClosed: () => void = () => {},
  ): Feed {
    const { pool, clock, resolvePath } = this.#parts;
    const log = this.#parts.log.with({ stream: source.stream.name });
    const parts = { pool, clock, log, name, resolvePath, ...(owner === undefined ? {} : { owner }) };
    return new Feed({
      stream: source.stream.name,
      open: async (onStatus, resume) => {
        await before;
        return await openRole<Source>(source, source.role.open, { ...parts, resume }, onStatus);
      },
      private: !source.stream.options.shared,
      reportsStatus: source.connection !== undefined,
      unpack: source.unpack,
      createDecoder: source.createDecoder,
      createColumnDecoder: source.createColumnDecoder,
      sampling: source.sampling,
      sendIntervalMs: source.sendIntervalMs ?? 0,
      createValidator: source.createValidator,
      onClosed,
      clock,
      log,
    });
  }
}

function brokenStore(error: unknown): DiagnosticError {
  const message = error instanceof Error ? error.message : String(error);
  return new DiagnosticError([diagnostic("E604", `What the rule keeps cannot be read or written: ${message}`)]);
}
