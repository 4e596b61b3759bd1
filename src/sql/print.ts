/**
 * A syntax tree as canonical SQL: reserved words and windows in upper case, names as written, no more parentheses and
 * back quotes than needed. Parsing the print gives the same tree, spans aside.
 *
 * ```ts
 * printExpression(parseExpression("(a*2)+`end`")); // a * 2 + `end`
 * ```
 * @module
 */
import type {
  BinaryOperator,
  Call,
  Case,
  Expr,
  Identifier,
  Join,
  Over,
  QualifiedStar,
  Select,
  SelectItem,
  SortItem,
  Source,
  Star,
  TimeUnitLiteral,
  WindowCall,
  WindowClause,
  WindowLength,
  WindowModifiers,
} from "./ast.ts";
import { quoteString } from "./string_literal.ts";
import { isReserved, isWindowFunction, wordOfUnit } from "./words.ts";

const binaryLevels: Readonly<Record<BinaryOperator, number>> = {
  OR: 1,
  AND: 2,
  "=": 3,
  "!=": 3,
  "<": 3,
  "<=": 3,
  ">": 3,
  ">=": 3,
  "+": 4,
  "-": 4,
  "|": 4,
  "^": 4,
  "*": 5,
  "/": 5,
  "%": 5,
  "&": 5,
};
/** The level of IN, BETWEEN and LIKE, the same as that of the comparisons. */
const testLevel = 3;
const sumLevel = 4;
const operandLevel = 6;

/** An expression as canonical text. */
export function printExpression(expr: Expr): string {
  return print(expr, 0);
}

function level(expr: Expr): number {
  switch (expr.kind) {
    case "binary":
      return binaryLevels[expr.operator];
    case "in":
    case "between":
    case "like":
      return testLevel;
    default:
      return operandLevel;
  }
}

/**
 * Prints `expr` for a place that takes operators of `levelMin` and tighter without parentheses.
 *
 * Chains of operators lean to the left and may be thousands long, so the way down the left side is a loop.
 */
function print(expr: Expr, levelMin: number): string {
  let prefix = "";
  const suffixes: string[] = [];
  let min = levelMin;
  for (;;) {
    const own = level(expr);
    if (own < min) {
      prefix += "(";
      suffixes.push(")");
    }
    switch (expr.kind) {
      case "binary":
        suffixes.push(` ${expr.operator} ${printRight(expr.operator, expr.right, own + 1)}`);
        expr = expr.left;
        min = own;
        continue;
      case "in":
        suffixes.push(` ${not(expr.negated)}IN ${expr.list ? parenthesized(expr.list) : print(expr.array!, sumLevel)}`);
        expr = expr.operand;
        min = own;
        continue;
      case "between": {
        const bounds = `${print(expr.low, sumLevel)} AND ${print(expr.high, sumLevel)}`;
        suffixes.push(` ${not(expr.negated)}BETWEEN ${bounds}`);
        expr = expr.operand;
        min = own;
        continue;
      }
      case "like":
        suffixes.push(` ${not(expr.negated)}LIKE ${print(expr.pattern, sumLevel)}`);
        expr = expr.operand;
        min = own;
        continue;
      case "member":
        suffixes.push(`->${printName(expr.key)}`);
        expr = expr.base;
        min = operandLevel;
        continue;
      case "index":
        suffixes.push(`[${print(expr.index, 0)}]`);
        expr = expr.base;
        min = operandLevel;
        continue;
      case "slice": {
        const from = expr.from === undefined ? "" : print(expr.from, 0);
        const to = expr.to === undefined ? "" : print(expr.to, 0);
        suffixes.push(`[${from}:${to}]`);
        expr = expr.base;
        min = operandLevel;
        continue;
      }
      default:
        return prefix + printLeaf(expr) + suffixes.reverse().join("");
    }
  }
}

/** `a - -3` would start a comment. */
function printRight(operator: BinaryOperator, right: Expr, levelMin: number): string {
  const text = print(right, levelMin);
  return operator === "-" && text.startsWith("-") ? `(${text})` : text;
}

function not(negated: boolean): string {
  return negated ? "NOT " : "";
}

type Leaf = Exclude<Expr, { kind: "binary" | "in" | "between" | "like" | "member" | "index" | "slice" }>;

function printLeaf(expr: Leaf): string {
  switch (expr.kind) {
    case "literal":
      return printLiteral(expr.value);
    case "name":
      return printName(expr);
    case "qualified":
      return `${printName(expr.qualifier)}.${printName(expr.name)}`;
    case "call":
      return printCall(expr);
    case "case":
      return printCase(expr);
    default:
      return expr satisfies never;
  }
}

/** A name as it must be written: in back quotes if it is reserved or not made of ASCII letters, digits and `_`. */
export function printName({ name }: Pick<Identifier, "name">): string {
  return /^[A-Za-z][A-Za-z0-9_]*$/.test(name) && !isReserved(name) ? name : "`" + name + "`";
}

/** A literal's value as text that parses to the same value. */
export function printLiteral(value: bigint | number | string | boolean): string {
  switch (typeof value) {
    case "string":
      return quoteString(value);
    case "boolean":
      return value ? "TRUE" : "FALSE";
    case "bigint":
      return String(value);
    case "number":
      return printFloat(value);
  }
}

