/**
 * Encoders of binary formats that hold one value a payload: an array of maps, or one map with `sendSingle`.
 * @module
 */
import type { Struct } from "../value/value.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { Encoder } from "./codec.ts";

/** Gets what stands in front of an array of `count` items, and what writes a row. */
export function createDocumentEncoder(
  writeArrayHead: (writer: ByteWriter, count: number) => void,
  writeRow: (writer: ByteWriter, row: Struct) => void,
): Encoder {
  const writer = new ByteWriter();
  return {
    encodeRow: (row) => writer.written(() => writeRow(writer, row)),
    encodeRows: (rows) =>
      writer.written(() => {
        writeArrayHead(writer, rows.length);
        for (const row of rows) writeRow(writer, row);
      }),
    joinRows: (rows) =>
      writer.written(() => {
        writeArrayHead(writer, rows.length);
        for (const row of rows) writer.bytes(row as Uint8Array);
      }),
  };
}
