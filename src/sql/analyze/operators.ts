/**
 * What operators accept and give, as far as the types are known before running.
 * @module
 */
import type { BinaryOperator } from "../ast.ts";
import { isNumeric, type StaticType } from "../types.ts";

/** The result type of an operator, or undefined when these types can never be combined. */
export function binaryType(operator: BinaryOperator, left: StaticType, right: StaticType): StaticType | undefined {
  switch (operator) {
    case "AND":
    case "OR":
      return canBe(left, "boolean") && canBe(right, "boolean") ? "boolean" : undefined;
    case "=":
    case "!=":
      return comparable(left, right, true) ? "boolean" : undefined;
    case "<":
    case "<=":
    case ">":
    case ">=":
      return comparable(left, right, false) ? "boolean" : undefined;
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      if (!maybeNumeric(left) || !maybeNumeric(right)) return undefined;
      if (left === "int" && right === "int") return "int";
      return left === "float" || right === "float" ? "float" : "number";
    case "&":
    case "|":
    case "^":
      return bitType(left, right);
    default:
      return operator satisfies never;
  }
}

function bitType(left: StaticType, right: StaticType): StaticType | undefined {
  const ints = canBe(left, "int") && canBe(right, "int");
  const booleans = canBe(left, "boolean") && canBe(right, "boolean");
  if (!ints && !booleans) return undefined;
  // With a null on either side ints give false as well, so nothing is known about them.
  return ints ? "unknown" : "boolean";
}

function canBe(type: StaticType, kind: StaticType): boolean {
  return type === kind || type === "unknown" || (type === "number" && kind === "int");
}

function maybeNumeric(type: StaticType): boolean {
  return type === "unknown" || isNumeric(type);
}

/** Whether `=` (with `booleans`) or `<` can compare the two. */
export function comparable(left: StaticType, right: StaticType, booleans: boolean): boolean {
  if (neverCompared(left, booleans) || neverCompared(right, booleans)) return false;
  if (left === "unknown" || right === "unknown") return true;
  // A datetime on the left takes numbers (Unix ms) and parsable strings on the right, not the other way round.
  if (left === "datetime") return right !== "boolean";
  if (isNumeric(left)) return isNumeric(right);
  return left === right;
}

function neverCompared(type: StaticType, booleans: boolean): boolean {
  return type === "array" || type === "struct" || type === "bytea" || (type === "boolean" && !booleans);
}
