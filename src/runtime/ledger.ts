/**
 * The ledger of a pipeline: what became of every row that went into it.
 *
 * Every row that was handed to a rule ends in exactly one place:
 *
 * - `out`: it went into a result. Rows of a window are out once a window has been handed on with them, those of windows
 *   that overlap with the first of these; behind the windows lists are counted instead of rows.
 * - `filtered`: the statement leaves it out. WHERE or a case does not hold, an inner join finds nothing, no window takes it.
 * - `late`: it came behind the watermark.
 * - `dropped`, by reason: given up without an error, since a buffer was full or the rule stopped.
 * - `failed`, by the code of the error: it, or the list it stood in, could not be processed.
 * - `held`: it waits, for its window, for the watermark, for an answer from elsewhere; or it is a table's, to be joined.
 *
 * So `in + carried = out + filtered + late + dropped + failed + held`. `carried` is what was held already when the
 * counting began, restored from a checkpoint.
 *
 * Nothing here is computed as the rest of something else, or the sums would always be right. Each step counts what it
 * decides over a row where it decides it; what it has given is counted behind it, and what the next step takes in front
 * of that, by other counters; `held` is asked of the step, which looks at what it has. So two things are compared:
 *
 * 1. The own counts of each step must balance.
 * 2. What a step has taken must be what those in front of it have given.
 *
 * The unit is the item: an independent row, or a list, which is one item whatever its length. Steps that take lists apart
 * (windows, event time, `dedup_trigger`) count every row of them. An item that a step without a window makes a list of, as
 * joins with tables do, stays one item.
 *
 * The sums of the whole rule have one term more. Where several steps take the same rows, each gets all of them; a switch
 * may give a row to several cases; a stream that is joined with itself gives each row twice; a list that is taken apart
 * becomes several rows. What is more than before is `made`: `in + carried + made = out + …`. Steps in front of windows are
 * summed up as `rows`, those behind them as `lists`; what windows hand on is `out` of the one and `in` of the other.
 * @module
 */
import { inputsOf, type Plan, sourcesOf } from "../sql/plan.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Given } from "./pipeline_edges.ts";
import type { PipelineNode } from "./wire_plan.ts";

/** Counts by reason. */
export type Reasons = Readonly<Record<string, number>>;

/** What went in, and what became of it. */
export interface Account {
  readonly in: number;
  readonly carried: number;
  readonly out: number;
  readonly filtered: number;
  readonly late: number;
  readonly dropped: Reasons;
  readonly failed: Reasons;
  readonly held: number;
}

/** Of several steps together: `made` is what has become more between them. */
export interface Total extends Account {
  readonly made: number;
}

export interface StepAccount extends Account {
  /** As in the status: `filter`, `window` …; a table that is joined is `table NAME`. */
  readonly step: string;
  /** `lists` behind a window. */
  readonly unit: "rows" | "lists";
}

export interface PipelineLedger {
  readonly rows: Total;
  /** What windows have handed on; undefined for a pipeline without windows. */
  readonly lists: Total | undefined;
  /** Every step behind those it takes from. */
  readonly steps: readonly StepAccount[];
  /** One sentence for each place where the counts do not agree; empty when all is well. */
  readonly imbalances: readonly string[];
}

const windowKinds: ReadonlySet<Plan["kind"]> = new Set(["window", "windowed_aggregate"]);
/** Steps that take the rows of lists one by one. */
const rowKinds: ReadonlySet<Plan["kind"]> = new Set([...windowKinds, "watermark", "dedup_trigger"]);
/** Steps that do not give one item for each that they pass on. */
const passingKinds: ReadonlySet<Plan["kind"]> = new Set([...windowKinds, "switch"]);

/** What is left over when everything is added up; 0 for an account that balances. */
export function difference(account: Account & { readonly made?: number }): number {
  const { in: taken, carried, made = 0, out, filtered, late, dropped, failed, held } = account;
  return taken + carried + made - out - filtered - late - sum(dropped) - sum(failed) - held;
}

