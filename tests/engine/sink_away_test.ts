import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { defineConnector } from "../../src/connector/declare.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { text } from "../../src/connector/settings.ts";
import type { PayloadSink, RowSink } from "../../src/connector/sink.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine, type Engine } from "../../src/runtime/engine.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { newDatabase } from "../../src/store/failing_database_fixture.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SqliteDelivery } from "../../src/store/sqlite_delivery.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct } from "../../src/value/value.ts";
import { HandClock, settled } from "../hand_clock.ts";
import { Probe } from "../probe_connector.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** What was begun has gone through, commits of commits too. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await settled();
}

/** Sinks with topics; all of them are there or away together, or those of one topic. */
class Post {
  readonly away = new Set<string>();
  readonly written: Record<string, unknown[]> = {};
  readonly ids: Record<string, string[]> = {};
  /** The ids of each write, whether or not it was taken. */
  readonly tried: Record<string, (readonly string[])[]> = {};

  #write(topic: string, items: readonly unknown[], ids: readonly string[] = []): Promise<void> {
    (this.tried[topic] ??= []).push(ids);
    if (this.away.has(topic)) return Promise.reject(new Disconnected(`${topic} is away`));
    (this.written[topic] ??= []).push(...items);
    (this.ids[topic] ??= []).push(...ids);
    return Promise.resolve();
  }

  #sink(
    topic: string,
  ): {
    write: (items: readonly unknown[], signal: AbortSignal, ids?: readonly string[]) => Promise<void>;
    close: () => Promise<void>;
  } {
    if (this.away.has(topic)) throw new Disconnected(`${topic} is away`);
    return { write: (items, _, ids) => this.#write(topic, items, ids), close: () => Promise.resolve() };
  }

  readonly connectors = [
    defineConnector({
      name: "post",
      status: "experimental",
      summary: "For tests.",
      sink: {
        summary: "Keeps payloads.",
        delivery: "at-least-once",
        accepts: "payloads",
        settings: v.strictObject({ topic: text({ description: "Name." }) }),
        open: ({ topic }): PayloadSink => this.#sink(topic),
      },
      examples: [],
    }),
    defineConnector({
      name: "shelf",
      status: "experimental",
      summary: "For tests.",
      sink: {
        summary: "Keeps rows.",
        delivery: "at-least-once",
        accepts: "rows",
        settings: v.strictObject({ topic: text({ description: "Name." }) }),
        open: ({ topic }): RowSink => this.#sink(topic) as unknown as RowSink,
      },
      examples: [],
    }),
  ];
}

class World {
  readonly post = new Post();
  readonly probe = new Probe();
  readonly clock = new HandClock();
  readonly #database = newDatabase();
  readonly #store = new MemoryStore();
  delivery!: SqliteDelivery;
  engine!: Engine;
  #next = 0;

