/**
 * The value of a tag, from what a read brought and to what a write sends: the format of its registers, its scale and
 * its offset.
 * @module
 */
import { intMax, intMin, type Value } from "../../src/value/value.ts";
import { BadValue, encodeFlag, encodeWords, isInteger, wordDecoder } from "./register_values.ts";
import type { Tag } from "./tag.ts";

/** Takes the value of a tag out of registers or bits, from index `at` on. @throws {BadValue} why there is none */
export type TagDecoder = (data: ArrayLike<number>, at: number) => boolean | bigint | number | string;

/**
 * Makes the decoder of a tag. Integers whose scale and offset are whole stay ints; with fractions they become floats.
 */
export function tagDecoder(tag: Tag): TagDecoder {
  const { format, scale, offset } = tag;
  if (format === undefined) return (data, at) => data[at] !== 0;
  const decode = wordDecoder(format);
  if (format.type === "bool" || format.type === "bit" || format.type === "string") return decode;
  if (isInteger(format.type) && isWhole(tag)) {
    if (scale === 1 && offset === 0) return (data, at) => ranged(BigInt(decode(data, at)));
    const [factor, summand] = [BigInt(scale), BigInt(offset)];
    return (data, at) => ranged(BigInt(decode(data, at)) * factor + summand);
  }
  // With scale 0.1, 2215 is 221.5, and not the 221.50000000000003 of a product with the nearest double to 0.1.
  const divisor = divisorOf(scale);
  return (data, at) => {
    const value = decode(data, at);
    const number = Number(value);
    const scaled = (divisor === undefined ? number * scale : number / divisor) + offset;
    if (!Number.isFinite(scaled)) throw new BadValue(`${value} is out of range when scaled`);
    return scaled;
  };
}

/**
 * The value of `tag` in registers or bits that begin at address `start`.
 *
 * @throws {BadValue} with the reason why there is none
 */
export function readTag(tag: Tag, data: ArrayLike<number>, start: number): boolean | bigint | number | string {
  return tagDecoder(tag)(data, tag.address - start);
}

function ranged(value: bigint): bigint {
  if (value < intMin || value > intMax) throw new BadValue(`${value} is beyond the range of a bigint column`);
  return value;
}

function isWhole(tag: Tag): boolean {
  return Number.isSafeInteger(tag.scale) && Number.isSafeInteger(tag.offset);
}

/** The whole number that dividing by is the same as multiplying with `scale`. */
function divisorOf(scale: number): number | undefined {
  const inverse = Math.round(1 / scale);
  return Number.isInteger(scale) || 1 / inverse !== scale ? undefined : inverse;
}

/**
 * The registers or bits that hold `value`; the inverse of {@linkcode tagDecoder}. A number that is scaled goes to the nearest
 * one that an integer type has.
 *
 * @throws {BadValue} for a value that the tag cannot hold, and for a bit of a register, which has no registers of its
 * own
 */
export function writeTag(tag: Tag, value: Value): number[] {
  if (tag.format === undefined) return [encodeFlag(value) ? 1 : 0];
  if (tag.format.type === "bit") throw new BadValue("A bit is written with the rest of its register");
  return encodeWords(unscale(tag, value), tag.format);
}

function unscale(tag: Tag, value: Value): Value {
  const { scale, offset } = tag;
  const number = typeof value === "number" && isWhole(tag) && Number.isInteger(value) ? BigInt(value) : value;
  if (scale === 1 && offset === 0 || typeof number !== "bigint" && typeof number !== "number") return number;
  const integer = isInteger(tag.format!.type);
  if (typeof number === "bigint" && isWhole(tag) && integer) {
    const raw = number - BigInt(offset);
    if (raw % BigInt(scale) !== 0n) throw new BadValue(`Cannot write ${value}: the tag has steps of ${scale}`);
    return raw / BigInt(scale);
  }
  const divisor = divisorOf(scale);
  const shifted = Number(number) - offset;
  const raw = divisor === undefined ? shifted / scale : shifted * divisor;
  return integer ? Math.round(raw) : raw;
}

/** True when `value` differs enough from the one reported last to be reported. */
export function hasChanged(tag: Tag, value: Value, last: Value): boolean {
  if (typeof value === "number" && typeof last === "number") return Math.abs(value - last) > tag.deadband;
  if (typeof value === "bigint" && typeof last === "bigint" && tag.deadband > 0) {
    const change = value - last;
    return Number(change < 0n ? -change : change) > tag.deadband;
  }
  return value !== last;
}

/** Whether a tag stands where a master can write. */
export function isWritable(tag: Tag): boolean {
  return tag.register === "coil" || tag.register === "holding";
}
