/**
 * What expressions mean, written down as plainly as the reference says it, to judge the compiled ones by.
 *
 * It walks the syntax tree for every row, looks columns up by name, and computes an aggregate or analytic call anew
 * from all the rows it is about.
 * @module
 */
import type { Binary, Call, Case, Expr, In, Select } from "../../src/sql/ast.ts";
import type { Struct, Value } from "../../src/value/value.ts";
import { exactSum } from "./exact_sum.ts";

/** A row that the reference says is an error. */
export class NaiveError extends Error {}

/** A row with its place among all rows of the stream, in the order in which analytic functions see them. */
export interface NaiveRow {
  readonly values: Struct;
  readonly time: number;
  readonly stream: readonly NaiveRow[];
  readonly index: number;
}

export interface Scope {
  readonly select: Select;
  /** True when the stream declares its columns: aliases then serve in earlier items too. */
  readonly typed: boolean;
  readonly row: NaiveRow | undefined;
  /** What aggregates are over. */
  readonly group: readonly NaiveRow[];
  readonly window: { readonly start: number; readonly end: number } | undefined;
  /** The select item that is computed; Infinity in other clauses. */
  readonly item: number;
  /** Aliases whose definition is being computed: inside it their names are columns. */
  readonly inside: readonly string[];
}

export const aggregateNames: ReadonlySet<string> = new Set([
  "count",
  "sum",
  "avg",
  "max",
  "min",
  "collect",
  "last_value",
]);

function fail(what: string): never {
  throw new NaiveError(what);
}

type Plain = Exclude<Value, undefined>;

export function evaluate(expr: Expr, scope: Scope): Plain {
  switch (expr.kind) {
    case "literal":
      return expr.value;
    case "name":
      return lookUp(expr.name, scope);
    case "qualified":
      return keyOf(lookUp(expr.qualifier.name, scope), expr.name.name);
    case "member":
      return keyOf(evaluate(expr.base, scope), expr.key.name);
    case "index":
      return element(evaluate(expr.base, scope), () => evaluate(expr.index, scope));
    case "slice":
      return fail("slices are not generated");
    case "call":
      return call(expr, scope);
    case "binary":
      return binary(expr, scope);
    case "in":
      return isIn(expr, scope);
    case "between": {
      const [x, low, high] = [expr.operand, expr.low, expr.high].map((part) => evaluate(part, scope)) as Plain[];
      if (x === null || low === null || high === null) return false;
      const inside = compare(">=", x!, low!) && compare("<=", x!, high!);
      return expr.negated ? !inside : inside;
    }
    case "like": {
      const text = evaluate(expr.operand, scope);
      if (typeof text !== "string") return fail("LIKE of something else");
      const pattern = evaluate(expr.pattern, scope);
      if (typeof pattern !== "string") return fail("LIKE by something else");
      return like(text, pattern) !== expr.negated;
    }
    case "case":
      return caseOf(expr, scope);
    default:
      return expr satisfies never;
  }
}

function lookUp(name: string, scope: Scope): Plain {
  const at = scope.select.items.findIndex((item) => item.alias?.name === name);
  const visible = at !== -1 && (scope.typed || at < scope.item) && !scope.inside.includes(name);
  const item = visible ? scope.select.items[at] : undefined;
  if (item === undefined || item.expr.kind === "star" || item.expr.kind === "qualified_star") {
    const values = scope.row?.values;
    return values !== undefined && Object.hasOwn(values, name) ? values[name] ?? null : null;
  }
  return evaluate(item.expr, { ...scope, item: at, inside: [...scope.inside, name] });
}

function keyOf(value: Plain, key: string): Plain {
  if (Array.isArray(value)) return fail("key of an array");
  if (typeof value !== "object" || value === null) return null;
  return (Object.hasOwn(value, key) ? (value as Struct)[key] : null) ?? null;
}

