/**
 * The plan: what a statement does, as frozen data nodes, each knowing the nodes its rows come from.
 *
 * The order of the nodes is the dialect's order of evaluation. A statement is a tree, from its sources to the
 * projection; in the plan of a graph rule several nodes may have one and the same object as their input, which is then
 * computed once. `EXPLAIN` prints the plan; the pipeline is built from it.
 * @module
 */
import type { OutputItem } from "./analyze/select_list.ts";
import type { JoinType } from "./ast.ts";
import type { WindowSpec } from "./analyze/windows.ts";
import type { Bound, BoundAggregate, BoundAnalytic, BoundCall, BoundDedupTrigger, BoundRowNumber } from "./bound.ts";
import type { SourceSchema } from "./catalog.ts";

/** The rule options that change what a plan looks like. */
export interface PlanOptions {
  readonly isEventTime: boolean;
  /** Milliseconds. */
  readonly lateTolerance: number;
  readonly sendNilField: boolean;
  /** Adds the row's metadata as the column `__meta`. */
  readonly sendMetaToSink: boolean;
  /** A column that a row has not is taken from one that differs in the case of its letters only. */
  readonly ignoreCase?: boolean;
  /** A sliding window with a delay gives two lists for each trigger: what came before, and what comes after it. */
  readonly slidingTwice?: boolean;
  /** What is exactly as old as a sliding window is long does not stand in it. */
  readonly slidingOpenLeft?: boolean;
}

export const defaultPlanOptions: PlanOptions = {
  isEventTime: false,
  lateTolerance: 1000,
  sendNilField: false,
  sendMetaToSink: false,
};

/** Reads one stream or table. `columns` are those the statement needs. */
export interface SourcePlan {
  readonly kind: "source";
  readonly name: string;
  /** Its position in `StatementPlan.sources`, which its rows carry as `Row.source`. */
  readonly position: number;
  readonly schema: SourceSchema;
  readonly columns: ReadonlySet<string> | "all";
}

/** Rows of several inputs, in the order in which they arrive. */
export interface MergePlan {
  readonly kind: "merge";
  readonly inputs: readonly Plan[];
}

/** Where the event time of a stream stands. */
export interface TimestampColumn {
  /** The position of the stream. */
  readonly source: number;
  readonly column: string;
  readonly format: string | undefined;
}

/** Takes event time from the timestamp columns, holds rows back until the watermark, drops late ones. */
export interface WatermarkPlan {
  readonly kind: "watermark";
  readonly input: Plan;
  /** One for each stream; the slowest of them sets the watermark. */
  readonly timestamps: readonly TimestampColumn[];
  /** Milliseconds. */
  readonly lateTolerance: number;
  /**
   * Rows are released after each row that comes, not after each batch: session windows look at every rise of the
   * watermark, and sliding windows are handed on with the rows that came before it reached them.
   */
  readonly rowByRow: boolean;
}

/** Runs the analytic functions of the whole statement on every row, before any filter. */
export interface AnalyticPlan {
  readonly kind: "analytic";
  readonly input: Plan;
  readonly calls: readonly BoundAnalytic[];
  /** For each call the stream whose rows it sees; undefined for all rows. */
  readonly owners: readonly (number | undefined)[];
}

/** Keeps the rows for which the condition is true. */
export interface FilterPlan {
  readonly kind: "filter";
  readonly input: Plan;
  readonly condition: Bound;
  /** `window` is FILTER of a window, `where` is WHERE. */
  readonly clause: "where" | "window";
  /** Set when the input are lists of a window, which are then filtered row by row. */
  readonly ofLists: boolean;
  /** Only rows of this source are judged, all others pass; undefined for all rows. */
  readonly source: number | undefined;
}

/** Collects rows and hands them on as lists. */
export interface WindowPlan {
  readonly kind: "window";
  readonly input: Plan;
  readonly spec: WindowSpec;
  readonly eventTime: boolean;
  /** See `PlanOptions`. */
  readonly slidingTwice?: boolean;
  readonly slidingOpenLeft?: boolean;
}

/** One join of a chain, with what has been joined so far on its left. */
export interface JoinStep {
  readonly type: JoinType;
  /** The position of the source on its right. */
  readonly source: number;
  readonly on: Bound | undefined;
}

