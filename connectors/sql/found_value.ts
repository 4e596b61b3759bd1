/**
 * Values of databases as values of rows, as far as the products agree.
 * @module
 */
import type { Value } from "../../src/connector/source.ts";
import { DateTime, isTimestamp } from "../../src/value/datetime.ts";
import { intMax, intMin } from "../../src/value/value.ts";

const time =
  /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)?$/;

/**
 * A datetime as databases print it, without a zone in UTC: `2026-01-02 03:04:05.123456+02`. Digits behind the milliseconds
 * are cut. Undefined for any other text.
 */
export function readTime(text: string): DateTime | undefined {
  const match = time.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const ms = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const at = new Date(0);
  at.setUTCFullYear(year!, month! - 1, day!);
  at.setUTCHours(hour!, minute!, second!, ms);
  // The 30th of February.
  if (at.getUTCDate() !== day) return undefined;
  const shifted = at.getTime() - offsetMs(match[8]);
  return isTimestamp(shifted) ? new DateTime(shifted, "UTC") : undefined;
}

function offsetMs(zone: string | undefined): number {
  if (zone === undefined || zone === "Z") return 0;
  const [, sign, hours, minutes = "0", seconds = "0"] = /^([+-])(\d\d):?(\d\d)?(?::(\d\d))?$/.exec(zone)!;
  const size = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return (sign === "-" ? -size : size) * 1000;
}

/** Beyond 64 bits a float, as there is no larger int. */
export function readInt(text: string | number): bigint | number {
  const value = BigInt(text);
  return value > intMax || value < intMin ? Number(value) : value;
}

/** Text that is no JSON stays text. */
export function fromJson(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return text;
  }
}
