/**
 * What can be known about a value before a row is seen.
 * @module
 */
import { type Kind, kindOf, type Value } from "../value/value.ts";
import type { ColumnType } from "./ast.ts";
import type { SourceSchema } from "./catalog.ts";

/**
 * A static type. `unknown` can be anything, `number` is int or float. Every type includes null: columns may be absent.
 */
export type StaticType = Exclude<Kind, "null"> | "number" | "unknown";

/** The static type of a literal's value. */
export function typeOfLiteral(value: bigint | number | string | boolean): StaticType {
  const kind = kindOf(value as Value);
  return kind === "null" ? "unknown" : kind;
}

/** The static type of a declared column. Without strict validation a datetime column keeps numbers and strings. */
export function typeOfColumn(
  type: ColumnType,
  { strictValidation, givesText = false }: Pick<SourceSchema, "strictValidation" | "givesText">,
): StaticType {
  if (givesText) return "unknown";
  switch (type.kind) {
    case "bigint":
      return "int";
    case "datetime":
      return strictValidation ? "datetime" : "unknown";
    case "float":
    case "string":
    case "boolean":
    case "bytea":
    case "array":
    case "struct":
      return type.kind;
    default:
      return type satisfies never;
  }
}

export function isNumeric(type: StaticType): boolean {
  return type === "int" || type === "float" || type === "number";
}

/** The type of a value that is either `a` or `b`. */
export function unify(a: StaticType, b: StaticType): StaticType {
  if (a === b) return a;
  return isNumeric(a) && isNumeric(b) ? "number" : "unknown";
}
