/**
 * Runs simulations: `deno task sim [SEEDS] [FROM]`, 100,000 without a number, from seed 1 on. The first seed that breaks
 * a promise ends it, with all that happened.
 * @module
 */
import process from "node:process";
import { ensureInstalled, run } from "./engines.ts";

const seedsDefault = 100_000;
/** A seed takes 30 ms or so; a machine with much else to do needs more. */
const seedMsMax = 500;

async function main([seeds = String(seedsDefault), from = "1"]: readonly string[]): Promise<number> {
  for (const text of [seeds, from]) {
    if (/^[1-9]\d{0,8}$/.test(text)) continue;
    console.error(`Cannot run simulations for "${text}": wanted a whole number from 1`);
    return 2;
  }
  await ensureInstalled();
  process.env.WEIR_SIM_SEEDS = seeds;
  process.env.WEIR_SIM_FROM = from;
  const args = ["test", "--allow-all", "--no-check", "--fail-fast", "tests/sim/sim_test.ts"];
  return (await run(process.execPath, args, "show", 60_000 + Number(seeds) * seedMsMax)).code;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