export function sum(reasons: Reasons): number {
  return Object.values(reasons).reduce((total, count) => total + count, 0);
}

/** The sentence about an account that does not balance; none for one that does. */
export function imbalanceOf(name: string, account: Account & { readonly made?: number }): string[] {
  const rest = difference(account);
  if (rest === 0) return [];
  const { in: taken, carried, made, out, filtered, late, dropped, failed, held } = account;
  const left = `in ${taken} + carried ${carried}${made === undefined ? "" : ` + made ${made}`}`;
  const right =
    `out ${out} + filtered ${filtered} + late ${late} + dropped ${sum(dropped)} + failed ${sum(failed)} + ` +
    `held ${held}`;
  return [`${name}: ${left} is ${Math.abs(rest)} ${rest > 0 ? "more" : "less"} than ${right}`];
}

/** What the counters of a node say. */
export function accountOf(metrics: NodeMetrics, taken: number, out: number, held: number): Account {
  const { late = 0, ...dropped } = Object.fromEntries(metrics.dropped);
  return {
    in: taken,
    carried: metrics.carried,
    out,
    filtered: metrics.filtered,
    late,
    dropped,
    failed: Object.fromEntries(metrics.failedBy),
    held,
  };
}

/** One thing that takes: an operator, or the table of a join. */
interface Taker {
  readonly account: StepAccount;
  readonly from: readonly Plan[];
  /** Undefined for tables, which give nothing by themselves. */
  readonly plan: Plan | undefined;
  /** Whether it stands behind a window. */
  readonly isBehind: boolean;
  readonly takesRows: boolean;
  readonly metrics: NodeMetrics;
}

export function ledgerOfPipeline(pipeline: Pipeline): PipelineLedger {
  const isBehind = behindWindows();
  const takers = pipeline.nodes.flatMap((node) => takersOf(node, pipeline, isBehind));
  const given = (plan: Plan): Given => pipeline.givens.get(plan)!;
  const imbalances = takers.flatMap((taker) => [
    ...imbalanceOf(`step ${taker.account.step}`, taker.account),
    ...untaken(taker, given),
  ]);
  const sources = sourcesOf(pipeline.root).map((source) => given(source)?.rows ?? 0);
  const { rows, lists } = totals(takers, sources.reduce((total, count) => total + count, 0), given);
  imbalances.push(...imbalanceOf("all rows", rows), ...lists === undefined ? [] : imbalanceOf("all lists", lists));
  const steps = takers.map(({ account }) => account);
  return { rows, lists, steps, imbalances };
}

/** Tells whether a node takes what windows have handed on. */
function behindWindows(): (plan: Plan) => boolean {
  const known = new Map<Plan, boolean>();
  const isBehind = (plan: Plan): boolean => {
    let behind = known.get(plan);
    if (behind === undefined) {
      behind = inputsOf(plan).some((input) => windowKinds.has(input.kind) || isBehind(input));
      known.set(plan, behind);
    }
    return behind;
  };
  return isBehind;
}

function takersOf(node: PipelineNode, pipeline: Pipeline, isBehind: (plan: Plan) => boolean): Taker[] {
  const { plan, metrics, operator, type } = node;
  const takesRows = rowKinds.has(plan.kind);
  const behind = isBehind(plan);
  const taken = takesRows ? metrics.rowsIn : metrics.recordsIn;
  const out = passingKinds.has(plan.kind) ? metrics.passed : metrics.recordsOut;
  const account = accountOf(metrics, taken, out, pipeline.heldBy(node));
  const own: Taker = {
    account: { step: type, unit: behind && !takesRows ? "lists" : "rows", ...account },
    from: giversOf(plan.input),
    plan,
    isBehind: behind,
    takesRows,
    metrics,
  };
  const tables = plan.kind === "join" ? plan.tables : [];
  return [
    ...tables.map((table): Taker => {
      const kept = operator.tables!.find(({ position }) => position === table.position)!;
      const { metrics } = kept;
      return {
        account: {
          step: `table ${table.name}`,
          unit: "rows",
          ...accountOf(metrics, metrics.rowsIn, metrics.passed, kept.held()),
        },
        from: giversOf(table),
        plan: undefined,
        isBehind: false,
        takesRows: true,
        metrics,
      };
    }),
    own,
  ];
}

