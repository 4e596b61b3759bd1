/**
 * Makes the action of a running rule: its queue, by what the rule promises and the action keeps, and its sinks.
 * @module
 */
import type { Encoder } from "../codec/codec.ts";
import type { Packer } from "../codec/pack.ts";
import type { Clock, ConnectorContext, Logger } from "../connector/context.ts";
import type { OpenContext } from "../connector/declare.ts";
import type { Payload, PayloadSink, RowSink } from "../connector/sink.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { DeliveryStore } from "../store/delivery_store.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Struct } from "../value/value.ts";
import { Action, type ActionOptions } from "./action.ts";
import { isBatched } from "./action_settings.ts";
import type { Body } from "./addressed_item.ts";
import { BatchLane } from "./batch_lane.ts";
import type { ConnectionPool } from "./connections.ts";
import { AlterQueue } from "./durable/alter_queue.ts";
import { outboxSettingsOf, resendIntervalOf, usesCache } from "./durable/cache_settings.ts";
import { FormedLane } from "./durable/formed_lane.ts";
import { OutboxQueue } from "./durable/outbox_queue.ts";
import type { RuleJournal } from "./durable/rule_journal.ts";
import { SpillQueue } from "./durable/spill_queue.ts";
import { MemoryQueue } from "./memory_queue.ts";
import { openRole } from "./open_role.ts";
import type { PreparedAction } from "./prepare_action.ts";
import {
  encodeLate,
  type ItemForms,
  lateForms,
  marked,
  packedForms,
  payloadForms,
  resultTransform,
  rowForms,
} from "./result_transform.ts";
import type { SendLane, SendQueue } from "./send_queue.ts";

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
  /** Results that cannot be made into messages are sent as errors. */
  readonly sendsErrors: boolean;
  readonly onFailed: (error: DiagnosticError) => void;
  /** Puts something in front of a sink that was opened. */
  readonly guarding?: <Sink extends PayloadSink | RowSink>(sink: Sink) => Sink;
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
  const { action, index, journal, onFailed, sendsErrors, clock, log } = options;
  const { common, definition, payloads, templates } = action;
  const { queue, resends } = createQueue(options, () => created);
  const isLate = resends !== undefined && common.resendIndicatorField !== "";
  const encoder = payloads?.createEncoder();
  const forms = formsOf(action, encoder, isLate);
  const batched = isBatched(common);
  const batchMetrics = batched ? new NodeMetrics() : undefined;
  const laneOf = (lane: SendLane, form: ((body: Body) => Body) | undefined): SendLane => {
    const formed = form === undefined
      ? lane
      : new FormedLane(lane, { form, onFailed: (error, count) => created.unformed(error, count) });
    return batchMetrics === undefined ? formed : new BatchLane(formed, {
      size: common.batchSize,
      lingerMs: common.lingerInterval,
      merge: encoder === undefined ? undefined : mergerOf(encoder, payloads!.pack),
      metrics: batchMetrics,
      clock,
    });
  };
  // The rows of a batch are made one by one.
  const shaping = batched ? { ...common, sendSingle: true } : common;
  const plain = { ...shaping, fields: [], excludeFields: [], dataField: "" };
  const errorTransform = resultTransform(plain, forms.made, { settings: templates.settings });
  const resendInterval = resendIntervalOf(common);
  const created: Action = new Action({
    type: definition.type,
    index,
    encodes: payloads !== undefined,
    transform: resultTransform(shaping, forms.made, templates),
    transformError: (message) => errorTransform([{ error: message }]),
    sendsErrors,
    queue,
    lane: laneOf(queue, forms.live),
    open: opener(options, action),
    ...(action.role.messagesMax === undefined ? {} : { messagesMax: action.role.messagesMax }),
    caches: journal === undefined && usesCache(common),
    ...(resends === undefined ? {} : {
      resend: {
        lane: laneOf(resends.lane, forms.resent),
        length: resends.length,
        open: opener(options, { ...action, ...action.resend }, " resend"),
        ...(action.resend === undefined ? {} : { fixed: "topic" }),
      },
    }),
    ...(batchMetrics === undefined ? {} : { batchMetrics }),
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
  { index, rule, durability, pool, clock, log, resolvePath, guarding }: CreateActionOptions,
  action: PreparedAction,
  suffix = "",
): ActionOptions["open"] {
  const open: (
    settings: never,
    context: OpenContext<never>,
  ) => PayloadSink | RowSink | Promise<PayloadSink | RowSink> = action.role.open;
  const name = `rule ${rule} action ${index} ${action.definition.type}${suffix}`;
  const { payloads } = action;
  const parts = {
    pool,
    clock,
    log,
    name,
    resolvePath,
    owner: rule,
    durability,
    ...(payloads === undefined ? {} : { payloads }),
  };
  const opening: ActionOptions["open"] = (onStatus) => openRole<PayloadSink | RowSink>(action, open, parts, onStatus);
  return guarding === undefined ? opening : async (onStatus) => guarding(await opening(onStatus));
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
      limits: outboxSettingsOf(common, 1),
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
    const bound = Math.max(common.bufferLength, common.batchSize);
    const limit = onFull === "block" || onFull === "spill"
      ? undefined
      : { onFull, onDropped: (count: number) => onDropped("buffer full", count) };
    // A batch may wait for rows that come only when those before them are acknowledged.
    return { queue: new MemoryQueue(bound, limit, !isBatched(common)) };
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
  const queue = new AlterQueue({ ...alter, bound: Math.max(common.bufferLength, common.batchSize), resends: spill });
  return { queue, resends: { lane: queue.resend, length: () => spill.length } };
}

interface Forms {
  /** Of messages as they are queued. */
  readonly made: ItemForms;
  /** What is done to one when it is sent. */
  readonly live?: (body: Body) => Body;
  /** What is done to one that is sent again. */
  readonly resent?: (body: Body) => Body;
}

/** With `resendIndicatorField` what is sent again has a column more: messages wait as rows. */
function formsOf({ payloads, common }: PreparedAction, encoder: Encoder | undefined, isLate: boolean): Forms {
  const field = common.resendIndicatorField;
  if (encoder === undefined) {
    if (!isLate) return { made: rowForms };
    return { made: rowForms, resent: (body) => (body as readonly Struct[]).map((row) => marked(row, field)) };
  }
  // A batch is packed as a whole.
  const pack = isBatched(common) ? undefined : payloads?.pack;
  if (!isLate) {
    const made = payloadForms(encoder);
    return { made: pack === undefined ? made : packedForms(made, pack) };
  }
  const sent = (body: Body, mark?: string) => {
    const payload = encodeLate(body as readonly Struct[], encoder, mark);
    return pack === undefined ? payload : pack(payload);
  };
  return { made: lateForms, live: (body) => sent(body), resent: (body) => sent(body, field) };
}

function mergerOf(encoder: Encoder, pack: Packer | undefined): (parts: readonly Payload[]) => Payload {
  // What cannot be joined was refused when the action was prepared.
  const join = (parts: readonly Payload[]) => encoder.joinRows!(parts);
  return pack === undefined ? join : (parts) => pack(join(parts));
}
