/**
 * The operators of a plan, wired from the result back to the sources.
 *
 * An operator's own file says what it does; this one only knows which class serves which plan node.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import type { CompileContext } from "../sql/compile/evaluator.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import {
  type CasePlan,
  inputsOf,
  type LookupJoinPlan,
  type MergePlan,
  type OutputsPlan,
  type Plan,
  type ProjectPlan,
  type SourcePlan,
  type StatementPlan,
  type SwitchPlan,
} from "../sql/plan.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Struct } from "../value/value.ts";
import { planKeys } from "./durable/plan_keys.ts";
import { Gate, type Recorder, Tap } from "./durable/tap.ts";
import type { Operator, OperatorContext, Output } from "./operator.ts";
import type { KeyedLookup } from "./lookup_table.ts";
import { CountedOutput, Edge, Given, newTiming, type Timing } from "./pipeline_edges.ts";
import { AggregateOperator } from "./operators/aggregate.ts";
import { AnalyticOperator } from "./operators/analytic.ts";
import { DedupTriggerOperator } from "./operators/dedup_trigger.ts";
import { DelayOperator } from "./operators/delay.ts";
import { ExtendOperator } from "./operators/extend.ts";
import { FilterOperator } from "./operators/filter.ts";
import { HavingOperator } from "./operators/having.ts";
import { JoinOperator } from "./operators/join.ts";
import { ListAggregateOperator } from "./operators/list_aggregate.ts";
import { LookupJoinOperator } from "./operators/lookup_join.ts";
import { Merge } from "./operators/merge.ts";
import { OrderOperator } from "./operators/order.ts";
import { PickOperator } from "./operators/pick.ts";
import { ProjectOperator, type Results } from "./operators/project.ts";
import { RowNumberOperator } from "./operators/row_number.ts";
import { ScriptOperator } from "./operators/script.ts";
import { SwitchOperator } from "./operators/switch.ts";
import { Tee } from "./operators/tee.ts";
import { WatermarkOperator } from "./operators/watermark.ts";
import { createWindow } from "./windows/create.ts";

/** Where a pipeline's results and errors go. */
export interface PipelineOutput {
  /** Each row is a result of its own. `output` is the index of the end they came out of; 0 where there is one. */
  rows(rows: Struct[], output: number): void;
  /** A list of a window. `ofEmptyWindow` as in {@linkcode Results}. */
  list(rows: Struct[], ofEmptyWindow: boolean, output: number): void;
  /**
   * A row or list that failed, after it was counted. `node` is the failing operator's type; `outputs` are the indexes of
   * the ends that it did not come to.
   */
  failed(error: RowError, node: string, outputs: readonly number[]): void;
  /** Rows left out for a reason that is not an error, after they were counted. */
  dropped?(reason: string, count: number, node: string): void;
  /** What went wrong and loses nothing: see `OperatorContext.tell`. */
  told?(error: RowError, node: string): void;
}

/** One operator with its name in the status and its counters. */
export interface PipelineNode {
  /** The operator's type in status keys: `filter`, `project` … */
  readonly type: string;
  readonly plan: OperatorPlan;
  readonly operator: Operator;
  readonly metrics: NodeMetrics;
  /** See `planKeys`; empty in a pipeline that records nothing. */
  readonly key: string;
}

/** The names that eKuiper's status gives to operators. */
const typeNames: Readonly<Record<OperatorPlan["kind"], string>> = {
  watermark: "watermark",
  analytic: "analytic",
  filter: "filter",
  window: "window",
  join: "join",
  lookup_join: "lookup",
  list_aggregate: "agg_func",
  aggregate: "aggregate",
  windowed_aggregate: "inc_agg_window",
  having: "having",
  row_number: "windowFunc",
  order: "order",
  dedup_trigger: "dedup_trigger",
  delay: "delay",
  extend: "function",
  pick: "pick",
  switch: "switch",
  script: "script",
  project: "project",
};

