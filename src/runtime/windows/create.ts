/**
 * Which operator serves which window, with rows or with running aggregates as its content.
 * @module
 */
import { compileCondition } from "../../sql/compile/compile.ts";
import type { WindowedAggregatePlan, WindowPlan } from "../../sql/plan.ts";
import type { Operator, OperatorContext, Output } from "../operator.ts";
import { GroupContent, RowContent, type WindowContent } from "./content.ts";
import { GroupTable } from "./group_table.ts";
import { TumblingWindow } from "./tumbling.ts";

export function createWindow(
  plan: WindowPlan | WindowedAggregatePlan,
  context: OperatorContext,
  output: Output,
): Operator {
  const { spec, eventTime } = plan;
  switch (spec.type) {
    case "tumbling":
      return new TumblingWindow(
        { length: spec.length, unit: spec.unit!, eventTime },
        contentOf(plan, context),
        context,
        output,
      );
    default:
      // The planner refuses every other kind until it is built.
      throw new Error(`No operator for ${spec.type} windows`);
  }
}

function contentOf(plan: WindowPlan | WindowedAggregatePlan, context: OperatorContext): WindowContent {
  if (plan.kind === "window") return new RowContent(context);
  const condition = plan.condition === undefined ? undefined : compileCondition(plan.condition, "WHERE", context);
  return new GroupContent(new GroupTable(plan.groupBy, plan.aggregates, context), condition, context);
}
