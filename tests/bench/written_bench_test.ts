/**
 * The benchmark of what is written, at a small size: what rules may write for each message.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { sourceCommand } from "./query_bench.ts";
import { measureWritten, type WrittenCase, writtenCases } from "./written_bench.ts";

const skip = existsSync("/proc/self/io") ? false : "only Linux tells what a process has written";

function caseOf(name: string): WrittenCase {
  return writtenCases.find((each) => each.name === name)!;
}

test("a rule with qos 0 writes nothing for its messages", { skip }, async () => {
  const load = { burst: 100, bursts: 100, everyMs: 0 };
  const figure = await measureWritten(sourceCommand(), caseOf("qos 0, filter"), load);
  assert.equal(figure.messages, 10_000);
  assert.deepEqual(figure.changed, []);
  assert.equal(figure.diskBytes, 0);
});

/** Bytes handed to the system for a message of about 88 bytes. They come in pieces of any size, so there is room. */
const bounds: readonly (readonly [name: string, bytesMax: number])[] = [
  ["qos 1, filter", 3000],
  ["qos 1, window", 3000],
];

for (const [name, bytesMax] of bounds) {
  test(`a rule writes no more than ${bytesMax} bytes a message that comes with others: ${name}`, { skip }, async () => {
    const figure = await measureWritten(sourceCommand(), caseOf(name), { burst: 100, bursts: 30, everyMs: 20 });
    const each = figure.handedBytes / figure.messages;
    assert.ok(each > 50 && each < bytesMax, `${each} bytes a message`);
    assert.ok(figure.changed.includes("weir.db-wal"), figure.changed.join());
  });
}
