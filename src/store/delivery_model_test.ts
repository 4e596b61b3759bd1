/**
 * Random work on the durable delivery store and on the plain one in memory, which must agree after every step: with
 * failing statements, and with restarts. A failure prints its seed.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../value/seeded_random.ts";
import {
  defaultOutboxSettings,
  type DeliveryStore,
  type DeliveryUnit,
  type Message,
  type OutboxSettings,
  type OutboxWork,
  type TakenMessage,
} from "./delivery_store.ts";
import { FailingDatabase, newDatabase } from "./failing_database_fixture.ts";
import { MemoryDelivery } from "./memory_delivery.ts";
import { SqliteDelivery } from "./sqlite_delivery.ts";
import { StoreError } from "./store_error.ts";

const rules = ["r", "s"];
const actions = ["a", "b"];
const never = () => {};

/** Whole settings, since those of a store that was opened again are the defaults. */
const limits: readonly Partial<OutboxSettings>[] = [
  { onFull: "block" as const, rowsMax: 12, bytesMax: 200 },
  { onFull: "dropOldest" as const, rowsMax: 8, bytesMax: 120, ageMaxMs: 40 },
  { onFull: "dropNewest" as const, rowsMax: 10, bytesMax: 150 },
  { deadRowsMax: 3, deadBytesMax: 40, ageMaxMs: 30 },
].map((changes) => ({ ...defaultOutboxSettings, ageMaxMs: undefined, ...changes }));

type Outcome = { readonly done: unknown } | { readonly failed: string };

class Comparison {
  readonly #random: SeededRandom;
  readonly #database = newDatabase();
  readonly #failing = new FailingDatabase(this.#database);
  readonly #failurePerMille: number;
  readonly #orders: Record<string, "queue" | "key"> = {};
  #durable = this.#open();
  #model = new MemoryDelivery(never);
  #nowMs = 100;
  #sequence = 0;
  /** Attempts are exact until a restart. */
  #restarted = false;
  failures = 0;

  constructor(seed: number, failurePerMille: number) {
    this.#random = new SeededRandom(seed);
    this.#failurePerMille = failurePerMille;
    for (const rule of rules) {
      for (const action of actions) {
        this.#orders[rule + action] = this.#random.pick(["queue", "key"]);
        this.#configure(rule, action, this.#random.pick(limits));
      }
    }
  }

