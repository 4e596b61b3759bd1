import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock } from "../../src/connector/context.ts";
import { EndOfInput } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Source } from "../../src/connector/source.ts";
import { simulator } from "./mod.ts";

conformance(simulator, {
  lookup: () => ({
    settings: { data: [{ id: 1, kind: "pump" }, { id: 2, kind: "valve" }, { id: 3, kind: "pump" }] },
    // Its rows stand in the settings.
    fill: () => {},
    close: () => Promise.resolve(),
  }),
  source: () => ({
    settings: (values) =>
      values.length === 0 ? { interval: "1h" } : { data: values.map((n) => ({ n })), interval: 0, loop: false },
    send: () => {},
    close: () => Promise.resolve(),
  }),
});

async function open(raw: Record<string, unknown>, clock: Clock): Promise<Source> {
  const settings = readSettings(simulator.source!.settings, raw, { path: "", where: "simulator source" });
  const context = { name: "test", clock, log: recordingLogger([]), status: () => {}, connection: undefined as never };
  return await simulator.source!.open(settings, context);
}

test("simulator sends one row per interval, in a loop", async () => {
  let now = 1000;
  const clock: Clock = { ...realClock, now: () => now, sleep: (ms) => Promise.resolve(void (now += ms)) };
  const source = await open({ data: [{ a: 1 }, { a: 2 }], interval: "10s" }, clock);
  const seen: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    const batch = await source.read(new AbortController().signal);
    assert.equal(batch.kind, "rows");
    seen.push([now, batch.kind === "rows" ? batch.rows : undefined]);
    // A reader that takes its time does not shift the rows after it.
    now += 4000;
  }
  assert.deepEqual(seen, [[1000, [{ a: 1 }]], [11_000, [{ a: 2 }]], [21_000, [{ a: 1 }]]]);
});

test("simulator goes on after one interval when the clock is set back", async () => {
  let now = 86_400_000;
  const waits: number[] = [];
  const clock: Clock = {
    ...realClock,
    now: () => now,
    sleep: (ms) => {
      waits.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
  const source = await open({ data: [{ a: 1 }], interval: "10s" }, clock);
  await source.read(new AbortController().signal);
  now -= 86_400_000;
  await source.read(new AbortController().signal);
  await source.read(new AbortController().signal);
  assert.deepEqual(waits, [0, 10_000, 10_000]);
});

test("simulator ends after its last row without loop", async () => {
  const source = await open({ data: { a: 1 }, loop: "false", interval: 0 }, realClock);
  await source.read(new AbortController().signal);
  await assert.rejects(source.read(new AbortController().signal), EndOfInput);
  const empty = await open({ data: [] }, realClock);
  await assert.rejects(empty.read(new AbortController().signal), EndOfInput);
});