export interface PipelineParts {
  readonly rule: RuleContext;
  readonly output: PipelineOutput;
  /** The lookup table that a join asks. A plan without lookup joins needs none. */
  readonly lookup?: (plan: LookupJoinPlan) => KeyedLookup;
  /** Records what its state has to be made of again after a restart. Absent: nothing of it is kept. */
  readonly recorder?: Recorder;
}

/** A plan node that becomes an operator. */
type OperatorPlan = Exclude<Plan, SourcePlan | MergePlan | CasePlan | OutputsPlan>;

/** Builds the operators of a plan, from the result back to the sources. */
export function wirePlan(plan: StatementPlan, parts: PipelineParts): {
  /** That of the plan as a whole; see `planKeys`. */
  readonly key: string;
  readonly nodes: PipelineNode[];
  readonly heads: (Output | undefined)[];
  /** What each source, operator and case of a switch gives. */
  readonly givens: ReadonlyMap<Plan, Given>;
  /** Where rows have to be recorded. */
  readonly taps: readonly Tap[];
} {
  const { rule, output, lookup, recorder } = parts;
  const compile: CompileContext = {
    rule,
    changingSlots: plan.changingSlots,
    ...(plan.sources.length > 1 ? { severalSources: true } : {}),
    ...(plan.ignoreCase === true ? { ignoreCase: true } : {}),
  };
  const nodes: PipelineNode[] = [];
  const heads: (Output | undefined)[] = [];
  const givens = new Map<Plan, Given>();
  const givenOf = (plan: Plan): Given => {
    let given = givens.get(plan);
    if (given === undefined) givens.set(plan, given = new Given());
    return given;
  };
  const timing = newTiming();
  const keys = recorder === undefined ? undefined : planKeys(plan.root);
  const tapped: Tapped[] = [];
  /** Something before the input of a stateful step, where its rows can be recorded. */
  const tapOf = (own: PipelineNode, input: Plan, port = ""): Taker["tap"] => {
    if (recorder === undefined) return undefined;
    if (!isStateful(own.operator)) {
      const ends = own.plan.kind === "project" || askingKinds.has(own.plan.kind);
      return ends ? (edge) => new Gate(recorder, edge) : undefined;
    }
    return (edge) => {
      const tap = new Tap(`${own.key}${port}`, recorder, edge);
      tapped.push({ tap, input });
      return tap;
    };
  };
  /** What takes the rows of a plan node, known once the nodes behind it are built. */
  const takers = new Map<Plan, Taker[]>();
  const ends = endsOf(plan.root);
  for (const node of resultFirst(plan.root)) {
    if (node.kind === "outputs") continue;
    const ports = takers.get(node) ?? [];
    if (node.kind === "source") {
      const port = portOf(ports, rule, timing);
      heads[node.position] = port === undefined ? undefined : new CountedOutput(port, givenOf(node), undefined);
      continue;
    }
    if (node.kind === "merge") {
      const merge = new Merge(portOf(ports, rule, timing)!);
      for (const input of node.inputs) addTaker(takers, input, { port: merge.port(), node: undefined });
      continue;
    }
    if (node.kind === "case") {
      const port = portOf(ports, rule, timing)!;
      addTaker(takers, node.input, { port, node: undefined, ofCase: { index: node.index, given: givenOf(node) } });
      continue;
    }
    const type = node.kind === "filter" && node.clause === "window" ? "windowFilter" : typeNames[node.kind];
    const metrics = new NodeMetrics();
    const context = contextOf(type, metrics, compile, output, ends.get(node)!);
    const operator = node.kind === "switch"
      ? new SwitchOperator(node, context, caseOutputs(ports, metrics))
      : create(node, context, countedPort(ports, givenOf(node), metrics, rule, timing), metrics, { output, lookup });
    const own: PipelineNode = { type, plan: node, operator, metrics, key: keys?.get(node) ?? "" };
    nodes.push(own);
    addTaker(takers, node.input, { port: operator, node: own, tap: tapOf(own, node.input) });
    if (node.kind === "join") {
      for (const table of node.tables) {
        const port = (operator as JoinOperator).tablePort(table.position);
        addTaker(takers, table, { port, node: undefined, tap: tapOf(own, table, `/${table.position}`) });
      }
    }
  }
  return { key: keys?.get(plan.root) ?? "", nodes: nodes.reverse(), heads, givens, taps: activeTaps(tapped, nodes) };
}

