import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../../tests/hand_clock.ts";
import { Disconnected, EndOfInput } from "../../connector/errors.ts";
import type { Source, SourceBatch } from "../../connector/source.ts";
import type { Struct } from "../../value/value.ts";
import { DownSampler } from "./down_sampler.ts";

const text = new TextDecoder();

/** A source that gives what the test pushes, and tells what was acknowledged and how many reads it got. */
class Pushed implements Source {
  readonly acks: string[] = [];
  reads = 0;
  readonly #queue: (SourceBatch | Error)[] = [];
  #wake: () => void = () => {};

  push(item: SourceBatch | Error): void {
    this.#queue.push(item);
    this.#wake();
  }

  payloads(texts: readonly string[], position?: string): void {
    this.push({
      kind: "payloads",
      payloads: texts.map((each) => new TextEncoder().encode(each)),
      meta: (index) => ({ index }),
      ack: () => void this.acks.push(texts.join()),
      ...(position === undefined ? {} : { position }),
    });
  }

  rows(rows: readonly Struct[], position?: string): void {
    const ack = () => void this.acks.push(JSON.stringify(rows));
    this.push({ kind: "rows", rows, ack, ...(position === undefined ? {} : { position }) });
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    this.reads++;
    while (this.#queue.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    const item = this.#queue.shift()!;
    if (item instanceof Error) throw item;
    return item;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function setUp({ keeps = false, mergeField = "" } = {}) {
  const clock = new HandClock(0);
  const pushed = new Pushed();
  const sampler = new DownSampler({
    intervalMs: 1000,
    clock,
    keeps: () => keeps,
    wantsMeta: () => true,
    onBatch: () => {},
    ...(mergeField === "" ? {} : {
      merge: {
        field: mergeField,
        decode: (batch) => ({ rows: batch.kind === "rows" ? [...batch.rows] : [], meta: undefined }),
      },
    }),
  });
  const abort = new AbortController();
  const got: string[] = [];
  const errors: unknown[] = [];
  const source = sampler.sample(pushed);
  /** Reads as the engine does, until it fails; acknowledges when the test says so. */
  const held: SourceBatch[] = [];
  const reading = (async () => {
    while (true) {
      const batch = await source.read(abort.signal);
      sampler.delivered();
      const items = batch.kind === "rows"
        ? batch.rows.map((row) => JSON.stringify(row))
        : batch.payloads.map((payload) => text.decode(payload as Uint8Array));
      got.push(`${clock.now()}: ${items.join()}${batch.position === undefined ? "" : ` @${batch.position}`}`);
      held.push(batch);
    }
  })().catch((error) => void errors.push(error));
  const end = async () => {
    abort.abort(new Error("done"));
    await reading;
    await source.close();
    assert.equal(clock.waiting, 0, "no timer is left");
    const { recordsIn, recordsOut, droppedTotal } = sampler.metrics;
    assert.equal(recordsIn, recordsOut + droppedTotal + sampler.held);
  };
  return { clock, pushed, sampler, source, got, held, errors, end };
}

test("DownSampler hands on the latest message of each interval, and nothing when none came", async () => {
  const { clock, pushed, sampler, got, end } = setUp();
  pushed.payloads(["a", "b"]);
  await clock.advance(400);
  pushed.payloads(["c"]);
  await clock.advance(599);
  assert.deepEqual(got, []);
  await clock.advance(1);
  assert.deepEqual(got, ["1000: c"]);
  await clock.advance(2500);
  pushed.payloads(["d"]);
  await clock.advance(500);
  assert.deepEqual(got, ["1000: c", "4000: d"]);
  assert.deepEqual(pushed.acks, ["a,b", "c", "d"]);
  assert.deepEqual([...sampler.metrics.dropped], [["downsampled", 2]]);
  await end();
});

test("DownSampler gives the metadata of the message that it hands on", async () => {
  const { clock, pushed, held, end } = setUp();
  pushed.payloads(["a", "b", "c"]);
  await clock.advance(1000);
  assert.deepEqual(held[0]!.meta!(0), { index: 2 });
  await end();
});

test("DownSampler keeps a message unacknowledged that waits, where a rule keeps what it does", async () => {
  const { clock, pushed, held, end } = setUp({ keeps: true });
  pushed.payloads(["a"]);
  await clock.advance(100);
  pushed.payloads(["b"]);
  await clock.advance(100);
  assert.deepEqual(pushed.acks, ["a"]);
  await clock.advance(800);
  assert.deepEqual(pushed.acks, ["a"]);
  held[0]!.ack!();
  assert.deepEqual(pushed.acks, ["a", "b"]);
  await end();
});

test("DownSampler has positions kept, in their order, before the source is told", async () => {
  const { clock, pushed, got, held, end } = setUp({ keeps: true });
  for (const [i, name] of ["a", "b", "c"].entries()) {
    pushed.payloads([name], String(i + 1));
    await clock.advance(100);
  }
  pushed.payloads([], "4");
  await clock.advance(100);
  assert.deepEqual(got, ["100:  @1", "200:  @2"]);
  assert.deepEqual(pushed.acks, []);
  await clock.advance(600);
  assert.deepEqual(got.at(-1), "1000: c @4");
  for (const batch of held) batch.ack!();
  assert.deepEqual(pushed.acks, ["a", "b", "c", ""]);
  await end();
});

test("DownSampler merges the latest rows of each key, later ones winning", async () => {
  const { clock, pushed, sampler, got, end } = setUp({ mergeField: "id" });
  pushed.rows([{ id: 1, a: 1, c: 1 }, { id: 2, b: 2, c: 2 }]);
  await clock.advance(10);
  pushed.rows([{ id: 1, a: 3, c: 3 }]);
  await clock.advance(10);
  pushed.rows([{ d: 4 }]);
  await clock.advance(1000);
  assert.deepEqual(got, ['1000: {"id":1,"b":2,"c":3,"a":3,"d":4}']);
  assert.deepEqual([...sampler.metrics.dropped], [["downsampled", 1], ["merged", 2]]);
  assert.equal(pushed.acks.length, 3);
  await end();
});

test("DownSampler acknowledges nothing that waits to be merged, where a rule keeps what it does", async () => {
  const { clock, pushed, got, held, end } = setUp({ keeps: true, mergeField: "id" });
  pushed.rows([{ id: 1 }], "1");
  await clock.advance(10);
  pushed.rows([{ id: 1 }], "2");
  await clock.advance(10);
  assert.deepEqual(pushed.acks, []);
  await clock.advance(1000);
  assert.deepEqual(got, ['1000: {"id":1} @2']);
  held[0]!.ack!();
  assert.equal(pushed.acks.length, 2);
  await end();
});

test("DownSampler takes the error of its source for the end of the interval", async () => {
  for (const error of [new Disconnected("gone"), new EndOfInput()]) {
    const { clock, pushed, got, errors, end } = setUp();
    pushed.payloads(["a"]);
    await settled();
    pushed.push(error);
    await settled();
    assert.deepEqual(got, ["0: a"]);
    assert.deepEqual(errors, [error]);
    await clock.advance(2000);
    assert.equal(got.length, 1);
    await end();
  }
});

test("DownSampler accounts for an item that nobody has taken yet", async () => {
  const clock = new HandClock(0);
  const pushed = new Pushed();
  const options = { intervalMs: 1000, clock, keeps: () => false, wantsMeta: () => false, onBatch: () => {} };
  const sampler = new DownSampler(options);
  const source = sampler.sample(pushed);
  const abort = new AbortController();
  pushed.payloads(["a", "b"]);
  const read = source.read(abort.signal);
  await clock.advance(500);
  assert.equal(sampler.held, 1);
  await clock.advance(500);
  await read;
  assert.equal(sampler.held, 1);
  sampler.delivered();
  assert.equal(sampler.held, 0);
  abort.abort();
  await source.close();
});

test("DownSampler leaves its source alone while nobody reads", async () => {
  const clock = new HandClock(0);
  const pushed = new Pushed();
  const options = { intervalMs: 1000, clock, keeps: () => false, wantsMeta: () => false, onBatch: () => {} };
  const source = new DownSampler(options).sample(pushed);
  const abort = new AbortController();
  pushed.payloads(["a"]);
  const read = source.read(abort.signal);
  await clock.advance(1000);
  await read;
  const { reads } = pushed;
  for (const name of ["b", "c", "d"]) pushed.payloads([name]);
  await clock.advance(5000);
  assert.ok(pushed.reads <= reads + 1);
  abort.abort();
  await source.close();
});

test("DownSampler goes on when the clock is set back", async () => {
  const { clock, pushed, got, end } = setUp();
  clock.jump(-86_400_000);
  pushed.payloads(["a"]);
  await clock.advance(1000);
  assert.equal(got.length, 1);
  await end();
});
