/**
 * Values of rows as the values that a database takes.
 * @module
 */
import { Buffer } from "node:buffer";
import type { Value } from "../../src/connector/source.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { jsonText } from "../../src/value/json_text.ts";
import type { Dialect } from "./dsn.ts";
import type { Bound } from "./session.ts";

/** A value that no column of the database can hold. */
export class UnboundValue extends Error {}

/** Lists and objects become JSON, datetimes are given in UTC. @throws {UnboundValue} */
export function bound(dialect: Dialect, value: Value): Bound {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      if (dialect === "postgres") return String(value);
      // MySQL has no such value, and SQLite would make it null without a word.
      if (!Number.isFinite(value)) throw new UnboundValue(`${value} cannot be stored`);
      return value;
    case "bigint":
      return dialect === "postgres" ? String(value) : value;
    case "boolean":
      if (dialect === "postgres") return value ? "true" : "false";
      return dialect === "sqlite" ? (value ? 1n : 0n) : (value ? 1 : 0);
    case "undefined":
      return null;
    default:
      if (value === null) return null;
      if (value instanceof DateTime) return timeText(dialect, value);
      if (value instanceof Uint8Array) return dialect === "sqlite" ? value : Buffer.from(value);
      return jsonOf(value);
  }
}

function jsonOf(value: Value): string {
  try {
    return jsonText(value);
  } catch (error) {
    throw new UnboundValue((error as Error).message);
  }
}

/** `2026-01-02 03:04:05.678`; with the zone where a column may have one. */
export function timeText(dialect: Dialect, { ms }: DateTime): string {
  const text = new Date(ms).toISOString().replace("T", " ").slice(0, -1);
  return dialect === "postgres" ? `${text}+00` : text;
}
