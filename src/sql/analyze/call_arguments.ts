/**
 * The arguments of calls: counted, bound, and literals checked.
 * @module
 */
import { didYouMean } from "../../diagnostics/suggest.ts";
import type { Call, Expr, Star, TimeUnitLiteral } from "../ast.ts";
import type { Bound } from "../bound.ts";
import { checkLiteral } from "../functions/arguments.ts";
import type { Param, SqlFunction } from "../functions/declare.ts";
import type { Binder } from "./binder.ts";

/** True when the function takes so many arguments; reports it otherwise. */
export function arityFits(binder: Binder, call: Call, fn: SqlFunction): boolean {
  const params = fn.params.filter((p) => p.implicit !== true);
  const least = params.filter((p) => p.optional !== true).length;
  const most = params.at(-1)?.variadic === true ? Infinity : params.length;
  const count = call.args.length;
  const inRange = count >= least && count <= most;
  if (inRange && fn.arity?.fits(count) !== false) return true;
  const range = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  const wanted = fn.arity?.wanted ?? `${range} argument${range === "1" ? "" : "s"}`;
  binder.report("E203", `${call.name.name}() takes ${wanted}, found ${count}`, call.span, signature(fn));
  return false;
}

/** How the function is called, as a hint. */
export function signature(fn: SqlFunction): string {
  const params = fn.params.filter((p) => p.implicit !== true).map((p) => {
    const name = p.variadic === true ? `${p.name} …` : p.name;
    return p.optional === true ? `[${name}]` : name;
  });
  return `${fn.name}(${params.join(", ")})`;
}

/** The parameter that takes argument `index`. */
export function paramAt(fn: SqlFunction, index: number): Param {
  return fn.params[Math.min(index, fn.params.length - 1)]!;
}

export function bindArguments(binder: Binder, call: Call, fn: SqlFunction): Bound[] {
  return call.args.map((arg, i) => bindArgument(binder, call, arg, i, fn));
}

function bindArgument(
  binder: Binder,
  call: Call,
  arg: Expr | Star | TimeUnitLiteral,
  index: number,
  fn: SqlFunction,
): Bound {
  const param = paramAt(fn, index);
  const nothing: Bound = { kind: "constant", value: null, type: "unknown", span: arg.span };
  if (arg.kind === "time_unit") {
    binder.report(
      "E216",
      `Time unit ${arg.unit} can stand only in a window`,
      arg.span,
      `as a column, write \`${arg.unit}\``,
    );
    return nothing;
  }
  if (arg.kind === "star") {
    if (param.star === true) return binder.bindStar(arg);
    binder.report("E216", `${call.name.name}() does not take *`, arg.span, signature(fn));
    return nothing;
  }
  const bound = binder.bind(arg);
  if (param.constant === true && bound.kind !== "constant") {
    const message = `Argument "${param.name}" of ${call.name.name}() must be a literal`;
    binder.report("E214", message, arg.span, signature(fn));
    return nothing;
  }
  const literal = literalOf(bound);
  if (literal !== undefined) {
    const problem = checkLiteral(param, call.name.name, index + 1, literal);
    if (problem !== undefined) {
      const meant = didYouMean(String(literal), param.oneOf ?? []);
      binder.report(problem.code, problem.message, arg.span, meant ?? signature(fn));
    }
  }
  return bound;
}

/** The value of a literal, also of one behind an alias. */
function literalOf(bound: Bound): bigint | number | string | boolean | undefined {
  if (bound.kind !== "constant") return undefined;
  const { value } = bound;
  return typeof value === "object" || value === undefined ? undefined : value;
}
