/**
 * The benchmark of the formats at a small size: all of them give the same rows.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { benchFormats } from "./formats_bench.ts";

test("the benchmark of the formats gets the same rows from each", () => {
  const figures = benchFormats(200);
  const digests = Object.fromEntries(figures.map(({ name, digest }) => [name.split(" of ")[0], digest]));
  for (const format of ["msgpack", "cbor", "protobuf"]) assert.equal(digests[format], digests.json, format);
  assert.equal(digests.urlencoded, digests.delimited);
  for (const method of ["zlib", "flate", "zstd"]) assert.equal(digests[method], digests.gzip, method);
  for (const { name, bytes } of figures) assert.ok(bytes > 0, name);
});
