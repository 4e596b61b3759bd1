import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, recordingLogger } from "../../src/connector/conformance.ts";
import type { Connector } from "../../src/connector/declare.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Struct } from "../../src/value/value.ts";
import { eventually } from "../../tests/eventually.ts";
import { wireRule, withEngine } from "../../tests/engine/engine.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { random } from "./mod.ts";
import { RandomSource } from "./source.ts";

/** Its numbers are as random as they need be to be known. */
function counting(count: number): Connector {
  const open = (settings: Record<string, unknown>, context: ConstructorParameters<typeof RandomSource>[1]) => {
    let n = 0;
    return new RandomSource(settings as ReturnType<typeof settingsOf>, context, () => (n++ + 0.5) / count);
  };
  return { ...random, source: { ...random.source!, open } as Connector["source"] & object };
}

conformance(counting(50), {
  source: () => ({
    settings: (values) => ({ seed: 50, pattern: { n: 0 }, interval: values.length === 0 ? "1h" : 0 }),
    send: () => {},
    close: () => Promise.resolve(),
  }),
});

function settingsOf(raw: Record<string, unknown>) {
  return readSettings(random.source!.settings, raw, { path: "", where: "random source" }) as ConstructorParameters<
    typeof RandomSource
  >[0];
}

/** The rows of so many intervals of a second. */
async function rowsOf(raw: Record<string, unknown>, draws: readonly number[]): Promise<Struct[]> {
  const clock = new HandClock();
  const left = [...draws];
  const context = { name: "test", clock, log: recordingLogger([]), status: () => {} };
  const source = new RandomSource(settingsOf(raw), context, () => left.shift() ?? 0);
  const rows: Struct[] = [];
  const abort = new AbortController();
  const reading = (async () => {
    while (true) rows.push(...(await source.read(abort.signal)).rows);
  })().catch(() => {});
  for (let i = 0; i < draws.length; i++) await clock.advance(i === 0 ? 0 : 1000);
  abort.abort();
  await reading;
  await source.close();
  assert.equal(clock.waiting, 0);
  return rows;
}

test("random adds numbers below the seed to whole ones, and leaves the rest", async () => {
  const rows = await rowsOf({ seed: 10, pattern: { a: 20, b: "x", c: 1.5 } }, [0, 0.55, 0.999]);
  assert.deepEqual(rows, [20n, 25n, 29n].map((a) => ({ a, b: "x", c: 1.5 })));
});

test("random leaves out rows that came lately, or ever", async () => {
  const draws = [0.1, 0.1, 0.2, 0.3, 0.1, 0.3];
  const numbers = async (deduplicate: number) =>
    (await rowsOf({ seed: 10, pattern: { a: 0 }, deduplicate }, draws)).map(({ a }) => Number(a));
  assert.deepEqual(await numbers(0), [1, 1, 2, 3, 1, 3]);
  assert.deepEqual(await numbers(1), [1, 2, 3, 1, 3]);
  assert.deepEqual(await numbers(-1), [1, 2, 3]);
});

test("random refuses settings that make no row", () => {
  assert.throws(() => settingsOf({ pattern: { a: 1 } }), /E404.*seed/);
  assert.throws(() => settingsOf({ seed: 0, pattern: { a: 1 } }), /E403/);
  assert.throws(() => settingsOf({ seed: 1, pattern: {} }), /E403/);
});

test("a rule reads random rows", () =>
  withEngine(async ({ engine, streams, configs, wire }) => {
    configs.putConfKey("source", "random", "fast", { seed: 5, interval: 1, pattern: { v: 10 } });
    streams.execute('CREATE STREAM r () WITH (TYPE="random", CONF_KEY="fast")');
    await engine.rules.create(wireRule("r", "SELECT v FROM r"));
    await eventually(() => wire.written.length > 20);
    assert.ok(wire.written.every((each) => /^\[\{"v":1[0-4]\}\]$/.test(each)), wire.written.join());
  }));