/**
 * Joins streams and scan tables: lists of a window, or, with tables only, each row by itself. Gives lists of joined rows,
 * in left-major order; a list without rows is not handed on.
 */
export interface JoinPlan {
  readonly kind: "join";
  readonly input: Plan;
  /** The position of the source in FROM. */
  readonly first: number;
  readonly steps: readonly JoinStep[];
  /** Scan tables: their newest rows are kept, and joined as they are at that moment. */
  readonly tables: readonly SourcePlan[];
  /** Which source's row brings the result of an analytic call; undefined for the first that has one. */
  readonly analytics: readonly { readonly slot: number; readonly owner: number | undefined }[];
}

/** Asks a lookup table for each row, or each row of a list. Gives lists of joined rows. */
export interface LookupJoinPlan {
  readonly kind: "lookup_join";
  readonly input: Plan;
  readonly type: "inner" | "left";
  readonly table: SourcePlan;
  /** Columns of the table, and what they must be equal to, from the row. */
  readonly keys: readonly { readonly column: string; readonly value: Bound }[];
  /** The rest of ON: a filter on what was joined. */
  readonly condition: Bound | undefined;
  readonly analytics: JoinPlan["analytics"];
}

/**
 * Aggregates over the whole list, or the single row, of which every row gets the results: those of WHERE, and those of
 * HAVING and ORDER BY when the result is not aggregated.
 */
export interface WindowAggregatePlan {
  readonly kind: "list_aggregate";
  readonly input: Plan;
  readonly aggregates: readonly BoundAggregate[];
}

/** Groups each list (or each single row) and computes aggregates: one row a group. */
export interface AggregatePlan {
  readonly kind: "aggregate";
  readonly input: Plan;
  readonly groupBy: readonly Bound[];
  readonly aggregates: readonly BoundAggregate[];
}

/** A window that keeps running aggregates per group instead of rows. */
export interface WindowedAggregatePlan {
  readonly kind: "windowed_aggregate";
  readonly input: Plan;
  readonly spec: WindowSpec;
  readonly eventTime: boolean;
  readonly slidingTwice?: boolean;
  readonly slidingOpenLeft?: boolean;
  /** WHERE that the dialect applies after the window; rows it refuses keep the window from being empty. */
  readonly condition: Bound | undefined;
  readonly groupBy: readonly Bound[];
  readonly aggregates: readonly BoundAggregate[];
}

export interface HavingPlan {
  readonly kind: "having";
  readonly input: Plan;
  readonly condition: Bound;
  /** With group expressions each group is judged, without them the whole window. */
  readonly perGroup: boolean;
}

/** Numbers the rows or groups of a list, for `row_number()`; OVER puts them in its order. */
export interface RowNumberPlan {
  readonly kind: "row_number";
  readonly input: Plan;
  readonly calls: readonly BoundRowNumber[];
}

/** Holds each row back until the end of its span of time, for `dedup_trigger()`. */
export interface DedupTriggerPlan {
  readonly kind: "dedup_trigger";
  readonly input: Plan;
  readonly call: BoundDedupTrigger;
}

/** Holds up the rule in front of a clause that calls `delay()`. */
export interface DelayPlan {
  readonly kind: "delay";
  readonly input: Plan;
  readonly calls: readonly BoundCall[];
}

export interface OrderPlan {
  readonly kind: "order";
  readonly input: Plan;
  readonly by: readonly { readonly expr: Bound; readonly descending: boolean }[];
}

/** Adds one column to each row. Without a value the row has no such column, also when it had one before. */
export interface ExtendPlan {
  readonly kind: "extend";
  readonly input: Plan;
  readonly name: string;
  readonly expr: Bound;
  /** Of joined rows: the position at which the added columns stand, behind those of all sources. */
  readonly part: number | undefined;
  readonly sendNilField: boolean;
}

/** A select list in the middle: rows with new columns go on. */
export interface PickPlan {
  readonly kind: "pick";
  readonly input: Plan;
  readonly items: readonly OutputItem[];
  readonly sendNilField: boolean;
  readonly precedence: readonly number[];
}

/**
 * Judges rows, lists, or the groups of a list by several conditions; what a condition holds for goes to the `CasePlan` of
 * its index. Data that a condition cannot be evaluated on goes nowhere.
 */
