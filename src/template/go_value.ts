/**
 * What Go's templates know about a value: whether it counts as true, and what its type is called.
 * @module
 */
import { DateTime } from "../value/datetime.ts";
import type { Struct, Value } from "../value/value.ts";

/** A semantic version: its parts are fields, and it prints as the version. */
export class Version {
  [key: string]: Value;

  constructor(parts: Struct & { Original: string }) {
    Object.assign(this, parts);
  }
}

/** How a version prints. */
export function versionText(version: Version): string {
  const { Major, Minor, Patch, Prerelease, Metadata } = version;
  return `${Major}.${Minor}.${Patch}${Prerelease === "" ? "" : `-${Prerelease}`}${
    Metadata === "" ? "" : `+${Metadata}`
  }`;
}

/** False for nil, false, 0, and for texts, lists and maps without anything in them. */
export function isTrue(value: Value): boolean {
  switch (typeof value) {
    case "undefined":
      return false;
    case "boolean":
      return value;
    case "bigint":
      return value !== 0n;
    case "number":
      return value !== 0;
    case "string":
      return value !== "";
  }
  if (value === null) return false;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length > 0;
  if (value instanceof DateTime || value instanceof Version) return true;
  for (const key in value) if (value[key] !== undefined) return true;
  return false;
}

/** The type as Go's `%T` prints it. All ints are `int64`, as those of rows are. */
export function typeOf(value: Value): string {
  switch (typeof value) {
    case "undefined":
      return "<nil>";
    case "boolean":
      return "bool";
    case "bigint":
      return "int64";
    case "number":
      return "float64";
    case "string":
      return "string";
  }
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return "[]interface {}";
  if (value instanceof Uint8Array) return "[]uint8";
  if (value instanceof DateTime) return "time.Time";
  return value instanceof Version ? "*semver.Version" : "map[string]interface {}";
}

/** The kind as Go's reflection names it. */
export function kindOf(value: Value): string {
  const type = typeOf(value);
  if (type === "<nil>") return "invalid";
  if (type.startsWith("[]")) return "slice";
  if (type.startsWith("map")) return "map";
  return type === "time.Time" ? "struct" : type === "*semver.Version" ? "ptr" : type;
}

/** Keys of a map without those that count as absent. */
export function keysOf(struct: Struct): string[] {
  return Object.keys(struct).filter((key) => struct[key] !== undefined);
}
