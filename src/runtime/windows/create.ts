/**
 * Which operator serves which window, with rows or with running aggregates as its content.
 * @module
 */
import { compileCondition } from "../../sql/compile/compile.ts";
import type { Condition } from "../../sql/compile/evaluator.ts";
import type { WindowedAggregatePlan, WindowPlan } from "../../sql/plan.ts";
import { hitCounterFor, withHits } from "../hit_counter.ts";
import type { Operator, OperatorContext, Output } from "../operator.ts";
import { compileWindowCondition } from "./condition.ts";
import { GroupContent, RowContent, type WindowContent } from "./content.ts";
import { GroupPanes } from "./group_panes.ts";
import { CountWindow, LatestRows } from "./count.ts";
import { compileGroups, GroupTable } from "./group_table.ts";
import { HoppingWindow } from "./hopping.ts";
import { type PaneContent, RowPanes } from "./pane_content.ts";
import { rowZone } from "./row_zone.ts";
import { SlidingWindow } from "./sliding.ts";
import { SessionWindow } from "./session.ts";
import { StateWindow } from "./state.ts";
import { TumblingWindow } from "./tumbling.ts";

export function createWindow(
  plan: WindowPlan | WindowedAggregatePlan,
  context: OperatorContext,
  output: Output,
): Operator {
  const { spec, eventTime } = plan;
  const zoneOf = eventTime ? rowZone(plan.input, context.rule) : undefined;
  switch (spec.type) {
    case "tumbling":
      return new TumblingWindow(
        { length: spec.length, unit: spec.unit!, eventTime, zoneOf },
        contentOf(plan, context),
        context,
        output,
      );
    case "hopping":
      return new HoppingWindow(
        { length: spec.length, hop: spec.interval!, unit: spec.unit!, eventTime, zoneOf },
        panesOf(plan, context),
        context,
        output,
      );
    case "sliding": {
      const { triggerWhen } = spec;
      const hits = hitCounterFor(triggerWhen);
      return new SlidingWindow(
        {
          length: spec.length,
          delay: spec.interval ?? 0,
          unit: spec.unit!,
          eventTime,
          twice: plan.slidingTwice ?? false,
          openLeft: plan.slidingOpenLeft ?? false,
        },
        triggerWhen === undefined
          ? undefined
          : { holds: compileWindowCondition(triggerWhen, withHits(context, hits)), hits },
        () => panesOf(plan, context),
        context,
        output,
      );
    }
    case "session":
      return new SessionWindow(
        { length: spec.length, gap: spec.interval!, unit: spec.unit!, eventTime, zoneOf },
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
      return new StateWindow(spec, contentsOf(plan, context), context, output);
    default:
      // The planner refuses every other kind until it is built.
      throw new Error(`No operator for ${spec.type} windows`);
  }
}

function contentOf(plan: WindowPlan | WindowedAggregatePlan, context: OperatorContext): WindowContent {
  return contentsOf(plan, context)();
}

/** Makes contents that share what was compiled for them. */
function contentsOf(plan: WindowPlan | WindowedAggregatePlan, context: OperatorContext): () => WindowContent {
  if (plan.kind === "window") return () => new RowContent(context);
  const compiled = compileGroups(plan.groupBy, plan.aggregates, context);
  const where = whereOf(plan, context);
  return () => new GroupContent(new GroupTable(compiled), where, context);
}

function panesOf(plan: WindowPlan | WindowedAggregatePlan, context: OperatorContext): PaneContent {
  if (plan.kind === "window") return new RowPanes(context);
  return new GroupPanes(plan.groupBy, plan.aggregates, whereOf(plan, context), context);
}

function whereOf({ condition }: WindowedAggregatePlan, context: OperatorContext): Condition | undefined {
  return condition === undefined ? undefined : compileCondition(condition, "WHERE", context);
}
