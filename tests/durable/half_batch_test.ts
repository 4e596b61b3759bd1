import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { World } from "./world.ts";

const rowsOfBatch = 40_000;

test("a rule that is stopped in the middle of a batch takes the batch anew, and accounts for both", () =>
  World.with(async (world) => {
    const { tape } = world;
    await world.define("SELECT n, lag(n) AS before FROM s", { qos: 2 }, "r", [{ tape: { sendSingle: true } }]);
    tape.add([{ n: -1 }]);
    await eventually(() => tape.once().length === 1);
    tape.add(Array.from({ length: rowsOfBatch }, (_, n) => ({ n })));
    // One turn after the other: the batch takes many.
    await eventually(() => {
      const { rows } = world.engine.rules.ledger("r");
      return rows.out > 1 && rows.out < rowsOfBatch;
    });
    await world.engine.rules.stop("r");
    assert.equal(tape.once().length, 1, "nothing of a batch leaves before all of it is kept");
    assert.deepEqual(world.engine.rules.ledger("r").imbalances, []);
    await world.engine.rules.start("r");
    await eventually(() => tape.once().length === rowsOfBatch + 1);
    const expected = Array.from({ length: rowsOfBatch }, (_, n) => JSON.stringify({ before: n - 1, n }));
    assert.deepEqual(tape.once().slice(1), expected);
    assert.deepEqual(world.engine.rules.ledger("r").imbalances, []);
  }));
