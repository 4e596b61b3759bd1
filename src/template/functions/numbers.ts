/**
 * Functions of numbers. Those named like `add` work with ints, those named like `addf` with floats; both make numbers of
 * texts, and of floats ints.
 * @module
 */
import { randomInt } from "node:crypto";
import { type Value, wrapInt } from "../../value/value.ts";
import { fail, type Run } from "../run.ts";
import { toFloat, toInt } from "./cast.ts";
import {
  addDecimals,
  type Decimal,
  decimalOf,
  divideDecimals,
  multiplyDecimals,
  numberOf,
  subtractDecimals,
} from "./decimal.ts";
import { type Category, defineFunction, type Example, type TemplateFunction } from "./declare.ts";

const category: Category = "numbers";

/** Any number of ints to one. */
function ints(name: string, doc: string, example: Example, start: bigint, fold: (a: bigint, b: bigint) => bigint) {
  return defineFunction({
    name,
    category,
    doc,
    example,
    params: [],
    rest: "any",
    run: (run, ...values) => {
      run.spend(values.length);
      return values.reduce((sum: bigint, value) => wrapInt(fold(sum, toInt(value, name))), start);
    },
  });
}

/** Two ints to one. */
function two(name: string, doc: string, example: Example, compute: (a: bigint, b: bigint) => bigint) {
  return defineFunction({
    name,
    category,
    doc,
    example,
    params: ["any", "any"],
    run: (_run, a, b) => wrapInt(compute(toInt(a, name), toInt(b, name))),
  });
}

/** A first float and any number of others to one, without the errors of binary fractions. */
function floats(
  name: string,
  doc: string,
  example: Example,
  fold: (a: Decimal, b: Decimal) => Decimal,
): TemplateFunction {
  return defineFunction({
    name,
    category,
    doc,
    example,
    params: ["any"],
    rest: "any",
    run: (run, ...values) => {
      run.spend(values.length * 40);
      const decimals = values.map((value) => decimalOf(toFloat(value, name)));
      // Rounding to a float after each step keeps the digits from growing without end.
      return decimals.map(numberOf).reduce((sum, value) => numberOf(fold(decimalOf(sum), decimalOf(value))));
    },
  });
}

/** The outermost of some numbers. */
function extremum<N extends number | bigint>(
  name: string,
  aliases: readonly string[],
  doc: string,
  example: Example,
  convert: (value: Value, name: string) => N,
  isFurther: (a: N, b: N) => boolean,
): TemplateFunction {
  return defineFunction({
    name,
    aliases,
    category,
    doc,
    example,
    params: ["any"],
    rest: "any",
    run: (run, ...values) => {
      run.spend(values.length);
      return values.map((value) => convert(value, name)).reduce((best, value) => isFurther(value, best) ? value : best);
    },
  });
}

function nonZero(name: string, divisor: bigint): bigint {
  return divisor === 0n ? fail(`${name}: division by zero`) : divisor;
}

/** From `start` up to but without `end`. */
function steps(run: Run, start: bigint, end: bigint, step: bigint): bigint[] {
  if (step === 0n || (step > 0n) !== (end > start)) return [];
  const count = (end - start + step - (step > 0n ? 1n : -1n)) / step;
  run.spend(count > 1_000_000n ? 2_000_000 : Number(count) * 2);
  return Array.from({ length: Number(count) }, (_, i) => start + BigInt(i) * step);
}

function round(value: number, places: number, from: number): number {
  if (Math.abs(places) > 300) return value;
  const power = 10 ** places;
  const shifted = Math.abs(value) * power;
  if (!Number.isFinite(shifted)) return value;
  const whole = Math.floor(shifted);
  const result = (shifted - whole >= from ? whole + 1 : whole) / power;
  return value < 0 ? -result : result;
}

