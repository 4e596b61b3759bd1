/**
 * The status JSON of a rule, and the names of its nodes, as eKuiper 2.x has them.
 *
 * Nodes are numbered from 2 in the order rows pass them; sources and sinks have names of their own. A source on a named
 * connection is called by what it reads there, with an emitter behind it; the nodes of a shared stream carry its name.
 * @module
 */
import type { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import { inputsOf, type Plan } from "../sql/plan.ts";
import type { Action } from "./action.ts";
import { guaranteeOf, limitsText } from "./guarantee.ts";
import { sum } from "./ledger.ts";
import type { WorkFigures } from "./limits/rule_work.ts";
import type { LiveRule } from "./live_rule.ts";
import type { RowListener } from "./row_listener.ts";
import type { PreparedSource } from "./prepare_rule.ts";
import { ledgerOf, type RuleLedger } from "./rule_ledger.ts";

/** One node of a running rule. */
export interface StatusNode {
  readonly kind: "source" | "op" | "sink";
  /** `source_demo`, `op_2_decoder`, `sink_mqtt_0`. */
  readonly name: string;
  readonly metrics: NodeMetrics;
  readonly connection: ConnectionMetrics | undefined;
  /** True when it may leave out rows without an error; only then the status counts them. */
  readonly drops: boolean;
}

/** The nodes of a rule in topology order, and the names that each leads to. */
export interface StatusNodes {
  readonly nodes: readonly StatusNode[];
  readonly sources: readonly string[];
  readonly edges: ReadonlyMap<string, readonly string[]>;
  /** What the steps of the pipeline are in the plan, and its streams by their own names. */
  readonly plans: ReadonlyMap<string, Plan>;
}

export function nodesOf(rule: LiveRule): StatusNodes {
  const nodes: StatusNode[] = [];
  const edges = new Map<string, string[]>();
  const connect = (from: string, to: string) => void (edges.get(from)?.push(to) ?? edges.set(from, [to]));
  let number = 2;
  const op = (type: string, metrics: NodeMetrics, owner = "", drops = false): StatusNode => {
    const node = { kind: "op" as const, name: `op_${owner}${number++}_${type}`, metrics, connection: undefined, drops };
    nodes.push(node);
    return node;
  };
  const { prepared, pipeline } = rule;
  /** The name of the node that gives the rows of a source, by position. */
  const heads: string[] = [];
  const sources = prepared.inputs.map(({ source, positions }, i) => {
    const { feed } = rule.inlets[i]!;
    const { shared } = source.stream.options;
    const head: StatusNode = {
      kind: "source",
      name: sourceName(source),
      metrics: feed.sourceMetrics,
      connection: feed.connection,
      // Only the rules of a shared stream have a buffer that may be full; another source waits.
      drops: shared,
    };
    nodes.push(head);
    let end = head.name;
    const add = (type: string, metrics: NodeMetrics | undefined, drops = false) => {
      if (metrics === undefined) return;
      const { name } = op(type, metrics, shared ? `${source.stream.name}_` : "", drops);
      connect(end, name);
      end = name;
    };
    // What the source gives is what goes through the emitter.
    if (isNamed(source)) add("emitter", feed.sourceMetrics);
    const { intake, sampler } = feed;
    if (!feed.merges) add("ratelimit", sampler?.metrics, true);
    add("decompress", intake.unpackMetrics);
    add("decoder", intake.decoderMetrics);
    add("payload_decoder", intake.columnDecoderMetrics);
    // Only decoded messages can be merged.
    if (feed.merges) add("ratelimit", sampler?.metrics, true);
    add("preprocessor", intake.validatorMetrics);
    for (const position of positions) heads[position] = end;
    return head.name;
  });
  const names = new Map<Plan, string>();
  for (const node of pipeline.nodes) {
    const { name } = op(node.type, node.metrics, "", node.operator.held !== undefined);
    names.set(node.plan, name);
    for (const input of givers(node.plan)) {
      const giver = input.kind === "source" ? heads[input.position] : names.get(input);
      if (giver !== undefined) connect(giver, name);
    }
  }
  const ends = pipeline.nodes.filter(({ plan }) => plan.kind === "project");
  for (const [i, action] of rule.actions.entries()) {
    // A statement has one result for all actions; a sink of a graph has its own, perhaps from several nodes.
    const own = prepared.definition.graph === undefined
      ? ends
      : ends.filter(({ plan }) => plan.kind === "project" && (plan.output ?? 0) === i);
    addAction(action, own.map(({ plan }) => names.get(plan)!), nodes, connect);
  }
  const plans = new Map<string, Plan>(pipeline.sources.map((source) => [source.name, source]));
  for (const [plan, name] of names) plans.set(name, plan);
  return { nodes, sources, edges, plans };
}

/**
 * Begins to look at the results of a rule, or at what a step gives, by its name in the status; or at the rows of a stream
 * or table, by its name.
 *
 * @throws {DiagnosticError} E703 for a step that there is not, or that cannot be looked at; E705 for too many listeners.
 */
export function listenTo(rule: LiveRule, step: string | undefined): RowListener {
  if (step === undefined) return rule.listen();
  // What a switch gives, its cases give; and a lookup table is asked, it gives nothing.
  const plans = [...nodesOf(rule).plans].filter(([, plan]) =>
    plan.kind === "project" || rule.pipeline.givens.has(plan)
  );
  const plan = new Map(plans).get(step);
  if (plan !== undefined) return rule.listen(plan);
  const names = plans.map(([name]) => name);
  const hint = didYouMean(step, names) ?? `one of ${names.join(", ")}`;
  return fail("E703", `Rule ${rule.prepared.definition.id} has no step ${JSON.stringify(step)}`, { hint });
}

/** The nodes that a node gets rows from; a merge and the case of a switch are none by themselves. */
function givers(plan: Plan): readonly Plan[] {
  return inputsOf(plan).flatMap((input) => input.kind === "merge" || input.kind === "case" ? givers(input) : [input]);
}

function addAction(
  action: Action,
  givers: readonly string[],
  nodes: StatusNode[],
  connect: (from: string, to: string) => void,
): void {
  const id = `${action.type}_${action.index}`;
  let ends = givers;
  const add = (node: StatusNode) => {
    nodes.push(node);
    for (const end of ends) connect(end, node.name);
    ends = [node.name];
  };
  const op = { kind: "op" as const, connection: undefined, drops: false };
  let number = 0;
  const step = (type: string, metrics: NodeMetrics | undefined) => {
    if (metrics !== undefined) add({ ...op, name: `op_${id}_${number++}_${type}`, metrics });
  };
  const { metrics, connection, cacheMetrics, batchMetrics, resender } = action;
  step("transform", action.transformMetrics);
  step("encode", action.encodeMetrics);
  if (resender === undefined) step("cache", cacheMetrics);
  // Messages are gathered on their way from where they wait to the sink.
  step("batch", batchMetrics);
  add({ kind: "sink", name: `sink_${id}`, metrics, connection, drops: true });
  if (cacheMetrics === undefined || resender === undefined) return;
  add({ ...op, name: `op_${id}_cache`, metrics: cacheMetrics });
  add({
    kind: "sink",
    name: `sink_${id}_resend`,
    metrics: resender.metrics,
    connection: resender.connection,
    drops: true,
  });
}

function isNamed({ connection }: PreparedSource): boolean {
  return connection?.named !== undefined;
}

function sourceName(source: PreparedSource): string {
  const { name, options } = source.stream;
  return isNamed(source) ? `source_${source.connection!.named}/${options.datasource}` : `source_${name}`;
}

/** The metrics of all nodes, each as `<node>_0_<metric>`. */
export function metricsOf(rule: LiveRule): Record<string, string | number> {
  const all: Record<string, string | number> = {};
  for (const { name, metrics, connection, drops } of nodesOf(rule).nodes) {
    const set = (metric: string, value: string | number) => void (all[`${name}_0_${metric}`] = value);
    set("records_in_total", metrics.recordsIn);
    set("records_out_total", metrics.recordsOut);
    set("messages_processed_total", metrics.processed);
    set("process_latency_us", metrics.latencyUs);
    set("buffer_length", metrics.bufferLength);
    set("last_invocation", metrics.lastInvocation);
    set("exceptions_total", metrics.exceptions);
    set("last_exception", metrics.lastException);
    set("last_exception_time", metrics.lastExceptionTime);
    if (drops) set("dropped_total", metrics.droppedTotal);
    if (connection !== undefined) {
      set("connection_status", connection.code);
      set("connection_last_connected_time", connection.lastConnected);
      set("connection_last_disconnected_time", connection.lastDisconnected);
      set("connection_last_disconnected_message", connection.lastDisconnectedMessage);
      set("connection_last_try_time", connection.lastTry);
    }
  }
  return { ...all, ...ledgerKeys(ledgerOf(rule)), ...workKeys(rule.work.figures), ...deliveryKeys(rule) };
}

/** What the rule promises, and how that goes. `delivery_trouble` says why nothing can be kept at present. */
function deliveryKeys({ prepared, durable }: LiveRule): Record<string, string | number> {
  const guarantee = guaranteeOf(prepared);
  const keys = { delivery: guarantee.level, delivery_limited_by: limitsText(guarantee) };
  if (durable === undefined) return keys;
  const { recovery, journal, sizes } = durable;
  return {
    ...keys,
    delivery_trouble: journal.trouble ?? "",
    recovery: recovery.reason === undefined ? recovery.outcome : `${recovery.outcome}: ${recovery.reason}`,
    recovery_ms: recovery.tookMs,
    checkpoint_bytes: sizes.stateBytes,
    log_bytes: sizes.logBytes,
  };
}

/** With the decoding of what no other rule may read. */
export function workOf({ work, inlets }: LiveRule): WorkFigures {
  const { figures } = work;
  const own = inlets.filter(({ feed }) => !feed.shared);
  return { ...figures, spentMs: own.reduce((sum, { feed }) => sum + feed.intake.spentMs, figures.spentMs) };
}

/** What tells of a rule that is slow, or holds much. */
function workKeys({ slowBatches, longestMs, stateBytes }: WorkFigures): Record<string, number> {
  return { slow_batches_total: slowBatches, longest_batch_ms: Math.round(longestMs), state_bytes: stateBytes };
}

/** The sums of the ledger, behind the keys that eKuiper has. */
function ledgerKeys({ balanced, rows }: RuleLedger): Record<string, number> {
  return {
    ledger_balanced: balanced ? 1 : 0,
    ledger_in_total: rows.in,
    ledger_carried_total: rows.carried,
    ledger_made_total: rows.made,
    ledger_out_total: rows.out,
    ledger_filtered_total: rows.filtered,
    ledger_late_total: rows.late,
    ledger_dropped_total: sum(rows.dropped),
    ledger_failed_total: sum(rows.failed),
    ledger_held: rows.held,
  };
}

/** The exception that came last, of any node, and how many that node had. */
export function latestException(rule: LiveRule): { last_exception: string; exceptions_total: number } {
  let latest: NodeMetrics | undefined;
  for (const { metrics } of nodesOf(rule).nodes) {
    if (metrics.exceptions > 0 && (latest === undefined || metrics.lastExceptionTime > latest.lastExceptionTime)) {
      latest = metrics;
    }
  }
  return { last_exception: latest?.lastException ?? "", exceptions_total: latest?.exceptions ?? 0 };
}

/** The nodes and the arrows between them. */
export function topologyOf(rule: LiveRule): { sources: string[]; edges: Record<string, string[]> } {
  const { sources, edges } = nodesOf(rule);
  return {
    sources: [...sources],
    edges: Object.fromEntries([...edges].map(([from, to]) => [from, [...to]])),
  };
}
