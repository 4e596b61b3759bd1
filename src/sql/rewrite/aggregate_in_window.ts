/**
 * Window, then WHERE, then aggregation becomes one node that keeps running aggregates instead of rows: memory in
 * proportion to groups, not to rows. It applies unless something between them needs the rows themselves.
 * @module
 */
import type { WindowSpec } from "../analyze/windows.ts";
import { type Bound, some } from "../bound.ts";
import type { Plan } from "../plan.ts";

/** Functions that answer about the window a row came out of: while the window is open they would be wrong. */
const ofWindow: ReadonlySet<string> = new Set(["event_time", "window_start", "window_end", "window_trigger"]);

function asksForWindow(bound: Bound): boolean {
  return some(bound, (part) => part.kind === "call" && ofWindow.has(part.fn.name));
}

/** Windows whose rows are in no other window, so that one running state serves each of them. */
function isDisjoint({ type, length, interval }: WindowSpec): boolean {
  return type === "tumbling" || type === "session" || type === "state" ||
    (type === "count" && (interval === undefined || interval === length));
}

export function aggregateInWindow(plan: Plan): Plan {
  if (plan.kind === "source") return plan;
  if (plan.kind === "aggregate") {
    const filter = plan.input.kind === "filter" && plan.input.ofLists ? plan.input : undefined;
    const window = filter === undefined ? plan.input : filter.input;
    const early = [...plan.groupBy, ...plan.aggregates, ...(filter === undefined ? [] : [filter.condition])];
    if (window.kind === "window" && isDisjoint(window.spec) && !early.some(asksForWindow)) {
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