  #open(): SqliteDelivery {
    return new SqliteDelivery({ database: this.#failing, schedule: never });
  }

  #stores(): readonly DeliveryStore[] {
    return [this.#durable, this.#model];
  }

  #configure(rule: string, action: string, settings: Partial<OutboxSettings>): void {
    const all = { ...settings, order: this.#orders[rule + action]! };
    for (const store of this.#stores()) store.outbox(rule, action, all);
  }

  #withFailures<T>(work: () => T): T {
    this.#failing.fails = () => this.#random.below(1000) < this.#failurePerMille;
    try {
      return work();
    } finally {
      this.#failing.fails = () => false;
    }
  }

  async step(): Promise<void> {
    const random = this.#random;
    this.#nowMs += random.below(3);
    const rule = random.pick(rules);
    const action = random.pick(actions);
    switch (random.below(20)) {
      case 0:
        return this.#restart();
      case 1:
        return this.#alone((store) => store.remove(rule), rule);
      case 2:
        return this.#alone((store) => store.removeOutbox(rule, action), rule, action);
      case 3:
        return this.#alone((store) => void store.maintain());
      case 4:
        this.#configure(rule, action, random.pick(limits));
        return;
      case 5: {
        const sequences = random.below(2) === 0 ? undefined : [random.below(this.#sequence + 1)];
        for (const store of this.#stores()) store.outbox(rule, action).release(sequences);
        return;
      }
      default:
        await this.#commit(Array.from({ length: 1 + random.below(3) }, () => this.#unit(random.pick(rules))));
    }
  }

  /** Work that stands alone: done in both, or in neither. */
  #alone(work: (store: DeliveryStore) => void, rule?: string, action?: string): void {
    try {
      this.#withFailures(() => work(this.#durable));
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      this.failures++;
      return;
    }
    work(this.#model);
    if (rule === undefined) return;
    for (const each of action === undefined ? actions : [action]) this.#configure(rule, each, {});
  }

  #restart(): void {
    // The clock goes on, so that whatever waited is ready in both.
    this.#nowMs += 1000;
    this.#restarted = true;
    this.#durable = this.#open();
    for (const rule of rules) {
      for (const action of actions) {
        this.#model.outbox(rule, action).release();
        this.#configure(rule, action, this.#random.pick(limits));
      }
    }
  }

  /** Takes the same from both, and gives some of it. */
  #take(rule: string, action: string): readonly TakenMessage[] {
    const random = this.#random;
    const options = {
      lane: random.pick(["live", "live", "resend"] as const),
      rowsMax: random.below(8),
      bytesMax: random.pick([10, 60, Infinity]),
      nowMs: this.#nowMs,
    };
    let found;
    try {
      found = this.#withFailures(() => this.#durable.outbox(rule, action).take(options));
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      this.failures++;
      found = this.#durable.outbox(rule, action).take(options);
    }
    const expected = this.#model.outbox(rule, action).take(options);
    const plain = ({ sequence, key, payload, createdMs, lane, attempts }: TakenMessage) => {
      const rest = { sequence, key, payload, createdMs, lane };
      return this.#restarted ? rest : { ...rest, attempts };
    };
    assert.deepEqual(found.messages.map(plain), expected.messages.map(plain));
    if (expected.waitUntilMs !== undefined) {
      assert.ok(found.waitUntilMs !== undefined && found.waitUntilMs <= expected.waitUntilMs);
    }
    return found.messages;
  }

  #message(): Message {
    const random = this.#random;
    this.#sequence += 1 + random.below(3);
    return {
      sequence: this.#sequence,
      payload: "x".repeat(random.below(30)),
      createdMs: this.#nowMs,
      ...(random.below(3) === 0 ? {} : { key: random.pick(["k", "l", "m"]) }),
    };
  }

  #work(rule: string, action: string): OutboxWork {
    const random = this.#random;
    const delivered: number[] = [];
    const retried: { sequence: number; atMs: number; lane?: "live" | "resend" }[] = [];
    const buried: { sequence: number; reason: string; diedMs: number }[] = [];
    const work: Record<string, unknown> = { action };
    if (random.below(3) > 0) {
      for (const { sequence } of this.#take(rule, action)) {
        const choice = random.below(8);
        if (choice < 3) delivered.push(sequence);
        else if (choice === 3) retried.push({ sequence, atMs: random.pick([0, this.#nowMs + random.below(9)]) });
        else if (choice === 4) retried.push({ sequence, atMs: 0, lane: random.pick(["live", "resend"]) });
        else if (choice === 5) buried.push({ sequence, reason: "no", diedMs: this.#nowMs });
      }
      Object.assign(work, { delivered: delivered.reverse(), retried, buried });
    }
    if (random.below(12) === 0) delivered.push(random.below(this.#sequence + 1));
    const letters = () =>
      random.below(3) === 0
        ? "all"
        : this.#model.outbox(rule, action).deadLetters({ limit: 2 }).map(({ sequence }) => sequence);
    if (random.below(8) === 0) work.replayed = letters();
    if (random.below(12) === 0) work.cleared = letters();
    if (random.below(5) === 0) work.expiredAtMs = this.#nowMs;
    if (random.below(3) > 0) work.append = Array.from({ length: random.below(6) }, () => this.#message());
    return work as unknown as OutboxWork;
  }

  #unit(rule: string): DeliveryUnit {
    const random = this.#random;
    const unit: Record<string, unknown> = { rule };
    if (random.below(5) > 0) {
      unit.outboxes = actions.filter(() => random.below(2) === 0).map((action) => this.#work(rule, action));
    }
    const log = Array.from({ length: random.below(3) }, () => ({ sequence: ++this.#sequence, payload: "batch" }));
    if (random.below(2) === 0) unit.log = log;
    if (random.below(3) === 0) {
      const position = random.below(5) === 0 ? null : String(this.#sequence);
      unit.positions = new Map([[random.pick(["p", "q"]), position]]);
    }
    if (random.below(6) === 0) {
      const sequence = random.below(3) === 0 ? this.#sequence : this.#model.lastLogSequence(rule);
      unit.checkpoint = random.below(5) === 0 ? null : { plan: "p", sequence, timeMs: this.#nowMs, state: "s" };
    }
    return unit as unknown as DeliveryUnit;
  }

  async #commit(units: readonly DeliveryUnit[]): Promise<void> {
    const outcomeOf = (promise: Promise<unknown>): Promise<Outcome> =>
      promise.then((done) => ({ done }), (error) => {
        if (error instanceof StoreError) throw error;
        return { failed: `${error.name}: ${error.message}` };
      });
    const commit = (store: DeliveryStore) => units.map((unit) => outcomeOf(store.commit(unit)));
    const mine = commit(this.#durable);
    this.#withFailures(() => this.#durable.flush());
    let outcomes: Outcome[];
    try {
      outcomes = await Promise.all(mine);
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      const settled = await Promise.allSettled(mine);
      assert.ok(settled.every(({ status }) => status === "rejected"), "a failed transaction fails all of its units");
      this.failures++;
      return;
    }
    const theirs = commit(this.#model);
    this.#model.flush();
    assert.deepEqual(outcomes, await Promise.all(theirs));
  }

  #dump(store: DeliveryStore): unknown {
    return rules.map((rule) => ({
      checkpoint: store.checkpoint(rule),
      log: [...store.log(rule)],
      last: store.lastLogSequence(rule),
      lastOfAll: store.lastSequence(rule),
      positions: [...store.positions(rule)].sort(),
      outboxes: actions.map((action) => {
        const outbox = store.outbox(rule, action);
        const letters = outbox.deadLetters({ limit: 100 });
        return {
          last: outbox.lastSequence,
          counts: outbox.counts(),
          oldestMs: outbox.oldestMs(),
          letters: letters.map(({ attempts, ...rest }) => this.#restarted ? rest : { ...rest, attempts }),
        };
      }),
    }));
  }

  compare(): void {
    assert.deepEqual(this.#dump(this.#durable), this.#dump(this.#model));
  }

  /** At the end: what counts as held is what the tables hold, and all of it comes out. */
  finish(): void {
    this.#restart();
    this.compare();
    for (const rule of rules) {
      for (const action of actions) {
        for (const lane of ["live", "resend"] as const) {
          const all = { lane, rowsMax: 1000, nowMs: this.#nowMs };
          const sequences = this.#stores().map((store) =>
            store.outbox(rule, action).take(all).messages.map(({ sequence }) => sequence)
          );
          assert.deepEqual(sequences[0], sequences[1]);
        }
      }
    }
    while (this.#durable.maintain());
    const sum = (field: "rows" | "deadRows") =>
      rules.flatMap((rule) => actions.map((action) => this.#durable.outbox(rule, action).counts()[field]))
        .reduce((a, b) => a + b);
    const count = (sql: string) => Number(this.#database.prepare(sql).get()!.n);
    assert.equal(count("SELECT count(*) AS n FROM outbox WHERE id & ((1 << 45) - 1) <> 0"), sum("rows"));
    assert.equal(count("SELECT count(*) AS n FROM dead_letter"), sum("deadRows"));
    this.#database.close();
  }
}

async function run(seeds: number, failurePerMille: number): Promise<number> {
  let failures = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const comparison = new Comparison(seed, failurePerMille);
    try {
      for (let n = 0; n < 120; n++) {
        await comparison.step();
        comparison.compare();
      }
      comparison.finish();
    } catch (error) {
      throw new Error(`seed ${seed}, ${failurePerMille} failures in 1,000 statements`, { cause: error });
    }
    failures += comparison.failures;
  }
  return failures;
}

test("random work gives the same in SQLite and in memory", async () => {
  assert.equal(await run(25, 0), 0);
});

test("random work gives the same when statements fail", async () => {
  const failures = await run(25, 30);
  assert.ok(failures > 100, `${failures} failures`);
});
