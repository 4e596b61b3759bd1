/**
 * Kills agents at random moments, many times over, and compares what comes out with an unbroken run:
 * `deno task test:kills [ROUNDS]`, 200 without a number. `WEIR_KILL_SEED` repeats the moments of a run; `WEIR_BINARY`
 * names a binary to kill instead of the source.
 * @module
 */
import process from "node:process";
import { ensureInstalled, run } from "./engines.ts";

const roundsDefault = 200;
/** A round takes two seconds or so; a machine with much else to do needs more. */
const roundMsMax = 15_000;

async function main([text = String(roundsDefault)]: readonly string[]): Promise<number> {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) {
    console.error(`Cannot kill "${text}" times: wanted a whole number from 1`);
    return 2;
  }
  await ensureInstalled();
  process.env.WEIR_KILL_ROUNDS = text;
  const args = ["test", "--allow-all", "--no-check", "tests/chaos/kills_test.ts"];
  return (await run(process.execPath, args, "show", 60_000 + rounds * roundMsMax)).code;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
