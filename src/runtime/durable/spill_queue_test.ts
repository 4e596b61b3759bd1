import assert from "node:assert/strict";
import { test } from "node:test";
import { HandClock, settled } from "../../../tests/hand_clock.ts";
import { recordingLogger } from "../../connector/conformance.ts";
import type { LogFields } from "../../connector/context.ts";
import { readSettings } from "../../connector/settings.ts";
import type { DeliveryStore } from "../../store/delivery_store.ts";
import { FailingDatabase, newDatabase } from "../../store/failing_database_fixture.ts";
import { MemoryDelivery } from "../../store/memory_delivery.ts";
import { SqliteDelivery } from "../../store/sqlite_delivery.ts";
import { SeededRandom } from "../../value/seeded_random.ts";
import type { Item } from "../send_queue.ts";
import { cacheSettings } from "./cache_settings.ts";
import { decodeItem } from "./message_codec.ts";
import { SpillQueue } from "./spill_queue.ts";

/** A store that can die: what is opened again has what was committed. */
interface World {
  readonly store: DeliveryStore;
  reopen(): World;
  failing?: FailingDatabase;
}

function memoryWorld(store = new MemoryDelivery()): World {
  return { store, reopen: () => memoryWorld(store) };
}

function sqliteWorld(database = newDatabase()): World {
  const failing = new FailingDatabase(database);
  return { store: new SqliteDelivery({ database: failing }), failing, reopen: () => sqliteWorld(database) };
}

const worlds: readonly [string, () => World][] = [["in memory", memoryWorld], ["on SQLite", sqliteWorld]];

interface Setup {
  readonly queue: SpillQueue;
  readonly clock: HandClock;
  readonly dropped: Record<string, number>;
  readonly troubles: string[];
  readonly logged: LogFields[];
}

const small = { memoryCacheThreshold: 4, bufferPageSize: 2, maxDiskCache: 100 };

function open(world: World, settings: Record<string, unknown> = {}, clock = new HandClock()): Setup {
  const dropped: Record<string, number> = {};
  const troubles: string[] = [];
  const logged: LogFields[] = [];
  let last = world.store.lastSequence("r");
  const queue = new SpillQueue({
    rule: "r",
    action: "0_probe",
    delivery: world.store,
    settings: readSettings(cacheSettings, { ...small, ...settings }, { path: "", where: "test" }),
    accepts: "payloads",
    nextSequence: () => ++last,
    onDropped: (reason, count) => dropped[reason] = (dropped[reason] ?? 0) + count,
    onTrouble: (message) => troubles.push(message),
    clock,
    log: recordingLogger(logged),
  });
  return { queue, clock, dropped, troubles, logged };
}

