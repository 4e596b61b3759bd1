import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../../tests/hand_clock.ts";
import { probeRule, probeWorld, withProbes } from "../../tests/probe_world.ts";
import { MemoryDelivery } from "../store/memory_delivery.ts";
import { MemoryStore } from "../store/memory.ts";
import { StoreError } from "../store/store_error.ts";

/** As a rule does that promises delivery. */
function keepSomething(delivery: MemoryDelivery, rule: string): Promise<unknown> {
  return delivery.commit({ rule, log: [{ sequence: 1, payload: "batch" }] });
}

const keeping = { options: { qos: 1 } };

/** One that no rule uses; counts what it is asked all the same. */
class Counting extends MemoryDelivery {
  asked = 0;

  override isInUse(): boolean {
    return false;
  }

  override rules(): string[] {
    this.asked++;
    return super.rules();
  }

  override remove(rule: string): void {
    this.asked++;
    super.remove(rule);
  }
}

/** Its first removals fail. */
class Failing extends MemoryDelivery {
  failures = 1;

  override remove(rule: string): void {
    if (this.failures-- > 0) throw new Error("the disk is full");
    super.remove(rule);
  }
}

test("what is kept of a rule goes with it, after it has stopped, and not before", () =>
  withProbes(async ({ create, engine, delivery, probe, clock }) => {
    await create("r", "SELECT a FROM own", keeping);
    await create("other", "SELECT a FROM own", keeping);
    await keepSomething(delivery, "r");
    await keepSomething(delivery, "other");
    await engine.rules.stop("r");
    await engine.rules.start("r");
    await settled();
    assert.deepEqual(delivery.rules(), ["other", "r"]);
    probe.hold("r");
    probe.give("own", '{"a":1}');
    // Its result is kept first, and sent then.
    for (let turn = 0; turn < 5; turn++) await settled();
    const deleting = engine.rules.delete("r");
    await settled();
    assert.deepEqual(delivery.rules(), ["other", "r"], "the rule is still stopping");
    await clock.advance(5000);
    await deleting;
    assert.deepEqual(delivery.rules(), ["other"]);
  }));

test("a rule of the same id begins with nothing, even when the removal has failed", async () => {
  const delivery = new Failing();
  await withProbes(async ({ create, engine, logged }) => {
    await create("r", "SELECT a FROM own", keeping);
    await keepSomething(delivery, "r");
    const before = delivery.incarnation("r");
    await engine.rules.delete("r");
    assert.ok(logged.some(({ reason }) => reason === "the disk is full"));
    assert.deepEqual(delivery.rules(), ["r"]);
    await create("r", "SELECT a FROM own", keeping);
    assert.deepEqual(delivery.rules(), []);
    assert.notEqual(delivery.incarnation("r"), before);
  }, { delivery });
});

test("what is kept of rules that are gone goes at the start, that of unreadable ones stays", async () => {
  const store = new MemoryStore();
  const delivery = new MemoryDelivery();
  store.put("rule", "known", probeRule("known", "SELECT a FROM own", keeping));
  store.put("rule", "unreadable", "{");
  for (const rule of ["known", "unreadable", "gone"]) await keepSomething(delivery, rule);
  await withProbes(() => {
    assert.deepEqual(delivery.rules(), ["known", "unreadable"]);
    return Promise.resolve();
  }, { store, delivery });
});

test("what is kept of a temporary rule goes when the agent ends", async () => {
  const delivery = new MemoryDelivery();
  const world = probeWorld({ delivery });
  world.streams.execute('CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")');
  await world.engine.start();
  await world.create("passing", "SELECT a FROM own", { ...keeping, temp: true });
  await world.create("staying", "SELECT a FROM own", keeping);
  for (const rule of ["passing", "staying"]) await keepSomething(delivery, rule);
  await world.engine.close();
  assert.deepEqual(delivery.rules(), ["staying"]);
});

test("of a store that no rule uses nothing is asked", async () => {
  const delivery = new Counting();
  await withProbes(async ({ create, engine }) => {
    await create("r", "SELECT a FROM own");
    await create("passing", "SELECT a FROM own", { temp: true });
    await engine.rules.delete("r");
  }, { delivery });
  assert.equal(delivery.asked, 0);
});

/** State, two positions and two messages that wait. */
async function keepAll(delivery: MemoryDelivery, rule: string): Promise<void> {
  await delivery.commit({
    rule,
    log: [{ sequence: 1, payload: "[]" }, { sequence: 2, payload: "[]" }],
    checkpoint: { plan: "p", sequence: 1, timeMs: 0, state: "s" },
    positions: new Map([["own", "1"], ["other", "2"]]),
    outboxes: [{ action: "0_probe", append: [3, 4].map((sequence) => ({ sequence, payload: "m", createdMs: 0 })) }],
  });
}

