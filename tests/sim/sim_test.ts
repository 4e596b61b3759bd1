/**
 * Thousands of simulations, one for each seed, and those that once failed, by the name of what was wrong.
 *
 * `WEIR_SIM_SEED=n` runs one seed and prints what happens; `WEIR_SIM_SEEDS=n` runs so many, `WEIR_SIM_FROM=n` from
 * another one on.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { regressions } from "./regressions.ts";
import { type SimOutcome, simulate } from "./simulation.ts";

/** What is wrong with one engine is wrong with the other, nearly always. */
const seedsDefault = process.versions.bun === undefined ? 2000 : 500;
const seedsPerTest = 125;

const { WEIR_SIM_SEED, WEIR_SIM_SEEDS, WEIR_SIM_FROM } = process.env;
const seeds = Number(WEIR_SIM_SEEDS ?? seedsDefault);
const from = Number(WEIR_SIM_FROM ?? 1);

/** The whole story of a seed that failed. */
function story({ seed, problems, trace, about }: SimOutcome): string {
  return [
    `WEIR_SIM_SEED=${seed} repeats this.`,
    about,
    ...trace,
    `Seed ${seed}:`,
    ...problems,
  ].join("\n");
}

async function check(seed: number): Promise<SimOutcome> {
  const outcome = await simulate(seed);
  if (outcome.problems.length > 0) assert.fail(story(outcome));
  return outcome;
}

if (WEIR_SIM_SEED !== undefined) {
  test(`seed ${WEIR_SIM_SEED}`, async () => {
    const outcome = await simulate(Number(WEIR_SIM_SEED));
    console.log(story(outcome));
    assert.deepEqual(outcome.problems, []);
  });
} else {
  test("a seed repeats a run to the last step", async () => {
    for (const seed of [3, 77]) {
      const [one, another] = [await simulate(seed), await simulate(seed)];
      assert.deepEqual(one.trace, another.trace);
      assert.ok(one.messages > 0);
    }
  });

  for (const { seed, name } of regressions) test(`${name} (seed ${seed})`, async () => void await check(seed));

  for (let first = from; first < from + seeds; first += seedsPerTest) {
    const last = Math.min(first + seedsPerTest, from + seeds) - 1;
    test(`seeds ${first} to ${last} keep all promises`, async () => {
      let kills = 0;
      for (let seed = first; seed <= last; seed++) kills += (await check(seed)).kills;
      assert.ok(kills > 0 || last - first < 20, "nothing was killed");
    });
  }
}
