/**
 * Operator state as text: JSON, with tags for what JSON has no form for.
 * @module
 */
import { Buffer } from "node:buffer";
import { DateTime } from "../value/datetime.ts";
import { setOwn, type Struct, type Value } from "../value/value.ts";

/**
 * A tagged value is a list whose first element is one of these texts; a list that happens to begin with one is tagged
 * itself. Plain lists, structs, strings, booleans and ordinary floats stand as they are.
 */
const tags = {
  int: "\u0001i",
  float: "\u0001f",
  bytes: "\u0001b",
  time: "\u0001t",
  list: "\u0001l",
  absent: "\u0001u",
};
const tagTexts: ReadonlySet<unknown> = new Set(Object.values(tags));

export function encodeState(value: Value): string {
  return JSON.stringify(toJson(value));
}

/** @throws {SyntaxError} for a text that `encodeState` has not written. */
export function decodeState(text: string): Value {
  return fromJson(JSON.parse(text));
}

function toJson(value: Value): unknown {
  switch (typeof value) {
    case "bigint":
      return [tags.int, String(value)];
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : [tags.float, Object.is(value, -0) ? "-0" : String(value)];
    case "undefined":
      return [tags.absent];
    case "string":
    case "boolean":
      return value;
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return [tags.bytes, Buffer.from(value).toString("base64")];
  if (value instanceof DateTime) return [tags.time, value.ms, value.zone];
  if (Array.isArray(value)) {
    // `map` would skip holes, which a row's slots have, and they would come back as null.
    const list = Array.from(value, toJson);
    return tagTexts.has(list[0]) ? [tags.list, ...list] : list;
  }
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) setOwn(out as Struct, key, toJson(value[key]) as Value);
  return out;
}

function fromJson(json: unknown): Value {
  if (Array.isArray(json)) {
    switch (json[0]) {
      case tags.int:
        return BigInt(json[1] as string);
      case tags.float:
        return Number(json[1]);
      case tags.absent:
        return undefined;
      case tags.bytes:
        return new Uint8Array(Buffer.from(json[1] as string, "base64"));
      case tags.time:
        return new DateTime(json[1] as number, json[2] as string);
      case tags.list:
        return json.slice(1).map(fromJson);
      default:
        return json.map(fromJson);
    }
  }
  if (typeof json !== "object" || json === null) return json as Value;
  const out: Struct = {};
  for (const [key, value] of Object.entries(json)) setOwn(out, key, fromJson(value));
  return out;
}
