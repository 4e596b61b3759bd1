/**
 * The rewrites of a plan, in order. Each keeps the results and makes them cheaper; a new one is a file and a line here.
 * @module
 */
import { mapPlan, type Plan, type StatementPlan } from "../plan.ts";
import { aggregateInWindow } from "./aggregate_in_window.ts";

/** Each is handed every node, the inputs first. */
const rewrites: readonly ((plan: Plan) => Plan)[] = [aggregateInWindow];

export function rewritePlan(plan: StatementPlan): StatementPlan {
  return { ...plan, root: rewrites.reduce(mapPlan, plan.root) };
}
