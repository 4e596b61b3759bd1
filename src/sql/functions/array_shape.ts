/**
 * Making, measuring and rearranging arrays.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compareByteOrder } from "../../value/byte_order.ts";
import { nestedText, plainText } from "../../value/plain_text.ts";
import { getOwn, isStruct, setOwn, type Struct, type ValueArray } from "../../value/value.ts";
import { describe, isNullLike } from "./arguments.ts";
import { any, array, defineFunction, index, int, text } from "./declare.ts";
import { addToExtremum, emptyExtremum, extremumValue } from "./extremum.ts";
import { checkSize, checkText, extentOf } from "./result_size.ts";

export const arrayCreate = defineFunction({
  name: "array_create",
  category: "array",
  returns: "array",
  nulls: "sees",
  params: [any("v", { variadic: true })],
  doc: "An array of the arguments that are not null; null when there is none.",
  examples: [
    { sql: "array_create(1, 'a', missing)", gives: [1n, "a"] },
    { sql: "array_create(missing)", gives: null },
    { sql: "array_create()", fails: "E203" },
  ],
  compile: () => (...values) => {
    const elements = values.filter((value) => value !== null && value !== undefined);
    return elements.length === 0 ? null : elements;
  },
});

export const cardinality = defineFunction({
  name: "cardinality",
  category: "array",
  returns: "int",
  nulls: "zero",
  params: [any("a")],
  doc: "The number of elements of `a`, nulls included; 0 for anything that is no array.",
  examples: [
    { sql: "cardinality(a)", rows: [{ a: [1n, null] }], gives: 2n },
    { sql: "cardinality(5)", gives: 0n },
    { sql: "cardinality(a)", gives: 0n },
  ],
  compile: () => (a) => BigInt(Array.isArray(a) ? a.length : 0),
});

export const arrayCardinality = defineFunction({
  name: "array_cardinality",
  category: "array",
  returns: "int",
  nulls: "zero",
  params: [array("a")],
  doc: "The number of elements of `a` that are not null.",
  examples: [
    { sql: "array_cardinality(a)", rows: [{ a: [1n, null] }], gives: 1n },
    { sql: "array_cardinality(a)", gives: 0n },
    { sql: "array_cardinality(a)", rows: [{ a: "x" }], fails: "E506" },
  ],
  compile: () => (a) => BigInt(a.filter((element) => element !== null && element !== undefined).length),
});

export const elementAt = defineFunction({
  name: "element_at",
  category: "array",
  returns: "unknown",
  nulls: "propagate",
  params: [any("container"), any("at")],
  doc: "Element `at` of an array, from 0 or, when negative, from the end; outside the array it is refused. Of a map, " +
    "the value of the key `at`, or null.",
  examples: [
    { sql: "element_at(a, 0)", rows: [{ a: [1n, 2n] }], gives: 1n },
    { sql: "element_at(a, -1)", rows: [{ a: [1n, 2n] }], gives: 2n },
    { sql: "element_at(a, 'k')", rows: [{ a: { k: 1n } }], gives: 1n },
    { sql: "element_at(a, 'x')", rows: [{ a: { k: 1n } }], gives: null },
    { sql: "element_at(a, 0)", gives: null },
    { sql: "element_at(a, 2)", rows: [{ a: [1n, 2n] }], fails: "E506" },
  ],
  compile: () => (container, at) => {
    if (Array.isArray(container)) {
      const index = typeof at === "bigint" ? Number(at) : at;
      if (
        typeof index === "number" && Number.isInteger(index) && index < container.length && index >= -container.length
      ) {
        return container.at(index) ?? null;
      }
      throw new RowError("E506", `element_at() found ${container.length} elements, none at ${describe(at)}`);
    }
    if (isStruct(container) && typeof at === "string") return getOwn(container, at) ?? null;
    throw new RowError(
      "E506",
      `element_at() needs an array and an int, or a map and a string, found ${describe(container)} and ${describe(at)}`,
    );
  },
});

export const arrayMax = defineFunction({
  name: "array_max",
  category: "array",
  returns: "unknown",
  nulls: "propagate",
  params: [array("a")],
  doc: "The greatest of the elements that are not null, which must be all numbers or all strings.",
  examples: [
    { sql: "array_max(a)", rows: [{ a: [1n, 3n, null] }], gives: 3n },
    { sql: "array_max(a)", gives: null },
    { sql: "array_max(a)", rows: [{ a: [1n, "x"] }], fails: "E506" },
  ],
  compile: () => (a) => {
    const state = emptyExtremum();
    for (const element of a) addToExtremum(state, element, 1, "array_max");
    return extremumValue(state);
  },
});

export const arrayMin = defineFunction({
  name: "array_min",
  category: "array",
  returns: "unknown",
  nulls: "propagate",
  params: [array("a")],
  doc: "The smallest of the elements that are not null, which must be all numbers or all strings.",
  examples: [
    { sql: "array_min(a)", rows: [{ a: [1n, 3n, null] }], gives: 1n },
    { sql: "array_min(a)", gives: null },
    { sql: "array_min(a)", rows: [{ a: [1n, "x"] }], fails: "E506" },
  ],
  compile: () => (a) => {
    const state = emptyExtremum();
    for (const element of a) addToExtremum(state, element, -1, "array_min");
    return extremumValue(state);
  },
});

export const arrayFlatten = defineFunction({
  name: "array_flatten",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [array("a")],
  doc: "`a` with the elements of its arrays in their place, one level deep. Other elements are kept.",
  examples: [
    { sql: "array_flatten(a)", rows: [{ a: [[1n, [2n]], 3n] }], gives: [1n, [2n], 3n] },
    { sql: "array_flatten(a)", gives: null },
    { sql: "array_flatten(a)", rows: [{ a: 1n }], fails: "E506" },
  ],
  compile: () => (a) => a.flatMap((element) => element),
});

export const arraySort = defineFunction({
  name: "array_sort",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [array("a")],
  doc: "`a` in ascending order of the elements' plain text, in which 10 comes before 9.",
  examples: [
    { sql: "array_sort(a)", rows: [{ a: [9n, 10n, "a", "B"] }], gives: [10n, 9n, "B", "a"] },
    { sql: "array_sort(a)", gives: null },
    { sql: "array_sort(a)", rows: [{ a: 1n }], fails: "E506" },
  ],
  compile: () => (a) => {
    const keyed = a.map((element) => ({ element, key: nestedText(element) }));
    return keyed.sort((left, right) => compareByteOrder(left.key, right.key)).map(({ element }) => element);
  },
});

export const arrayShuffle = defineFunction({
  name: "array_shuffle",
  category: "array",
  returns: "array",
  nulls: "propagate",
  impure: true,
  params: [array("a")],
  doc: "The elements of `a` in random order.",
  examples: [
    { sql: "array_shuffle(a)", rows: [{ a: [1n, 1n] }], gives: [1n, 1n] },
    { sql: "array_shuffle(a)", gives: null },
    { sql: "array_shuffle(a)", rows: [{ a: 1n }], fails: "E506" },
  ],
  compile: (_, context) => (a) => {
    const shuffled = a.slice();
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(context.random() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
    }
    return shuffled;
  },
});

export const arrayConcat = defineFunction({
  name: "array_concat",
  category: "array",
  returns: "array",
  nulls: "sees",
  params: [array("a", { variadic: true })],
  doc: "All elements of all arrays; null arrays are skipped. Null when all are null or empty.",
  examples: [
    { sql: "array_concat(a, b, c)", rows: [{ a: [1n], b: null, c: [1n, null] }], gives: [1n, 1n, null] },
    { sql: "array_concat(a, b)", gives: null },
    { sql: "array_concat(a, b)", rows: [{ a: [1n], b: 2n }], fails: "E506" },
  ],
  compile: () => (...arrays) => {
    if (arrays.every(isNullLike)) return null;
    let size = 0;
    for (const array of arrays) size += array?.length ?? 0;
    checkSize("array_concat", size);
    return arrays.flatMap((array) => array ?? []);
  },
});

export const arrayJoin = defineFunction({
  name: "array_join",
  category: "array",
  returns: "string",
  nulls: "propagate",
  params: [array("a"), text("separator"), text("null_text", { optional: true })],
  doc:
    "The plain texts of the elements with `separator` between them. Nulls are left out unless `null_text` is given " +
    "and not empty.",
  examples: [
    { sql: "array_join(a, '-')", rows: [{ a: [1n, null, "x"] }], gives: "1-x" },
    { sql: "array_join(a, '-', 'none')", rows: [{ a: [1n, null, "x"] }], gives: "1-none-x" },
    { sql: "array_join(a, '-')", gives: null },
    { sql: "array_join(a, '-')", rows: [{ a: 1n }], fails: "E506" },
  ],
  compile: () => (a, separator, nullText = "") => {
    const texts = a.map((element) => element === null || element === undefined ? nullText : plainText(element));
    const kept = nullText === "" ? texts.filter((_, i) => a[i] !== null && a[i] !== undefined) : texts;
    let length = separator.length * Math.max(0, kept.length - 1);
    for (const part of kept) length += part.length;
    checkText("array_join", length);
    return kept.join(separator);
  },
});

export const repeat = defineFunction({
  name: "repeat",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [any("v"), index("n")],
  doc: "An array of `n` times `v`.",
  examples: [
    { sql: "repeat('a', 2)", gives: ["a", "a"] },
    { sql: "repeat(v, 2)", gives: null },
    { sql: "repeat('a', -1)", fails: "E506" },
  ],
  compile: () => (v, n) => {
    checkSize("repeat", n);
    if (n > 1) checkSize("repeat", n * extentOf(v));
    return new Array<typeof v>(n).fill(v);
  },
});

export const sequence = defineFunction({
  name: "sequence",
  category: "array",
  returns: "array",
  nulls: "propagate",
  params: [int("start"), int("stop"), int("step", { optional: true })],
  doc: "The ints from `start` to `stop`, both included, `step` apart (1 or -1 when left out).",
  examples: [
    { sql: "sequence(1, 3)", gives: [1n, 2n, 3n] },
    { sql: "sequence(3, 1)", gives: [3n, 2n, 1n] },
    { sql: "sequence(1, 6, 2)", gives: [1n, 3n, 5n] },
    { sql: "sequence(1, n)", gives: null },
    { sql: "sequence(1, 3, 0)", fails: "E506" },
    { sql: "sequence(1, 10000000000)", fails: "E506" },
  ],
  compile: () => (start, stop, step = start <= stop ? 1n : -1n) => {
    if (step === 0n) throw new RowError("E506", "sequence() needs a step other than 0");
    const count = (stop - start) / step + 1n;
    if (count <= 0n || (stop - start) * step < 0n) return [];
    checkSize("sequence", Number(count));
    const ints: ValueArray = [];
    for (let i = 0n; i < count; i++) ints.push(start + i * step);
    return ints;
  },
});

export const kvpairArrayToObj = defineFunction({
  name: "kvpair_array_to_obj",
  category: "array",
  returns: "struct",
  nulls: "propagate",
  params: [array("pairs")],
  doc: 'The map that an array of `{"key": k, "value": v}` describes.',
  examples: [
    {
      sql: "kvpair_array_to_obj(pairs)",
      rows: [{ pairs: [{ key: "a", value: 1n }, { key: "b", value: null }] }],
      gives: { a: 1n, b: null },
    },
    { sql: "kvpair_array_to_obj(pairs)", gives: null },
    { sql: "kvpair_array_to_obj(pairs)", rows: [{ pairs: [{ name: "a" }] }], fails: "E506" },
  ],
  compile: () => (pairs) => {
    const map: Struct = {};
    for (const pair of pairs) {
      const key = isStruct(pair) ? getOwn(pair, "key") : undefined;
      if (!isStruct(pair) || typeof key !== "string" || !Object.hasOwn(pair, "value")) {
        throw new RowError("E506", "kvpair_array_to_obj() needs elements with a string key and a value");
      }
      setOwn(map, key, pair.value);
    }
    return map;
  },
});