/** What was begun has gone through, commits of commits too. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 4; i++) await settled();
}

function add(queue: SpillQueue, from: number, count: number): void {
  queue.add(Array.from({ length: count }, (_, i) => String(from + i)));
}

const numbers = (items: readonly Item[]) => items.map(Number);

/** Sends everything that is there. */
async function drain(queue: SpillQueue): Promise<number[]> {
  const sent: number[] = [];
  for (let idle = 0; idle < 2;) {
    const sending = queue.take();
    if (sending === undefined) idle++;
    else {
      sent.push(...numbers(sending.items));
      queue.sent();
    }
    await quiet();
  }
  return sent;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function close(queue: SpillQueue): Promise<number> {
  queue.stop();
  return await queue.close();
}

for (const [where, newWorld] of worlds) {
  test(`SpillQueue ${where} writes nothing while the sink keeps up`, async () => {
    const world = newWorld();
    const { queue } = open(world);
    for (let i = 0; i < 50; i++) {
      add(queue, 2 * i, 2);
      const sending = queue.take()!;
      assert.deepEqual(numbers(sending.items), [2 * i, 2 * i + 1]);
      queue.sent();
    }
    await quiet();
    assert.equal(await close(queue), 0);
    assert.equal(world.store.outbox("r", "0_probe").lastSequence, 0);
  });

  test(`SpillQueue ${where} puts whole pages of the oldest on disk, and gives them back in order`, async () => {
    const world = newWorld();
    const { queue } = open(world);
    add(queue, 0, 4);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 0);
    add(queue, 4, 1);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 2);
    add(queue, 5, 6);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 8);
    assert.equal(queue.length, 11);
    assert.deepEqual(await drain(queue), range(0, 11));
    assert.equal(queue.length, 0);
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 0);
  });

  test(`SpillQueue ${where} takes what the sender has along to the disk`, async () => {
    const world = newWorld();
    const { queue } = open(world);
    add(queue, 0, 3);
    const sending = queue.take()!;
    assert.deepEqual(numbers(sending.items), [0, 1, 2]);
    add(queue, 3, 3);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 2);
    assert.equal(queue.length, 6);
    queue.sent();
    assert.equal(queue.length, 3);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 0);
    assert.deepEqual(await drain(queue), [3, 4, 5]);
  });

  test(`SpillQueue ${where} knows what was sent while it went to disk`, async () => {
    const world = newWorld();
    const { queue } = open(world);
    add(queue, 0, 3);
    queue.take();
    add(queue, 3, 3);
    // The commit is under way.
    queue.sent();
    assert.equal(queue.take(), undefined);
    assert.equal(queue.length, 3);
    await quiet();
    assert.equal(world.store.outbox("r", "0_probe").counts().rows, 0);
    assert.deepEqual(await drain(queue), [3, 4, 5]);
  });

  test(`SpillQueue ${where} keeps at a stop all that was not sent, with the ids of what was tried`, async () => {
    const world = newWorld();
    const first = open(world);
    add(first.queue, 0, 3);
    const tried = first.queue.take()!;
    assert.equal(await close(first.queue), 0);
    assert.equal(first.queue.length, 3);

    const second = open(world.reopen());
    assert.equal(second.queue.length, 3);
    add(second.queue, 3, 20);
    await quiet();
    const again = second.queue.take()!;
    assert.deepEqual(numbers(again.items), [0, 1]);
    assert.deepEqual(again.ids, tried.ids!.slice(0, 2));
    second.queue.sent();
    assert.equal(await close(second.queue), 0);

    const third = open(world.reopen());
    assert.equal(third.queue.length, 21);
    assert.deepEqual(await drain(third.queue), range(2, 23));
  });

  test(`SpillQueue ${where} forgets at a stop with cleanCacheAtStop`, async () => {
    const world = newWorld();
    const { queue } = open(world, { cleanCacheAtStop: true });
    add(queue, 0, 30);
    await quiet();
    queue.take();
    assert.equal(await close(queue), 30);
    const again = open(world.reopen(), { cleanCacheAtStop: true });
    assert.equal(again.queue.length, 0);
    add(again.queue, 30, 10);
    await quiet();
    assert.deepEqual(await drain(again.queue), range(30, 40));
  });

  test(`SpillQueue ${where} drops the oldest on a full disk, and counts them`, async () => {
    const { queue, dropped } = open(newWorld(), { maxDiskCache: 6 });
    for (let i = 0; i < 20; i++) {
      add(queue, i, 1);
      await quiet();
    }
    assert.equal(queue.length, 10);
    assert.deepEqual(dropped, { "buffer full": 10 });
    assert.deepEqual(await drain(queue), range(10, 20));
  });

  test(`SpillQueue ${where} never drops what the sender has`, async () => {
    const { queue, dropped } = open(newWorld(), { maxDiskCache: 6 });
    add(queue, 0, 2);
    queue.take();
    for (let i = 2; i < 20; i++) {
      add(queue, i, 1);
      await quiet();
    }
    queue.sent();
    await quiet();
    const left = await drain(queue);
    assert.equal(left.length + 2 + dropped["buffer full"]!, 20);
    assert.deepEqual(left, range(20 - left.length, 20));
  });

  test(`SpillQueue ${where} drops the newest pages with dropNewest`, async () => {
    const { queue, dropped } = open(newWorld(), { maxDiskCache: 4, onFull: "dropNewest" });
    for (let i = 0; i < 12; i++) {
      add(queue, i, 1);
      await quiet();
    }
    assert.deepEqual(dropped, { "buffer full": 4 });
    assert.deepEqual(await drain(queue), [0, 1, 2, 3, ...range(8, 12)]);
  });

  test(`SpillQueue ${where} holds the source back with block, and goes on when there is room`, async () => {
    const { queue, dropped } = open(newWorld(), { maxDiskCache: 4, onFull: "block" });
    let next = 0;
    while (!queue.blocked) {
      add(queue, next++, 1);
      await quiet();
    }
    assert.equal(queue.length, 9);
    let isRoom = false;
    queue.room().then(() => isRoom = true);
    await quiet();
    assert.equal(isRoom, false);
    queue.take();
    queue.sent();
    await quiet();
    assert.equal(isRoom, true);
    assert.deepEqual(await drain(queue), range(2, 9));
    assert.deepEqual(dropped, {});
  });

  test(`SpillQueue ${where} drops what is too old, wherever it is`, async () => {
    const { queue, clock, dropped } = open(newWorld(), { cacheAgeMax: 1000 });
    add(queue, 0, 10);
    await quiet();
    const stuck = queue.take()!;
    assert.deepEqual(numbers(stuck.items), [0, 1]);
    assert.equal(queue.gaveBack(), false);
    await clock.advance(600);
    add(queue, 10, 1);
    await quiet();
    await clock.advance(600);
    assert.equal(queue.gaveBack(), true);
    await quiet();
    assert.deepEqual(await drain(queue), [10]);
    assert.deepEqual(dropped, { age: 10 });
    add(queue, 11, 1);
    await clock.advance(1001);
    assert.equal(queue.take(), undefined);
    assert.deepEqual([queue.length, dropped.age], [0, 11]);
  });

  test(`SpillQueue ${where} drops what gets too old while nothing comes and nothing goes`, async () => {
    const { queue, clock, dropped } = open(newWorld(), { cacheAgeMax: 5000 });
    add(queue, 0, 10);
    await quiet();
    await clock.advance(3000);
    add(queue, 10, 1);
    await quiet();
    assert.equal(queue.length, 11);
    queue.take();
    await clock.advance(3900);
    await quiet();
    assert.deepEqual([queue.length, dropped], [3, { age: 8 }], "the sender has two of them");
    assert.equal(queue.gaveBack(), true);
    await clock.advance(1000);
    await quiet();
    assert.deepEqual([queue.length, dropped], [1, { age: 10 }]);
    await close(queue);
    assert.equal(clock.waiting, 0);
  });

  test(`SpillQueue ${where} takes more at a stop than its limit, and comes down to it`, async () => {
    const world = newWorld();
    const first = open(world, { maxDiskCache: 4 });
    add(first.queue, 0, 8);
    await quiet();
    assert.equal(await close(first.queue), 0);
    const second = open(world.reopen(), { maxDiskCache: 4 });
    assert.equal(second.queue.length, 8);
    assert.deepEqual(numbers(second.queue.take()!.items), [0, 1]);
    second.queue.sent();
    add(second.queue, 8, 4);
    await quiet();
    assert.deepEqual(second.dropped, {});
    assert.deepEqual(await drain(second.queue), range(2, 12));
    add(second.queue, 12, 20);
    await quiet();
    assert.equal(second.queue.length, 8);
  });

  test(`SpillQueue ${where} is idle and has room when it is empty, or stops`, async () => {
    const { queue } = open(newWorld());
    await queue.idle();
    add(queue, 0, 10);
    let [idle, arrived] = [false, false];
    queue.idle().then(() => idle = true);
    queue.arrival().then(() => arrived = true);
    await quiet();
    assert.deepEqual([idle, arrived], [false, true]);
    await drain(queue);
    assert.equal(idle, true);
    const waiting = queue.arrival();
    queue.stop();
    await Promise.all([waiting, queue.arrival(), queue.room(), queue.idle()]);
  });
}