interface Tapped {
  readonly tap: Tap;
  /** The node whose rows come through. */
  readonly input: Plan;
}

function isStateful(operator: Operator): boolean {
  return (operator.snapshot?.() ?? null) !== null;
}

const askingKinds: ReadonlySet<Plan["kind"]> = new Set(["lookup_join", "script", "delay"]);

/** True for a step that may give other rows for the same ones, since it asks the outside, or calls what does. */
function asks(plan: Plan): boolean {
  if (askingKinds.has(plan.kind)) return true;
  const inputs = new Set<unknown>(inputsOf(plan));
  const calls = (part: unknown): boolean => {
    if (typeof part !== "object" || part === null || inputs.has(part)) return false;
    const { fn } = part as { readonly fn?: { readonly impure?: boolean } };
    if (fn?.impure === true) return true;
    return Object.entries(part).some(([name, value]) => name !== "fn" && name !== "schema" && calls(value));
  };
  return calls(plan);
}

/** The taps that are needed: those with rows that do not all come from stateful steps by computation alone. */
function activeTaps(tapped: readonly Tapped[], nodes: readonly PipelineNode[]): Tap[] {
  if (tapped.length === 0) return [];
  const stateful = new Set(nodes.filter(({ operator }) => isStateful(operator)).map(({ plan }) => plan as Plan));
  const isDerived = (plan: Plan): boolean => {
    if (stateful.has(plan)) return true;
    if (plan.kind === "source" || asks(plan)) return false;
    return inputsOf(plan).every(isDerived);
  };
  const active = tapped.filter(({ input }) => !isDerived(input)).map(({ tap }) => tap);
  for (const [index, tap] of active.entries()) tap.activate(index);
  return active;
}

/** An operator as an input of rows, or a port of one. */
interface Taker {
  readonly port: Output;
  readonly node: PipelineNode | undefined;
  /** Of a switch: which case leads there, and what it has given. */
  readonly ofCase?: { readonly index: number; readonly given: Given };
  /** Puts a tap before it. */
  readonly tap?: ((edge: Output) => Output) | undefined;
}

function addTaker(takers: Map<Plan, Taker[]>, plan: Plan, taker: Taker): void {
  const known = takers.get(plan);
  if (known === undefined) takers.set(plan, [taker]);
  else known.push(taker);
}

/** One output for all that take the rows of a node; undefined for the last node, which gives results. */
function portOf(takers: readonly Taker[], rule: RuleContext, timing: Timing): Output | undefined {
  // They were found from the results back, and get rows in the order in which the plan names them.
  const edges = takers.toReversed().map(({ port, node, tap }) => {
    const edge = node === undefined ? port : new Edge(node, rule, timing);
    return tap === undefined ? edge : tap(edge);
  });
  return edges.length > 1 ? new Tee(edges) : edges[0];
}

function countedPort(
  takers: readonly Taker[],
  given: Given,
  metrics: NodeMetrics,
  rule: RuleContext,
  timing: Timing,
): Output | undefined {
  const port = portOf(takers, rule, timing);
  return port === undefined ? undefined : new CountedOutput(port, given, metrics);
}

/** The outputs of a switch, by case; cases that lead nowhere have none. */
function caseOutputs(takers: readonly Taker[], metrics: NodeMetrics): (Output | undefined)[] {
  const outputs: (Output | undefined)[] = [];
  for (const { port, ofCase } of takers) outputs[ofCase!.index] = new CountedOutput(port, ofCase!.given, metrics);
  return outputs;
}

