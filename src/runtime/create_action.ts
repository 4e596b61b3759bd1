/**
 * Makes the action of a running rule: its queue, by what the rule promises and the action keeps, and its sinks.
 * @module
 */
import { codecOf } from "../codec/codecs.ts";
import type { Clock, ConnectorContext, Logger } from "../connector/context.ts";
import type { OpenContext } from "../connector/declare.ts";
import type { PayloadSink, RowSink } from "../connector/sink.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import type { Struct } from "../value/value.ts";
import { Action, type ActionOptions } from "./action.ts";
import type { ConnectionPool } from "./connections.ts";
import { AlterQueue } from "./durable/alter_queue.ts";
import { outboxSettingsOf, resendIntervalOf, usesCache } from "./durable/cache_settings.ts";
import { FormedLane } from "./durable/formed_lane.ts";
import { OutboxQueue } from "./durable/outbox_queue.ts";
import type { RuleJournal } from "./durable/rule_journal.ts";
import { SpillQueue } from "./durable/spill_queue.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { openRole } from "./open_role.ts";
import type { PreparedAction } from "./prepare_rule.ts";
import { encodeLate, lateTransform, marked, payloadTransform, rowTransform } from "./result_transform.ts";
import type { Item, SendLane, SendQueue } from "./send_queue.ts";

export interface CreateActionOptions {
  readonly action: PreparedAction;
  /** Position in the rule's actions. */
  readonly index: number;
  readonly rule: string;
  /** Of a rule with `qos` 1 or 2. */
  readonly journal: RuleJournal | undefined;
  /** Of a rule with `qos` 1 or 2, what its sinks get. */
  readonly durability: OpenContext["durability"];
  /** Of a rule with `qos` 0: gives the next number for a message. All actions of the rule share them. */
  readonly nextSequence: () => number;
  readonly onFailed: (error: DiagnosticError) => void;
  readonly pool: ConnectionPool;
  readonly delivery: DeliveryStore;
  readonly clock: Clock;
  /** That of the rule. */
  readonly log: Logger;
  readonly resolvePath?: ConnectorContext["resolvePath"];
}

/** Of the outbox of an action: `0_mqtt`. */
export function actionName({ definition }: PreparedAction, index: number): string {
  return `${index}_${definition.type}`;
}

/** @throws {StoreError} when what it has kept cannot be read */
export function createAction(options: CreateActionOptions): Action {
  const { action, index, journal, onFailed, clock, log } = options;
  const { role, common, definition } = action;
  const { queue, resends } = createQueue(options, () => created);
  const isLate = resends !== undefined && common.resendIndicatorField !== "";
  const forms = isLate ? formsOf(action) : undefined;
  const formed = <Lane extends SendLane>(lane: Lane, form: ((item: Item) => Item) | undefined): SendLane =>
    form === undefined
      ? lane
      : new FormedLane(lane, { form, onFailed: (error, count) => created.unformed(error, count) });
  const resendInterval = resendIntervalOf(common);
  const created: Action = new Action({
    type: definition.type,
    index,
    encodes: role.accepts === "payloads",
    transform: forms?.transform ??
      (role.accepts === "payloads"
        ? payloadTransform(common, codecOf(common.format).createEncoder(common))
        : rowTransform(common)),
    queue,
    lane: formed(queue, forms?.live),
    open: opener(options, action),
    caches: journal === undefined && usesCache(common),
    ...(resends === undefined ? {} : {
      resend: {
        lane: formed(resends.lane, forms?.resent),
        length: resends.length,
        open: opener(options, { ...action, ...action.resend }, " resend"),
      },
    }),
    reportsStatus: action.connection !== undefined,
    onFailed,
    ...(resendInterval === undefined ? {} : { resendInterval }),
    clock,
    log,
  });
  return created;
}

/** @param suffix tells a second sink from the first */
function opener(
  { index, rule, durability, pool, clock, log, resolvePath }: CreateActionOptions,
  action: PreparedAction,
  suffix = "",
): ActionOptions["open"] {
  const open: (
    settings: never,
    context: OpenContext<never>,
  ) => PayloadSink | RowSink | Promise<PayloadSink | RowSink> = action.role.open;
  const name = `rule ${rule} action ${index} ${action.definition.type}${suffix}`;
  const parts = { pool, clock, log, name, resolvePath, owner: rule, durability };
  return (onStatus) => openRole<PayloadSink | RowSink>(action, open, parts, onStatus);
}

interface CreatedQueue {
  readonly queue: SendQueue;
  /** With `resendAlterQueue`. */
  readonly resends?: { readonly lane: SendLane; readonly length: () => number };
}

function createQueue(options: CreateActionOptions, created: () => Action): CreatedQueue {
  const { action, index, rule, journal, delivery, clock, log } = options;
  const { common, role } = action;
  const name = actionName(action, index);
  const onDropped = (reason: string, count: number) => created().metrics.drop(reason, count);
  const isLate = common.resendAlterQueue && common.resendIndicatorField !== "";
  const accepts = isLate ? "rows" : role.accepts;
  const alter = {
    priority: common.resendPriority,
    onDiverted: (count: number) => created().diverted(count),
  };
  if (journal !== undefined) {
    const outbox = delivery.outbox(rule, name, outboxSettingsOf(common, 1));
    const incarnation = delivery.incarnation(rule);
    const onUnreadable = (count: number) => void (created().metrics.dead += count);
    const queue = new OutboxQueue({
      action: name,
      outbox,
      journal,
      incarnation,
      accepts,
      onDropped,
      onUnreadable,
      ...(common.cacheAgeMax > 0 ? { ageMaxMs: common.cacheAgeMax } : {}),
      ...(common.resendAlterQueue ? { alter } : {}),
      clock,
      log,
    });
    const { resend } = queue;
    return resend === undefined ? { queue } : { queue, resends: { lane: resend, length: () => queue.resendLength } };
  }
  if (!usesCache(common)) {
    const { onFull = "block" } = common;
    if (onFull === "block" || onFull === "spill") return { queue: new MemoryQueue(common.bufferLength) };
    const limit = { onFull, onDropped: (count: number) => onDropped("buffer full", count) };
    return { queue: new MemoryQueue(common.bufferLength, limit) };
  }
  const spill = new SpillQueue({
    rule,
    action: name,
    delivery,
    settings: common,
    accepts,
    nextSequence: options.nextSequence,
    onDropped,
    onTrouble: (message) => created().cacheMetrics?.fail(message, clock.now()),
    clock,
    log,
  });
  if (!common.resendAlterQueue) return { queue: spill };
  const queue = new AlterQueue({ ...alter, bound: common.bufferLength, resends: spill });
  return { queue, resends: { lane: queue.resend, length: () => spill.length } };
}

interface Forms {
  readonly transform: ActionOptions["transform"];
  readonly live: ((item: Item) => Item) | undefined;
  readonly resent: (item: Item) => Item;
}

/** With `resendIndicatorField`: what is sent again has a column more, so that messages wait as rows. */
function formsOf({ role, common }: PreparedAction): Forms {
  const field = common.resendIndicatorField;
  if (role.accepts === "rows") {
    return {
      transform: rowTransform(common),
      live: undefined,
      resent: (item) => (item as readonly Struct[]).map((row) => marked(row, field)),
    };
  }
  const encoder = codecOf(common.format).createEncoder(common);
  return {
    transform: lateTransform(common),
    live: (item) => encodeLate(item as readonly Struct[], encoder),
    resent: (item) => encodeLate(item as readonly Struct[], encoder, field),
  };
}
