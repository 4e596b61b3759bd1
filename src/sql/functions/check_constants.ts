/**
 * Finds literals that are of the right type, but that the function itself refuses: a bad regular expression, a duration
 * that cannot be read, an unknown locale.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Value } from "../../value/value.ts";
import { argumentReader, checkLiteral, type LiteralProblem } from "./arguments.ts";
import type { RuleContext, SqlFunction } from "./declare.ts";

/** Enough of a rule to compile with; nothing is ever called. */
const trial: RuleContext = { ruleId: "", ruleStart: 0, now: 0, timezone: "UTC", random: () => 0 };

/**
 * Compiles a call on trial.
 *
 * @param literals The values of the arguments that are literals, at their positions; undefined for the others.
 * @returns E214 when the function refuses a literal. Nothing when one is of a wrong type, which is for `checkLiteral` to
 * report.
 */
export function checkConstants(fn: SqlFunction, literals: readonly Value[]): LiteralProblem | undefined {
  if (fn.kind !== "scalar" && fn.kind !== "row") return undefined;
  try {
    const constants: Record<string, unknown> = {};
    for (const [i, value] of literals.entries()) {
      const param = fn.params[i];
      // An argument that had to be a literal and is none has been reported.
      if (param?.constant === true && !isLiteral(value)) return undefined;
      if (!isLiteral(value) || param === undefined || param.variadic === true) continue;
      if (checkLiteral(param, fn.name, i + 1, value) !== undefined) return undefined;
      const read = argumentReader(param, fn.name, i + 1, trial);
      constants[param.name] = read === undefined ? value : read(value);
    }
    fn.compile(constants as never, trial);
    return undefined;
  } catch (error) {
    if (error instanceof RowError) return { code: "E214", message: error.message };
    throw error;
  }
}

function isLiteral(value: Value): value is bigint | number | string | boolean {
  return value !== null && value !== undefined && typeof value !== "object";
}
