/**
 * The functions between text and base64, the only encoding there is.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { decodeBase64 } from "./base64.ts";
import { defineFunction, string } from "./declare.ts";

export const encode = defineFunction({
  name: "encode",
  category: "transform",
  returns: "string",
  nulls: "propagate",
  params: [string("value"), string("encoding", { oneOf: ["base64"] })],
  doc: "`value` in UTF-8, as base64.",
  examples: [
    { sql: "encode('hi', 'base64')", gives: "aGk=" },
    { sql: "encode(value, 'base64')", gives: null },
    { sql: "encode(value, 'base64')", rows: [{ value: 5n }], fails: "E506" },
    { sql: "encode('hi', 'hex')", fails: "E214" },
  ],
  compile: () => (value, encoding) => {
    checkEncoding("encode", encoding);
    return new TextEncoder().encode(value).toBase64();
  },
});

export const decode = defineFunction({
  name: "decode",
  category: "transform",
  returns: "bytea",
  nulls: "propagate",
  params: [string("value"), string("encoding", { oneOf: ["base64"] })],
  doc: "The bytes that the base64 text `value` stands for. `cast(…, 'string')` makes text of them.",
  examples: [
    { sql: "decode('aGk=', 'base64')", gives: new Uint8Array([104, 105]) },
    { sql: "decode(value, 'base64')", gives: null },
    { sql: "decode('a', 'base64')", fails: "E506" },
  ],
  compile: () => (value, encoding) => {
    checkEncoding("decode", encoding);
    const bytes = decodeBase64(value);
    if (bytes === undefined) throw new RowError("E506", "decode() was given a text that is not base64");
    return bytes;
  },
});

/** For encodings that are no literals and so have not been checked yet. */
function checkEncoding(functionName: string, encoding: string): void {
  if (encoding !== "base64") {
    throw new RowError("E506", `${functionName}() does not know the encoding "${encoding}"`);
  }
}
