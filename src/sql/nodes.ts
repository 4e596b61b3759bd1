/**
 * What the grammar's actions call to build the syntax tree: frozen nodes, literals, and operator chains by precedence.
 *
 * The grammar reads a chain such as `a + b * c` as a flat list, so that neither the depth of the stack nor the time
 * grows with the levels of precedence; the list becomes a tree here, in one pass from left to right.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";
import type { BinaryOperator, Expr, Identifier, Literal } from "./ast.ts";
import { decodeString } from "./string_literal.ts";

/** An operand as the grammar hands it on. Parentheses leave no node, but the node around them spans over them. */
export type Term = Expr | Parens;

/** `( expr )`, with the span of the parentheses. */
export interface Parens {
  readonly kind: "parens";
  readonly expr: Expr;
  readonly span: Span;
}

/** One step to the right of an operand: `.key`, `->key`, `[index]` or `[from:to]`. */
export type Postfix =
  | { readonly kind: "dot" | "arrow"; readonly key: Identifier; readonly end: number }
  | { readonly kind: "index"; readonly index: Expr; readonly end: number }
  | { readonly kind: "slice"; readonly from: Expr | undefined; readonly to: Expr | undefined; readonly end: number };

/** `+ term`, `* term`. */
export interface ArithmeticTail {
  readonly operator: BinaryOperator;
  readonly right: Term;
}

/** What may follow the left side of a comparison, of AND and of OR. */
export type LogicTail =
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly right: Term }
  | {
    readonly kind: "in";
    readonly negated: boolean;
    readonly list: readonly Expr[] | undefined;
    readonly array: Expr | undefined;
    readonly end: number;
  }
  | { readonly kind: "between"; readonly negated: boolean; readonly low: Term; readonly high: Term }
  | { readonly kind: "like"; readonly negated: boolean; readonly pattern: Term };

const int64Max = 2n ** 63n - 1n;

/** A node over the range that the grammar's `range()` gives. */
export function node<const T extends object>(range: Span, fields: T): Readonly<T & { span: Span }> {
  return Object.freeze({ ...fields, span: Object.freeze({ start: range.start, end: range.end }) });
}

/** The head and the tail of a separated list as one frozen list. */
export function list<T>(head: T, tail: readonly T[]): readonly T[] {
  return Object.freeze([head, ...tail]);
}

/** The expression itself, without the parentheses around it. */
export function bare(term: Term): Expr {
  return term.kind === "parens" ? term.expr : term;
}

/** A whole number, held at `max` when it is larger. */
export function integer(digits: string, max: bigint = int64Max): bigint {
  // A number of thousands of digits need not be computed to know that it is too large.
  const significant = digits.replace(/^0+(?=\d)/, "");
  if (significant.length > 19) return max;
  const value = BigInt(significant);
  return value > max ? max : value;
}

/** A number literal with its sign, if any: `3`, `- 3`, `1.`, `.5`. */
export function numberLiteral(range: Span, text: string): Literal {
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1).trimStart() : text;
  if (digits.includes(".")) {
    const value = Math.min(Number(digits), Number.MAX_VALUE);
    return node(range, { kind: "literal", value: negative ? -value : value });
  }
  // The smallest int64 has no positive counterpart.
  const value = negative ? -integer(digits, int64Max + 1n) : integer(digits);
  return node(range, { kind: "literal", value });
}

/** A string literal from its text with the quotes. */
export function stringLiteral(range: Span, quoted: string): Literal {
  return node(range, { kind: "literal", value: decodeString(quoted) });
}

/** Applies `.key`, `->key`, `[…]` from left to right; they bind tightest. */
export function applyPostfixes(base: Term, tail: readonly Postfix[]): Term {
  if (tail.length === 0) return base;
  const start = base.span.start;
  let expr = bare(base);
  for (const [i, step] of tail.entries()) {
    const range = { start, end: step.end };
    switch (step.kind) {
      case "dot":
      case "arrow":
        expr = i === 0 && step.kind === "dot" && base.kind === "name"
          ? node(range, {
            kind: "qualified",
            qualifier: node(base.span, { kind: "identifier", name: base.name }),
            name: step.key,
          })
          : node(range, { kind: "member", base: expr, key: step.key });
        break;
      case "index":
        expr = node(range, { kind: "index", base: expr, index: step.index });
        break;
      case "slice":
        expr = node(range, { kind: "slice", base: expr, from: step.from, to: step.to });
        break;
      default:
        step satisfies never;
    }
  }
  return expr;
}

function binary(operator: BinaryOperator, left: Term, right: Term): Expr {
  const range = { start: left.span.start, end: right.span.end };
  return node(range, { kind: "binary", operator, left: bare(left), right: bare(right) });
}

/** A chain of `+ - | ^` and the tighter `* / % &`, all left-associative. */
export function foldArithmetic(first: Term, tail: readonly ArithmeticTail[]): Term {
  let sum: { left: Term; operator: BinaryOperator } | undefined;
  let product = first;
  for (const { operator, right } of tail) {
    switch (operator) {
      case "*":
      case "/":
      case "%":
      case "&":
        product = binary(operator, product, right);
        break;
      default:
        sum = { left: sum === undefined ? product : binary(sum.operator, sum.left, product), operator };
        product = right;
    }
  }
  return sum === undefined ? product : binary(sum.operator, sum.left, product);
}

/** A chain of comparisons, AND and OR, from tight to loose, all left-associative. */
export function foldLogic(first: Term, tail: readonly LogicTail[]): Expr {
  let either: Term | undefined;
  let both: Term | undefined;
  let comparison = first;
  const closeAnd = () => (both === undefined ? comparison : binary("AND", both, comparison));
  const closeOr = () => (either === undefined ? closeAnd() : binary("OR", either, closeAnd()));
  for (const step of tail) {
    if (step.kind !== "binary") {
      comparison = test(comparison, step);
    } else if (step.operator === "AND") {
      both = closeAnd();
      comparison = step.right;
    } else if (step.operator === "OR") {
      either = closeOr();
      both = undefined;
      comparison = step.right;
    } else {
      comparison = binary(step.operator, comparison, step.right);
    }
  }
  return bare(closeOr());
}

function test(left: Term, step: Exclude<LogicTail, { kind: "binary" }>): Expr {
  const start = left.span.start;
  const operand = bare(left);
  const { negated } = step;
  switch (step.kind) {
    case "in":
      return node({ start, end: step.end }, { kind: "in", negated, operand, list: step.list, array: step.array });
    case "between": {
      const range = { start, end: step.high.span.end };
      return node(range, { kind: "between", negated, operand, low: bare(step.low), high: bare(step.high) });
    }
    case "like":
      return node({ start, end: step.pattern.span.end }, {
        kind: "like",
        negated,
        operand,
        pattern: bare(step.pattern),
      });
  }
}
