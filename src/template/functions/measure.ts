/**
 * Work on whole values whose parts may be shared or, after `set`, contain themselves: each step is counted.
 * @module
 */
import { DateTime } from "../../value/datetime.ts";
import { getOwn, setOwn, type Struct, type Value } from "../../value/value.ts";
import { keysOf, Version } from "../go_value.ts";
import { fail, type Run } from "../run.ts";

const depthMax = 200;

function isLeaf(value: Value): value is Exclude<Value, Value[] | Struct> {
  return typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof DateTime ||
    value instanceof Version;
}

function tooDeep(): never {
  return fail(`a value is nested over ${depthMax} levels deep`);
}

/** Counts the parts of `value`, before something walks over all of them without counting. */
export function measure(value: Value, run: Run, depth = 0): void {
  if (isLeaf(value)) {
    if (typeof value === "string") run.spendText(value.length);
    return;
  }
  if (depth > depthMax) tooDeep();
  const parts = Array.isArray(value) ? value : Object.values(value);
  run.spend(1 + (parts.length >> 1));
  for (const part of parts) measure(part, run, depth + 1);
}

/** Deep equality that is strict about types, as `deepEqual`, `has`, `uniq` and `without` mean it. */
export function deepEqual(a: Value, b: Value, run: Run, depth = 0): boolean {
  run.spend(1);
  if (a === b) return true;
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (isLeaf(a) || isLeaf(b)) {
    if (a instanceof DateTime) return b instanceof DateTime && a.ms === b.ms && a.zone === b.zone;
    if (a instanceof Uint8Array) {
      return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
    }
    return a instanceof Version && b instanceof Version && keysOf(a).every((key) => a[key] === b[key]);
  }
  if (depth > depthMax) tooDeep();
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => deepEqual(item, b[i], run, depth + 1));
  }
  if (Array.isArray(b)) return false;
  const keys = keysOf(a);
  return keys.length === keysOf(b).length &&
    keys.every((key) => getOwn(b, key) !== undefined && deepEqual(a[key], getOwn(b, key), run, depth + 1));
}

/** A copy that the template owns with all its maps. */
export function deepCopy(value: Value, run: Run, depth = 0): Value {
  run.spend(2);
  if (isLeaf(value)) return value;
  if (depth > depthMax) tooDeep();
  if (Array.isArray(value)) return value.map((item) => deepCopy(item, run, depth + 1));
  const copy: Struct = {};
  for (const key of keysOf(value)) setOwn(copy, key, deepCopy(value[key], run, depth + 1));
  return run.own(copy);
}
