/**
 * Bound expressions to closures. What can be decided once is decided here: literals, types, operators, patterns.
 * @module
 */
import { Row } from "../../value/row.ts";
import { getOwn, setOwn, type Struct, type Value } from "../../value/value.ts";
import {
  type Bound,
  type BoundAlias,
  type BoundBetween,
  type BoundBinary,
  type BoundColumn,
  type BoundConstant,
  type BoundHits,
  type BoundIn,
  type BoundLogical,
  type BoundStar,
} from "../bound.ts";
import { compileArithmetic, compileBits } from "./arithmetic.ts";
import { compileCall } from "./calls.ts";
import {
  compileBetween,
  compileBetweenNumbers,
  compileComparison,
  compileComparisonWithNumber,
  compileEqualityWithText,
  compileInArray,
  compileInConstants,
  compileInList,
} from "./comparison.ts";
import type { CompileContext, Condition, Evaluator } from "./evaluator.ts";
import { compileLike } from "./like.ts";
import { compileLogical, compileSearchedCase, compileSimpleCase, toCondition } from "./logic.ts";
import { mergeEqualities } from "./merge_equalities.ts";
import { compileIndex, compileMember, compileSlice } from "./nested.ts";

export function compileExpression(bound: Bound, context: CompileContext): Evaluator {
  const compile = (part: Bound) => compileExpression(part, context);
  switch (bound.kind) {
    case "constant": {
      const { value } = bound;
      return () => value;
    }
    case "column":
      return compileColumn(bound, context);
    case "star":
      return compileStar(bound, context);
    case "alias":
      return compileAlias(bound, context);
    case "aggregate":
    case "analytic":
    case "row_number":
    case "dedup_trigger": {
      const { slot } = bound;
      return (row) => row.slots?.[slot] ?? null;
    }
    case "hits":
      return compileHits(bound, context);
    case "call": {
      const call = compileCall(bound.fn, bound.args, context, compile);
      const { source } = bound;
      return source === undefined ? call : (row) => call(partOf(row, source) ?? noRow);
    }
    case "member":
      return compileMember(compile(bound.base), bound.key);
    case "index":
      return compileIndex(compile(bound.base), compile(bound.index));
    case "slice":
      return compileSlice(
        compile(bound.base),
        bound.from === undefined ? undefined : compile(bound.from),
        bound.to === undefined ? undefined : compile(bound.to),
      );
    case "binary":
      return compileBinary(bound, context);
    case "logical":
      return compileChain(bound, compile);
    case "in":
      return compileIn(bound, context);
    case "between":
      return compileBetweenBounds(bound, context);
    case "like":
      return compileLike(compile(bound.operand), compile(bound.pattern), bound.negated);
    case "case": {
      const branches = bound.branches.map((b) => ({ when: compile(b.when), then: compile(b.then) }));
      const otherwise = bound.otherwise === undefined ? undefined : compile(bound.otherwise);
      return bound.operand === undefined
        ? compileSearchedCase(branches, otherwise)
        : compileSimpleCase(compile(bound.operand), branches, otherwise, context);
    }
    default:
      return bound satisfies never;
  }
}

/** The operator of the clause counts; analyze allows such calls only in clauses whose operators do. */
function compileHits({ gives }: BoundHits, { hits }: CompileContext): Evaluator {
  if (hits === undefined) throw new Error("This clause does not count what passes it");
  return gives === "count" ? () => hits.count : () => hits.time;
}

/** `what` names the clause in the error for a non-boolean. */
export function compileCondition(bound: Bound, what: string, context: CompileContext): Condition {
  return toCondition(compileExpression(bound, context), what);
}

/** Names that every object inherits would otherwise be found on rows that do not have the column. */
function isInherited(name: string): boolean {
  return name in Object.prototype;
}

/** Stands for the row of a source that had none to join. */
const noRow = new Row({}, 0);

function compileColumn({ source, name }: BoundColumn, { severalSources, ignoreCase }: CompileContext): Evaluator {
  const read: (values: Struct) => Value = ignoreCase === true
    ? (values) => values[keyOf(values, name)]
    : isInherited(name)
    ? (values) => getOwn(values, name)
    : (values) => values[name];
  const isPlain = ignoreCase !== true && !isInherited(name);
  if (severalSources !== true) return isPlain ? (row) => row.values[name] : (row) => read(row.values);
  if (source === -1) {
    return (row) => {
      if (row.parts === undefined) return read(row.values);
      for (const part of row.parts) {
        if (part === undefined) continue;
        const key = ignoreCase === true ? keyOf(part.values, name) : name;
        if (Object.hasOwn(part.values, key)) return part.values[key];
      }
      return undefined;
    };
  }
  return (row) => {
    const part = partOf(row, source);
    return part === undefined ? undefined : read(part.values);
  };
}

/** The key of a row that is `name`, or else the first one that differs in the case of its letters only. */
function keyOf(values: Struct, name: string): string {
  if (Object.hasOwn(values, name)) return name;
  const lower = name.toLowerCase();
  for (const key of Object.keys(values)) if (key.toLowerCase() === lower) return key;
  return noSuchKey;
}

