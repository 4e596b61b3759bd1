import { RowError } from "../../diagnostics/row_error.ts";
import type { Value } from "../../value/value.ts";
import type { StaticType } from "../types.ts";
import { describe, toTime } from "./arguments.ts";
import { toBoolean, toBytes, toFloat, toInt, toText } from "./conversion.ts";
import { any, defineFunction, type RuleContext, string } from "./declare.ts";

/** The static type of what a conversion to one of the type names gives. */
export const castTypes: Readonly<Record<string, StaticType>> = {
  bigint: "int",
  float: "float",
  string: "string",
  boolean: "boolean",
  datetime: "datetime",
  bytea: "bytea",
};

const types = ["bigint", "float", "string", "boolean", "datetime", "bytea"] as const;

export const cast = defineFunction({
  name: "cast",
  category: "transform",
  returns: (_, literals) => castTypes[String(literals?.[1])] ?? "unknown",
  nulls: "propagate",
  params: [any("x"), string("type", { oneOf: types })],
  doc: "`x` converted to `bigint`, `float`, `string`, `boolean`, `datetime` or `bytea`. Floats are truncated toward " +
    "zero by `bigint` and written without exponent by `string`; texts are read; a datetime is what the time functions " +
    "take; `bytea` reads base64, and other texts as their bytes.",
  examples: [
    { sql: "cast(x, 'bigint')", rows: [{ x: -2.9 }], gives: -2n },
    { sql: "cast('0x1f', 'bigint')", gives: 31n },
    { sql: "cast('2.5', 'float')", gives: 2.5 },
    { sql: "cast(x, 'string')", rows: [{ x: 1234567 }], gives: "1234567" },
    { sql: "cast('T', 'boolean')", gives: true },
    { sql: "cast('aGk=', 'bytea')", gives: new Uint8Array([104, 105]) },
    { sql: "cast(x, 'bigint')", gives: null },
    { sql: "cast('a', 'bigint')", fails: "E506" },
    { sql: "cast(x, 'integer')", fails: "E214" },
    { sql: "cast(x, 'BIGINT')", fails: "E214" },
  ],
  compile(constants, context) {
    const fixed = constants.type === undefined ? undefined : converterTo(constants.type, "cast", context);
    return (x, type) => {
      const converted = (fixed ?? converterTo(type, "cast", context))(x);
      if (converted === undefined) throw new RowError("E506", `cast() cannot make a ${type} of ${describe(x)}`);
      return converted;
    };
  },
});

/**
 * The conversion that `cast` makes, undefined standing for "impossible".
 *
 * @param functionName Who asks, for the message.
 * @throws {RowError} E506 for an unknown type.
 */
export function converterTo(type: string, functionName: string, context: RuleContext): (x: Value) => Value {
  switch (type) {
    case "bigint":
      return toInt;
    case "float":
      return toFloat;
    case "string":
      return toText;
    case "boolean":
      return toBoolean;
    case "datetime":
      return (x) => toTime(x, context);
    case "bytea":
      return toBytes;
    default:
      throw new RowError("E506", `${functionName}() does not know the type ${describe(type)}`);
  }
}
