/**
 * SQL text to a plan: parse, analyze, plan, rewrite.
 * @module
 */
import { type Diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
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

/**
 * What fails every row that has values though the statement may run, such as `a = 'x'` where `a` is a number: the dialect
 * judges types row by row. Nothing for a statement that is wrong.
 */
export function statementWarnings(
  text: string,
  catalog: Catalog,
  functions: FunctionSet,
  ignoreCase = false,
): readonly Diagnostic[] {
  try {
    return analyze(parseSelect(text), catalog, functions, text, ignoreCase).warnings;
  } catch (error) {
    if (error instanceof DiagnosticError) return [];
    throw error;
  }
}
