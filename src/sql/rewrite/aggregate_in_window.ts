/**
 * Window, then WHERE, then aggregation becomes one node that keeps running aggregates instead of rows: memory in
 * proportion to groups, not to rows. It applies unless something between them needs the rows themselves, or, where windows
 * overlap, an aggregate cannot be put together from parts.
 * @module
 */
import { type Bound, type BoundAggregate, some } from "../bound.ts";
import type { Plan, WindowPlan } from "../plan.ts";

/** Functions that answer about the window a row came out of. */
const ofWindow: ReadonlySet<string> = new Set(["event_time", "window_start", "window_end", "window_trigger"]);

/** True when the expression may have another value while the window is open than at its end. */
function changesTillEnd(bound: Bound): boolean {
  return some(
    bound,
    (part) =>
      part.kind === "call" && (ofWindow.has(part.fn.name) || (part.fn.kind === "scalar" && part.fn.impure === true)),
  );
}

/** Windows that overlap keep one state for each pane, and put the states of several panes together. */
const overlapping: ReadonlySet<string> = new Set(["hopping", "sliding"]);

function canAggregate({ spec }: WindowPlan, aggregates: readonly BoundAggregate[]): boolean {
  if (overlapping.has(spec.type)) return aggregates.every(({ fn }) => fn.merge !== undefined);
  // In these each row is in one window only. Count windows with an interval overlap row by row.
  return spec.type !== "count" || spec.interval === undefined || spec.interval === spec.length;
}

export function aggregateInWindow(plan: Plan): Plan {
  if (plan.kind === "aggregate") {
    const filter = plan.input.kind === "filter" && plan.input.ofLists ? plan.input : undefined;
    const window = filter === undefined ? plan.input : filter.input;
    const early = [...plan.groupBy, ...plan.aggregates, ...(filter === undefined ? [] : [filter.condition])];
    if (window.kind === "window" && canAggregate(window, plan.aggregates) && !early.some(changesTillEnd)) {
      return {
        ...window,
        kind: "windowed_aggregate",
        condition: filter?.condition,
        groupBy: plan.groupBy,
        aggregates: plan.aggregates,
      };
    }
  }
  return plan;
}
