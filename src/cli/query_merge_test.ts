import assert from "node:assert/strict";
import { test } from "node:test";
import type { Struct } from "../value/value.ts";
import { mergeByTime, type TimedInput } from "./query_merge.ts";

async function* batches(rows: readonly (readonly number[])[]): AsyncGenerator<Struct[]> {
  for (const batch of rows) yield await Promise.resolve(batch.map((t) => ({ t })));
}

function input(source: number, ...rows: (readonly number[])[]): TimedInput {
  return { source, batches: batches(rows), timeOf: ({ t }) => t as number };
}

/** `source@time:rows`. */
async function merged(...inputs: TimedInput[]): Promise<string[]> {
  const all: string[] = [];
  for await (const { source, time, rows } of mergeByTime(inputs)) {
    all.push(`${source}@${time}:${rows.map(({ t }) => t).join(",")}`);
  }
  return all;
}

test("mergeByTime() gives rows in order of time, those of one moment in the order of the inputs", async () => {
  const found = await merged(input(0, [1, 2, 2], [2, 5]), input(1, [], [0, 2, 3]));
  assert.deepEqual(found, ["1@0:0", "0@1:1", "0@2:2,2", "0@2:2", "1@2:2", "1@3:3", "0@5:5"]);
});

test("mergeByTime() lets a row that is older than the one before arrive with it", async () => {
  assert.deepEqual(await merged(input(0, [4, 1, 6]), input(1, [5])), ["0@4:4,1", "1@5:5", "0@6:6"]);
});

test("mergeByTime() begins with what is there from the beginning", async () => {
  const found = await merged(input(0, [1]), input(1, [-Infinity, -Infinity], [3]));
  assert.deepEqual(found, ["1@-Infinity:-Infinity,-Infinity", "0@1:1", "1@3:3"]);
});

test("mergeByTime() of nothing is nothing", async () => {
  assert.deepEqual(await merged(input(0), input(1, [])), []);
});