  async start(): Promise<void> {
    this.delivery = new SqliteDelivery({ database: this.#database });
    const connectors = new ConnectorList([this.probe.connector, ...this.post.connectors]);
    const store = this.#store;
    const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
    const streams = new StreamRegistry({ store, configs });
    if (streams.names().length === 0) {
      streams.execute('CREATE STREAM s () WITH (TYPE="probe", DATASOURCE="s", FORMAT="json")');
    }
    const logged: LogFields[] = [];
    this.engine = createEngine({
      ...{ connectors, store, streams, configs, clock: this.clock, delivery: this.delivery },
      config: { timezone: "UTC" },
      log: recordingLogger(logged),
    });
    await this.engine.start();
    await this.clock.advance(10);
  }

  async stop(): Promise<void> {
    await this.engine.close();
    this.delivery.close();
  }

  async create(action: Record<string, unknown>, options: Record<string, unknown> = {}, type = "post"): Promise<void> {
    const actions = [{ [type]: { topic: "out", sendSingle: true, ...action } }];
    await this.engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT a FROM s", actions, options }));
    await this.clock.advance(10);
  }

  /** Gives rows one by one, numbered. */
  async give(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.probe.give("s", `{"a":${this.#next++}}`);
      await quiet();
    }
  }

  /** The numbers that came to a topic. */
  numbers(topic = "out"): number[] {
    return (this.post.written[topic] ?? []).map((item) => JSON.parse(String(item)).a);
  }

  /** Every message is accounted for. */
  assertBalanced(): void {
    assert.equal(this.status("ledger_balanced"), 1, JSON.stringify(this.engine.rules.status("r"), null, 1));
  }

  status(key: string): unknown {
    return this.engine.rules.status("r")[key];
  }
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  const world = new World();
  await world.start();
  try {
    await work(world);
    await quiet();
    if (world.engine.rules.list().length > 0) world.assertBalanced();
  } finally {
    await world.stop();
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const small = { memoryCacheThreshold: 4, bufferPageSize: 2, maxDiskCache: 1000 };

test("an action with a cache keeps what its sink cannot take, and sends it in order", () =>
  withWorld(async (world) => {
    await world.create({ enableCache: true, ...small });
    await world.give(3);
    world.post.away.add("out");
    await world.give(20);
    world.assertBalanced();
    assert.deepEqual(world.numbers(), [0, 1, 2]);
    assert.equal(world.status("sink_post_0_0_buffer_length"), 20);
    assert.equal(world.status("op_post_0_2_cache_0_buffer_length"), 20);
    assert.equal(world.status("op_post_0_2_cache_0_records_in_total"), 23);
    await world.clock.advance(1000);
    world.post.away.clear();
    await world.clock.advance(100);
    await world.give(2);
    assert.deepEqual(world.numbers(), range(0, 25));
    assert.equal(world.status("sink_post_0_0_buffer_length"), 0);
    assert.equal(new Set(world.post.ids.out).size, 25);
    assert.equal(world.delivery.outbox("r", "0_post").counts().rows, 0);
  }));

test("an action with a cache sends at the next start what was left at a stop, before what is new", () =>
  withWorld(async (world) => {
    await world.create({ onFull: "spill", ...small });
    world.post.away.add("out");
    await world.give(9);
    await world.stop();
    await world.start();
    assert.equal(world.status("sink_post_0_0_buffer_length"), 9);
    await world.give(4);
    world.post.away.clear();
    await world.clock.advance(200);
    assert.deepEqual(world.numbers(), range(0, 13));
    await world.engine.rules.stop("r");
    assert.equal(world.delivery.outbox("r", "0_post").counts().rows, 0);
  }));

test("an action that forgets its cache at a stop does so", () =>
  withWorld(async (world) => {
    await world.create({ enableCache: true, cleanCacheAtStop: true, ...small });
    world.post.away.add("out");
    await world.give(9);
    await world.stop();
    await world.start();
    world.post.away.clear();
    await world.clock.advance(200);
    await world.give(1);
    assert.deepEqual(world.numbers(), [9]);
  }));

test("a rule that is removed takes its cache along", () =>
  withWorld(async (world) => {
    await world.create({ enableCache: true, ...small });
    world.post.away.add("out");
    await world.give(9);
    await world.engine.rules.delete("r");
    assert.deepEqual(world.delivery.rules(), []);
  }));

test("what waits goes on when a rule begins or ceases to promise, with the ids of what was tried", () =>
  withWorld(async (world) => {
    const rule = (qos: number) =>
      JSON.stringify({
        ...{ id: "r", sql: "SELECT a FROM s", options: { qos } },
        actions: [{ post: { topic: "out", sendSingle: true, enableCache: true, ...small } }],
      });
    await world.engine.rules.create(rule(0));
    await world.clock.advance(10);
    world.post.away.add("out");
    await world.give(9);
    const tried = world.post.tried.out!.at(-1)!;
    await world.engine.rules.update("r", rule(1));
    await world.clock.advance(10);
    await world.give(3);
    await world.engine.rules.update("r", rule(0));
    await world.clock.advance(10);
    await world.give(2);
    world.post.away.clear();
    await world.clock.advance(12_000);
    assert.deepEqual(world.numbers(), range(0, 14));
    assert.equal(world.post.ids.out![0], tried[0]);
    assert.equal(new Set(world.post.ids.out).size, 14);
  }));

test("dead letters from a time with a promise are sent again by a cache", () =>
  withWorld(async (world) => {
    await world.create({ enableCache: true, ...small });
    const outboxes = [{ action: "0_post", append: [{ sequence: 50, payload: '{"a":-1}', createdMs: 1 }] }];
    await world.delivery.commit({ rule: "r", outboxes });
    world.delivery.outbox("r", "0_post").take({ rowsMax: 1, nowMs: 0 });
    const buried = [{ sequence: 50, reason: "refused", diedMs: 2 }];
    await world.delivery.commit({ rule: "r", outboxes: [{ action: "0_post", buried }] });
    assert.deepEqual(await world.engine.deadLetters.replay("r"), { letters: 1, unknown: [] });
    await quiet();
    assert.deepEqual(world.numbers(), [-1]);
  }));

test("a pause between two tries is as long as resendInterval says", () =>
  withWorld(async (world) => {
    await world.create({ resendInterval: "5s" });
    world.post.away.add("out");
    await world.give(1);
    await world.clock.advance(4900);
    world.post.away.clear();
    assert.deepEqual(world.numbers(), []);
    await world.clock.advance(50);
    assert.deepEqual(world.numbers(), []);
    await world.clock.advance(100);
    assert.deepEqual(world.numbers(), [0]);
  }));

for (const [promise, options] of [["without promise", {}], ["with qos 1", { qos: 1 }]] as const) {
  test(`${promise}, messages that wait for too long are dropped and counted`, () =>
    withWorld(async (world) => {
      await world.create({ enableCache: true, cacheAgeMax: "10s", ...small }, options);
      world.post.away.add("out");
      await world.give(9);
      await world.clock.advance(14_000);
      await quiet();
      assert.equal(world.status("sink_post_0_0_dropped_total"), 8, "all but the one that is being tried");
      await world.give(2);
      world.post.away.clear();
      await world.clock.advance(9_000);
      await quiet();
      assert.deepEqual(world.numbers(), [9, 10]);
      assert.equal(world.status("sink_post_0_0_dropped_total"), 9);
      assert.equal(world.status("sink_post_0_0_buffer_length"), 0);
    }));

  const alter = { enableCache: true, resendAlterQueue: true, ...small };

  test(`${promise}, what cannot be sent goes to a second sink, and new results do not wait`, () =>
    withWorld(async (world) => {
      await world.create({ ...alter, resendDestination: "late", resendIndicatorField: "resent" }, options);
      await world.give(2);
      world.post.away.add("out").add("late");
      await world.give(9);
      await world.clock.advance(500);
      await world.give(1);
      world.assertBalanced();
      assert.equal(world.status("op_post_0_cache_0_buffer_length"), 10);
      assert.equal(world.status("sink_post_0_resend_0_buffer_length"), 10);
      assert.equal(world.status("sink_post_0_0_buffer_length"), 0);
      world.post.away.delete("out");
      await world.clock.advance(20_000);
      await world.give(3);
      assert.deepEqual(world.numbers(), [0, 1, 12, 13, 14]);
      world.post.away.clear();
      await world.clock.advance(20_000);
      assert.deepEqual(world.numbers("late"), range(2, 12));
      assert.deepEqual(world.post.written.late!.map(String)[0], '{"a":2,"resent":true}');
      assert.equal(world.status("op_post_0_cache_0_buffer_length"), 0);
      const ids = [...world.post.ids.out!, ...world.post.ids.late!];
      assert.equal(new Set(ids).size, 15);
      await quiet();
      assert.equal(world.delivery.outbox("r", "0_post").counts().rows, 0);
    }));

  test(`${promise}, what is sent again goes on after a restart`, () =>
    withWorld(async (world) => {
      await world.create({ ...alter, resendDestination: "late" }, options);
      world.post.away.add("out").add("late");
      await world.give(9);
      await world.clock.advance(500);
      await world.stop();
      await world.start();
      world.post.away.clear();
      await world.clock.advance(20_000);
      await world.give(1);
      assert.deepEqual(world.numbers("late"), range(0, 9));
      assert.deepEqual(world.numbers(), [9]);
    }));

  test(`${promise}, resends with priority go before what is new, while their sink can be reached`, () =>
    withWorld(async (world) => {
      await world.create({ ...alter, resendDestination: "late", resendPriority: 1 }, options);
      world.post.away.add("out").add("late");
      await world.give(5);
      world.post.away.delete("out");
      await world.clock.advance(20_000);
      await world.give(2);
      assert.deepEqual(world.numbers(), [5, 6], "nothing waits for a sink that is away");
      world.post.away.clear();
      await world.clock.advance(20_000);
      assert.deepEqual(world.numbers("late"), range(0, 5));
      await world.give(1);
      assert.deepEqual(world.numbers(), [5, 6, 7]);
    }));

  test(`${promise}, resends that come last wait for what is new, and come`, () =>
    withWorld(async (world) => {
      await world.create({ ...alter, resendDestination: "late", resendPriority: -1 }, options);
      world.post.away.add("out");
      await world.give(5);
      world.post.away.clear();
      await world.clock.advance(20_000);
      await world.give(2);
      await world.clock.advance(20_000);
      assert.deepEqual(world.numbers("late"), range(0, 5));
      assert.deepEqual(world.numbers(), [5, 6]);
    }));

  test(`${promise}, rows that are sent again are marked too`, () =>
    withWorld(async (world) => {
      await world.create({ ...alter, resendDestination: "late", resendIndicatorField: "again" }, options, "shelf");
      await world.give(1);
      world.post.away.add("out");
      await world.give(2);
      await world.clock.advance(1000);
      assert.deepEqual(world.post.written.out, [[{ a: 0 }]]);
      assert.deepEqual(world.post.written.late as Struct[][], [[{ a: 1, again: true }], [{ a: 2, again: true }]]);
    }));
}

/** Sinks come and go, and the agent is stopped and started: in the end all has come once, in the order of its topic. */
async function comeAndGo(seed: number, action: Record<string, unknown>, qos: number): Promise<void> {
  const random = new SeededRandom(seed);
  await withWorld(async (world) => {
    await world.create({ ...small, enableCache: true, ...action }, { qos });
    let given = 0;
    for (let step = 0; step < 60; step++) {
      const topic = random.pick(["out", "late"]);
      switch (random.below(7)) {
        case 0:
          world.post.away.add(topic);
          break;
        case 1:
          world.post.away.delete(topic);
          break;
        case 2:
          await world.clock.advance(random.pick([50, 500, 12_000]));
          break;
        case 3:
          if (random.below(4) > 0) break;
          await world.stop();
          await world.start();
          break;
        default: {
          const count = 1 + random.below(8);
          await world.give(count);
          given += count;
        }
      }
      await quiet();
      world.assertBalanced();
    }
    world.post.away.clear();
    for (let i = 0; i < 4; i++) await world.clock.advance(20_000);
    await quiet();
    const [out, late] = [world.numbers(), world.numbers("late")];
    for (const numbers of [out, late]) assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    assert.deepEqual([...out, ...late].sort((a, b) => a - b), range(0, given));
    const ids = [...world.post.ids.out ?? [], ...world.post.ids.late ?? []];
    assert.equal(new Set(ids).size, given);
    assert.equal(world.status("sink_post_0_0_buffer_length"), 0);
    assert.equal(world.delivery.outbox("r", "0_post").counts().rows, 0);
  });
}

const comings: readonly [string, Record<string, unknown>][] = [
  ["in one queue", {}],
  ["in two queues", { resendAlterQueue: true, resendDestination: "late" }],
  ["in two queues, resends first", { resendAlterQueue: true, resendDestination: "late", resendPriority: 1 }],
  ["in two queues, resends last", {
    ...{ resendAlterQueue: true, resendDestination: "late", resendPriority: -1 },
    resendIndicatorField: "again",
  }],
];

for (const [how, action] of comings) {
  for (const qos of [0, 1]) {
    test(`${how}, at qos ${qos}, all comes once and in order however sinks come and go`, async () => {
      for (let seed = 1; seed <= 10; seed++) {
        try {
          await comeAndGo(seed, action, qos);
        } catch (error) {
          throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  }
}
