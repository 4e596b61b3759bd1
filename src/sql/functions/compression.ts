/**
 * Compressing and decompressing bytes, with the platform's libraries: a computation without effects.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import * as compression from "../../value/compression.ts";
import type { Value } from "../../value/value.ts";
import { describe } from "./arguments.ts";
import { any, defineFunction, string } from "./declare.ts";

/** A small input may hold a huge output; more than this is refused instead of filling the memory. */
const outputMax = 64 * 1024 * 1024;

function run(functionName: string, coder: (input: Uint8Array) => Uint8Array, x: Value): Uint8Array {
  const input = typeof x === "string" ? new TextEncoder().encode(x) : x;
  if (!(input instanceof Uint8Array)) {
    throw new RowError("E506", `${functionName}() needs a string or bytes, found ${describe(x)}`);
  }
  try {
    // A copy of its own: the platform may hand out a part of a larger buffer.
    return Uint8Array.from(coder(input));
  } catch (error) {
    throw new RowError("E506", `${functionName}() failed: ${(error as Error).message}`, { cause: error });
  }
}

export const compress = defineFunction({
  name: "compress",
  category: "transform",
  returns: "bytea",
  nulls: "propagate",
  params: [any("x"), string("method", { constant: true, oneOf: compression.compressionMethods })],
  doc: "The string or bytes `x` compressed by `zlib`, `gzip`, `flate` or `zstd`.",
  examples: [
    { sql: "compress(x, 'zlib')", gives: null },
    { sql: "compress(x, 'gzip')", rows: [{ x: 5n }], fails: "E506" },
    { sql: "compress(x, 'lzma')", fails: "E214" },
  ],
  compile: (constants) => {
    const method = constants.method as compression.CompressionMethod;
    return (x) => run("compress", (input) => compression.compress(method, input, { sizeMax: outputMax }), x);
  },
});

export const decompress = defineFunction({
  name: "decompress",
  category: "transform",
  returns: "bytea",
  nulls: "propagate",
  params: [any("x"), string("method", { constant: true, oneOf: compression.compressionMethods })],
  doc: "The bytes that `compress` made `x` of. Results of more than 64 MiB are refused.",
  examples: [
    {
      sql: "decompress(x, 'zlib')",
      rows: [{ x: new Uint8Array([120, 156, 203, 200, 4, 0, 1, 59, 0, 210]) }],
      gives: new Uint8Array([104, 105]),
    },
    { sql: "decompress(x, 'zlib')", gives: null },
    { sql: "decompress('a', 'zlib')", fails: "E506" },
  ],
  compile: (constants) => {
    const method = constants.method as compression.CompressionMethod;
    return (x) => run("decompress", (input) => compression.decompress(method, input, outputMax), x);
  },
});