export interface SwitchPlan {
  readonly kind: "switch";
  readonly input: Plan;
  readonly cases: readonly Bound[];
  /** Only the first condition that holds counts. */
  readonly stopAtFirstMatch: boolean;
  /** What is judged: each row, independent or a group, or the list by its first row. */
  readonly judges: "rows" | "lists";
}

/** What one case of a switch lets through. */
export interface CasePlan {
  readonly kind: "case";
  readonly input: SwitchPlan;
  readonly index: number;
}

/** Hands rows, or lists as a whole, to a function in JavaScript, which makes new ones of them. */
export interface ScriptPlan {
  readonly kind: "script";
  readonly input: Plan;
  /** Defines `exec`. */
  readonly script: string;
  /** Of lists: `exec` makes one row of each, instead of a list. */
  readonly isAgg: boolean;
  /** What aggregates have added to the rows. */
  readonly fields: readonly { readonly name: string; readonly expr: Bound }[];
  readonly precedence: readonly number[];
  /** The position that the new rows of a list carry. */
  readonly source: number;
}

/** The select list. */
export interface ProjectPlan {
  readonly kind: "project";
  readonly input: Plan;
  readonly items: readonly OutputItem[];
  readonly limit: number | undefined;
  readonly sendNilField: boolean;
  readonly sendMeta: boolean;
  /** Positions of the sources: where several have a column that `*` brings, the first one here wins. */
  readonly precedence: readonly number[];
  /** Which of several results this is: the index of the sink of a graph. 0 when absent. */
  readonly output?: number;
}

/** The root of a plan with several ends. */
export interface OutputsPlan {
  readonly kind: "outputs";
  readonly inputs: readonly ProjectPlan[];
}

export type Plan =
  | SourcePlan
  | MergePlan
  | WatermarkPlan
  | AnalyticPlan
  | FilterPlan
  | WindowPlan
  | JoinPlan
  | LookupJoinPlan
  | WindowAggregatePlan
  | AggregatePlan
  | WindowedAggregatePlan
  | HavingPlan
  | RowNumberPlan
  | OrderPlan
  | DedupTriggerPlan
  | DelayPlan
  | ExtendPlan
  | PickPlan
  | SwitchPlan
  | CasePlan
  | ScriptPlan
  | ProjectPlan
  | OutputsPlan;

/** A plan with what the whole statement needs to know. */
export interface StatementPlan {
  readonly root: Plan;
  readonly slotCount: number;
  /** Slots that are emptied where a row leaves a window or is given the results of aggregates. */
  readonly changingSlots: readonly number[];
  /** Names of the streams and tables it reads, in the order of FROM; their rows carry the position here. */
  readonly sources: readonly string[];
  /** As in the options. */
  readonly ignoreCase?: boolean;
  /** True when rows must carry the metadata of their source. */
  readonly usesMeta: boolean;
}

/** The nodes whose rows a node takes. */
export function inputsOf(plan: Plan): readonly Plan[] {
  switch (plan.kind) {
    case "source":
      return [];
    case "merge":
    case "outputs":
      return plan.inputs;
    case "join":
      return [plan.input, ...plan.tables];
    case "lookup_join":
      return [plan.input, plan.table];
    default:
      return [plan.input];
  }
}

/** Rewrites every node, inputs first; a node that several share stays one. */
export function mapPlan(root: Plan, rewrite: (plan: Plan) => Plan): Plan {
  const known = new Map<Plan, Plan>();
  const map = (plan: Plan): Plan => {
    const before = known.get(plan);
    if (before !== undefined) return before;
    const mapped = rewrite(
      plan.kind === "source"
        ? plan
        : plan.kind === "merge" || plan.kind === "outputs"
        ? { ...plan, inputs: plan.inputs.map(map) } as Plan
        : { ...plan, input: map(plan.input) } as Plan,
    );
    known.set(plan, mapped);
    return mapped;
  };
  return map(root);
}

/** The sources of a plan, by position. */
export function sourcesOf(root: Plan): readonly SourcePlan[] {
  const found: SourcePlan[] = [];
  const seen = new Set<Plan>();
  const visit = (plan: Plan): void => {
    if (seen.has(plan)) return;
    seen.add(plan);
    if (plan.kind === "source") found.push(plan);
    else inputsOf(plan).forEach(visit);
  };
  visit(root);
  return found.sort((a, b) => a.position - b.position);
}