/** Every node before those whose rows it takes. */
function resultFirst(root: Plan): Plan[] {
  const order: Plan[] = [];
  const seen = new Set<Plan>();
  const visit = (plan: Plan): void => {
    if (seen.has(plan)) return;
    seen.add(plan);
    for (const input of inputsOf(plan)) visit(input);
    order.push(plan);
  };
  visit(root);
  return order.reverse();
}

/** The outputs that the rows of each node may come to. */
function endsOf(root: Plan): ReadonlyMap<Plan, readonly number[]> {
  const ends = new Map<Plan, readonly number[]>();
  for (const node of resultFirst(root)) {
    const own = node.kind === "project" ? [node.output ?? 0] : ends.get(node) ?? [];
    ends.set(node, own);
    for (const input of inputsOf(node)) ends.set(input, [...new Set([...ends.get(input) ?? [], ...own])]);
  }
  return ends;
}

function contextOf(
  type: string,
  metrics: NodeMetrics,
  compile: CompileContext,
  output: PipelineOutput,
  outputs: readonly number[],
): OperatorContext {
  return {
    ...compile,
    metrics,
    fail(error, items = 1) {
      // Anything but a row error is a mistake of ours; the rule lives on all the same.
      const rowError = error instanceof RowError
        ? error
        : new RowError("E506", `Internal error in ${type}: ${String(error)}`, { cause: error });
      metrics.fail(`${rowError.code}: ${rowError.message}`, compile.rule.now);
      metrics.lose(rowError.code, items);
      output.failed(rowError, type, outputs);
    },
    drop(reason, count) {
      metrics.drop(reason, count);
      output.dropped?.(reason, count, type);
    },
    tell(error) {
      output.told?.(error, type);
    },
  };
}

function create(
  plan: Exclude<OperatorPlan, SwitchPlan>,
  context: OperatorContext,
  output: Output | undefined,
  metrics: NodeMetrics,
  { output: results, lookup }: Pick<PipelineParts, "output" | "lookup">,
): Operator {
  switch (plan.kind) {
    case "project":
      return createProject(plan, context, metrics, results);
    case "watermark":
      return new WatermarkOperator(plan, context, output!);
    case "analytic":
      return new AnalyticOperator(plan, context, output!);
    case "filter":
      return new FilterOperator(plan, context, output!);
    case "window":
    case "windowed_aggregate":
      return createWindow(plan, context, output!);
    case "join":
      return new JoinOperator(plan, context, output!);
    case "lookup_join":
      return new LookupJoinOperator(plan, lookup!(plan), context, output!);
    case "list_aggregate":
      return new ListAggregateOperator(plan, context, output!);
    case "aggregate":
      return new AggregateOperator(plan, context, output!);
    case "having":
      return new HavingOperator(plan, context, output!);
    case "row_number":
      return new RowNumberOperator(plan, context, output!);
    case "dedup_trigger":
      return new DedupTriggerOperator(plan, context, output!);
    case "delay":
      return new DelayOperator(plan, context, output!);
    case "order":
      return new OrderOperator(plan, context, output!);
    case "extend":
      return new ExtendOperator(plan, context, output!);
    case "pick":
      return new PickOperator(plan, context, output!);
    case "script":
      return new ScriptOperator(plan, context, output!);
    default:
      return plan satisfies never;
  }
}

function createProject(
  plan: ProjectPlan,
  context: OperatorContext,
  metrics: NodeMetrics,
  results: PipelineOutput,
): Operator {
  const { output = 0 } = plan;
  const counted: Results = {
    rows(rows) {
      metrics.recordsOut += rows.length;
      results.rows(rows, output);
    },
    list(rows, ofEmptyWindow) {
      metrics.recordsOut++;
      results.list(rows, ofEmptyWindow, output);
    },
  };
  return new ProjectOperator(plan, context, counted);
}
