import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { ConnectorContext, LogFields } from "../../src/connector/context.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { MemoryBus } from "./bus.ts";
import { MemoryLookup } from "./lookup.ts";
import { memory } from "./mod.ts";
import { MemorySink } from "./sink.ts";
import { MemorySource } from "./source.ts";
import { topicMatches } from "./topic.ts";

conformance(memory, {
  source: () => ({
    settings: () => ({ datasource: "a/+" }),
    send: async (values, connection) => {
      const bus = connection as MemoryBus;
      const publisher = { topic: "a/b", owner: "peer" };
      for (const n of values) {
        await bus.publish(publisher, { topic: publisher.topic, row: { n } }, new AbortController().signal);
      }
    },
    close: () => Promise.resolve(),
  }),
  lookup: () => ({
    settings: { datasource: "a/+", key: "id" },
    fill: (rows, connection) => {
      for (const row of rows) (connection as MemoryBus).push({ topic: "a/b", row });
    },
    close: () => Promise.resolve(),
  }),
  sink: () => {
    const received: number[] = [];
    const stop = new AbortController();
    return {
      settings: { topic: "a/b" },
      start: (connection) => {
        const subscription = (connection as MemoryBus).subscribe("#", "peer", 4);
        const readAll = async () => {
          while (true) received.push(...(await subscription.take(stop.signal)).map(({ row }) => Number(row.n)));
        };
        readAll().catch(() => {});
      },
      received: () => received,
      close: () => Promise.resolve(stop.abort()),
    };
  },
});

const context = (owner: string): ConnectorContext => ({
  name: owner,
  owner,
  clock: realClock,
  log: recordingLogger([]),
  status: () => {},
});

function openBus() {
  const bus = new MemoryBus(context("bus"));
  const source = (owner: string, datasource: string, bufferLength: number) =>
    new MemorySource({ datasource, bufferLength }, { ...context(owner), connection: bus });
  const sink = (owner: string, topic: string, { rowkindField = "", keyField = "" } = {}) =>
    new MemorySink({ topic, rowkindField, keyField }, { ...context(owner), connection: bus });
  const lookup = (datasource: string, key: string, rowsMax = 1000, logged: LogFields[] = []) =>
    new MemoryLookup({ datasource, key, rowsMax }, {
      ...context("table t"),
      log: recordingLogger(logged),
      connection: bus,
    });
  return { source, sink, lookup };
}

const signal = new AbortController().signal;

test("topicMatches() knows wildcards", () => {
  const cases: [string, string, boolean][] = [
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["+/b", "a/b", true],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["#", "a/b", true],
    ["a/b", "a", false],
    ["a", "a/b", false],
  ];
  for (const [filter, topic, matches] of cases) {
    assert.equal(topicMatches(filter, topic), matches, `${filter} ${topic}`);
  }
});

test("memory refuses wildcards where they make no sense", () => {
  const place = { path: "actions.0.memory", where: "memory action" };
  assert.throws(() => readSettings(memory.sink!.settings, { topic: "a/+" }, place), /E403.*without the wildcards/);
  assert.throws(() => readSettings(memory.source!.settings, { datasource: "#/a" }, place), /E403.*last level only/);
  assert.throws(() => readSettings(memory.source!.settings, { datasource: "a/b+" }, place), /E403.*whole levels only/);
  assert.throws(
    () => memory.sink!.check!({ topic: "a", rowkindField: "k", keyField: "" } as never, {}),
    /E404.*needs keyField/,
  );
  assert.throws(() => readSettings(memory.lookup!.settings, { datasource: "a" }, place), /E404.*"key"/);
});

test("a memory sink waits for a full reader, and goes on when it reads or closes", async () => {
  const { source, sink } = openBus();
  const reader = source("r2", "t", 2);
  const writer = sink("r1", "t");
  const state = { done: false };
  const written = writer.write([[{ n: 1 }, { n: 2 }, { n: 3 }]], signal).then(() => state.done = true);
  await realClock.sleep(20);
  assert.equal(state.done, false);
  const batch = await reader.read(signal);
  assert.deepEqual(batch.kind === "rows" && batch.rows, [{ n: 1 }, { n: 2 }]);
  assert.deepEqual(batch.meta?.(1), { topic: "t" });
  await written;
  const blocked = writer.write([[{ n: 4 }, { n: 5 }]], signal);
  await reader.close();
  await blocked;
  await writer.write([[{ n: 6 }]], signal);
});

test("a memory sink that waits gives up when its signal aborts", async () => {
  const { source, sink } = openBus();
  source("r2", "t", 1);
  const abort = new AbortController();
  const reason = new Error("stop");
  const blocked = sink("r1", "t").write([[{ n: 1 }, { n: 2 }]], abort.signal);
  abort.abort(reason);
  await assert.rejects(blocked, (error) => error === reason);
});

test("a rule that feeds itself, also through another, loses rows instead of standing still", async () => {
  const { source, sink } = openBus();
  source("r1", "a", 1);
  sink("r1", "b");
  source("r2", "b", 1);
  const back = sink("r2", "a");
  await back.write([[{ n: 1 }]], signal);
  await assert.rejects(back.write([[{ n: 2 }], []], signal), (error) => {
    assert.ok(error instanceof ItemsFailed);
    assert.deepEqual([...error.failed.keys()], [0]);
    return /waits for this very rule/.test(error.message);
  });
  const self = sink("r1", "a");
  await assert.rejects(self.write([[{ n: 3 }]], signal), ItemsFailed);
});

