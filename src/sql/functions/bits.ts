/**
 * Operations on the 64 bits of ints.
 * @module
 */
import { defineFunction, type Example, int, type SqlFunction } from "./declare.ts";

function ofTwoInts(
  name: string,
  doc: string,
  examples: readonly Example[],
  apply: (a: bigint, b: bigint) => bigint,
): SqlFunction {
  return defineFunction({
    name,
    category: "math",
    returns: "int",
    nulls: "propagate",
    params: [int("a"), int("b")],
    doc,
    examples: [
      ...examples,
      { sql: `${name}(a, 1)`, gives: null },
      { sql: `${name}(a, 1)`, rows: [{ a: 1.5 }], fails: "E506" },
      { sql: `${name}(6.0, 3)`, fails: "E205" },
    ],
    compile: () => apply,
  });
}

export const bitand = ofTwoInts(
  "bitand",
  "The bits set in both `a` and `b`.",
  [{ sql: "bitand(6, 3)", gives: 2n }, { sql: "bitand(a, 3)", rows: [{ a: 6 }], gives: 2n }],
  (a, b) => a & b,
);

export const bitor = ofTwoInts(
  "bitor",
  "The bits set in `a` or `b`.",
  [{ sql: "bitor(6, 3)", gives: 7n }],
  (a, b) => a | b,
);

export const bitxor = ofTwoInts(
  "bitxor",
  "The bits set in exactly one of `a` and `b`.",
  [{ sql: "bitxor(6, 3)", gives: 5n }],
  (a, b) => a ^ b,
);

export const bitnot = defineFunction({
  name: "bitnot",
  category: "math",
  returns: "int",
  nulls: "propagate",
  params: [int("a")],
  doc: "All bits of `a` inverted.",
  examples: [
    { sql: "bitnot(6)", gives: -7n },
    { sql: "bitnot(a)", gives: null },
    { sql: "bitnot('a')", fails: "E205" },
  ],
  compile: () => (a) => ~a,
});
