/**
 * A plan as text for people and tools: one JSON object per node per line, the input of a node one tab deeper.
 * @module
 */
import type { OutputItem } from "../sql/analyze/select_list.ts";
import type { WindowSpec } from "../sql/analyze/windows.ts";
import { type Bound, conjuncts } from "../sql/bound.ts";
import { inputsOf, type JoinStep, type LookupJoinPlan, type Plan, type StatementPlan } from "../sql/plan.ts";

/** The names of plan nodes that eKuiper's tools know. */
const names: Readonly<Record<Plan["kind"], string>> = {
  source: "DataSourcePlan",
  watermark: "WatermarkPlan",
  analytic: "AnalyticFuncsPlan",
  filter: "FilterPlan",
  merge: "MergePlan",
  window: "WindowPlan",
  join: "JoinPlan",
  lookup_join: "LookupPlan",
  list_aggregate: "WindowFuncPlan",
  aggregate: "AggregatePlan",
  windowed_aggregate: "IncAggWindowPlan",
  having: "HavingPlan",
  row_number: "WindowFuncPlan",
  order: "OrderPlan",
  dedup_trigger: "DedupTriggerPlan",
  delay: "DelayPlan",
  extend: "FuncPlan",
  pick: "ProjectPlan",
  switch: "SwitchPlan",
  case: "SwitchCasePlan",
  script: "ScriptPlan",
  outputs: "OutputsPlan",
  project: "ProjectPlan",
};

/** `text` is the statement: expressions are shown as they were written. */
export function explainPlan(plan: StatementPlan, text: string): string {
  const lines: string[] = [];
  const shown = new Set<Plan>();
  const add = (node: Plan, depth: number): void => {
    const op = `${names[node.kind]}_${lines.length}`;
    lines.push("\t".repeat(depth) + JSON.stringify({ op, info: infoOf(node, text, plan.sources) }));
    // What several nodes of a graph take rows from is shown with its inputs once.
    if (shown.has(node)) return;
    shown.add(node);
    for (const input of inputsOf(node)) add(input, depth + 1);
  };
  add(plan.root, 0);
  return lines.join("\n");
}

function infoOf(plan: Plan, text: string, sources: readonly string[]): string {
  const written: Written = (part) => text.slice(part.span.start, part.span.end);
  const all = (parts: readonly { readonly span: { readonly start: number; readonly end: number } }[]) =>
    `[ ${parts.map(written).join(", ")} ]`;
  switch (plan.kind) {
    case "source":
      return `StreamName: ${plan.name}, Fields:${
        plan.columns === "all" ? "[ * ]" : `[ ${[...plan.columns].sort().join(", ")} ]`
      }`;
    case "watermark":
      return `Timestamp:${
        plan.timestamps.map(({ column }) => column).join(", ")
      }, LateTolerance:${plan.lateTolerance}ms`;
    case "merge":
    case "outputs":
      return `Inputs:${plan.inputs.length}`;
    case "join":
      return `Joins:[ ${plan.steps.map((step) => joinText(step, sources, written)).join(", ")} ]`;
    case "lookup_join":
      return lookupText(plan, written);
    case "analytic":
      return `Funcs:${all(plan.calls)}`;
    case "filter":
      return `${plan.clause === "where" ? "Condition" : "WindowFilter"}:{ ${conditionText(plan.condition, written)} }`;
    case "window":
      return windowInfo(plan.spec, plan.eventTime, all);
    case "list_aggregate":
      return `Funcs:${all(plan.aggregates)}`;
    case "aggregate":
      return `Dimension:${all(plan.groupBy)}, Funcs:${all(plan.aggregates)}`;
    case "windowed_aggregate": {
      const condition = plan.condition === undefined ? "" : `, Condition:{ ${conditionText(plan.condition, written)} }`;
      return `${windowInfo(plan.spec, plan.eventTime, all)}${condition}, Dimension:${all(plan.groupBy)}, Funcs:${
        all(plan.aggregates)
      }`;
    }
    case "having":
      return `Condition:{ ${written(plan.condition)} }`;
    case "row_number":
    case "delay":
      return `Funcs:${all(plan.calls)}`;
    case "dedup_trigger":
      return `Funcs:${all([plan.call])}`;
    case "order":
      return `SortFields:[ ${
        plan.by.map((by) => `${written(by.expr)} ${by.descending ? "DESC" : "ASC"}`).join(", ")
      } ]`;
    case "extend":
      return `Funcs:[ ${written(plan.expr)} ], Field:${plan.name}`;
    case "pick":
      return `Fields:[ ${plan.items.map((item) => itemText(item, written)).join(", ")} ]`;
    case "switch":
      return `Cases:${all(plan.cases)}${plan.stopAtFirstMatch ? ", StopAtFirstMatch:true" : ""}`;
    case "case":
      return `Case:${plan.index}`;
    case "script":
      return `Script:${plan.script.length} characters${plan.isAgg ? ", IsAgg:true" : ""}`;
    case "project": {
      const limit = plan.limit === undefined ? "" : `, Limit:${plan.limit}`;
      return `Fields:[ ${plan.items.map((item) => itemText(item, written)).join(", ")} ]${limit}`;
    }
    default:
      return plan satisfies never;
  }
}

/** A part of the statement as it was written. */
type Written = (part: { readonly span: { readonly start: number; readonly end: number } }) => string;

function joinText({ type, source, on }: JoinStep, sources: readonly string[], written: Written): string {
  return `${type.toUpperCase()} ${sources[source]}${on === undefined ? "" : ` ON ${written(on)}`}`;
}

/** Parts between ANDs that go to one step need not stand beside each other in the text. */
function conditionText(condition: Bound, written: Written): string {
  return conjuncts(condition).map(written).join(" AND ");
}

function lookupText({ type, table, keys, condition }: LookupJoinPlan, written: Written): string {
  const equalities = keys.map(({ column, value }) => `${table.name}.${column} = ${written(value)}`);
  const rest = condition === undefined ? "" : `, Condition:{ ${conditionText(condition, written)} }`;
  return `${type.toUpperCase()} ${table.name}, Keys:[ ${equalities.join(", ")} ]${rest}`;
}

function windowInfo(spec: WindowSpec, eventTime: boolean, all: (parts: readonly Bound[]) => string): string {
  const interval = spec.interval === undefined ? "" : `, interval: ${spec.interval}`;
  const shape = spec.type === "state"
    ? `conditions: ${all(spec.conditions)}, partition: ${all(spec.partitionBy)}`
    : `length: ${spec.length}${interval}, unit: ${spec.unit ?? "rows"}`;
  return `{ type: ${spec.type}, ${shape}, time: ${eventTime ? "event" : "processing"} }`;
}

function itemText(item: OutputItem, written: (part: { span: { start: number; end: number } }) => string): string {
  if (item.kind === "star") return item.source === undefined ? "*" : `#${item.source}.*`;
  const text = written(item.kind === "expression" ? item.expr : item);
  if (item.kind === "changes") return text;
  return item.name === text ? text : `${text} AS ${item.name}`;
}