test("a SpillQueue whose disk fails holds what fits into memory, says so, and goes on", async () => {
  const world = sqliteWorld();
  const { queue, clock, troubles, logged } = open(world);
  world.failing!.fails = (sql) => sql.startsWith("INSERT");
  add(queue, 0, 5);
  await quiet();
  assert.equal(queue.blocked, true);
  assert.equal(troubles.length, 1);
  await clock.advance(3000);
  await quiet();
  assert.equal(troubles.length, 1);
  const sending = queue.take()!;
  assert.deepEqual(numbers(sending.items), range(0, 5));
  world.failing!.fails = () => false;
  await clock.advance(1000);
  await quiet();
  assert.equal(queue.blocked, false);
  assert.equal(logged.length, 2, "that it fails, and that it works again");
  queue.sent();
  assert.deepEqual(await drain(queue), []);
  assert.equal(queue.length, 0);
});

test("a SpillQueue whose disk cannot be read waits with what is newer", async () => {
  const world = sqliteWorld();
  const { queue, clock } = open(world);
  add(queue, 0, 10);
  await quiet();
  world.failing!.fails = (sql) => sql.startsWith("SELECT");
  assert.equal(queue.take(), undefined);
  world.failing!.fails = () => false;
  let arrived = false;
  queue.arrival().then(() => arrived = true);
  await clock.advance(1000);
  assert.equal(arrived, true);
  assert.deepEqual(await drain(queue), range(0, 10));
});

