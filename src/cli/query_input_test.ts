/**
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Struct } from "../value/value.ts";
import { readRows } from "./query_input.ts";

/** What comes of `text` in chunks of `size` bytes: its rows, and the lines that failed. */
async function read(text: string, size: number): Promise<{ rows: Struct[]; failed: number[] }> {
  const bytes = new TextEncoder().encode(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < bytes.length; i += size) yield await Promise.resolve(bytes.subarray(i, i + size));
  }
  const rows: Struct[] = [];
  const failed: number[] = [];
  const options = { wanted: "all" as const, stdin: chunks, onFailure: (line: number) => void failed.push(line) };
  for await (const batch of readRows("-", options)) rows.push(...batch);
  return { rows, failed };
}

test("readRows() reads NDJSON the same however it is cut into chunks", async () => {
  const text = '\ufeff{"a":1}\r\n\n \t\n{"a":"grün €"}\n[{"a":2},{"a":3}]\nnonsense\n{"a":"\ud83d\ude00"}\n\n{"a":4}';
  const wanted = {
    rows: [{ a: 1 }, { a: "grün €" }, { a: 2 }, { a: 3 }, { a: "\ud83d\ude00" }, { a: 4 }],
    failed: [6],
  };
  for (let size = 1; size < 100; size++) assert.deepEqual(await read(text, size), wanted, `chunks of ${size} bytes`);
});

test("readRows() gives a chunk of nothing but line ends no rows", async () => {
  assert.deepEqual(await read("\n\r\n\n", 2), { rows: [], failed: [] });
});
