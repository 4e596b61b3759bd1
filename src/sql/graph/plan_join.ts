/**
 * The join nodes of graphs: streams in the lists of a window first, then lookup tables, in the order in which they stand.
 * @module
 */
import { type Diagnostic, diagnostic } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import { requireBoolean } from "../analyze/analyze.ts";
import type { Binder } from "../analyze/binder.ts";
import type { ScopeSource } from "../analyze/scope.ts";
import { type Bound, sourcesUsed } from "../bound.ts";
import type { JoinStep, LookupJoinPlan, Plan, SourcePlan } from "../plan.ts";
import { planLookup, type Report } from "../plan_joins.ts";
import type { GraphJoin, Operation } from "./graph.ts";
import type { Flow } from "./plan_node.ts";
import type { Shape } from "./shape.ts";
import type { GraphTexts } from "./texts.ts";

export interface JoinNode {
  readonly operation: Extract<Operation, { nodeType: "join" }>;
  /** `graph.nodes.both`. */
  readonly path: string;
  readonly input: Flow;
  /** Positions of the lookup tables that lead to it. */
  readonly tables: readonly number[];
  readonly sources: readonly ScopeSource[];
  readonly plans: readonly SourcePlan[];
  readonly texts: GraphTexts;
  readonly report: (d: Diagnostic) => void;
}

/** A join with the position of its source. */
interface Placed {
  readonly join: GraphJoin;
  readonly position: number;
  readonly isTable: boolean;
  on: Bound | undefined;
}

/** What the node hands on; undefined after a report. */
export function planGraphJoin(
  node: JoinNode,
  binderFor: (shape: Shape) => Binder,
  keep: (binder: Binder) => void,
): Flow | undefined {
  const { input, sources, operation } = node;
  const refuse = (path: string, message: string, hint?: string): undefined => {
    node.report(diagnostic("E217", message, hint === undefined ? { path } : { path, hint }));
    return undefined;
  };
  const { shape } = input;
  const find = (name: string, among: readonly number[]) =>
    among.find((position) => sources[position]!.name === name || sources[position]!.alias === name);
  const from = find(operation.from, shape.sources);
  if (from === undefined) {
    if (find(operation.from, node.tables) !== undefined) {
      return refuse(`${node.path}.props.from`, `"${operation.from}" is a table: a join begins from a stream`);
    }
    const names = shape.sources.map((position) => sources[position]!.name);
    return refuse(
      `${node.path}.props.from`,
      `Rows of "${operation.from}" do not come to this join`,
      didYouMean(operation.from, names),
    );
  }
  const placed = placeJoins(node, from, find, refuse);
  if (placed === undefined) return undefined;
  // Tables are asked when the streams are joined.
  const ordered = [...placed.filter((each) => !each.isTable), ...placed.filter((each) => each.isTable)];
  const joined: Shape = {
    ...shape,
    kind: "list",
    joined: true,
    // What is there already, such as the columns that a join before has brought, stays.
    sources: sourcesInOrder(shape.joined ? shape.sources : [from], ordered),
  };
  const binder = binderFor(joined);
  for (const each of ordered) bindOn(each, node, binder);
  checkOn(ordered, shape.joined ? shape.sources : [from], binder, sources);
  keep(binder);
  const plan = planSteps(node, from, ordered, binder);
  return plan === undefined ? undefined : { plan, shape: joined };
}

function placeJoins(
  { operation, path, input: { shape }, tables, sources }: JoinNode,
  from: number,
  find: (name: string, among: readonly number[]) => number | undefined,
  refuse: (path: string, message: string, hint?: string) => undefined,
): Placed[] | undefined {
  const placed: Placed[] = [];
  let isWrong = false;
  const wrong = (at: string, message: string, hint?: string) => {
    refuse(at, message, hint);
    isWrong = true;
  };
  for (const join of operation.joins) {
    const stream = find(join.name, shape.sources.filter((position) => position !== from));
    const position = stream ?? find(join.name, tables);
    if (position === undefined) {
      const names = [...shape.sources, ...tables].map((each) => sources[each]!.name);
      wrong(`${join.path}.name`, `Rows of "${join.name}" do not come to this join`, didYouMean(join.name, names));
      continue;
    }
    if (placed.some((other) => other.position === position)) {
      wrong(`${join.path}.name`, `"${join.name}" is joined twice`);
    }
    const isTable = stream === undefined;
    if (isTable && join.type !== "inner" && join.type !== "left") {
      wrong(
        `${join.path}.type`,
        `A ${join.type} join is not possible with lookup table "${join.name}"`,
        "inner or left",
      );
    }
    if (!isTable && shape.kind === "rows") {
      wrong(`${join.path}.name`, `Streams can be joined in the lists of a window only`, "lead both to a window first");
    }
    if (!isTable && shape.joined) {
      wrong(`${join.path}.name`, `The rows are joined already`, "name all streams in the first join");
    }
    if (join.type === "cross" && join.on !== undefined) {
      wrong(`${join.path}.on`, "A cross join takes no on", "use inner");
    }
    placed.push({ join, position, isTable, on: undefined });
  }
  for (const table of tables) {
    if (placed.some(({ position }) => position === table)) continue;
    wrong(`${path}.props.joins`, `Lookup table "${sources[table]!.name}" leads to this join, which does not name it`);
  }
  return isWrong ? undefined : placed;
}

/** Positions in the order in which their columns win. */
function sourcesInOrder(first: readonly number[], placed: readonly Placed[]): readonly number[] {
  let order = first;
  for (const { join, position } of placed) order = join.type === "right" ? [position, ...order] : [...order, position];
  return order;
}

function bindOn(placed: Placed, { texts }: JoinNode, binder: Binder): void {
  const { on } = placed.join;
  const expr = on === undefined ? undefined : texts.expression(on);
  if (expr === undefined) return;
  placed.on = binder.bindIn("on", expr);
  requireBoolean(binder, placed.on, "The condition of a join");
}

function checkOn(
  ordered: readonly Placed[],
  first: readonly number[],
  binder: Binder,
  sources: readonly ScopeSource[],
): void {
  const known = new Set([...first, -1, sources.length]);
  for (const { position, on } of ordered) {
    known.add(position);
    if (on === undefined) continue;
    for (const used of sourcesUsed(on)) {
      if (known.has(used)) continue;
      binder.report("E216", `"${sources[used]!.name}" is not joined yet: it is a later join`, on.span);
    }
  }
}

function planSteps(node: JoinNode, from: number, ordered: readonly Placed[], binder: Binder): Plan | undefined {
  const { input, plans } = node;
  const steps = ordered.filter(({ isTable }) => !isTable)
    .map(({ join, position, on }): JoinStep => ({ type: join.type, source: position, on }));
  let plan: Plan | undefined = input.plan;
  if (steps.length > 0) plan = { kind: "join", input: plan, first: from, steps, tables: [], analytics: [] };
  for (const { join, position, on, isTable } of ordered) {
    if (!isTable) continue;
    const report: Report = (message, span, hint) => {
      if (join.on !== undefined && span !== undefined) binder.report("E216", message, span, hint);
      else {node.report(
          diagnostic("E217", message, { path: `${join.path}.on`, ...(hint === undefined ? {} : { hint }) }),
        );}
    };
    const span = on?.span ?? { start: 0, end: 0 };
    const lookup: LookupJoinPlan | undefined = planLookup(
      { type: join.type, source: position, on, span },
      plans,
      [],
      report,
    );
    plan = lookup === undefined || plan === undefined ? undefined : { ...lookup, input: plan };
  }
  return plan;
}
