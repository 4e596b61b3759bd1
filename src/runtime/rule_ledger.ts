/**
 * The ledger of a running rule: its streams, its pipeline and its actions, and whether all of it balances.
 *
 * To what {@linkcode ledgerOfPipeline} says of rows, it adds both ends. Of each stream: every payload was decoded or has
 * failed, every row was handed on or has failed. What the rule took must be what the stream has given since the rule
 * reads it, and it went into the pipeline, waits for its turn, or was dropped. Of each action: every result became
 * messages or has failed, and of the messages
 *
 * `in + carried = sent + failed + dead + dropped + waiting`
 *
 * where `dead` are those put aside as dead letters, and `carried` were in the outbox when the rule started, or came back
 * from the dead letters. A message that goes through a second queue (`resendAlterQueue`) counts once, wherever it is.
 *
 * What several rules do with the rows of a shared stream stands in their own ledgers.
 * @module
 */
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Action } from "./action.ts";
import {
  type Account,
  accountOf,
  add,
  imbalanceOf,
  ledgerOfPipeline,
  type PipelineLedger,
  type Reasons,
  sum,
  type Total,
} from "./ledger.ts";
import type { LiveRule } from "./live_rule.ts";
import type { RuleInlet } from "./rule_inlet.ts";

/** A stream or table that a rule reads. */
export interface StreamLedger {
  readonly stream: string;
  /** True while other rules read it too. */
  readonly shared: boolean;
  /** `out` are those that were decoded. Undefined for a source that gives rows. */
  readonly payloads: Account | undefined;
  /** Decoded messages with payloads of their own inside (`payloadField`); `out` are those whose payloads were decoded. */
  readonly envelopes?: Account;
  /** `out` are those that were handed to rules. */
  readonly rows: Account;
  /** What the rule did with the rows it was handed: `out` went into its pipeline, `held` wait for their turn. */
  readonly taken: Account;
}

/** Messages of an action. */
export interface MessageAccount {
  readonly in: number;
  /** Found in the outbox when the rule started, or sent again from the dead letters. */
  readonly carried: number;
  readonly sent: number;
  readonly failed: Reasons;
  /** Put aside as dead letters. */
  readonly dead: number;
  readonly dropped: Reasons;
  readonly waiting: number;
}

export interface ActionLedger {
  /** As in the status: `sink_mqtt_0`. */
  readonly action: string;
  /** Results of the pipeline, and errors that are sent on; `out` are those that were made into messages. */
  readonly results: Account;
  readonly messages: MessageAccount;
}

export interface RuleLedger {
  readonly id: string;
  /** When the counting began, Unix milliseconds; 0 for a rule that has not run. */
  readonly since: number;
  readonly balanced: boolean;
  /** One sentence for each place where the counts do not agree. */
  readonly imbalances: readonly string[];
  readonly streams: readonly StreamLedger[];
  /** All rows that the rule was handed. */
  readonly rows: Total;
  /** What its windows have handed on; absent without windows. */
  readonly lists?: Total;
  readonly steps: PipelineLedger["steps"];
  readonly actions: readonly ActionLedger[];
}

/** Of a rule that has not run since the agent started. */
export function emptyLedger(id: string): RuleLedger {
  const rows: Total = { ...accountOfNothing, made: 0 };
  return { id, since: 0, balanced: true, imbalances: [], streams: [], rows, steps: [], actions: [] };
}

const accountOfNothing: Account = {
  in: 0,
  carried: 0,
  out: 0,
  filtered: 0,
  late: 0,
  dropped: {},
  failed: {},
  held: 0,
};

export function ledgerOf(rule: LiveRule): RuleLedger {
  const pipeline = ledgerOfPipeline(rule.pipeline);
  const streams = rule.inlets.map((inlet) => streamLedger(inlet, rule));
  const actions = rule.actions.map(actionLedger);
  const rows = totalOf(pipeline.rows, streams.map(({ taken }) => taken));
  const imbalances = [
    ...streams.flatMap((stream, i) => streamImbalances(stream, rule.inlets[i]!, rule)),
    ...pipeline.imbalances,
    ...imbalanceOf("all rows of the rule", rows),
    ...actions.flatMap((action, i) => actionImbalances(action, rule.actions[i]!, rule)),
  ];
  return {
    id: rule.prepared.definition.id,
    since: rule.startedAt,
    balanced: imbalances.length === 0,
    imbalances,
    streams,
    rows,
    ...(pipeline.lists === undefined ? {} : { lists: pipeline.lists }),
    steps: pipeline.steps,
    actions,
  };
}

/** Rows come in where the rule takes them, and may wait or be dropped before they come to the pipeline. */
function totalOf(rows: Total, taken: readonly Account[]): Total {
  const dropped = { ...rows.dropped };
  let [offered, handedOn, held] = [0, 0, rows.held];
  for (const each of taken) {
    offered += each.in;
    handedOn += each.out;
    held += each.held;
    add(dropped, each.dropped);
  }
  // A row that goes in at several places of the statement is made more there.
  return { ...rows, in: offered, made: rows.made + rows.in - handedOn, dropped, held };
}

// -------------------------------------------------------------------- streams

