/**
 * Writes results as CBOR: an array of maps a message, or one map with `sendSingle`.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import type { Struct, Value } from "../value/value.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { Encoder } from "./codec.ts";
import { createDocumentEncoder } from "./document_encoder.ts";

/** Deeper nesting is refused instead of exhausting the stack. */
const depthMax = 1000;

/** The high bits of the byte that begins a value. */
const unsigned = 0x00;
const negative = 0x20;
const binary = 0x40;
const text = 0x60;
const array = 0x80;
const map = 0xa0;
const epochTag = 0xc1;
const positiveBignumTag = 0xc2;
const negativeBignumTag = 0xc3;

/** The encoder of one action. Numbers take the fewest bytes that keep them; datetimes are seconds since 1970 (tag 1). */
export function createCborEncoder(): Encoder {
  return createDocumentEncoder(
    (writer, count) => writeHead(writer, array, count),
    (writer, row) => writeStruct(writer, row, 0),
  );
}

/** @param size up to 32 bits */
function writeHead(writer: ByteWriter, major: number, size: number): void {
  if (size < 24) writer.u8(major | size);
  else if (size <= 0xff) {
    writer.u8(major | 24);
    writer.u8(size);
  } else if (size <= 0xffff) writer.u8u16(major | 25, size);
  else writer.u8u32(major | 26, size);
}

function writeText(writer: ByteWriter, value: string): void {
  writer.text(value, (size) => writeHead(writer, text, size));
}

function writeStruct(writer: ByteWriter, struct: Struct, depth: number): void {
  checkDepth(depth);
  const keys = Object.keys(struct);
  let count = 0;
  for (const key of keys) if (struct[key] !== undefined) count++;
  writeHead(writer, map, count);
  for (const key of keys) {
    const value = struct[key];
    if (value === undefined) continue;
    writeText(writer, key);
    writeValue(writer, value, depth + 1);
  }
}

function writeValue(writer: ByteWriter, value: Value, depth: number): void {
  switch (typeof value) {
    case "string":
      return writeText(writer, value);
    case "number":
      return writeFloat(writer, value);
    case "bigint":
      return writeInt(writer, value);
    case "boolean":
      return writer.u8(value ? 0xf5 : 0xf4);
    case "undefined":
      return writer.u8(0xf6);
  }
  if (value === null) return writer.u8(0xf6);
  if (value instanceof Uint8Array) {
    writeHead(writer, binary, value.length);
    return writer.bytes(value);
  }
  if (value instanceof DateTime) {
    writer.u8(epochTag);
    return value.ms % 1000 === 0 ? writeInt(writer, BigInt(value.ms / 1000)) : writer.u8f64(0xfb, value.ms / 1000);
  }
  if (!Array.isArray(value)) return writeStruct(writer, value, depth);
  checkDepth(depth);
  writeHead(writer, array, value.length);
  for (const item of value) writeValue(writer, item, depth + 1);
}

function checkDepth(depth: number): void {
  if (depth < depthMax) return;
  throw new RowError("E508", `Cannot encode a value nested over ${depthMax} levels deep as CBOR`);
}

function writeFloat(writer: ByteWriter, value: number): void {
  if (Math.fround(value) === value) writer.u8f32(0xfa, value);
  else writer.u8f64(0xfb, value);
}

function writeInt(writer: ByteWriter, value: bigint): void {
  const major = value < 0n ? negative : unsigned;
  const magnitude = value < 0n ? -1n - value : value;
  if (magnitude <= 0xffffffffn) writeHead(writer, major, Number(magnitude));
  else if (magnitude <= 0xffffffffffffffffn) writer.u8u64(major | 27, magnitude);
  else {
    const hex = magnitude.toString(16);
    const bytes = Uint8Array.fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
    writer.u8(value < 0n ? negativeBignumTag : positiveBignumTag);
    writeHead(writer, binary, bytes.length);
    writer.bytes(bytes);
  }
}
