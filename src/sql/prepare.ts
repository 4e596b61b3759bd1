/**
 * SQL text to a plan: parse, analyze, plan, rewrite.
 * @module
 */
import { analyze } from "./analyze/analyze.ts";
import type { Catalog, FunctionSet } from "./catalog.ts";
import { parseSelect } from "./parse.ts";
import type { PlanOptions, StatementPlan } from "./plan.ts";
import { planSelect } from "./plan_select.ts";
import { rewritePlan } from "./rewrite/rewrite.ts";

/** @throws {DiagnosticError} with the text, so that spans can be shown. */
export function prepareSelect(
  text: string,
  catalog: Catalog,
  functions: FunctionSet,
  options: PlanOptions,
): StatementPlan {
  const select = parseSelect(text);
  return rewritePlan(planSelect(analyze(select, catalog, functions, text, options.ignoreCase), options, text));
}
