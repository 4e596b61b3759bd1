/**
 * Making maps and taking them apart.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { getOwn, isStruct, setOwn, type Struct, type Value } from "../../value/value.ts";
import { describe, isNullLike } from "./arguments.ts";
import { any, array, defineFunction, struct } from "./declare.ts";

const ab = [{ m: { b: 1n, a: 2n } }];

export const keys = defineFunction({
  name: "keys",
  category: "object",
  returns: "array",
  nulls: "propagate",
  params: [struct("m")],
  doc: "The keys of `m` in the order they were inserted.",
  examples: [
    { sql: "keys(m)", rows: ab, gives: ["b", "a"] },
    { sql: "keys(m)", gives: null },
    { sql: "keys(m)", rows: [{ m: [1n] }], fails: "E506" },
  ],
  compile: () => (m) => Object.keys(m),
});

export const values = defineFunction({
  name: "values",
  category: "object",
  returns: "array",
  nulls: "propagate",
  params: [struct("m")],
  doc: "The values of `m` in the order they were inserted.",
  examples: [
    { sql: "values(m)", rows: ab, gives: [1n, 2n] },
    { sql: "values(m)", gives: null },
    { sql: "values(m)", rows: [{ m: "x" }], fails: "E506" },
  ],
  compile: () => (m) => Object.values(m),
});

export const items = defineFunction({
  name: "items",
  category: "object",
  returns: "array",
  nulls: "propagate",
  params: [struct("m")],
  doc: "An array of `[key, value]` for each key of `m`.",
  examples: [
    { sql: "items(m)", rows: ab, gives: [["b", 1n], ["a", 2n]] },
    { sql: "items(m)", gives: null },
    { sql: "items(m)", rows: [{ m: "x" }], fails: "E506" },
  ],
  compile: () => (m) => Object.entries(m),
});

export const object = defineFunction({
  name: "object",
  category: "object",
  returns: "struct",
  nulls: "propagate",
  params: [array("keys"), array("values")],
  doc: "The map of the strings in `keys` to the `values` at the same positions; both must be of one length.",
  examples: [
    { sql: "object(k, v)", rows: [{ k: ["a", "b"], v: [1n, 2n] }], gives: { a: 1n, b: 2n } },
    { sql: "object(k, v)", rows: [{ k: ["a"] }], gives: null },
    { sql: "object(k, v)", rows: [{ k: ["a"], v: [1n, 2n] }], fails: "E506" },
    { sql: "object(k, v)", rows: [{ k: [1n], v: [1n] }], fails: "E506" },
  ],
  compile: () => (keys, values) => {
    if (keys.length !== values.length) {
      throw new RowError("E506", `object() was given ${keys.length} keys for ${values.length} values`);
    }
    return mapOf("object", keys.map((key, i) => [key, values[i]]));
  },
});

export const zip = defineFunction({
  name: "zip",
  category: "object",
  returns: "struct",
  nulls: "propagate",
  params: [array("pairs")],
  doc: "The map that an array of `[key, value]` describes. Null elements are skipped.",
  examples: [
    { sql: "zip(p)", rows: [{ p: [["a", 1n], null, ["b", 2n]] }], gives: { a: 1n, b: 2n } },
    { sql: "zip(p)", gives: null },
    { sql: "zip(p)", rows: [{ p: [["a"]] }], fails: "E506" },
  ],
  compile: () => (pairs) => {
    const present = pairs.filter((pair) => pair !== null && pair !== undefined);
    return mapOf(
      "zip",
      present.map((pair): [Value, Value] => {
        if (!Array.isArray(pair) || pair.length !== 2) {
          throw new RowError("E506", `zip() needs pairs of key and value, found ${describe(pair)}`);
        }
        return [pair[0], pair[1]];
      }),
    );
  },
});

function mapOf(functionName: string, entries: readonly (readonly [Value, Value])[]): Struct {
  const map: Struct = {};
  for (const [key, value] of entries) {
    if (typeof key !== "string") {
      throw new RowError("E506", `${functionName}() needs strings as keys, found ${describe(key)}`);
    }
    setOwn(map, key, value);
  }
  return map;
}

export const objectConstruct = defineFunction({
  name: "object_construct",
  category: "object",
  returns: "struct",
  nulls: "sees",
  params: [any("key_or_value", { variadic: true })],
  arity: { wanted: "a value for every key", fits: (count) => count % 2 === 0 },
  doc: "The map of keys and values given in turn. A pair whose key is null is left out; null values stay.",
  examples: [
    { sql: "object_construct('a', 1, 'b', x)", gives: { a: 1n, b: null } },
    { sql: "object_construct(x, 1)", gives: {} },
    { sql: "object_construct('a')", fails: "E203" },
    { sql: "object_construct(1, 2)", fails: "E506" },
  ],
  compile: () => (...args) => {
    const entries: [Value, Value][] = [];
    for (let i = 0; i < args.length; i += 2) {
      if (args[i] !== null && args[i] !== undefined) entries.push([args[i], args[i + 1] ?? null]);
    }
    return mapOf("object_construct", entries);
  },
});

export const objectConcat = defineFunction({
  name: "object_concat",
  category: "object",
  returns: "struct",
  nulls: "sees",
  params: [struct("m"), struct("others", { variadic: true })],
  doc: "One map with the keys of all maps, of which later ones win. Nulls are skipped.",
  examples: [
    { sql: "object_concat(m, n)", rows: [{ m: { a: 1n, b: 1n }, n: { b: 2n } }], gives: { a: 1n, b: 2n } },
    { sql: "object_concat(m, n)", rows: [{ m: { a: 1n } }], gives: { a: 1n } },
    { sql: "object_concat(m, n)", rows: [{ m: { a: 1n }, n: 5n }], fails: "E506" },
    { sql: "object_concat(m)", fails: "E203" },
  ],
  compile: () => (...maps) => {
    const merged: Struct = {};
    for (const map of maps) {
      if (map !== null && map !== undefined) { for (const key of Object.keys(map)) setOwn(merged, key, map[key]); }
    }
    return merged;
  },
});

export const objectSize = defineFunction({
  name: "object_size",
  category: "object",
  returns: "int",
  nulls: "zero",
  params: [struct("m")],
  doc: "The number of keys of `m`.",
  examples: [
    { sql: "object_size(m)", rows: ab, gives: 2n },
    { sql: "object_size(m)", gives: 0n },
    { sql: "object_size(m)", rows: [{ m: "x" }], fails: "E506" },
  ],
  compile: () => (m) => BigInt(Object.keys(m).length),
});

/** Keys given one by one, or as one array. What is no string is no key. */
function keyList(keys: readonly Value[]): string[] {
  const list = keys.length === 1 && Array.isArray(keys[0]) ? keys[0] : keys;
  return list.filter((key) => typeof key === "string");
}

