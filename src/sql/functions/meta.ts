import { getOwn, isStruct, type Struct, type Value } from "../../value/value.ts";
import { defineRowFunction, string } from "./declare.ts";

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

/** The value at `path`. Its first part may be the name of the source, which metadata does not repeat. */
function lookUp(all: Struct, path: readonly string[]): Value {
  const start = path.length > 1 && getOwn(all, path[0]!) === undefined ? 1 : 0;
  let value: Value = all;
  for (let i = start; i < path.length; i++) {
    if (!isStruct(value)) return null;
    value = getOwn(value, path[i]!);
  }
  return value ?? null;
}