test("a memory lookup keeps the last row of each key, and of those not too many", async () => {
  const { sink, lookup } = openBus();
  const logged: LogFields[] = [];
  const table = lookup("t/#", "id", 2, logged);
  await sink("r1", "t/a").write(
    [[{ id: 1, v: "a" }, { id: 2n, v: "b" }], [{ id: 1n, v: "c" }, { v: "no key" }]],
    signal,
  );
  assert.deepEqual(table.find(["id"], [1]), [{ id: 1n, v: "c" }]);
  assert.deepEqual(table.find(["id"], [2]), [{ id: 2n, v: "b" }]);
  await sink("r1", "t/a").write([[{ id: 3, v: "d" }, { id: 4, v: "e" }, { id: null }]], signal);
  assert.deepEqual(table.find(["id"], [1]), []);
  assert.deepEqual(table.find(["id"], [4n]), [{ id: 4, v: "e" }]);
  // Each kind of trouble is told once.
  assert.deepEqual(logged, [{ topic: "t/a", key: "id" }, { rows: 2 }]);
  await table.close();
  assert.deepEqual(table.find(["id"], [4n]), []);
  await sink("r1", "t/a").write([[{ id: 5 }]], signal);
  assert.deepEqual(table.find(["id"], [5n]), []);
});

test("a memory lookup finds by other columns, as they are now", async () => {
  const { sink, lookup } = openBus();
  const table = lookup("t", "id");
  const writer = sink("r1", "t");
  await writer.write([[{ id: 1, room: "a" }, { id: 2, room: "a" }, { id: 3 }]], signal);
  const ids = (room: string) => table.find(["room"], [room]).map(({ id }) => id);
  assert.deepEqual(ids("a"), [1, 2]);
  await writer.write([[{ id: 1, room: "b" }, { id: 3, room: "a" }, { id: 2, room: null }]], signal);
  assert.deepEqual([ids("a"), ids("b"), ids("c")], [[3], [1], []]);
  assert.deepEqual(table.find(["room", "id"], ["a", 3n]), [{ id: 3, room: "a" }]);
  // More ways to ask than there are indexes.
  for (let i = 0; i < 20; i++) assert.deepEqual(table.find(["room", `c${i}`], ["a", 1]), []);
  assert.deepEqual(ids("a"), [3]);
});

test("a memory sink with rowkindField changes lookup tables, and sources see its rows as they are", async () => {
  const { source, sink, lookup } = openBus();
  const table = lookup("t", "id");
  const reader = source("r2", "t", 100);
  const writer = sink("r1", "t", { rowkindField: "action", keyField: "k" });
  const all = () => [1, 2, 3].flatMap((id) => table.find(["id"], [id])).map(({ v }) => v);
  await writer.write([[{ k: 1, id: 1, v: "a", action: "insert" }], [{ k: 2, id: 2, v: "b" }]], signal);
  assert.deepEqual(all(), ["a", "b"]);
  await writer.write([[{ k: 3, v: "c", action: "update" }, { k: 1, id: 1, v: "d", action: "update" }]], signal);
  assert.deepEqual(all(), ["d", "b"]);
  await writer.write([[{ k: 1, action: "delete" }, { k: 3, id: 3, v: "e", action: "upsert" }]], signal);
  assert.deepEqual(all(), ["b", "e"]);
  const batch = await reader.read(signal);
  assert.equal(batch.kind === "rows" && batch.rows.length, 6);
  const bad = [[{ k: 1, action: "replace" }], [{ k: 1, action: 7 }], [{ action: "insert" }], [{
    k: 2,
    action: "delete",
  }]];
  await assert.rejects(writer.write(bad, signal), (error) => {
    assert.ok(error instanceof ItemsFailed);
    assert.deepEqual([...error.failed], [
      [0, 'Column "action" must be one of insert, update, upsert, delete: found "replace"'],
      [1, 'Column "action" must be one of insert, update, upsert, delete: found a number'],
      [2, 'Column "k" must hold the key of the row: found nothing'],
    ]);
    return true;
  });
  assert.deepEqual(all(), ["e"]);
});

test("a memory sink writes each result to the topic that its template gives, and refuses what is none", async () => {
  const { source, sink } = openBus();
  const reader = source("r2", "t/+", 5000);
  const writer = sink("r1", "t/{{.device}}");
  const topics = ["t/a", "t/b/c", "t/b", "t/+", "", "t/a"];
  const rows = topics.map((_, n) => [{ n }]);
  await assert.rejects(writer.write(rows, signal, undefined, topics.map((topic) => ({ topic }))), (error) => {
    assert.ok(error instanceof ItemsFailed);
    assert.deepEqual([...error.failed.keys()], [3, 4]);
    return /found "t\/\+", wanted a topic/.test(error.message);
  });
  const batch = await reader.read(signal);
  assert.deepEqual(batch.kind === "rows" && batch.rows, [{ n: 0 }, { n: 2 }, { n: 5 }]);
  assert.deepEqual([0, 1, 2].map((i) => batch.meta!(i)), ["t/a", "t/b", "t/a"].map((topic) => ({ topic })));
  // Many topics make the bus no larger.
  for (let n = 0; n < 3000; n++) await writer.write([[{ n }]], signal, undefined, [{ topic: `t/${n}` }]);
  const rest = await reader.read(signal);
  assert.equal(rest.kind === "rows" && rest.rows.length, 3000);
  await writer.close();
});

test("a rule that feeds itself by a template loses rows instead of standing still", async () => {
  const { source, sink } = openBus();
  source("r1", "t/#", 1);
  const self = sink("r1", "t/{{.a}}");
  const write = (n: number) => self.write([[{ n }]], signal, undefined, [{ topic: `t/${n}` }]);
  await write(1);
  await assert.rejects(write(2), ItemsFailed);
});
