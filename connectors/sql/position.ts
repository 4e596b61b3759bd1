/**
 * Where a source stands, as the text that the engine keeps: the values of its index columns.
 * @module
 */
import * as v from "valibot";
import type { IndexValues } from "./index_query.ts";

/** An int is written as text in an object, since JSON has no large ones. */
const value = v.union([v.null(), v.string(), v.number(), v.strictObject({ int: v.string() })]);

const schema = v.strictObject({ of: v.array(v.string()), values: v.array(value) });

/** @param of what is read, and along which columns: values of one query mean nothing in another */
export function printPosition(of: readonly string[], values: IndexValues): string {
  const printed = values.map((each) => (typeof each === "bigint" ? { int: String(each) } : each ?? null));
  return JSON.stringify({ of, values: printed });
}

/** Undefined for a text that is no position, or one of another query. */
export function parsePosition(text: string, of: readonly string[]): IndexValues | undefined {
  try {
    const position = v.parse(schema, JSON.parse(text));
    if (JSON.stringify(position.of) !== JSON.stringify(of)) return undefined;
    return position.values.map((each) =>
      each === null ? undefined : typeof each === "object" ? BigInt(each.int) : each
    );
  } catch {
    return undefined;
  }
}
