/**
 * Arrays as sets. Ints and floats of the same value are the same element.
 * @module
 */
import { isStruct, type Value, type ValueArray } from "../../value/value.ts";
import { array, defineFunction } from "./declare.ts";
import { elementKey } from "./element_key.ts";

/** The first occurrences of the elements of `list` that `keep` wants. */
function distinct(list: ValueArray, keep: (element: Value) => boolean): ValueArray {
  const seen = new Set();
  return list.filter((element) => {
    const key = elementKey(element);
    if (seen.has(key) || !keep(element)) return false;
    seen.add(key);
    return true;
  });
}

export const arrayIntersect = defineFunction({
  name: "array_intersect",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [array("a"), array("b")],
  doc: "The distinct elements that `a` and `b` have in common, in the order of `b`.",
  examples: [
    { sql: "array_intersect(a, b)", rows: [{ a: [1n, 2n, 3n], b: [3n, 1n, 3n, 5n] }], gives: [3n, 1n] },
    { sql: "array_intersect(a, b)", rows: [{ a: [1n] }], gives: null },
    { sql: "array_intersect(a, b)", rows: [{ a: [1n], b: 1n }], fails: "E506" },
  ],
  compile: () => (a, b) => {
    const wanted = new Set(a.map(elementKey));
    return distinct(b, (element) => wanted.has(elementKey(element)));
  },
});

export const arrayUnion = defineFunction({
  name: "array_union",
  category: "array",
  returns: "array",
  nulls: "sees",
  params: [array("a"), array("b")],
  doc: "The distinct elements of `a` and `b`; null counts as an empty array.",
  examples: [
    { sql: "array_union(a, b)", rows: [{ a: [1n, 2n, 1n], b: [2, 3] }], gives: [1n, 2n, 3] },
    { sql: "array_union(a, b)", rows: [{ a: [1n] }], gives: [1n] },
    { sql: "array_union(a, b)", rows: [{ a: [1n], b: 1n }], fails: "E506" },
  ],
  compile: () => (a, b) => distinct([...(a ?? []), ...(b ?? [])], () => true),
});

export const arrayExcept = defineFunction({
  name: "array_except",
  category: "array",
  returns: "array",
  nulls: "sees",
  params: [array("a"), array("b")],
  doc: "The distinct elements of `a` that are not in `b`. Null for a null or empty `a`; a null `b` counts as empty.",
  examples: [
    { sql: "array_except(a, b)", rows: [{ a: [1n, 2n, 1n, 3n], b: [3, 4] }], gives: [1n, 2n] },
    { sql: "array_except(a, b)", rows: [{ a: [1n, 1n] }], gives: [1n] },
    { sql: "array_except(a, b)", rows: [{ b: [1n] }], gives: null },
    { sql: "array_except(a, b)", rows: [{ a: [], b: [1n] }], gives: null },
    { sql: "array_except(a, b)", rows: [{ a: 1n, b: [1n] }], fails: "E506" },
  ],
  compile: () => (a, b) => {
    if (a === null || a === undefined || a.length === 0) return null;
    const unwanted = new Set((b ?? []).map(elementKey));
    return distinct(a, (element) => !unwanted.has(elementKey(element)));
  },
});

export const arrayDistinct = defineFunction({
  name: "array_distinct",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [array("a")],
  doc: "The first occurrences of the elements of `a`. Arrays and maps in it are all kept.",
  examples: [
    { sql: "array_distinct(a)", rows: [{ a: [1n, 2n, 1, null, null] }], gives: [1n, 2n, null] },
    { sql: "array_distinct(a)", rows: [{ a: [[1n], [1n]] }], gives: [[1n], [1n]] },
    { sql: "array_distinct(a)", gives: null },
    { sql: "array_distinct(a)", rows: [{ a: 1n }], fails: "E506" },
  ],
  compile: () => (a) => {
    const seen = new Set();
    return a.filter((element) => {
      if (Array.isArray(element) || isStruct(element)) return true;
      const key = elementKey(element);
      return !seen.has(key) && seen.add(key);
    });
  },
});
