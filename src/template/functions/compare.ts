/**
 * The comparisons, as strict about types as Go's: an int and a float never compare.
 * @module
 */
import { compareByteOrder } from "../../value/byte_order.ts";
import { DateTime } from "../../value/datetime.ts";
import type { Value } from "../../value/value.ts";
import { isTrue, typeOf } from "../go_value.ts";
import { fail } from "../run.ts";
import { defineFunction, type TemplateFunction } from "./declare.ts";

type Basic = "bool" | "int" | "float" | "string";

function basicOf(value: Value): Basic | undefined {
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    case "string":
      return "string";
    default:
      return undefined;
  }
}

function incompatible(name: string, left: Value, right: Value): never {
  const [a, b] = [typeOf(left), typeOf(right)];
  const mixed = (a === "int64" && b === "float64") || (a === "float64" && b === "int64");
  const hint = mixed ? ": write 30.0 for a float, or convert with float64 or int64" : "";
  return fail(`${name} cannot compare ${a} with ${b}${hint}`);
}

function isEqual(left: Value, right: Value): boolean {
  if (left === null || left === undefined || right === null || right === undefined) {
    return (left ?? null) === (right ?? null);
  }
  if (left instanceof DateTime && right instanceof DateTime) return left.ms === right.ms && left.zone === right.zone;
  const kind = basicOf(left);
  if (kind === undefined || kind !== basicOf(right)) incompatible("eq", left, right);
  return left === right;
}

function isLess(name: string, left: Value, right: Value): boolean {
  const kind = basicOf(left);
  if (kind === undefined || kind === "bool" || kind !== basicOf(right)) incompatible(name, left, right);
  return typeof left === "string" ? compareByteOrder(left, right as string) < 0 : left! < right!;
}

function comparison(
  name: string,
  doc: string,
  gives: string,
  holds: (a: Value, b: Value) => boolean,
): TemplateFunction {
  return defineFunction({
    name,
    category: "logic",
    doc,
    example: { template: `{{${name} .t 30.0}}`, data: { t: 31.5 }, gives },
    params: ["any", "any"],
    run: (_run, a, b) => holds(a, b),
  });
}

export const comparisons: readonly TemplateFunction[] = [
  defineFunction({
    name: "eq",
    category: "logic",
    doc: "True when the first argument equals any of the others. An int and a float cannot be compared.",
    example: { template: '{{eq .state "on" "ready"}}', data: { state: "ready" }, gives: "true" },
    params: ["any", "any"],
    rest: "any",
    run: (run, first, ...others) => {
      run.spend(others.length);
      return others.some((other) => isEqual(first, other));
    },
  }),
  comparison("ne", "True when both arguments differ.", "true", (a, b) => !isEqual(a, b)),
  comparison("lt", "True when the first argument is less than the second.", "false", (a, b) => isLess("lt", a, b)),
  comparison(
    "le",
    "True when the first argument is less than or equal to the second.",
    "false",
    (a, b) => isLess("le", a, b) || isEqual(a, b),
  ),
  comparison(
    "gt",
    "True when the first argument is greater than the second.",
    "true",
    (a, b) => !isLess("gt", a, b) && !isEqual(a, b) && !Number.isNaN(a) && !Number.isNaN(b),
  ),
  comparison(
    "ge",
    "True when the first argument is greater than or equal to the second.",
    "true",
    (a, b) => !isLess("ge", a, b) && !Number.isNaN(a) && !Number.isNaN(b),
  ),
  defineFunction({
    name: "not",
    category: "logic",
    doc: "True for what counts as false: nil, `false`, 0, and empty texts, lists and maps.",
    example: { template: "{{not .a}}", data: { a: "" }, gives: "true" },
    params: ["any"],
    run: (_run, value) => !isTrue(value),
  }),
];
