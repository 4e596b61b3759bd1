/**
 * The running aggregates `acc_…`. With `begin` and `reset` they count only from a row whose `begin` is true up to and
 * including one whose `reset` is true.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Value } from "../../value/value.ts";
import { describe } from "./arguments.ts";
import { any, boolean, defineAnalytic, type Example, type SqlFunction } from "./declare.ts";

/** `value` means what each function makes of it; `on` tells whether rows are counted. */
type AccState = { on: boolean; count: number; value: number };

interface Accumulation {
  readonly name: string;
  readonly returns: "float" | "int";
  readonly doc: string;
  readonly examples: readonly Example[];
  /** The new value, with `x` being the value number `count`; anything may be counted when it is absent. */
  readonly add?: (value: number, x: number, count: number) => number;
  readonly result: (state: AccState) => Value;
}

function accumulation({ name, returns, doc, examples, add, result }: Accumulation): SqlFunction {
  return defineAnalytic({
    name,
    category: "analytic",
    returns,
    params: [any("x"), boolean("begin", { optional: true }), boolean("reset", { optional: true })],
    arity: { wanted: "1 or 3 arguments", fits: (count) => count !== 2 },
    doc:
      `${doc} Nulls are skipped. With \`begin\` and \`reset\` it counts from a row whose \`begin\` is true up to one ` +
      "whose `reset` is true, and is 0 otherwise.",
    examples,
    init: (): AccState => ({ on: false, count: 0, value: 0 }),
    step(state, active, x, begin, reset) {
      if (!active) return { state, result: result(state) };
      // Undefined is an argument that was left out; a condition that is null arrives as null.
      if (begin === null || reset === null) {
        throw new RowError("E506", `${name}() needs booleans as "begin" and "reset", found null`);
      }
      if (begin !== false) state.on = true;
      if (!state.on) return { state, result: result(state) };
      if (x !== null && x !== undefined) {
        state.count++;
        if (add !== undefined) {
          if (typeof x !== "number" && typeof x !== "bigint") {
            throw new RowError("E506", `${name}() needs numbers, found ${describe(x)}`);
          }
          state.value = add(state.value, Number(x), state.count);
        }
      }
      const current = result(state);
      return { state: reset === true ? { on: false, count: 0, value: 0 } : state, result: current };
    },
  });
}

const example = [2, 5, 1, 0, 7].map((v) => ({ v }));

export const accSum = accumulation({
  name: "acc_sum",
  returns: "float",
  doc: "The running sum of `x`, a float.",
  examples: [
    { sql: "acc_sum(v)", rows: [{ v: 1n }, {}, { v: 2.5 }], givesEach: [1, 1, 3.5] },
    { sql: "acc_sum(v, begin, reset)", rows: withConditions(), givesEach: [0, 5, 6, 6, 7] },
    { sql: "acc_sum(v)", rows: [{ v: "a" }], fails: "E506" },
    { sql: "acc_sum(v, begin, reset)", rows: [{ v: 1, begin: true }], fails: "E506" },
    { sql: "acc_sum(v, begin)", rows: [{ v: 1, begin: true }], fails: "E203" },
  ],
  add: (sum, x) => sum + x,
  result: ({ value }) => value,
});

export const accAvg = accumulation({
  name: "acc_avg",
  returns: "float",
  doc: "The running mean of `x`, a float; 0 before the first value.",
  examples: [
    { sql: "acc_avg(v)", rows: [{}, { v: 1n }, { v: 2n }], givesEach: [0, 1, 1.5] },
    { sql: "acc_avg(v)", rows: [{ v: "a" }], fails: "E506" },
  ],
  add: (sum, x) => sum + x,
  result: ({ count, value }) => (count === 0 ? 0 : value / count),
});

export const accMin = accumulation({
  name: "acc_min",
  returns: "float",
  doc: "The smallest `x` so far, a float; 0 before the first value.",
  examples: [
    { sql: "acc_min(v)", rows: [{}, { v: 3n }, { v: 1n }, { v: 2n }], givesEach: [0, 3, 1, 1] },
    { sql: "acc_min(v)", rows: [{ v: "a" }], fails: "E506" },
  ],
  add: (least, x, count) => (count === 1 ? x : Math.min(least, x)),
  result: ({ value }) => value,
});

export const accMax = accumulation({
  name: "acc_max",
  returns: "float",
  doc: "The greatest `x` so far, a float; 0 before the first value.",
  examples: [
    { sql: "acc_max(v)", rows: [{}, { v: -3n }, { v: -1n }, { v: -2n }], givesEach: [0, -3, -1, -1] },
    { sql: "acc_max(v)", rows: [{ v: "a" }], fails: "E506" },
  ],
  add: (greatest, x, count) => (count === 1 ? x : Math.max(greatest, x)),
  result: ({ value }) => value,
});

export const accCount = accumulation({
  name: "acc_count",
  returns: "int",
  doc: "The number of values of `x` so far.",
  examples: [
    { sql: "acc_count(v)", rows: [{ v: "a" }, {}, { v: null }, { v: 2n }], givesEach: [1n, 1n, 1n, 2n] },
    { sql: "acc_count(v, begin, reset)", rows: withConditions(), givesEach: [0n, 1n, 2n, 3n, 1n] },
  ],
  result: ({ count }) => BigInt(count),
});

/** As in `acc_sum(v, v >= 5, v = 0)`. */
function withConditions(): Example["rows"] & object {
  return example.map(({ v }) => ({ v, begin: v >= 5, reset: v === 0 }));
}
