/**
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createJsonEncoder } from "../codec/json_encode.ts";
import { createPrinter } from "./query_output.ts";

test("the NDJSON printer writes the rows of one piece of work at once", async () => {
  const written: string[] = [];
  const printer = createPrinter("ndjson", (text) => void written.push(text), createJsonEncoder());
  printer.rows([{ a: 1 }]);
  printer.rows([{ a: 2 }, { a: 3 }]);
  assert.deepEqual(written, []);
  await Promise.resolve();
  assert.deepEqual(written, ['{"a":1}\n{"a":2}\n{"a":3}\n']);

  const long = "x".repeat(40_000);
  printer.rows([{ long }]);
  assert.equal(written.length, 1);
  printer.rows([{ long }]);
  assert.equal(written.length, 2, "memory must not grow with the results");
  printer.rows([{ a: 4 }]);
  printer.end();
  assert.equal(written[2], '{"a":4}\n');
  await Promise.resolve();
  assert.equal(written.length, 3);
});
