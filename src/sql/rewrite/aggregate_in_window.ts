/**
 * Window, then WHERE, then aggregation becomes one node that keeps running aggregates instead of rows: memory in
 * proportion to groups, not to rows. It applies unless something between them needs the rows themselves.
 * @module
 */
import type { Plan } from "../plan.ts";

export function aggregateInWindow(plan: Plan): Plan {
  if (plan.kind === "source") return plan;
  if (plan.kind === "aggregate") {
    const filter = plan.input.kind === "filter" && plan.input.ofLists ? plan.input : undefined;
    const window = filter === undefined ? plan.input : filter.input;
    if (window.kind === "window" && window.spec.type === "tumbling") {
      return {
        kind: "windowed_aggregate",
        input: aggregateInWindow(window.input),
        spec: window.spec,
        eventTime: window.eventTime,
        condition: filter?.condition,
        groupBy: plan.groupBy,
        aggregates: plan.aggregates,
      };
    }
  }
  return { ...plan, input: aggregateInWindow(plan.input) };
}
