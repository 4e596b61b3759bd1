/**
 * A plan as a tree for people, and for a running rule what each step has done so far.
 * @module
 */
import type { OutputItem } from "../sql/analyze/select_list.ts";
import { unitMs, type WindowSpec } from "../sql/analyze/windows.ts";
import { type Bound, conjuncts } from "../sql/bound.ts";
import { inputsOf, type Plan, type SourcePlan, type StatementPlan } from "../sql/plan.ts";
import type { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { LiveRule } from "./live_rule.ts";
import type { PipelineNode } from "./wire_plan.ts";

/** What a step of a running rule has done. */
export interface ExplainedWork {
  /** Rows, or, behind a window, lists. */
  readonly in: number;
  readonly out: number;
  readonly errors: number;
  /** Left out without an error, such as late rows. */
  readonly dropped: number;
  /** All time spent, milliseconds, without the steps behind it. */
  readonly spentMs: number;
  /** Rows held back, or standing in open windows; absent on steps that hold nothing. */
  readonly heldRows?: number;
  /** Memory that its state takes, about; absent on steps without state, or whose state is always small. */
  readonly stateBytes?: number;
  /** Event time up to which rows are taken to be complete, Unix milliseconds; absent while there is none. */
  readonly watermark?: number;
}

/** One step, with the steps that its rows come from. */
export interface ExplainedStep {
  /** `select`, `where`, `window`, `stream` … */
  readonly step: string;
  /** What it does, in the words of the statement. */
  readonly does: string;
  /** Absent for a rule that does not run. */
  readonly work?: ExplainedWork;
  readonly inputs: readonly ExplainedStep[];
}

/** How a part of the statement was written. */
export type Written = (part: { readonly span: { readonly start: number; readonly end: number } }) => string;

/** `text` is the statement, of which expressions are shown as they were written. */
export function explainTree(plan: StatementPlan, text: string, live?: LiveRule): ExplainedStep {
  const written: Written = ({ span }) => text.slice(span.start, span.end);
  const shown = new Set<Plan>();
  const explain = (node: Plan): ExplainedStep => {
    // What several steps of a graph take rows from is shown with its own inputs once.
    const isNew = !shown.has(node);
    shown.add(node);
    const work = live === undefined ? undefined : workOf(node, live);
    return {
      ...describe(node, plan.sources, written),
      ...(work === undefined ? {} : { work }),
      inputs: isNew ? inputsOf(node).map(explain) : [],
    };
  };
  return explain(plan.root);
}

function workOf(plan: Plan, live: LiveRule): ExplainedWork | undefined {
  if (plan.kind === "source") {
    const inlet = live.inlets.find(({ positions }) => positions.includes(plan.position));
    return inlet === undefined ? undefined : countersOf(inlet.feed.sourceMetrics);
  }
  const node = live.pipeline.nodes.find((each) => each.plan === plan);
  return node === undefined ? undefined : { ...countersOf(node.metrics), ...stateOf(node) };
}

function countersOf(metrics: NodeMetrics) {
  return {
    in: metrics.recordsIn,
    out: metrics.recordsOut,
    errors: metrics.exceptions,
    dropped: metrics.droppedTotal,
    spentMs: Math.round(metrics.spentMs * 1000) / 1000,
  };
}

function stateOf({ operator }: PipelineNode): Pick<ExplainedWork, "heldRows" | "stateBytes" | "watermark"> {
  const watermark = operator.watermark?.();
  const stateBytes = operator.stateBytes?.() ?? 0;
  return {
    ...(operator.held === undefined ? {} : { heldRows: operator.held() }),
    ...(stateBytes === 0 ? {} : { stateBytes }),
    ...(watermark === undefined || !Number.isFinite(watermark) ? {} : { watermark }),
  };
}

function describe(
  plan: Plan,
  sources: readonly string[],
  written: Written,
): Pick<ExplainedStep, "step" | "does"> {
  const all = (parts: readonly Bound[]) => parts.map(written).join(", ");
  switch (plan.kind) {
    case "source":
      return { step: plan.schema.kind.replace("_", " "), does: sourceText(plan) };
    case "merge":
      return { step: "merge", does: "rows of all inputs in the order they come" };
    case "outputs":
      return { step: "sinks", does: `results of ${plan.inputs.length} ends` };
    case "extend":
      return { step: "function", does: `${written(plan.expr)} as ${plan.name}` };
    case "pick":
      return { step: "pick", does: plan.items.map((item) => itemText(item, sources, written)).join(", ") };
    case "switch":
      return { step: "switch", does: all(plan.cases) + (plan.stopAtFirstMatch ? ", the first that holds" : "") };
    case "case":
      return { step: "case", does: written(plan.input.cases[plan.index]!) };
    case "script":
      return { step: "script", does: `${plan.script.length} characters of JavaScript` };
    case "watermark":
      return {
        step: "event time",
        does: `${plan.timestamps.map(({ source, column }) => `${sources[source]}.${column}`).join(", ")}, ` +
          `rows may be ${plan.lateTolerance} ms late`,
      };
    case "analytic":
      return { step: "analytic", does: all(plan.calls) };
    case "filter": {
      const of = plan.source === undefined ? "" : ` (rows of ${sources[plan.source]})`;
      return { step: plan.clause === "where" ? "where" : "filter", does: conditionText(plan.condition, written) + of };
    }
    case "window":
      return { step: "window", does: windowText(plan.spec, plan.eventTime, written) };
    case "windowed_aggregate": {
      const groups = plan.groupBy.length === 0 ? "" : ` by ${all(plan.groupBy)}`;
      const where = plan.condition === undefined ? "" : ` where ${conditionText(plan.condition, written)}`;
      const window = windowText(plan.spec, plan.eventTime, written);
      return { step: "window", does: `${window}, running ${all(plan.aggregates) || "groups"}${groups}${where}` };
    }
    case "join":
      return {
        step: "join",
        does: plan.steps
          .map(({ type, source, on }) => `${type} ${sources[source]}${on === undefined ? "" : ` on ${written(on)}`}`)
          .join(", "),
      };
    case "lookup_join": {
      const keys = plan.keys.map(({ column, value }) => `${column} = ${written(value)}`);
      const rest = plan.condition === undefined ? [] : [conditionText(plan.condition, written)];
      return { step: "lookup", does: `${plan.type} ${plan.table.name} on ${[...keys, ...rest].join(" and ")}` };
    }
    case "list_aggregate":
      return { step: "aggregate", does: `${all(plan.aggregates)} over each list` };
    case "aggregate": {
      const groups = plan.groupBy.length === 0 ? "" : ` by ${all(plan.groupBy)}`;
      return { step: "aggregate", does: `${all(plan.aggregates) || "groups"}${groups}` };
    }
    case "having":
      return { step: "having", does: conditionText(plan.condition, written) };
    case "row_number":
      return { step: "row number", does: all(plan.calls) };
    case "order":
      return {
        step: "order by",
        does: plan.by.map(({ expr, descending }) => `${written(expr)}${descending ? " desc" : ""}`).join(", "),
      };
    case "dedup_trigger":
      return { step: "deduplicate", does: written(plan.call) };
    case "delay":
      return { step: "delay", does: all(plan.calls) };
    case "project": {
      const limit = plan.limit === undefined ? "" : `, at most ${plan.limit}`;
      return { step: "select", does: plan.items.map((item) => itemText(item, sources, written)).join(", ") + limit };
    }
    default:
      return plan satisfies never;
  }
}

function sourceText({ name, columns, schema }: SourcePlan): string {
  const wanted = columns === "all" ? "all columns" : [...columns].sort().join(", ") || "no columns";
  const kept = schema.retainSize === undefined ? "" : `, newest ${schema.retainSize} rows`;
  return `${name}: ${wanted}${kept}`;
}

/** Parts between ANDs need not stand beside each other in the text. */
function conditionText(condition: Bound, written: Written): string {
  return conjuncts(condition).map(written).join(" and ");
}

function windowText(spec: WindowSpec, eventTime: boolean, written: Written): string {
  const ms = (count: number) => `${count * (spec.unit === undefined ? 1 : unitMs[spec.unit])} ms`;
  const { type, length, interval } = spec;
  const time = eventTime ? "event time" : "processing time";
  const when = spec.triggerWhen === undefined ? "" : ` when ${written(spec.triggerWhen)}`;
  switch (type) {
    case "tumbling":
      return `tumbling, ${ms(length)}, ${time}`;
    case "hopping":
      return `hopping, ${ms(length)} every ${ms(interval!)}, ${time}`;
    case "sliding":
      return `sliding, ${ms(length)}${interval === undefined ? "" : ` and ${ms(interval)} after`}${when}, ${time}`;
    case "session":
      return `session, ends after ${ms(interval!)} without rows or about ${ms(length)}, ${time}`;
    case "count":
      return `count, ${length} rows${interval === undefined ? "" : ` every ${interval} rows`}`;
    case "state": {
      const by = spec.partitionBy.length === 0 ? "" : ` by ${spec.partitionBy.map(written).join(", ")}`;
      return `state, ${spec.conditions.map(written).join(" until ")}${by}`;
    }
    default:
      return type satisfies never;
  }
}

function itemText(item: OutputItem, sources: readonly string[], written: Written): string {
  switch (item.kind) {
    case "star": {
      const star = item.source === undefined ? "*" : `${sources[item.source]}.*`;
      const except = item.except.length === 0 ? "" : ` except ${item.except.join(", ")}`;
      const replace = item.replace.map(({ name, expr }) => ` replace ${written(expr)} as ${name}`).join("");
      return star + except + replace;
    }
    case "changes":
      return written(item);
    case "expression":
    case "spread": {
      const text = written(item.kind === "spread" ? item : item.expr);
      return item.name === text || !item.aliased ? text : `${text} as ${item.name}`;
    }
    default:
      return item satisfies never;
  }
}