function element(value: Plain, index: () => Plain): Plain {
  if (value === null) return null;
  if (!Array.isArray(value)) return fail("element of no array");
  const wanted = index();
  if (typeof wanted !== "number" && typeof wanted !== "bigint") return fail("index is no number");
  const position = Math.trunc(Number(wanted));
  const found = value.at(position);
  if (position >= value.length || -position > value.length) return fail("outside");
  return found ?? null;
}

const isNumber = (value: Plain): value is number | bigint => typeof value === "number" || typeof value === "bigint";

function binary(expr: Binary, scope: Scope): Plain {
  const { operator } = expr;
  if (operator === "AND" || operator === "OR") return logical(expr, scope);
  const left = evaluate(expr.left, scope);
  const right = evaluate(expr.right, scope);
  switch (operator) {
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return left === null || right === null ? false : compare(operator, left, right);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return left === null || right === null ? null : arithmetic(operator, left, right);
    default:
      if (left === null || right === null) return false;
      if (typeof left === "bigint" && typeof right === "bigint") {
        return operator === "&" ? left & right : operator === "|" ? left | right : left ^ right;
      }
      if (typeof left === "boolean" && typeof right === "boolean") {
        return operator === "&" ? left && right : operator === "|" ? left || right : left !== right;
      }
      return fail("bits of something else");
  }
}

function logical({ operator, left, right }: Binary, scope: Scope): Plain {
  const sideOf = (side: Expr): boolean | null => {
    const value = evaluate(side, scope);
    return typeof value === "boolean" || value === null ? value : fail("not a boolean");
  };
  const l = sideOf(left);
  if (operator === "AND" && l === false) return false;
  if (operator === "OR" && l === true) return true;
  const r = sideOf(right);
  return l === null || r === null ? false : r;
}

function arithmetic(operator: string, left: Plain, right: Plain): Plain {
  if (!isNumber(left) || !isNumber(right)) return fail("arithmetic on something else");
  if ((operator === "/" || operator === "%") && Number(right) === 0) return fail("zero");
  if (typeof left === "bigint" && typeof right === "bigint") {
    const exact = { "+": left + right, "-": left - right, "*": left * right };
    const result = operator === "/" ? left / right : operator === "%" ? left % right : exact[operator as "+"];
    return BigInt.asIntN(64, result);
  }
  const [l, r] = [Number(left), Number(right)];
  return operator === "/"
    ? l / r
    : operator === "%"
    ? l % r
    : operator === "+"
    ? l + r
    : operator === "-"
    ? l - r
    : l * r;
}

export function compare(operator: string, left: Plain, right: Plain): boolean {
  let order: number;
  if (isNumber(left) && isNumber(right)) order = Number(left) - Number(right);
  else if (typeof left === "string" && typeof right === "string") order = left < right ? -1 : left > right ? 1 : 0;
  else if (typeof left === "boolean" && typeof right === "boolean" && (operator === "=" || operator === "!=")) {
    order = left === right ? 0 : 1;
  } else return fail("cannot compare");
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    default:
      return order >= 0;
  }
}

function isIn(expr: In, scope: Scope): boolean {
  const x = evaluate(expr.operand, scope);
  if (x === null) return false;
  let elements: readonly (() => Plain)[];
  if (expr.list !== undefined) {
    elements = expr.list.map((part) => () => evaluate(part, scope));
  } else {
    const array = evaluate(expr.array!, scope);
    if (array === null) return expr.negated;
    if (!Array.isArray(array)) return fail("IN no array");
    elements = array.map((value) => () => value ?? null);
  }
  for (const element of elements) {
    const value = element();
    if (value !== null && compare("=", x, value)) return !expr.negated;
  }
  return expr.negated;
}

function like(text: string, pattern: string): boolean {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === "%") source += "[^\\n]*";
    else if (c === "_") source += "[^\\n]";
    else if (c === "\\" && /[%_]/.test(pattern[i + 1] ?? "")) source += pattern[++i];
    else source += c.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }
  return new RegExp(`^(?:${source})$`, "u").test(text);
}