test("a SpillQueue that cannot write at its stop tells how many are lost", async () => {
  const world = sqliteWorld();
  const { queue } = open(world);
  add(queue, 0, 3);
  world.failing!.fails = (sql) => sql.startsWith("INSERT");
  assert.equal(await close(queue), 3);
  world.failing!.fails = () => false;
  assert.equal(open(world.reopen()).queue.length, 0);
});

test("a SpillQueue passes over what was kept for another kind of sink", async () => {
  const world = memoryWorld();
  await world.store.commit({
    rule: "r",
    outboxes: [{
      action: "0_probe",
      append: ["\u0002r[]", "1"].map((payload, i) => ({ sequence: i + 1, createdMs: 0, payload })),
    }],
  });
  const { queue, dropped } = open(world);
  assert.deepEqual(await drain(queue), [1]);
  assert.deepEqual(dropped, { unreadable: 1 });
  assert.equal(queue.length, 0);
});

test("a SpillQueue sends first what another kind of queue left in the lane of the resends", async () => {
  const world = memoryWorld();
  const append = ["0", "1", "2"].map((payload, i) => ({ sequence: i + 1, createdMs: 0, payload }));
  await world.store.commit({ rule: "r", outboxes: [{ action: "0_probe", append }] });
  world.store.outbox("r", "0_probe").take({ rowsMax: 2, nowMs: 0 });
  const retried = [1, 2].map((sequence) => ({ sequence, atMs: 0, lane: "resend" as const }));
  await world.store.commit({ rule: "r", outboxes: [{ action: "0_probe", retried }] });
  const { queue } = open(world);
  add(queue, 3, 2);
  assert.deepEqual(await drain(queue), range(0, 5));
});

// ---------------------------------------------------------------- against a model

interface Scenario {
  readonly name: string;
  readonly settings: Record<string, unknown>;
  readonly kills: boolean;
  readonly failurePerMille: number;
}

const scenarios: readonly Scenario[] = [
  { name: "with room for all", settings: { maxDiskCache: 10_000 }, kills: false, failurePerMille: 0 },
  { name: "with a small disk", settings: { maxDiskCache: 8 }, kills: false, failurePerMille: 0 },
  {
    name: "that drops the newest",
    settings: { maxDiskCache: 8, onFull: "dropNewest" },
    kills: false,
    failurePerMille: 0,
  },
  { name: "that blocks", settings: { maxDiskCache: 8, onFull: "block" }, kills: false, failurePerMille: 0 },
  { name: "with few bytes", settings: { maxDiskCache: 100, cacheBytesMax: 12 }, kills: false, failurePerMille: 0 },
  { name: "with an age limit", settings: { maxDiskCache: 100, cacheAgeMax: 3000 }, kills: false, failurePerMille: 0 },
  { name: "with kills", settings: { maxDiskCache: 10_000 }, kills: true, failurePerMille: 0 },
  { name: "with a failing disk", settings: { maxDiskCache: 10_000 }, kills: true, failurePerMille: 60 },
];

