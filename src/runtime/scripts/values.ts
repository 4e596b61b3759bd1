/**
 * Values on their way to a script and back, as JSON.
 *
 * A script knows one kind of number: a float without fraction comes back as an int. Ints beyond 2^53 are BigInt there.
 * @module
 */
import { DateTime } from "../../value/datetime.ts";
import { setOwn, type Struct, type Value, wrapInt } from "../../value/value.ts";

/** The one key of an object that stands for what JSON has no word for. */
export const tag = "\u0001weir";

/** The arguments of a call, as a JSON array. */
export function encodeArguments(args: readonly Value[]): string {
  return JSON.stringify(args.map(toJson));
}

function toJson(value: Value): unknown {
  switch (typeof value) {
    case "bigint": {
      const float = Number(value);
      return Number.isSafeInteger(float) ? float : { [tag]: ["int", String(value)] };
    }
    case "number":
      return Number.isFinite(value) ? value : null;
    case "object": {
      if (value === null) return null;
      if (Array.isArray(value)) return value.map(toJson);
      if (value instanceof Uint8Array) return { [tag]: ["bytes", [...value]] };
      if (value instanceof DateTime) return { [tag]: ["date", value.ms] };
      const out: Record<string, unknown> = {};
      for (const key of Object.keys(value)) setOwn(out as Struct, key, toJson(value[key]) as Value);
      return out;
    }
    default:
      return value;
  }
}

/** What a call gave. */
export function decodeResult(json: string): Value {
  return fromJson(JSON.parse(json));
}

function fromJson(value: unknown): Value {
  switch (typeof value) {
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
    case "string":
    case "boolean":
      return value;
    case "object": {
      if (value === null) return null;
      if (Array.isArray(value)) return value.map(fromJson);
      const special = (value as Record<string, unknown>)[tag];
      if (Array.isArray(special)) return fromSpecial(special);
      const out: Struct = {};
      for (const [key, part] of Object.entries(value)) setOwn(out, key, fromJson(part));
      return out;
    }
    default:
      return null;
  }
}

function fromSpecial([kind, content]: readonly unknown[]): Value {
  if (kind === "int" && typeof content === "string" && /^-?\d{1,1000}$/.test(content)) return wrapInt(BigInt(content));
  if (kind === "date" && typeof content === "number") return new DateTime(content, "UTC");
  if (kind === "bytes" && Array.isArray(content)) return Uint8Array.from(content as number[]);
  return null;
}
