import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { codecOf } from "../codec/codecs.ts";
import { recordingLogger } from "../connector/conformance.ts";
import { Disconnected, EndOfInput, RetryLater } from "../connector/errors.ts";
import type { Source, SourceBatch } from "../connector/source.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Struct } from "../value/value.ts";
import type { Delivery } from "./delivery.ts";
import { Feed, type FeedConsumer, type FeedRows } from "./feed.ts";

const utf8 = new TextEncoder();

/** A source that the test fills. */
class ScriptedSource implements Source {
  readonly #items: (SourceBatch | Error)[] = [];
  #wake = Promise.withResolvers<void>();
  acknowledged: string[] = [];
  reads = 0;
  closed = 0;

  give(item: SourceBatch | Error): void {
    this.#items.push(item);
    this.#wake.resolve();
  }

  /** A batch of payloads, named by its first one. */
  payloads(...texts: string[]): void {
    this.give({
      kind: "payloads",
      payloads: texts.map((text) => utf8.encode(text)),
      meta: (index) => ({ index }),
      ack: () => void this.acknowledged.push(texts[0]!),
    });
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    this.reads++;
    while (this.#items.length === 0) {
      const aborted = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
      this.#wake = Promise.withResolvers();
      await Promise.race([this.#wake.promise, aborted.promise]);
    }
    const item = this.#items.shift()!;
    if (item instanceof Error) throw item;
    return item;
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

class Consumer implements FeedConsumer {
  wantsMeta = false;
  columns: ReadonlySet<string> | "all" = "all";
  readonly got: FeedRows[] = [];
  readonly held: Delivery[] = [];
  readonly errors: string[] = [];
  readonly ends: string[] = [];
  readonly durable = false;
  readonly holdsBack = false;
  readonly startPosition = undefined;
  letGoes = 0;
  full: Promise<void> | undefined;

  accept(rows: FeedRows, delivery: Delivery): void {
    this.got.push(rows);
    this.held.push(delivery);
  }

  letGo(): void {
    this.letGoes++;
  }

  room(): Promise<void> {
    return this.full ?? Promise.resolve();
  }

  working: Promise<void> | undefined;

  atWork(): Promise<void> | undefined {
    return this.working;
  }

  undecodable(error: RowError): void {
    this.errors.push(error.message);
  }

  ended(reason: string): void {
    this.ends.push(reason);
  }

  failed(error: DiagnosticError): void {
    assert.fail(error);
  }

  get rows(): Struct[] {
    return this.got.flatMap(({ rows }) => rows);
  }

  release(): void {
    for (const delivery of this.held.splice(0)) delivery.release();
  }
}

function setUp(options: { validate?: (row: Struct) => Struct; openFailures?: Error[]; rows?: boolean } = {}) {
  const source = new ScriptedSource();
  const clock = new HandClock();
  const wanted: (ReadonlySet<string> | "all")[] = [];
  let opened = 0;
  const feed = new Feed({
    stream: "s",
    open: () => {
      const failure = options.openFailures?.shift();
      if (failure !== undefined) return Promise.reject(failure);
      opened++;
      return Promise.resolve(source);
    },
    private: true,
    reportsStatus: false,
    createDecoder: options.rows === true ? undefined : (columns) => {
      wanted.push(columns);
      return codecOf("json").createDecoder({ wanted: columns });
    },
    createValidator: options.validate === undefined ? undefined : () => options.validate!,
    clock,
    log: recordingLogger([]),
  });
  const join = (columns: ReadonlySet<string> | "all" = "all") => {
    const consumer = new Consumer();
    consumer.columns = columns;
    feed.add(consumer);
    return consumer;
  };
  const end = async (...consumers: Consumer[]) => {
    for (const consumer of consumers) feed.remove(consumer);
    await feed.close();
  };
  return { feed, source, clock, wanted, join, end, opened: () => opened };
}

test("a Feed hands rows on with their arrival, and acknowledges when every consumer is done", async () => {
  const { source, clock, join, end, feed } = setUp();
  const one = join();
  const two = join();
  source.payloads('{"a":1}', '[{"a":2},{"a":3}]');
  await settled();
  for (const consumer of [one, two]) assert.deepEqual(consumer.rows, [{ a: 1 }, { a: 2 }, { a: 3 }]);
  assert.equal(one.got[0]!.time, clock.now());
  assert.equal(one.got[0]!.meta, undefined);
  one.release();
  assert.deepEqual(source.acknowledged, []);
  two.release();
  assert.deepEqual(source.acknowledged, ['{"a":1}']);
  assert.deepEqual([feed.sourceMetrics.recordsIn, feed.intake.decoderMetrics!.recordsOut], [2, 3]);
  await end(one, two);
  assert.equal(source.closed, 1);
});

test("a Feed drops what cannot be decoded alone, and acknowledges a batch of nothing else", async () => {
  const { source, join, end, feed } = setUp();
  const consumer = join();
  source.payloads("{", '{"a":1}', "5");
  await settled();
  assert.deepEqual(consumer.rows, [{ a: 1 }]);
  assert.equal(consumer.errors.length, 2);
  assert.equal(feed.intake.decoderMetrics!.exceptions, 2);
  assert.match(feed.intake.decoderMetrics!.lastException, /^E501: /);
  source.payloads("nothing good");
  source.payloads("[]");
  await settled();
  assert.deepEqual(source.acknowledged, ["nothing good", "[]"]);
  await end(consumer);
});

test("a Feed drops what does not validate", async () => {
  const { source, join, end, feed } = setUp({
    rows: true,
    validate: (row) => {
      if (row.a === 2) throw new RowError("E503", "two is wrong");
      return { ...row, checked: true };
    },
  });
  const consumer = join();
  source.give({ kind: "rows", rows: [{ a: 1 }, { a: 2 }, { a: 3 }] });
  await settled();
  assert.deepEqual(consumer.rows, [{ a: 1, checked: true }, { a: 3, checked: true }]);
  assert.deepEqual(consumer.errors, ["two is wrong"]);
  assert.equal(feed.intake.decoderMetrics, undefined);
  assert.deepEqual([feed.intake.validatorMetrics!.exceptions, feed.intake.validatorMetrics!.recordsOut], [1, 2]);
  await end(consumer);
});

test("a Feed gives each row the metadata of its message, where a consumer wants it", async () => {
  const { source, feed, end } = setUp();
  const consumer = new Consumer();
  consumer.wantsMeta = true;
  feed.add(consumer);
  source.payloads('{"a":1}', "bad", '[{"a":2},{"a":3}]');
  await settled();
  assert.deepEqual(consumer.got[0]!.meta, [{ index: 0 }, { index: 2 }, { index: 2 }]);
  await end(consumer);
});

test("a Feed decodes the columns that any of its consumers needs, put together for the next rows", async () => {
  const { source, wanted, join, end, feed } = setUp();
  const one = join(new Set(["a"]));
  const two = join(new Set(["b"]));
  source.payloads('{"a":1,"b":2,"c":3}');
  await settled();
  assert.deepEqual(one.rows, [{ a: 1, b: 2 }]);
  feed.remove(one);
  source.payloads('{"a":4,"b":5,"c":6}');
  source.payloads('{"b":7,"c":8}');
  await settled();
  assert.deepEqual(two.rows, [{ a: 1, b: 2 }, { b: 5 }, { b: 7 }]);
  assert.deepEqual(wanted.map((columns) => [...columns].join()), ["a,b", "b"]);
  await end(two);
});

test("a Feed with one consumer reads only while that has room", async () => {
  const { source, join, end } = setUp();
  const consumer = join();
  const full = Promise.withResolvers<void>();
  consumer.full = full.promise;
  source.payloads('{"a":1}');
  source.payloads('{"a":2}');
  await settled();
  assert.deepEqual([consumer.rows, source.reads], [[{ a: 1 }], 1]);
  full.resolve();
  await settled();
  assert.deepEqual(consumer.rows, [{ a: 1 }, { a: 2 }]);
  await end(consumer);
});

test("a Feed with several consumers waits for none, and tells those that held it up before", async () => {
  const { feed, source, join, end } = setUp();
  const one = join();
  one.full = new Promise(() => {});
  assert.equal(feed.shared, false);
  const two = join();
  assert.deepEqual([feed.shared, one.letGoes, two.letGoes], [true, 1, 0]);
  source.payloads('{"a":1}');
  source.payloads('{"a":2}');
  await settled();
  assert.equal(two.rows.length, 2);
  feed.remove(two);
  assert.equal(feed.shared, false);
  await end(one);
});

test("a Feed with several consumers waits for one that works", async () => {
  const { source, join, end } = setUp();
  const one = join();
  const two = join();
  const working = Promise.withResolvers<void>();
  one.working = working.promise;
  source.payloads('{"a":1}');
  source.payloads('{"a":2}');
  await settled();
  assert.deepEqual([one.rows.length, two.rows.length, source.reads], [1, 1, 1]);
  one.working = undefined;
  working.resolve();
  await settled();
  assert.deepEqual([one.rows.length, two.rows.length], [2, 2]);
  await end(one, two);
});

test("a Feed opens a lost source again after a wait, however it was lost", async () => {
  const openFailures = [new Disconnected("not yet"), new Error("strange")];
  const { source, clock, join, end, feed, opened } = setUp({ openFailures });
  const consumer = join();
  await settled();
  assert.equal(feed.connection.code, -1);
  assert.equal(feed.sourceMetrics.lastException, "not yet");
  await clock.advance(1000);
  assert.equal(feed.connection.code, 1);
  source.give(new Disconnected("lost"));
  await settled();
  assert.deepEqual([feed.connection.code, source.closed, feed.sourceMetrics.exceptions], [-1, 1, 3]);
  source.payloads('{"a":1}');
  await clock.advance(1000);
  assert.deepEqual([consumer.rows, opened()], [[{ a: 1 }], 2]);
  await end(consumer);
  assert.equal(clock.waiting, 0);
});

test("a Feed reads again after the wait that a source asks for", async () => {
  const { source, clock, join, end, opened, feed } = setUp();
  const consumer = join();
  source.give(new RetryLater("busy", 300));
  source.payloads('{"a":1}');
  await clock.advance(299);
  assert.deepEqual(consumer.rows, []);
  await clock.advance(1);
  assert.deepEqual([consumer.rows, opened(), feed.sourceMetrics.lastException], [[{ a: 1 }], 1, "busy"]);
  await end(consumer);
});

test("a Feed tells the end of its source, also to who comes later", async () => {
  const { source, join, end, feed, opened, clock } = setUp();
  const one = join();
  source.payloads('{"a":1}');
  source.give(new EndOfInput("no more"));
  await settled();
  assert.deepEqual([one.ends, source.closed], [["no more"], 1]);
  const two = join();
  assert.deepEqual(two.ends, ["no more"]);
  await clock.advance(60_000);
  assert.equal(opened(), 1);
  assert.equal(feed.closed, false);
  await end(one, two);
  assert.equal(feed.closed, true);
});

test("a Feed that is left closes its source when told, and acknowledges nothing by itself", async () => {
  const { source, join, feed } = setUp();
  const consumer = join();
  source.payloads('{"a":1}');
  source.payloads('{"a":2}');
  await settled();
  feed.remove(consumer);
  assert.equal(feed.unused, true);
  await settled();
  assert.deepEqual([source.closed, source.acknowledged], [0, []]);
  // What the consumer finishes while it stops is still acknowledged.
  consumer.held.shift()!.release();
  assert.deepEqual(source.acknowledged, ['{"a":1}']);
  await feed.close();
  assert.deepEqual([source.closed, source.acknowledged], [1, ['{"a":1}']]);
});

test("a Feed that is left does not acknowledge a batch that nobody got", async () => {
  const { source, join, end } = setUp();
  const consumer = join();
  await settled();
  source.payloads('{"a":1}');
  // The read has its batch by now, but the feed does not yet.
  await end(consumer);
  assert.deepEqual([consumer.rows, source.acknowledged, source.closed], [[], [], 1]);
});

test("while a rule that must miss nothing is about to join, a stream hands nothing on, and is not given up", async () => {
  const { source, feed } = setUp();
  const [careless, durable] = [new Consumer(), new Consumer()];
  const release = feed.hold();
  feed.add(careless);
  source.payloads('{"a":1}');
  await settled();
  assert.deepEqual(careless.rows, []);
  feed.remove(careless);
  assert.equal(feed.closed, false);
  feed.add(durable);
  release();
  await settled();
  assert.deepEqual(durable.rows, [{ a: 1 }]);
  const again = feed.hold();
  feed.remove(durable);
  again();
  await settled();
  assert.equal(feed.closed, true);
  assert.equal(source.closed, 1);
});