/** Random work; what is sent must be what was given, in order, once, but for what is said to be dropped or killed. */
async function play(scenario: Scenario, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clock = new HandClock();
  let world = sqliteWorld();
  let now = open(world, scenario.settings, clock);
  const fail = () => {
    if (scenario.failurePerMille > 0) world.failing!.fails = () => random.below(1000) < scenario.failurePerMille;
  };
  const well = () => world.failing!.fails = () => false;
  fail();
  let next = 0;
  let sending: readonly number[] | undefined;
  const sent: number[] = [];
  const ids = new Map<string, number>();
  let dropped = 0;
  const killed = new Set<number>();
  const tell = () => Object.values(now.dropped).reduce((sum, count) => sum + count, 0);
  const step = async () => {
    const { queue } = now;
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        if (queue.blocked) break;
        const count = 1 + random.below(6);
        add(queue, next, count);
        next += count;
        break;
      }
      case 4:
      case 5:
      case 6: {
        if (sending !== undefined) break;
        const taken = queue.take();
        if (taken === undefined) break;
        sending = numbers(taken.items);
        for (const [i, id] of taken.ids!.entries()) {
          assert.equal(ids.get(id) ?? sending[i], sending[i], `id ${id} is of two messages`);
          ids.set(id, sending[i]!);
        }
        break;
      }
      case 7:
      case 8:
        if (sending === undefined) break;
        if (random.below(4) === 0) {
          if (queue.gaveBack()) sending = undefined;
          break;
        }
        sent.push(...sending);
        sending = undefined;
        queue.sent();
        break;
      case 9:
        await quiet();
        break;
      case 10: {
        if (random.below(4) > 0) break;
        well();
        dropped += await close(queue) + tell();
        sending = undefined;
        world = world.reopen();
        now = open(world, scenario.settings, clock);
        fail();
        break;
      }
      case 11: {
        if (random.below(4) > 0) break;
        if (!scenario.kills) await clock.advance(1000);
        else {
          dropped += tell();
          // What the old one has begun must not be done any more.
          world.failing!.fails = () => true;
          queue.stop();
          sending = undefined;
          world = world.reopen();
          for (const lost of range(0, next)) killed.add(lost);
          for (const kept of onDisk(world.store)) killed.delete(kept);
          now = open(world, scenario.settings, clock);
          fail();
        }
      }
    }
  };
  for (let i = 0; i < 300; i++) await step();
  well();
  for (let i = 0; i < 3; i++) await clock.advance(1000);
  if (sending !== undefined) {
    sent.push(...sending);
    now.queue.sent();
  }
  await quiet();
  sent.push(...await drain(now.queue));
  dropped += tell();
  assert.equal(now.queue.length, 0);
  assert.equal(world.store.outbox("r", "0_probe").counts().rows, 0);
  const distinct = [...new Set(sent)];
  assert.deepEqual(distinct, distinct.toSorted((a, b) => a - b), "the order");
  // A kill may come between the sending and its commit.
  if (!scenario.kills) assert.equal(distinct.length, sent.length, "each once");
  const missing = range(0, next).filter((number) => !distinct.includes(number) && !killed.has(number));
  assert.equal(missing.length, dropped, `each is sent or dropped: ${missing}`);
  if (scenario.settings.maxDiskCache === 10_000) assert.equal(dropped, 0);
}

function onDisk(store: DeliveryStore): number[] {
  const outbox = store.outbox("r", "0_probe");
  const { messages } = outbox.take({ rowsMax: 100_000, nowMs: 0 });
  outbox.release();
  return messages.map(({ payload }) => Number(decodeItem(payload, "payloads")));
}

for (const scenario of scenarios) {
  test(`a SpillQueue ${scenario.name} keeps order and counts through random work`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      try {
        await play(scenario, seed);
      } catch (error) {
        throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}
