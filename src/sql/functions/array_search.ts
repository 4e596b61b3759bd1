/**
 * Finding elements in arrays. Null is an element like any other; a null array has none.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { any, array, defineFunction } from "./declare.ts";
import { elementKey } from "./element_key.ts";

const mixed = [{ a: [1n, 2, "x", 2n, null] }];

export const arrayPosition = defineFunction({
  name: "array_position",
  category: "array",
  returns: "int",
  nulls: "sees",
  params: [array("a"), any("v")],
  doc: "The position of the first `v` in `a`, from 0, or -1. Ints and floats of the same value are the same.",
  examples: [
    { sql: "array_position(a, 2)", rows: mixed, gives: 1n },
    { sql: "array_position(a, 'y')", rows: mixed, gives: -1n },
    { sql: "array_position(a, 1)", gives: -1n },
    { sql: "array_position(a, 1)", rows: [{ a: 5n }], fails: "E506" },
  ],
  compile: () => (a, v) => {
    const key = elementKey(v);
    return BigInt((a ?? []).findIndex((element) => elementKey(element) === key));
  },
});

export const arrayLastPosition = defineFunction({
  name: "array_last_position",
  category: "array",
  returns: "int",
  nulls: "sees",
  params: [array("a"), any("v")],
  doc: "The position of the last `v` in `a`, from 0, or -1.",
  examples: [
    { sql: "array_last_position(a, 2)", rows: mixed, gives: 3n },
    { sql: "array_last_position(a, 1)", gives: -1n },
    { sql: "array_last_position(a, 1)", rows: [{ a: "x" }], fails: "E506" },
  ],
  compile: () => (a, v) => {
    const key = elementKey(v);
    return BigInt((a ?? []).findLastIndex((element) => elementKey(element) === key));
  },
});

export const arrayContains = defineFunction({
  name: "array_contains",
  category: "array",
  returns: "boolean",
  nulls: "sees",
  params: [array("a"), any("v")],
  doc: "True when `v` is an element of `a`. Ints and floats of the same value are the same.",
  examples: [
    { sql: "array_contains(a, 1)", rows: [{ a: [1, 2] }], gives: true },
    { sql: "array_contains(a, '1')", rows: [{ a: [1, 2] }], gives: false },
    { sql: "array_contains(a, 1)", gives: false },
    { sql: "array_contains(a, 1)", rows: [{ a: { k: 1n } }], fails: "E506" },
  ],
  compile: () => (a, v) => {
    const key = elementKey(v);
    return (a ?? []).some((element) => elementKey(element) === key);
  },
});

export const arrayContainsAny = defineFunction({
  name: "array_contains_any",
  category: "array",
  returns: "boolean",
  nulls: "sees",
  params: [array("a"), array("b")],
  doc:
    "True when `a` and `b` have an element in common. False for a null or empty `a`; a null or empty `b` is refused.",
  examples: [
    { sql: "array_contains_any(a, b)", rows: [{ a: [1n, 2n], b: [2, 3] }], gives: true },
    { sql: "array_contains_any(a, b)", rows: [{ a: [1n, 2n], b: [3n] }], gives: false },
    { sql: "array_contains_any(a, b)", rows: [{ b: [3n] }], gives: false },
    { sql: "array_contains_any(a, b)", rows: [{ a: [1n] }], fails: "E506" },
    { sql: "array_contains_any(a, b)", rows: [{ a: [1n], b: [] }], fails: "E506" },
  ],
  compile: () => (a, b) => {
    if (a === null || a === undefined || a.length === 0) return false;
    if (b === null || b === undefined || b.length === 0) {
      throw new RowError("E506", "array_contains_any() needs two arrays, the second is null or empty");
    }
    const wanted = new Set(b.map(elementKey));
    return a.some((element) => wanted.has(elementKey(element)));
  },
});

export const arrayRemove = defineFunction({
  name: "array_remove",
  category: "array",
  returns: "array",
  nulls: "sees",
  params: [array("a"), any("v")],
  doc: "`a` without all elements `v`. Null for a null or empty array.",
  examples: [
    { sql: "array_remove(a, 2)", rows: mixed, gives: [1n, "x", null] },
    { sql: "array_remove(a, v)", rows: mixed, gives: [1n, 2, "x", 2n] },
    { sql: "array_remove(a, 2)", gives: null },
    { sql: "array_remove(a, 2)", rows: [{ a: [] }], gives: null },
    { sql: "array_remove(a, 2)", rows: [{ a: 2n }], fails: "E506" },
  ],
  compile: () => (a, v) => {
    if (a === null || a === undefined || a.length === 0) return null;
    const key = elementKey(v);
    return a.filter((element) => elementKey(element) !== key);
  },
});
