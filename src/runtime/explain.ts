/**
 * A plan as text for people and tools: one JSON object per node per line, the input of a node one tab deeper.
 * @module
 */
import type { OutputItem } from "../sql/analyze/analyze.ts";
import type { WindowSpec } from "../sql/analyze/windows.ts";
import type { Plan, StatementPlan } from "../sql/plan.ts";

/** The names of plan nodes that eKuiper's tools know. */
const names: Readonly<Record<Plan["kind"], string>> = {
  source: "DataSourcePlan",
  watermark: "WatermarkPlan",
  analytic: "AnalyticFuncsPlan",
  filter: "FilterPlan",
  window: "WindowPlan",
  list_aggregate: "WindowFuncPlan",
  aggregate: "AggregatePlan",
  windowed_aggregate: "IncAggWindowPlan",
  having: "HavingPlan",
  order: "OrderPlan",
  project: "ProjectPlan",
};

/** `text` is the statement: expressions are shown as they were written. */
export function explainPlan(plan: StatementPlan, text: string): string {
  const lines: string[] = [];
  let node: Plan | undefined = plan.root;
  for (let depth = 0; node !== undefined; depth++) {
    lines.push("\t".repeat(depth) + JSON.stringify({ op: `${names[node.kind]}_${depth}`, info: infoOf(node, text) }));
    node = node.kind === "source" ? undefined : node.input;
  }
  return lines.join("\n");
}

function infoOf(plan: Plan, text: string): string {
  const written = (part: { readonly span: { readonly start: number; readonly end: number } }) =>
    text.slice(part.span.start, part.span.end);
  const all = (parts: readonly { readonly span: { readonly start: number; readonly end: number } }[]) =>
    `[ ${parts.map(written).join(", ")} ]`;
  switch (plan.kind) {
    case "source":
      return `StreamName: ${plan.name}, Fields:${
        plan.columns === "all" ? "[ * ]" : `[ ${[...plan.columns].sort().join(", ")} ]`
      }`;
    case "watermark":
      return `Timestamp:${plan.timestamp}, LateTolerance:${plan.lateTolerance}ms`;
    case "analytic":
      return `Funcs:${all(plan.calls)}`;
    case "filter":
      return `${plan.clause === "where" ? "Condition" : "WindowFilter"}:{ ${written(plan.condition)} }`;
    case "window":
      return windowInfo(plan.spec, plan.eventTime);
    case "list_aggregate":
      return `Funcs:${all(plan.aggregates)}`;
    case "aggregate":
      return `Dimension:${all(plan.groupBy)}, Funcs:${all(plan.aggregates)}`;
    case "windowed_aggregate": {
      const condition = plan.condition === undefined ? "" : `, Condition:{ ${written(plan.condition)} }`;
      return `${windowInfo(plan.spec, plan.eventTime)}${condition}, Dimension:${all(plan.groupBy)}, Funcs:${
        all(plan.aggregates)
      }`;
    }
    case "having":
      return `Condition:{ ${written(plan.condition)} }`;
    case "order":
      return `SortFields:[ ${
        plan.by.map((by) => `${written(by.expr)} ${by.descending ? "DESC" : "ASC"}`).join(", ")
      } ]`;
    case "project": {
      const limit = plan.limit === undefined ? "" : `, Limit:${plan.limit}`;
      return `Fields:[ ${plan.items.map((item) => itemText(item, written)).join(", ")} ]${limit}`;
    }
    default:
      return plan satisfies never;
  }
}

function windowInfo(spec: WindowSpec, eventTime: boolean): string {
  const interval = spec.interval === undefined ? "" : `, interval: ${spec.interval}`;
  return `{ type: ${spec.type}, length: ${spec.length}${interval}, unit: ${spec.unit ?? "rows"}, time: ${
    eventTime ? "event" : "processing"
  } }`;
}

function itemText(item: OutputItem, written: (part: { span: { start: number; end: number } }) => string): string {
  if (item.kind === "star") return item.source === undefined ? "*" : `#${item.source}.*`;
  const text = written(item.expr);
  return item.name === text ? text : `${text} AS ${item.name}`;
}