/** No JSON key that a source delivers is found by it on a row: it is not a name that objects inherit either. */
const noSuchKey = "\u0000";

/** The row of one source in a row, which may be a joined one. */
export function partOf(row: Row, source: number): Row | undefined {
  return row.parts === undefined ? (row.source === source ? row : undefined) : row.parts[source];
}

/** All columns of a joined row as one struct; `precedence` tells whose value wins, the first before all others. */
export function joinedValues(row: Row, precedence?: readonly number[]): Struct {
  const { parts } = row;
  if (parts === undefined) return row.values;
  const values: Struct = {};
  // As the argument of a function, the source further right wins.
  const order = precedence === undefined ? parts.keys() : precedence.toReversed();
  for (const position of order) {
    const part = parts[position];
    if (part === undefined) continue;
    for (const name of Object.keys(part.values)) setOwn(values, name, part.values[name]);
  }
  return values;
}

/** The whole row as a value: `EXCEPT` removes, `REPLACE` overwrites, a name in both is kept with its replacement. */
export function compileStar(star: BoundStar, context: CompileContext): Evaluator {
  // Columns are never written to, so the whole row can be handed on as it is.
  const whole: (row: Row) => Struct = context.severalSources === true
    ? (row) => joinedValues(row)
    : (row) => row.values;
  if (star.except.length === 0 && star.replace.length === 0) return whole;
  const replacements = star.replace.map((r) => ({ name: r.name, evaluate: compileExpression(r.expr, context) }));
  return (row) => {
    const values: Struct = { ...whole(row) };
    for (const name of star.except) delete values[name];
    for (const { name, evaluate } of replacements) setOwn(values, name, evaluate(row) ?? null);
    return values;
  };
}

/** Compiled definitions of aliases: one closure per operator, however often the alias is used there. */
const definitions = new WeakMap<CompileContext, Map<Bound, Evaluator>>();

/**
 * Computed at the first use on a row and kept; `undefined` in the slot means "not computed yet". Where a row leaves a
 * window or is given aggregates, the slots of aliases that depend on them are emptied.
 */
function compileAlias({ slot, expr }: BoundAlias, context: CompileContext): Evaluator {
  let known = definitions.get(context);
  if (known === undefined) definitions.set(context, known = new Map());
  const before = known.get(expr);
  if (before !== undefined) return before;
  const evaluate = compileExpression(expr, context);
  const kept: Evaluator = (row) => {
    const slots = (row.slots ??= []);
    const found = slots[slot];
    if (found !== undefined) return found;
    const value = evaluate(row) ?? null;
    slots[slot] = value;
    return value;
  };
  known.set(expr, kept);
  return kept;
}

function compileChain(bound: BoundLogical, compile: (part: Bound) => Evaluator): Evaluator {
  const operands = mergeEqualities(bound);
  // A chain that is one look-up as a whole gives a boolean as it is.
  return operands.length === 1 ? compile(operands[0]!) : compileLogical(bound.operator, operands.map(compile));
}

function compileBinary(bound: BoundBinary, context: CompileContext): Evaluator {
  const { operator, left, right } = bound;
  const l = compileExpression(left, context);
  switch (operator) {
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=": {
      if (isNumberConstant(right)) {
        return compileComparisonWithNumber(operator, l, right.value, context);
      }
      if (right.kind === "constant" && typeof right.value === "string" && (operator === "=" || operator === "!=")) {
        return compileEqualityWithText(operator, l, right.value, context);
      }
      return compileComparison(operator, l, compileExpression(right, context), context);
    }
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return compileArithmetic(operator, l, compileExpression(right, context));
    case "&":
    case "|":
    case "^":
      return compileBits(operator, l, compileExpression(right, context));
    default:
      return operator satisfies never;
  }
}

function isNumberConstant(bound: Bound): bound is BoundConstant & { readonly value: number | bigint } {
  return bound.kind === "constant" && (typeof bound.value === "number" || typeof bound.value === "bigint");
}

function compileBetweenBounds({ operand, low, high, negated }: BoundBetween, context: CompileContext): Evaluator {
  const value = compileExpression(operand, context);
  if (isNumberConstant(low) && isNumberConstant(high)) {
    return compileBetweenNumbers(value, low.value, high.value, negated, context);
  }
  return compileBetween(
    value,
    compileExpression(low, context),
    compileExpression(high, context),
    negated,
    context,
  );
}

function compileIn(bound: BoundIn, context: CompileContext): Evaluator {
  const operand = compileExpression(bound.operand, context);
  if (bound.list === undefined) {
    return compileInArray(operand, compileExpression(bound.array!, context), bound.negated, context);
  }
  const constants = bound.list.flatMap((element) => (element.kind === "constant" ? [element.value] : []));
  if (constants.length === bound.list.length) return compileInConstants(operand, constants, bound.negated, context);
  return compileInList(
    operand,
    bound.list.map((element) => compileExpression(element, context)),
    bound.negated,
    context,
  );
}
