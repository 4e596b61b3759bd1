/**
 * Which operator serves which window, with rows or with running aggregates as its content.
 * @module
 */
import { compileCondition } from "../../sql/compile/compile.ts";
import type { WindowedAggregatePlan, WindowPlan } from "../../sql/plan.ts";
import type { Operator, OperatorContext, Output } from "../operator.ts";
import { GroupContent, RowContent, type WindowContent } from "./content.ts";
import { CountWindow, LatestRows } from "./count.ts";
import { GroupTable } from "./group_table.ts";
import { SessionWindow } from "./session.ts";
import { StateWindow } from "./state.ts";
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
    case "session":
      return new SessionWindow(
        { length: spec.length, gap: spec.interval!, unit: spec.unit!, eventTime },
        contentOf(plan, context),
        context,
        output,
      );
    case "count": {
      const interval = spec.interval ?? spec.length;
      const content = interval < spec.length ? new LatestRows(spec.length, context) : contentOf(plan, context);
      return new CountWindow({ length: spec.length, interval }, content, context, output);
    }
    case "state":
      return new StateWindow(spec, () => contentOf(plan, context), context, output);
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
