import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { MemoryBus } from "./bus.ts";
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
      for (const n of values) await bus.publish(publisher, { n }, new AbortController().signal);
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
  const sink = (owner: string, topic: string) => new MemorySink({ topic }, { ...context(owner), connection: bus });
  return { source, sink };
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
  assert.throws(() => readSettings(memory.sink!.settings, { topic: "a", rowkindField: "k" }, place), /E408/);
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
