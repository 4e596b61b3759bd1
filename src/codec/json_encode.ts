/**
 * Encodes results as JSON: an array of rows a message, or one object with `sendSingle`.
 * @module
 */
import { JsonWriter } from "../value/json_text.ts";
import type { Struct } from "../value/value.ts";
import type { Encoder } from "./codec.ts";
import { payloadText } from "./payload_text.ts";

/** The encoder of one action. The methods that encode throw RowError E508 for NaN and the infinities. */
export function createJsonEncoder(): Encoder & {
  encodeRow(row: Struct): string;
  encodeRows(rows: readonly Struct[]): string;
  joinRows(rows: readonly (string | Uint8Array)[]): string;
} {
  const writer = new JsonWriter();
  return {
    encodeRow: (row) => writer.text(row),
    encodeRows: (rows) => writer.rows(rows),
    joinRows: (rows) => `[${rows.map(payloadText).join(",")}]`,
  };
}