/** The shortest digits that read back as `value`, with a point and without an exponent. */
function printFloat(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [digits, exponent] = Math.abs(value).toString().split("e");
  const [whole, fraction = ""] = digits!.split(".");
  const shift = Number(exponent ?? 0);
  const all = whole! + fraction;
  const point = whole!.length + shift;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${all}`;
  if (point >= all.length) return `${sign}${all}${"0".repeat(point - all.length)}.0`;
  return `${sign}${all.slice(0, point)}.${all.slice(point)}`;
}

function printCall({ name, args, over }: Call): string {
  const call = `${printName(name)}(${args.map(printArgument).join(", ")})`;
  return over === undefined ? call : `${call} ${printOver(over)}`;
}

function printArgument(arg: Expr | Star | TimeUnitLiteral): string {
  switch (arg.kind) {
    case "star":
      return printStar(arg);
    case "time_unit":
      return arg.unit;
    default:
      return print(arg, 0);
  }
}

function printOver({ partitionBy, orderBy, when }: Over): string {
  const parts = [];
  if (partitionBy.length > 0) parts.push(`PARTITION BY ${commas(partitionBy)}`);
  if (orderBy.length > 0) parts.push(`ORDER BY ${orderBy.map(printSortItem).join(", ")}`);
  if (when !== undefined) parts.push(`WHEN ${print(when, 0)}`);
  return `OVER (${parts.join(" ")})`;
}

function printCase({ operand, branches, otherwise }: Case): string {
  const parts = ["CASE"];
  if (operand !== undefined) parts.push(print(operand, 0));
  for (const branch of branches) parts.push(`WHEN ${print(branch.when, 0)} THEN ${print(branch.then, 0)}`);
  if (otherwise !== undefined) parts.push(`ELSE ${print(otherwise, 0)}`);
  parts.push("END");
  return parts.join(" ");
}

function commas(exprs: readonly Expr[]): string {
  return exprs.map((expr) => print(expr, 0)).join(", ");
}

function parenthesized(exprs: readonly Expr[]): string {
  return `(${commas(exprs)})`;
}

/** A SELECT as canonical text on one line. */
export function printSelect(select: Select): string {
  const parts = [
    `SELECT ${select.items.map(printSelectItem).join(", ")}`,
    `FROM ${printSource(select.from)}`,
    ...select.joins.map(printJoin),
    ...select.windowClauses.map(printWindowClause),
  ];
  if (select.where !== undefined) parts.push(`WHERE ${print(select.where, 0)}`);
  if (select.groupBy.length > 0) parts.push(`GROUP BY ${select.groupBy.map(printDimension).join(", ")}`);
  if (select.having !== undefined) parts.push(`HAVING ${print(select.having, 0)}`);
  if (select.orderBy.length > 0) parts.push(`ORDER BY ${select.orderBy.map(printSortItem).join(", ")}`);
  if (select.limit !== undefined) parts.push(`LIMIT ${select.limit.count}`);
  return parts.join(" ");
}

/** One item of a select list as canonical text. */
export function printSelectItem({ expr, alias, invisible }: SelectItem): string {
  const text = expr.kind === "star" || expr.kind === "qualified_star" ? printStar(expr) : print(expr, 0);
  return text + (alias === undefined ? "" : ` AS ${printName(alias)}`) + (invisible ? " INVISIBLE" : "");
}

function printStar(star: Star | QualifiedStar): string {
  if (star.kind === "qualified_star") return `${printName(star.qualifier)}.*`;
  const except = star.except.length === 0 ? "" : ` EXCEPT (${star.except.map(printName).join(", ")})`;
  const replacements = star.replace.map(({ expr, name }) => `${print(expr, 0)} AS ${printName(name)}`);
  return `*${except}${replacements.length === 0 ? "" : ` REPLACE (${replacements.join(", ")})`}`;
}

function printSource({ name, alias }: Source): string {
  return printName(name) + (alias === undefined ? "" : ` AS ${printName(alias)}`);
}

function printJoin({ type, source, on }: Join): string {
  const condition = on === undefined ? "" : ` ON ${print(on, 0)}`;
  return `${type.toUpperCase()} JOIN ${printSource(source)}${condition}`;
}

/** A sort item of ORDER BY; ascending order is not spelled out. */
function printSortItem({ expr, descending }: SortItem): string {
  return print(expr, 0) + (descending ? " DESC" : "");
}

function printDimension(dimension: Expr | WindowCall): string {
  if (dimension.kind === "window_call") {
    const args = dimension.args.map(printArgument).join(", ");
    return `${dimension.name.toUpperCase()}(${args})${printModifiers(dimension)}`;
  }
  // Here a call at the start that has a window's name would be read as the window.
  const text = print(dimension, 0);
  return startsLikeWindow(text) ? `(${text})` : text;
}

function startsLikeWindow(text: string): boolean {
  const name = /^([A-Za-z]+)\(/.exec(text);
  return name !== null && isWindowFunction(name[1]!);
}

function printModifiers({ filter, over }: WindowModifiers): string {
  let text = filter === undefined ? "" : ` FILTER (WHERE ${print(filter, 0)})`;
  if (over !== undefined) {
    const parts = [];
    if (over.when !== undefined) parts.push(`WHEN ${print(over.when, 0)}`);
    if (over.partitionBy.length > 0) parts.push(`PARTITION BY ${commas(over.partitionBy)}`);
    text += ` OVER (${parts.join(" ")})`;
  }
  return text;
}

function printWindowClause(clause: WindowClause): string {
  const { type, size, advance } = clause;
  const args = type === "session"
    ? `${printLength(size)} TIMEOUT, ${printLength(advance!)}`
    : `SIZE ${printLength(size)}${advance === undefined ? "" : `, ADVANCE BY ${printLength(advance)}`}`;
  return `WINDOW ${type.toUpperCase()} (${args})${printModifiers(clause)}`;
}

function printLength({ count, unit }: WindowLength): string {
  return unit === undefined ? String(count) : `${count} ${wordOfUnit(unit)}`;
}
