/**
 * Writes results as MessagePack: an array of maps a message, or one map with `sendSingle`.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";
import { DateTime } from "../value/datetime.ts";
import { intMax, intMin, type Struct, type Value } from "../value/value.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { Encoder } from "./codec.ts";
import { createDocumentEncoder } from "./document_encoder.ts";

/** Deeper nesting is refused instead of exhausting the stack. */
const depthMax = 1000;

/** The encoder of one action. Ints take the fewest bytes, floats always eight, datetimes are timestamps. */
export function createMsgpackEncoder(): Encoder {
  return createDocumentEncoder(
    (writer, count) => writeSize(writer, count, arrays),
    (writer, row) => writeStruct(writer, row, 0),
  );
}

/** The bytes that begin a family of values: with the size in them, and with 8, 16 and 32 bits of size behind them. */
interface Family {
  readonly fix: number;
  readonly fixMax: number;
  readonly u8?: number;
  readonly u16: number;
  readonly u32: number;
}

const texts: Family = { fix: 0xa0, fixMax: 31, u8: 0xd9, u16: 0xda, u32: 0xdb };
const binaries: Family = { fix: 0, fixMax: -1, u8: 0xc4, u16: 0xc5, u32: 0xc6 };
const arrays: Family = { fix: 0x90, fixMax: 15, u16: 0xdc, u32: 0xdd };
const maps: Family = { fix: 0x80, fixMax: 15, u16: 0xde, u32: 0xdf };

function writeSize(writer: ByteWriter, size: number, { fix, fixMax, u8, u16, u32 }: Family): void {
  if (size <= fixMax) writer.u8(fix | size);
  else if (size <= 0xff && u8 !== undefined) {
    writer.u8(u8);
    writer.u8(size);
  } else if (size <= 0xffff) writer.u8u16(u16, size);
  else writer.u8u32(u32, size);
}

function writeText(writer: ByteWriter, text: string): void {
  writer.text(text, (size) => writeSize(writer, size, texts));
}

function writeStruct(writer: ByteWriter, struct: Struct, depth: number): void {
  if (depth >= depthMax) {
    throw new RowError("E508", `Cannot encode a value nested over ${depthMax} levels deep as MessagePack`);
  }
  const keys = Object.keys(struct);
  let count = 0;
  for (const key of keys) if (struct[key] !== undefined) count++;
  writeSize(writer, count, maps);
  for (const key of keys) {
    const value = struct[key];
    if (value === undefined) continue;
    writeText(writer, key);
    writeValue(writer, value, key, depth + 1);
  }
}

function writeValue(writer: ByteWriter, value: Value, column: string, depth: number): void {
  switch (typeof value) {
    case "string":
      return writeText(writer, value);
    case "number":
      return writer.u8f64(0xcb, value);
    case "bigint":
      return writeInt(writer, value, column);
    case "boolean":
      return writer.u8(value ? 0xc3 : 0xc2);
    case "undefined":
      return writer.u8(0xc0);
  }
  if (value === null) return writer.u8(0xc0);
  if (value instanceof Uint8Array) {
    writeSize(writer, value.length, binaries);
    return writer.bytes(value);
  }
  if (value instanceof DateTime) return writeTimestamp(writer, value.ms);
  if (!Array.isArray(value)) return writeStruct(writer, value, depth);
  if (depth >= depthMax) {
    throw new RowError("E508", `Cannot encode a value nested over ${depthMax} levels deep as MessagePack`);
  }
  writeSize(writer, value.length, arrays);
  for (const item of value) writeValue(writer, item, column, depth + 1);
}

function writeInt(writer: ByteWriter, value: bigint, column: string): void {
  if (value < intMin || value > intMax) {
    throw new RowError("E508", `Cannot encode ${value} in column "${column}" as MessagePack: it is outside 64 bits`);
  }
  if (value < -0x80000000n || value > 0xffffffffn) return writer.u8u64(value < 0n ? 0xd3 : 0xcf, value);
  const small = Number(value);
  if (small >= -32 && small <= 127) writer.u8(small & 0xff);
  else if (small >= 0) {
    if (small <= 0xff) {
      writer.u8(0xcc);
      writer.u8(small);
    } else if (small <= 0xffff) writer.u8u16(0xcd, small);
    else writer.u8u32(0xce, small);
  } else if (small >= -0x80) {
    writer.u8(0xd0);
    writer.u8(small & 0xff);
  } else if (small >= -0x8000) writer.u8u16(0xd1, small & 0xffff);
  else writer.u8u32(0xd2, small >>> 0);
}

/** The shortest of the three forms. */
function writeTimestamp(writer: ByteWriter, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.round(ms - seconds * 1000) * 1_000_000;
  if (seconds < 0 || seconds >= 2 ** 34) {
    writer.u8(0xc7);
    writer.u8(12);
    writer.u8u32(0xff, nanoseconds);
    // The type has stood in front of the nanoseconds.
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(seconds));
    writer.bytes(bytes);
  } else if (nanoseconds === 0 && seconds < 2 ** 32) {
    writer.u8(0xd6);
    writer.u8u32(0xff, seconds);
  } else {
    writer.u8(0xd7);
    writer.u8u64(0xff, BigInt(nanoseconds) << 34n | BigInt(seconds));
  }
}
