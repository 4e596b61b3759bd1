/**
 * How much memory the state of an operator takes, about: for the limit of a rule, and for people who look.
 *
 * An estimate must cost next to nothing whatever the state holds, so of long lists and large maps a sample is measured,
 * and taken for the rest. Constants are those that V8 and JavaScriptCore come to on 64-bit machines, rounded up; what
 * rules on a shared stream share is counted for each of them.
 *
 * ```ts ignore
 * stateBytes(): number {
 *   return sizeOfRows(this.#rows) + sizeOfEntries(this.#groups, (group) => sizeOfValue(group.states));
 * }
 * ```
 * @module
 */
import { DateTime } from "../../value/datetime.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";

/** A pointer, or a number that stands in place. */
const slotBytes = 8;
const objectBytes = 32;
const textBytes = 24;
const bigintBytes = 24;
/** A row without its columns. */
const rowBytes = 104;
/** What a map takes for an entry, besides key and value. */
const entryBytes = 48;

/** Of a longer list so many elements are measured. */
const sampled = 32;
/** Of a larger map no more entries than this are passed over to find those that are measured. */
const passedMax = 10_000;
/** Values nested deeper than this are taken for small. */
const depthMax = 16;

/** Bytes that a value takes, about, its place in an object or list included. */
export function sizeOfValue(value: Value, depth = 0): number {
  switch (typeof value) {
    case "string":
      return slotBytes + textBytes + value.length;
    case "bigint":
      return slotBytes + bigintBytes;
    case "object":
      break;
    default:
      return slotBytes;
  }
  if (value === null || depth === depthMax) return slotBytes;
  if (Array.isArray(value)) return slotBytes + sizeOfList(value, (each) => sizeOfValue(each, depth + 1));
  if (value instanceof Uint8Array) return slotBytes + objectBytes * 3 + value.byteLength;
  if (value instanceof DateTime) return slotBytes + objectBytes;
  const names = Object.keys(value);
  const bytes = sumOf(names.length, (i) => sizeOfValue(value[names[i]!], depth + 1));
  // The names themselves are shared by all objects of one shape, and small beside the values of those that are not.
  return slotBytes + objectBytes + bytes;
}

/** Bytes of a row with its columns, its metadata, what was computed for it and the rows it is made of. */
export function sizeOfRow(row: Row): number {
  let bytes = rowBytes + sizeOfValue(row.values) + sizeOfValue(row.meta) + sizeOfValue(row.slots);
  for (const part of row.parts ?? []) bytes += part === undefined ? slotBytes : sizeOfRow(part);
  return bytes;
}

/** Bytes of a list, from its element at `from` on. */
export function sizeOfList<T>(list: readonly T[], sizeOf: (each: T) => number, from = 0): number {
  return objectBytes + sumOf(list.length - from, (i) => sizeOf(list[from + i]!));
}

/** Bytes of a list of rows, from the one at `from` on. */
export function sizeOfRows(rows: readonly Row[], from = 0): number {
  return sizeOfList(rows, sizeOfRow, from) + slotBytes * (rows.length - from);
}

/** Bytes of a map whose keys are texts. */
export function sizeOfEntries<T>(map: ReadonlyMap<string, T>, sizeOf: (value: T) => number): number {
  const step = Math.max(1, Math.floor(Math.min(map.size, passedMax) / sampled));
  let passed = 0;
  let measured = 0;
  let bytes = 0;
  for (const [key, value] of map) {
    if (passed === passedMax) break;
    if (passed++ % step !== 0) continue;
    measured++;
    bytes += entryBytes + textBytes + key.length + sizeOf(value);
  }
  return objectBytes + (measured === 0 ? 0 : Math.round((bytes / measured) * map.size));
}

/** The sum of `count` sizes, of which some from everywhere in between are measured. */
function sumOf(count: number, sizeAt: (index: number) => number): number {
  if (count <= 0) return 0;
  const measured = Math.min(count, sampled);
  let bytes = 0;
  for (let i = 0; i < measured; i++) bytes += sizeAt(Math.floor((i * count) / measured));
  return measured === count ? bytes : Math.round((bytes / measured) * count);
}
