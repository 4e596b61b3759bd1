import { getOwn, isStruct, type Struct, type Value } from "../../value/value.ts";
import { defineRowFunction, string } from "./declare.ts";

/** The name of the source is left out of the path: a row has the metadata of its own source only. */
export const meta = defineRowFunction({
  name: "meta",
  category: "other",
  returns: "unknown",
  params: [string("key", { constant: true })],
  doc:
    "Metadata that the source delivered with the row: `meta(key)`, `meta(source.key)`, `meta(key->part)`, or all of " +
    "it with `meta(*)`. Missing: null.",
  examples: [
    { sql: "meta(topic)", gives: null },
    { sql: "meta()", fails: "E203" },
  ],
  compile(constants) {
    const key = constants.key ?? "*";
    if (key === "*") return (row) => row.meta ?? null;
    const path = key.split(".");
    return (row) => (row.meta === undefined ? null : lookUp(row.meta, path));
  },
});

function lookUp(all: Struct, path: readonly string[]): Value {
  let value: Value = all;
  for (const key of path) {
    if (!isStruct(value)) return null;
    value = getOwn(value, key);
  }
  return value ?? null;
}
