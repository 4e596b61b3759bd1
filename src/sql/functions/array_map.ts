import { RowError } from "../../diagnostics/row_error.ts";
import type { Value } from "../../value/value.ts";
import { argumentReader, isNullLike } from "./arguments.ts";
import { array, defineFunction, type RuleContext, type SqlFunction, string } from "./declare.ts";

type Lookup = (name: string) => SqlFunction | undefined;

const nullResults = { propagate: null, false: false, zero: 0n } as const;

/**
 * `array_map`, which calls other functions by name; the registry hands in how to find them.
 */
export function createArrayMap(lookup: Lookup): SqlFunction {
  return defineFunction({
    name: "array_map",
    category: "array",
    returns: "array",
    nulls: "propagate",
    // The function applied may be one that is.
    impure: true,
    params: [string("function"), array("a")],
    doc:
      "The results of the function named `function` for each element of `a`. It must be one that takes a single value.",
    examples: [
      { sql: "array_map('abs', a)", rows: [{ a: [-1n, 2n, null] }], gives: [1n, 2n, null] },
      { sql: "array_map('upper', a)", rows: [{ a: ["x"] }], gives: ["X"] },
      { sql: "array_map('abs', a)", gives: null },
      { sql: "array_map('count', a)", rows: [{ a: [1n] }], fails: "E214" },
      { sql: "array_map('abs', a)", rows: [{ a: ["x"] }], fails: "E506" },
    ],
    compile(constants, context) {
      const fixed = constants.function === undefined ? undefined : elementFunction(constants.function, lookup, context);
      return (name, a) => a.map(fixed ?? elementFunction(name, lookup, context));
    },
  });
}

/** The function called `name`, ready for one argument. */
function elementFunction(name: string, lookup: Lookup, context: RuleContext): (element: Value) => Value {
  const fn = lookup(name);
  if (fn === undefined) throw new RowError("E506", `array_map() does not know a function ${name}`);
  const required = fn.params.filter((param) => param.optional !== true).length;
  const param = fn.params[0];
  if (fn.kind !== "scalar" || param === undefined || required > 1) {
    throw new RowError("E506", `array_map() needs a function of one value, which ${name} is not`);
  }
  const apply = fn.compile({}, context) as (element: Value) => Value;
  const read = argumentReader(param, fn.name, 1, context) as ((element: Value) => Value) | undefined;
  return (element) => {
    if (fn.nulls !== "sees" && isNullLike(element)) return nullResults[fn.nulls];
    return apply(read === undefined ? element : read(element));
  };
}