export const numberFunctions: readonly TemplateFunction[] = [
  ints("add", "The sum of ints.", { template: "{{add .a 2 3}}", data: { a: 1n }, gives: "6" }, 0n, (a, b) => a + b),
  defineFunction({
    name: "add1",
    category,
    doc: "One more, as an int.",
    example: { template: "{{add1 2}}", gives: "3" },
    params: ["any"],
    run: (_run, value) => wrapInt(toInt(value, "add1") + 1n),
  }),
  two("sub", "The difference of two ints.", { template: "{{sub 5 2}}", gives: "3" }, (a, b) => a - b),
  defineFunction({
    name: "mul",
    category,
    doc: "The product of ints.",
    example: { template: "{{mul 2 3 4}}", gives: "24" },
    params: ["any"],
    rest: "any",
    run: (run, ...values) => {
      run.spend(values.length);
      return values.reduce((product: bigint, value) => wrapInt(product * toInt(value, "mul")), 1n);
    },
  }),
  two(
    "div",
    "The quotient of two ints, without its fraction.",
    { template: "{{div 7 2}}", gives: "3" },
    (a, b) => a / nonZero("div", b),
  ),
  two(
    "mod",
    "The rest of a division of ints.",
    { template: "{{mod 7 3}}", gives: "1" },
    (a, b) => a % nonZero("mod", b),
  ),
  extremum(
    "max",
    ["biggest"],
    "The largest of some ints.",
    { template: "{{max 1 5 2}}", gives: "5" },
    toInt,
    (a, b) => a > b,
  ),
  extremum("min", [], "The least of some ints.", { template: "{{min 3 1 2}}", gives: "1" }, toInt, (a, b) => a < b),
  floats("addf", "The sum of floats.", { template: "{{addf 0.1 0.2}}", gives: "0.3" }, addDecimals),
  defineFunction({
    name: "add1f",
    category,
    doc: "One more, as a float.",
    example: { template: "{{add1f 1.5}}", gives: "2.5" },
    params: ["any"],
    run: (_run, value) => numberOf(addDecimals(decimalOf(toFloat(value, "add1f")), { digits: 1n, scale: 0 })),
  }),
  floats("subf", "The first float less the others.", { template: "{{subf 1 0.9}}", gives: "0.1" }, subtractDecimals),
  floats("mulf", "The product of floats.", { template: "{{mulf 1.1 3}}", gives: "3.3" }, multiplyDecimals),
  floats("divf", "The first float divided by the others.", { template: "{{divf 10 4}}", gives: "2.5" }, divideDecimals),
  extremum(
    "maxf",
    [],
    "The largest of some floats.",
    { template: "{{maxf 1 2.5}}", gives: "2.5" },
    toFloat,
    (a, b) => a > b,
  ),
  extremum(
    "minf",
    [],
    "The least of some floats.",
    { template: "{{minf 1 2.5}}", gives: "1" },
    toFloat,
    (a, b) => a < b,
  ),
  defineFunction({
    name: "floor",
    category,
    doc: "The next whole float at or below.",
    example: { template: "{{floor 123.9999}}", gives: "123" },
    params: ["any"],
    run: (_run, value) => Math.floor(toFloat(value, "floor")),
  }),
  defineFunction({
    name: "ceil",
    category,
    doc: "The next whole float at or above.",
    example: { template: "{{ceil 123.001}}", gives: "124" },
    params: ["any"],
    run: (_run, value) => Math.ceil(toFloat(value, "ceil")),
  }),
  defineFunction({
    name: "round",
    category,
    doc: "Rounded to some digits behind the point; a third argument says from which fraction on it goes up, else 0.5.",
    example: { template: "{{round 123.555555 3}}", gives: "123.556" },
    params: ["any", "int", "any"],
    optional: 1,
    run: (_run, value, places, from) =>
      round(toFloat(value, "round"), places, from === undefined ? 0.5 : toFloat(from, "round")),
  }),
  defineFunction({
    name: "randInt",
    category,
    doc: "A random int from the first argument up to but without the second.",
    example: { template: "{{randInt 12 30}}" },
    params: ["int", "int"],
    run: (_run, from, to) => {
      if (to <= from || to - from >= 2 ** 47) fail(`randInt needs a second argument above ${from} and not too far off`);
      return BigInt(from) + BigInt(randomInt(to - from));
    },
  }),
  defineFunction({
    name: "until",
    category,
    doc: "The ints from 0 up to but without the argument.",
    example: { template: "{{range $i := until 3}}{{$i}};{{end}}", gives: "0;1;2;" },
    params: ["int"],
    run: (run, count) => steps(run, 0n, BigInt(count), count < 0 ? -1n : 1n),
  }),
  defineFunction({
    name: "untilStep",
    category,
    doc: "The ints from the first argument up to but without the second, in steps of the third.",
    example: { template: "{{untilStep 3 9 2}}", gives: "[3 5 7]" },
    params: ["int", "int", "int"],
    run: (run, from, to, step) => steps(run, BigInt(from), BigInt(to), BigInt(step)),
  }),
  defineFunction({
    name: "seq",
    category,
    doc: "Ints as text: to the argument, from one to another, or from one in steps to another.",
    example: { template: "{{seq 5}}, {{seq 0 2 6}}", gives: "1 2 3 4 5, 0 2 4 6" },
    params: ["int", "int", "int"],
    optional: 3,
    run: (run, ...given) => {
      if (given.length === 0) return "";
      const from = BigInt(given.length === 1 ? 1 : given[0]!);
      const to = BigInt(given.at(-1) as number);
      const direction = to < from ? -1n : 1n;
      const step = given.length === 3 ? BigInt(given[1]!) : direction;
      return steps(run, from, to + direction, step).join(" ");
    },
  }),
];