function caseOf(expr: Case, scope: Scope): Plain {
  const operand = expr.operand === undefined ? undefined : evaluate(expr.operand, scope);
  for (const branch of expr.branches) {
    const when = evaluate(branch.when, scope);
    const matches = operand === undefined
      ? when === true
      : operand !== null && when !== null && compare("=", operand, when);
    if (matches) return evaluate(branch.then, scope);
  }
  return expr.otherwise === undefined ? null : evaluate(expr.otherwise, scope);
}

function call(expr: Call, scope: Scope): Plain {
  const name = expr.name.name.toLowerCase();
  if (aggregateNames.has(name)) return aggregate(name, expr, scope);
  const args = expr.args as readonly Expr[];
  const values = () => args.map((arg) => evaluate(arg, scope));
  switch (name) {
    case "isnull":
      return values()[0] === null;
    case "coalesce":
      return values().find((value) => value !== null) ?? null;
    case "abs": {
      const [x] = values() as [Plain];
      if (isNullLike(x)) return null;
      if (!isNumber(x)) return fail("abs of no number");
      return typeof x === "bigint" ? (x < 0n ? -x : x) : Math.abs(x);
    }
    case "window_start":
      return scope.window === undefined ? null : BigInt(scope.window.start);
    case "window_end":
      return scope.window === undefined ? null : BigInt(scope.window.end);
    case "lag":
    case "latest":
    case "had_changed":
      return analytic(name, args, scope);
    default:
      return fail(`no function ${name}`);
  }
}

function isNullLike(value: Plain): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

/** From all rows of the stream up to this one. */
function analytic(name: string, args: readonly Expr[], scope: Scope): Plain {
  const { row } = scope;
  if (row === undefined) return null;
  const x = args.at(-1)!;
  const all = row.stream.slice(0, row.index + 1).map((r) => evaluate(x, { ...scope, row: r }));
  const before = all.slice(0, -1).filter((value) => value !== null);
  const now = all.at(-1)!;
  if (name === "lag") return before.at(-1) ?? null;
  if (name === "latest") return now ?? before.at(-1) ?? null;
  return now !== null && (before.length === 0 || before.at(-1) !== now);
}

function aggregate(name: string, expr: Call, scope: Scope): Plain {
  const { group } = scope;
  if (group.length === 0) return null;
  const arg = expr.args[0]!;
  const all = group.map((row): Plain =>
    arg.kind === "star" ? row.values : evaluate(arg as Expr, { ...scope, row, group: [] })
  );
  const values = all.filter((value) => value !== null);
  switch (name) {
    case "count":
      return BigInt(values.length);
    case "collect":
      return all;
    case "last_value":
      return ((expr.args[1] as { value: unknown }).value === true ? values : all).at(-1) ?? null;
    case "sum":
    case "avg": {
      if (values.length === 0) return null;
      if (!values.every(isNumber)) return fail("sum of something else");
      if (values.every((value) => typeof value === "bigint")) {
        const sum = BigInt.asIntN(64, values.reduce((total, value) => total + value, 0n));
        return name === "sum" ? sum : sum / BigInt(values.length);
      }
      const floats = values.map(Number);
      const sum = floats.every(Number.isFinite) ? exactSum(floats) : floats.reduce((total, value) => total + value, 0);
      return name === "sum" ? sum : sum / values.length;
    }
    default: {
      if (values.length === 0) return null;
      if (!values.every(isNumber) && !values.every((value) => typeof value === "string")) fail("mixed");
      const sign = name === "max" ? ">" : "<";
      const best = values.reduce((found, value) => (compare(sign, value, found) ? value : found));
      return typeof best === "bigint" && values.some((value) => typeof value === "number") ? Number(best) : best;
    }
  }
}