export const objectPick = defineFunction({
  name: "object_pick",
  category: "object",
  returns: "struct",
  nulls: "sees",
  params: [struct("m"), any("key", { variadic: true })],
  doc:
    "`m` with only these keys, given one by one or as one array. `a.b` picks the key `b` of the map `a` into a map of " +
    "its own. Keys that are missing or no strings are ignored. Null for a null or empty map.",
  examples: [
    { sql: "object_pick(m, 'a', 'x')", rows: ab, gives: { a: 2n } },
    { sql: "object_pick(m, k)", rows: [{ m: { a: 1n, b: 2n, c: 3n }, k: ["a", "c"] }], gives: { a: 1n, c: 3n } },
    {
      sql: "object_pick(m, 'a.b', 'a.c')",
      rows: [{ m: { a: { b: 1n, c: 2n, d: 3n }, e: 4n } }],
      gives: { a: { b: 1n, c: 2n } },
    },
    { sql: "object_pick(m, 'a')", gives: null },
    { sql: "object_pick(m, 'a')", rows: [{ m: {} }], gives: null },
    { sql: "object_pick(m, 'a')", rows: [{ m: "x" }], fails: "E506" },
  ],
  compile: () => (m, ...keys) => {
    if (m === null || m === undefined || isNullLike(m)) return null;
    const picked: Struct = {};
    for (const key of keyList(keys)) {
      if (Object.hasOwn(m, key)) setOwn(picked, key, m[key]);
      else pickNested(m, key.split("."), picked);
    }
    return picked;
  },
});

/** Copies the value at `path` to the same path of `target`, of which only maps made here are written to. */
function pickNested(source: Struct, path: readonly string[], target: Struct): void {
  let value: Value = source;
  for (const key of path) {
    if (!isStruct(value) || !Object.hasOwn(value, key)) return;
    value = value[key];
  }
  let into = target;
  for (const key of path.slice(0, -1)) {
    const inner = getOwn(into, key);
    const own: Struct = isStruct(inner) ? { ...inner } : {};
    setOwn(into, key, own);
    into = own;
  }
  setOwn(into, path.at(-1)!, value);
}

export const erase = defineFunction({
  name: "erase",
  category: "object",
  returns: "struct",
  nulls: "propagate",
  params: [struct("m"), any("key")],
  doc: "`m` without a key, or without all keys of an array.",
  examples: [
    { sql: "erase(m, 'a')", rows: ab, gives: { b: 1n } },
    { sql: "erase(m, k)", rows: [{ m: { a: 1n, b: 2n }, k: ["a", "x"] }], gives: { b: 2n } },
    { sql: "erase(m, 'a')", gives: null },
    { sql: "erase(m, 5)", rows: ab, fails: "E506" },
  ],
  compile: () => (m, key) => {
    if (typeof key !== "string" && !Array.isArray(key)) {
      throw new RowError("E506", `erase() needs a string or an array of strings, found ${describe(key)}`);
    }
    const unwanted = new Set(keyList([key]));
    const rest: Struct = {};
    for (const name of Object.keys(m)) if (!unwanted.has(name)) setOwn(rest, name, m[name]);
    return rest;
  },
});

export const objToKvpairArray = defineFunction({
  name: "obj_to_kvpair_array",
  category: "object",
  returns: "array",
  nulls: "propagate",
  params: [struct("m")],
  doc: 'An array of `{"key": k, "value": v}` for each key of `m`.',
  examples: [
    { sql: "obj_to_kvpair_array(m)", rows: [{ m: { a: 1n } }], gives: [{ key: "a", value: 1n }] },
    { sql: "obj_to_kvpair_array(m)", gives: null },
    { sql: "obj_to_kvpair_array(m)", rows: [{ m: "x" }], fails: "E506" },
  ],
  compile: () => (m) => Object.keys(m).map((key) => ({ key, value: m[key] })),
});
