import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../../tests/hand_clock.ts";
import { probeRule, probeWorld, withProbes } from "../../tests/probe_world.ts";
import { MemoryDelivery } from "../store/memory_delivery.ts";
import { MemoryStore } from "../store/memory.ts";

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
