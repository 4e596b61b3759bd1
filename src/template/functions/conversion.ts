/**
 * Functions that make one type of another, and that tell types.
 * @module
 */
import type { Value } from "../../value/value.ts";
import { plain } from "../go_print.ts";
import { kindOf, typeOf } from "../go_value.ts";
import { readInt, toFloat, toInt } from "./cast.ts";
import { defineFunction, type TemplateFunction } from "./declare.ts";
import { deepEqual } from "./measure.ts";

/** True for the name of a type or kind; all ints are int64, and templates written for others say int as well. */
function isCalled(actual: string, wanted: string): boolean {
  return actual === wanted || (actual === "int64" && wanted === "int");
}

function types(name: string, doc: string, of: (value: Value) => string, gives: string): TemplateFunction {
  return defineFunction({
    name,
    category: "types",
    doc,
    example: { template: `{{${name} .t}} {{${name} .l}}`, data: { t: 20.5, l: [1n] }, gives },
    params: ["any"],
    run: (_run, value) => of(value),
  });
}

function isType(name: string, of: (value: Value) => string, example: string): TemplateFunction {
  return defineFunction({
    name,
    category: "types",
    doc: `True when \`${of === kindOf ? "kindOf" : "typeOf"}\` the second argument is the first.`,
    example: { template: `{{${name} "${example}" .t}}`, data: { t: 20.5 }, gives: "true" },
    params: ["string", "any"],
    run: (_run, wanted, value) => isCalled(of(value), wanted),
  });
}

export const conversionFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "atoi",
    category: "conversion",
    doc: "The int that a text of decimal digits stands for, else 0.",
    example: { template: '{{atoi "12"}}', gives: "12" },
    params: ["string"],
    run: (_run, text) => {
      const value = /^[+-]?\d{1,19}$/.test(text) ? BigInt(text.replace(/^\+/, "")) : 0n;
      return BigInt.asIntN(64, value) === value ? value : 0n;
    },
  }),
  defineFunction({
    name: "int64",
    aliases: ["int"],
    category: "conversion",
    doc: "Anything as an int: a float without its fraction, a text read as one, else 0.",
    example: { template: "{{int64 .t}}", data: { t: 20.9 }, gives: "20" },
    params: ["any"],
    run: (_run, value) => toInt(value, "int64"),
  }),
  defineFunction({
    name: "float64",
    category: "conversion",
    doc: "Anything as a float: an int, a text read as one, else 0.",
    example: { template: "{{lt (float64 .n) 30.0}}", data: { n: 20n }, gives: "true" },
    params: ["any"],
    run: (_run, value) => toFloat(value, "float64"),
  }),
  defineFunction({
    name: "toDecimal",
    category: "conversion",
    doc: "The int that octal digits stand for.",
    example: { template: '{{toDecimal "0777"}}', gives: "511" },
    params: ["any"],
    run: (run, value) => readInt(`0o${plain(value ?? "", run).slice(0, 100)}`) ?? 0n,
  }),
  defineFunction({
    name: "toString",
    category: "conversion",
    doc: "Anything as text.",
    example: { template: "{{toString .n | len}}", data: { n: 123n }, gives: "3" },
    params: ["any"],
    run: (run, value) => plain(value, run),
  }),
  types(
    "kindOf",
    "The kind of a value: `string`, `int64`, `float64`, `bool`, `slice`, `map` …",
    kindOf,
    "float64 slice",
  ),
  types("typeOf", "The type of a value in Go.", typeOf, "float64 []interface {}"),
  isType("kindIs", kindOf, "float64"),
  isType("typeIs", typeOf, "float64"),
  isType("typeIsLike", typeOf, "float64"),
  defineFunction({
    name: "deepEqual",
    category: "types",
    doc: "True when two values are equal in all their parts; types count.",
    example: { template: "{{deepEqual (list 1 2) (list 1 2)}}", gives: "true" },
    params: ["any", "any"],
    run: (run, a, b) => deepEqual(a, b, run),
  }),
];