test("a rule forgets its state, its positions or both, and keeps its messages", () =>
  withProbes(async ({ create, engine, delivery }) => {
    await create("r", "SELECT a FROM own", { triggered: false });
    const now = () => [
      delivery.checkpoint("r") !== undefined,
      [...delivery.log("r")].length,
      Object.fromEntries(delivery.positions("r")),
      delivery.outbox("r", "0_probe").counts().rows,
    ];
    await keepAll(delivery, "r");
    const before = delivery.incarnation("r");
    await engine.rules.reset("r", { state: true, positions: false });
    assert.deepEqual(now(), [false, 0, { own: "1", other: "2" }, 2]);
    await engine.rules.reset("r", { state: false, positions: true });
    assert.deepEqual(now(), [false, 0, {}, 2]);
    assert.deepEqual([delivery.incarnation("r"), delivery.lastLogSequence("r")], [before, 2], "ids go on");
    assert.equal(engine.rules.status("r").status, "stopped");
  }));

test("a rule that runs is stopped before it forgets, and started again, even when that fails", async () => {
  class Watched extends MemoryDelivery {
    fails = false;
    onCommit = () => {};
    override commit(unit: Parameters<MemoryDelivery["commit"]>[0]) {
      if (unit.checkpoint === null) this.onCommit();
      return this.fails && unit.checkpoint === null
        ? Promise.reject(new Error("the disk is full"))
        : super.commit(unit);
    }
  }
  const delivery = new Watched();
  await withProbes(async ({ create, engine, probe }) => {
    await create("r", "SELECT a FROM own");
    await settled();
    await delivery.commit({ rule: "r", log: [{ sequence: 1, payload: "[]" }] });
    const states: unknown[] = [];
    delivery.onCommit = () => states.push(engine.rules.status("r").status, probe.sources.size);
    await engine.rules.reset("r", { state: true, positions: true });
    assert.deepEqual(states, ["stopped", 0]);
    assert.equal(engine.rules.status("r").status, "running");
    delivery.fails = true;
    await assert.rejects(engine.rules.reset("r", { state: true, positions: true }), /the disk is full/);
    assert.equal(engine.rules.status("r").status, "running");
    delivery.fails = false;
  }, { delivery });
});

test("a rule of which nothing is kept forgets by a restart, and nothing is written", () =>
  withProbes(async ({ create, engine, delivery, clock }) => {
    await create("r", "SELECT a FROM own");
    const first = engine.rules.status("r").lastStartTimestamp;
    await clock.advance(1000);
    await engine.rules.reset("r", { state: true, positions: true });
    assert.notEqual(engine.rules.status("r").lastStartTimestamp, first);
    await create("other", "SELECT a FROM own", { triggered: false });
    await keepSomething(delivery, "other");
    await engine.rules.reset("r", { state: true, positions: true });
    assert.deepEqual(delivery.rules(), ["other"]);
    await assert.rejects(engine.rules.reset("nosuch", { state: true, positions: true }), /Rule nosuch is not found/);
  }));

test("a command that comes while a rule forgets has its turn after it", () =>
  withProbes(async ({ create, engine, delivery, probe, clock }) => {
    await create("r", "SELECT a FROM own");
    await settled();
    await keepSomething(delivery, "r");
    probe.hold("r");
    probe.give("own", '{"a":1}');
    await settled();
    const done: string[] = [];
    const resetting = engine.rules.reset("r", { state: true, positions: true }).then(() => done.push("reset"));
    const stopping = engine.rules.stop("r").then(() => done.push("stop"));
    const deleting = engine.rules.delete("r").then(() => done.push("delete"));
    const late = assert.rejects(engine.rules.reset("r", { state: true, positions: true }), /Rule r is not found/);
    await clock.advance(20_000);
    await Promise.all([resetting, stopping, deleting, late]);
    assert.deepEqual(done, ["reset", "stop", "delete"]);
    assert.deepEqual(delivery.rules(), []);
    assert.equal(probe.sources.size, 0);
  }));

/** Cannot even tell whether a rule uses it. */
class Unusable extends MemoryDelivery {
  override isInUse(): boolean {
    throw new StoreError("read the store", new Error("disk I/O error"));
  }
}

test("an agent starts also when what rules have kept cannot be read", () =>
  withProbes(({ engine, logged }) => {
    assert.deepEqual(engine.rules.list(), []);
    assert.ok(logged.some(({ reason }) => String(reason).includes("disk I/O error")));
    return Promise.resolve();
  }, { delivery: new Unusable() }));