/** A merge gives nothing by itself. */
function giversOf(plan: Plan): readonly Plan[] {
  return plan.kind === "merge" ? plan.inputs.flatMap(giversOf) : [plan];
}

/** Items and rows on the way from one step to the next must be the same at both ends. */
function untaken({ account, from, metrics }: Taker, given: (plan: Plan) => Given): string[] {
  let items = 0;
  let rows = 0;
  for (const giver of from) {
    items += given(giver).items;
    rows += given(giver).rows;
  }
  if (items === metrics.recordsIn && rows === metrics.rowsIn) return [];
  return [
    `step ${account.step} was given ${items} items with ${rows} rows, and took ${metrics.recordsIn} with ${metrics.rowsIn}`,
  ];
}

function totals(
  takers: readonly Taker[],
  taken: number,
  given: (plan: Plan) => Given,
): Pick<PipelineLedger, "rows" | "lists"> {
  const before = takers.filter((taker) => !taker.isBehind);
  const behind = takers.filter((taker) => taker.isBehind);
  const windows = before.filter(({ plan }) => plan !== undefined && windowKinds.has(plan.kind));
  const listsOf = new Set<Plan>([...windows, ...behind].flatMap(({ plan }) => plan === undefined ? [] : [plan]));
  /** What went from a step to the next, in the unit of the latter: inside each part, and from the first to the second. */
  const links = { before: 0, behind: 0, across: 0 };
  for (const taker of takers) {
    for (const giver of taker.from) {
      const units = taker.takesRows ? given(giver).rows : given(giver).items;
      const ofLists = listsOf.has(giver.kind === "case" ? giver.input : giver);
      links[!taker.isBehind ? "before" : ofLists ? "behind" : "across"] += units;
    }
  }
  const isEnd = ({ plan }: Taker) => plan === undefined || plan.kind === "project";
  const passedOn = (part: readonly Taker[]) => outOf(part.filter((taker) => !isEnd(taker) && !windows.includes(taker)));
  const handedOn = windows.reduce((sum, { plan }) => sum + given(plan!).items, 0);
  const rows = added(before, {
    in: taken,
    made: links.before + links.across - taken - passedOn(before),
    out: outOf(before.filter((taker) => isEnd(taker) || windows.includes(taker))) + links.across,
  });
  if (windows.length === 0) return { rows, lists: undefined };
  const lists = added(behind, {
    in: handedOn + links.across,
    made: links.behind - handedOn - passedOn(behind),
    out: outOf(behind.filter(isEnd)),
  });
  return { rows, lists };
}

function outOf(takers: readonly Taker[]): number {
  return takers.reduce((total, { account }) => total + account.out, 0);
}

function added(takers: readonly Taker[], { in: taken, made, out }: Pick<Total, "in" | "made" | "out">): Total {
  const total = { in: taken, carried: 0, made, out, filtered: 0, late: 0, dropped: {}, failed: {}, held: 0 };
  for (const { account } of takers) {
    total.carried += account.carried;
    total.filtered += account.filtered;
    total.late += account.late;
    total.held += account.held;
    add(total.dropped, account.dropped);
    add(total.failed, account.failed);
  }
  return total;
}

/** Adds the counts of `more` to those of `all`. */
export function add(all: Record<string, number>, more: Reasons): void {
  for (const [reason, count] of Object.entries(more)) all[reason] = (all[reason] ?? 0) + count;
}
