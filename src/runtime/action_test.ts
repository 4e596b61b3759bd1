import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { recordingLogger } from "../connector/conformance.ts";
import type { ConnectionState, LogFields } from "../connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../connector/errors.ts";
import type { Payload, PayloadSink } from "../connector/sink.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Struct } from "../value/value.ts";
import { Action } from "./action.ts";
import { Delivery } from "./delivery.ts";
import { MemoryQueue } from "./memory_queue.ts";

/** Where the batches of all deliveries come from. */
const feed = {};

/** A sink that does with each write what the test says: by default it takes the batch. */
class ScriptedSink implements PayloadSink {
  readonly written: string[][] = [];
  readonly script: ((batch: readonly string[], signal: AbortSignal) => Promise<void> | void)[] = [];
  opened = 0;
  closed = 0;

  async write(batch: readonly Payload[], signal: AbortSignal): Promise<void> {
    const texts = batch as readonly string[];
    await this.script.shift()?.(texts, signal);
    this.written.push([...texts]);
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  /** The next write waits until the returned function is called. */
  hold(): () => void {
    const held = Promise.withResolvers<void>();
    this.script.push((_, signal) => {
      signal.addEventListener("abort", () => held.reject(signal.reason), { once: true });
      return held.promise;
    });
    return held.resolve;
  }

  failNext(...errors: Error[]): void {
    for (const error of errors) this.script.push(() => Promise.reject(error));
  }
}

interface Setup {
  readonly action: Action;
  readonly sink: ScriptedSink;
  readonly clock: HandClock;
  readonly logged: LogFields[];
  /** Gives one result of `count` rows; what its delivery did is told by the returned function. */
  give(...values: (number | string)[]): () => boolean;
  status(state: ConnectionState, message?: string): void;
}

function setUp(
  { bufferLength = 100, reportsStatus = false, openFailures = [] as Error[], script = new ScriptedSink() } = {},
): Setup {
  const clock = new HandClock();
  const logged: LogFields[] = [];
  let report: (state: ConnectionState, message?: string) => void = () => {};
  const action = new Action({
    type: "probe",
    index: 0,
    encodes: true,
    transform: (rows: readonly Struct[]) =>
      rows.map(({ v }) => {
        if (v === "bad") throw new RowError("E508", "cannot be said");
        return String(v);
      }),
    transformError: (message) => [`error: ${message}`],
    sendsErrors: false,
    queue: new MemoryQueue(bufferLength),
    open: (onStatus) => {
      report = onStatus;
      const failure = openFailures.shift();
      if (failure !== undefined) return Promise.reject(failure);
      script.opened++;
      return Promise.resolve(script);
    },
    reportsStatus,
    onFailed: (error) => assert.fail(error),
    clock,
    log: recordingLogger(logged),
  });
  action.start();
  return {
    action,
    sink: script,
    clock,
    logged,
    give(...values) {
      let done = false;
      const delivery = new Delivery(feed, () => done = true);
      for (const v of values) action.collect([{ v }]);
      action.flush(delivery);
      delivery.release();
      return () => done;
    },
    status: (state, message) => report(state, message),
  };
}

test("an Action writes in order, one batch at a time, and releases what it wrote", async () => {
  const { action, sink, give } = setUp();
  const release = sink.hold();
  const first = give(1, 2);
  await settled();
  const second = give(3);
  const third = give(4, 5);
  await settled();
  assert.deepEqual([first(), second(), third()], [false, false, false]);
  assert.equal(action.metrics.bufferLength, 5);
  release();
  await settled();
  assert.deepEqual(sink.written, [["1", "2"], ["3", "4", "5"]]);
  assert.deepEqual([first(), second(), third()], [true, true, true]);
  assert.deepEqual(
    [action.metrics.recordsIn, action.metrics.recordsOut, action.metrics.processed, action.metrics.bufferLength],
    [5, 5, 5, 0],
  );
  assert.deepEqual([action.transformMetrics.recordsIn, action.encodeMetrics!.recordsOut], [5, 5]);
  assert.equal(action.connection.code, 1);
  await action.stop(1000);
  assert.equal(sink.closed, 1);
});

test("an Action is blocked while its queue is full, and tells when there is room", async () => {
  const { action, sink, give } = setUp({ bufferLength: 3 });
  const release = sink.hold();
  give(1);
  await settled();
  assert.equal(action.blocked, false);
  give(2, 3);
  assert.equal(action.blocked, true);
  let room = false;
  action.room().then(() => room = true);
  await settled();
  assert.equal(room, false);
  release();
  await settled();
  assert.deepEqual([action.blocked, room], [false, true]);
  await action.room();
  await action.stop(0);
});

test("an Action opens a sink again that was lost, and writes the same batch again", async () => {
  const { action, sink, clock, give } = setUp();
  sink.failNext(new Disconnected("gone"), new Disconnected("gone again"));
  const done = give(1, 2);
  await settled();
  assert.equal(action.connection.code, -1);
  assert.equal(action.metrics.lastException, "gone");
  assert.equal(action.connection.lastDisconnectedMessage, "gone");
  assert.equal(done(), false);
  await clock.advance(1000);
  assert.deepEqual(sink.written, [["1", "2"]]);
  assert.deepEqual([sink.opened, sink.closed, done()], [3, 2, true]);
  assert.equal(action.connection.code, 1);
  assert.equal(action.metrics.exceptions, 2);
  await action.stop(0);
});

test("an Action tries to open for as long as it takes", async () => {
  const openFailures = Array.from({ length: 12 }, (_, i) => new Disconnected(`not there ${i}`));
  const { action, sink, clock, give } = setUp({ openFailures });
  const done = give(1);
  await clock.advance(100_000);
  assert.equal(done(), true);
  assert.deepEqual(sink.written, [["1"]]);
  assert.equal(action.metrics.exceptions, 12);
  await action.stop(0);
});

test("an Action writes again after the wait that a sink asks for, without opening it again", async () => {
  const { action, sink, clock, give } = setUp();
  sink.failNext(new RetryLater("busy", 500));
  give(1);
  await clock.advance(499);
  assert.deepEqual(sink.written, []);
  await clock.advance(1);
  assert.deepEqual([sink.written, sink.opened], [[["1"]], 1]);
  assert.equal(action.metrics.lastException, "busy");
  await action.stop(0);
});

test("an Action counts what a sink refuses for good, and goes on", async () => {
  const { action, sink, give, logged } = setUp();
  sink.failNext(new ItemsFailed(new Map([[1, "too long"]])), new Error("nothing of it"));
  const some = give(1, 2, 3);
  await settled();
  const none = give(4, 5);
  await settled();
  give(6);
  await settled();
  assert.deepEqual([some(), none()], [true, true]);
  assert.deepEqual(sink.written, [["6"]]);
  assert.deepEqual([action.metrics.processed, action.metrics.recordsOut, action.metrics.exceptions], [6, 3, 3]);
  assert.equal(logged.length, 2);
  await action.stop(0);
});

test("an Action leaves out a result that cannot be encoded", async () => {
  const { action, sink, give } = setUp();
  give(1, "bad", 2);
  await settled();
  assert.deepEqual(sink.written, [["1", "2"]]);
  assert.equal(action.encodeMetrics!.exceptions, 1);
  assert.equal(action.encodeMetrics!.lastException, "E508: cannot be said");
  await action.stop(0);
});

test("a result that gives nothing to write is done with at once", () => {
  const { give } = setUp();
  assert.equal(give()(), true);
});

test("a stopping Action writes what it has, for as long as it is given", async () => {
  const { action, sink, clock, give } = setUp();
  const release = sink.hold();
  const written = give(1);
  await settled();
  const stopping = action.stop(5000);
  await clock.advance(4999);
  release();
  await stopping;
  assert.deepEqual([sink.written, written(), sink.closed], [[["1"]], true, 1]);
  assert.equal(clock.waiting, 0, "no timer is left behind");

  const late = setUp();
  late.sink.hold();
  const lost = late.give(1, 2);
  await settled();
  const waiting = late.give(3);
  const ended = late.action.stop(5000);
  await late.clock.advance(5000);
  await ended;
  assert.deepEqual([lost(), waiting()], [false, false], "what was not written is not released");
  assert.equal(late.action.metrics.dropped.get("stopped"), 3);
  assert.equal(late.sink.closed, 1);
});

test("a stopping Action does not wait for a peer that is away", async () => {
  const { action, give, clock } = setUp({ openFailures: Array.from({ length: 50 }, () => new Disconnected("away")) });
  give(1);
  await clock.advance(1000);
  await action.stop(60_000);
  assert.equal(action.metrics.dropped.get("stopped"), 1);
  assert.equal(clock.waiting, 0);
});

test("an Action on a connection takes its state from there", async () => {
  const { action, status, clock } = setUp({ reportsStatus: true });
  await settled();
  status("connecting");
  assert.equal(action.connection.code, 0);
  status("disconnected", "refused");
  await clock.advance(5);
  status("disconnected", "refused again");
  assert.equal(action.connection.code, -1);
  assert.equal(action.metrics.exceptions, 1, "one exception a loss");
  assert.equal(action.metrics.lastException, "refused");
  status("connected");
  assert.equal(action.connection.code, 1);
  await action.stop(0);
});

test("an Action is idle when all it was given is written, or when it stops", async () => {
  const { action, sink, give } = setUp();
  await action.idle();
  const release = sink.hold();
  give(1);
  give(2);
  let idle = false;
  action.idle().then(() => idle = true);
  await settled();
  assert.equal(idle, false);
  release();
  await settled();
  assert.equal(idle, true);
  sink.hold();
  give(3);
  const waiting = action.idle();
  const stopped = action.stop(0);
  await waiting;
  void stopped;
});

test("an Action lets go of the deliveries of one source and still writes their results", async () => {
  const { action, sink, give } = setUp();
  const release = sink.hold();
  const first = give(1);
  await settled();
  const second = give(2);
  action.letGo({});
  assert.deepEqual([first(), second()], [false, false]);
  action.letGo(feed);
  assert.deepEqual([first(), second()], [true, true]);
  release();
  await settled();
  assert.deepEqual(sink.written, [["1"], ["2"]]);
  await action.stop(0);
});

test("an Action gives a sink no more than 1024 items at once, but whole results", async () => {
  const { sink, give, action } = setUp({ bufferLength: 10_000 });
  const release = sink.hold();
  give(0);
  await settled();
  for (let i = 0; i < 3; i++) give(...Array.from({ length: 500 }, (_, n) => n));
  give(...Array.from({ length: 2000 }, (_, n) => n));
  release();
  await settled();
  assert.deepEqual(sink.written.map(({ length }) => length), [1, 1000, 500, 2000]);
  await action.stop(0);
});
