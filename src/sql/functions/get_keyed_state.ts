import { RowError } from "../../diagnostics/row_error.ts";
import { unify } from "../types.ts";
import { describe } from "./arguments.ts";
import { castTypes, converterTo } from "./cast.ts";
import { any, defineFunction, string, text } from "./declare.ts";

const types = ["bigint", "float", "string", "boolean", "datetime"] as const;

export const getKeyedState = defineFunction({
  name: "get_keyed_state",
  category: "other",
  returns: ([_, _type, fallback = "unknown"], literals) =>
    unify(castTypes[String(literals?.[1])] ?? "unknown", fallback),
  nulls: "sees",
  impure: true,
  params: [text("key"), string("type", { oneOf: types }), any("default")],
  doc: "The value kept under `key` in the external state, converted to `bigint`, `float`, `string`, `boolean` or " +
    "`datetime` as by `cast`; `default` as it is where there is none. Values are set through the REST interface and " +
    "seen by the next row.",
  examples: [
    { sql: "get_keyed_state('limit', 'bigint', 0)", gives: 80n },
    { sql: "get_keyed_state('limit', 'string', '')", gives: "80" },
    { sql: "get_keyed_state(k, 'float', 1.5)", rows: [{ k: "nosuch" }], gives: 1.5 },
    { sql: "get_keyed_state(k, 'float', d)", gives: null },
    { sql: "get_keyed_state('mode', 'bigint', 0)", fails: "E506" },
    { sql: "get_keyed_state('limit', 'int', 0)", fails: "E214" },
  ],
  compile(constants, context) {
    const fixed = constants.type === undefined ? undefined : converterTo(constants.type, "get_keyed_state", context);
    return (key, type, fallback) => {
      if (key === null || key === undefined) return fallback;
      const value = context.keyedState?.(key);
      if (value === undefined) return fallback;
      if (value === null) return null;
      const converted = (fixed ?? converterTo(type ?? "", "get_keyed_state", context))(value);
      if (converted !== undefined) return converted;
      throw new RowError("E506", `get_keyed_state("${key}") cannot make a ${type} of ${describe(value)}`);
    };
  },
});