function streamLedger(inlet: RuleInlet, rule: LiveRule): StreamLedger {
  const { feed, metrics, stream } = inlet;
  const { sourceMetrics, intake, sampler } = feed;
  const { unpackMetrics, decoderMetrics, columnDecoderMetrics, validatorMetrics } = intake;
  const envelopes = columnDecoderMetrics;
  const sampled = { dropped: Object.fromEntries(sampler?.metrics.dropped ?? []), held: sampler?.held ?? 0 };
  // What comes is left out first, unless it is merged: that needs rows.
  const isSampled = (unit: "payloads" | "envelopes" | "rows") => {
    const first = decoderMetrics !== undefined ? "payloads" : envelopes !== undefined ? "envelopes" : "rows";
    return sampler !== undefined && unit === (feed.merges ? "rows" : first) ? sampled : {};
  };
  const rows = {
    ...accountOfNothing,
    ...isSampled("rows"),
    in: intake.decodedCount ?? sourceMetrics.recordsIn,
    out: feed.rowsGiven,
    failed: failedOf(validatorMetrics),
  };
  return {
    stream,
    shared: feed.shared,
    payloads: decoderMetrics === undefined ? undefined : {
      ...accountOfNothing,
      ...isSampled("payloads"),
      in: sourceMetrics.recordsIn,
      out: decoderMetrics.passed,
      failed: failedOfBoth(unpackMetrics, decoderMetrics),
    },
    ...(envelopes === undefined ? {} : {
      envelopes: {
        ...accountOfNothing,
        ...isSampled("envelopes"),
        in: decoderMetrics?.recordsOut ?? sourceMetrics.recordsIn,
        out: envelopes.passed,
        failed: failedOf(envelopes),
      },
    }),
    rows: { ...rows, held: rows.held + feed.rowsWaiting },
    taken: accountOf(metrics, metrics.recordsIn, metrics.recordsOut, rule.waitingRows(inlet)),
  };
}

function failedOfBoth(one: NodeMetrics | undefined, other: NodeMetrics): Reasons {
  const failed = { ...failedOf(one) };
  add(failed, failedOf(other));
  return failed;
}

function failedOf(metrics: NodeMetrics | undefined): Reasons {
  return Object.fromEntries(metrics?.failedBy ?? []);
}

function streamImbalances(
  { stream, payloads, envelopes, rows, taken }: StreamLedger,
  inlet: RuleInlet,
  rule: LiveRule,
): string[] {
  const name = `stream ${stream}`;
  const found = [
    ...(payloads === undefined ? [] : imbalanceOf(`${name}, payloads`, payloads)),
    ...(envelopes === undefined ? [] : imbalanceOf(`${name}, envelopes`, envelopes)),
    ...imbalanceOf(`${name}, rows`, rows),
    ...imbalanceOf(`${name}, rows of the rule`, taken),
  ];
  if (inlet.offered !== taken.in) {
    found.push(`${name} has given ${inlet.offered} rows to the rule, which took ${taken.in}`);
  }
  const { pipeline } = rule;
  for (const position of inlet.positions) {
    const entered = pipeline.givens.get(pipeline.sources[position]!)?.rows ?? 0;
    if (entered !== taken.out) {
      found.push(`${name} went into the pipeline with ${taken.out} rows, which took ${entered}`);
    }
  }
  return found;
}

// -------------------------------------------------------------------- actions

function actionLedger(action: Action): ActionLedger {
  const { transformMetrics, metrics, resender, type, index } = action;
  // A second sink has the same messages, at another time.
  const failed = { ...failedOf(metrics) };
  add(failed, failedOf(resender?.metrics));
  return {
    action: `sink_${type}_${index}`,
    results: {
      ...accountOf(transformMetrics, transformMetrics.recordsIn, transformMetrics.passed, 0),
      // Those are messages.
      dropped: {},
    },
    messages: {
      in: metrics.recordsIn,
      carried: metrics.carried,
      sent: metrics.recordsOut + (resender?.metrics.recordsOut ?? 0),
      failed,
      dead: metrics.dead + (resender?.metrics.dead ?? 0),
      dropped: Object.fromEntries(metrics.dropped),
      waiting: action.waiting,
    },
  };
}

function actionImbalances({ action: name, results, messages }: ActionLedger, action: Action, rule: LiveRule): string[] {
  const found = imbalanceOf(`${name}, results`, results);
  const given = resultsFor(action, rule) + action.errors;
  if (given !== results.in) found.push(`${name} was given ${given} results, and took ${results.in}`);
  const { transformMetrics, collected } = action;
  const queued = messages.in + collected + transformMetrics.droppedTotal;
  if (transformMetrics.recordsOut !== queued) {
    found.push(`${name} made ${transformMetrics.recordsOut} messages, and queued ${queued}`);
  }
  const { in: taken, carried, sent, failed, dead, dropped, waiting } = messages;
  const rest = taken + carried - sent - sum(failed) - dead - sum(dropped) - waiting;
  if (rest !== 0) {
    found.push(
      `${name}, messages: in ${taken} + carried ${carried} is ${Math.abs(rest)} ${rest > 0 ? "more" : "less"} than ` +
        `sent ${sent} + failed ${sum(failed)} + dead ${dead} + dropped ${sum(dropped)} + waiting ${waiting}`,
    );
  }
  return found;
}

/** What the ends of the pipeline have given that lead to an action. */
function resultsFor(action: Action, rule: LiveRule): number {
  const ofGraph = rule.prepared.definition.graph !== undefined;
  let results = 0;
  for (const { plan, metrics } of rule.pipeline.nodes) {
    if (plan.kind === "project" && (!ofGraph || (plan.output ?? 0) === action.index)) results += metrics.recordsOut;
  }
  return results;
}
