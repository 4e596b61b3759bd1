/**
 * `deno task bench CASE [ARGUMENT…]` runs one benchmark of `tests/bench/`; without a case it lists them.
 * @module
 */
import process from "node:process";
import { ensureInstalled, findBun, run } from "./engines.ts";

/** A case is a program of its own, so that one cannot warm up or disturb another. It runs on Bun, as the binary does. */
const cases: Readonly<Record<string, { readonly program: string; readonly summary: string }>> = {
  "mqtt-filter": {
    program: "tests/bench/mqtt_filter.ts",
    summary: "10,000 messages a second from a broker, filtered and published again: loss, latency, memory, CPU",
  },
};

if (import.meta.main) {
  const [name, ...args] = process.argv.slice(2);
  const chosen = name === undefined ? undefined : cases[name];
  if (chosen === undefined) {
    if (name !== undefined) console.error(`Cannot find benchmark "${name}"`);
    for (const [name, { summary }] of Object.entries(cases)) console.log(`${name}  ${summary}`);
    process.exit(name === undefined ? 0 : 2);
  }
  await ensureInstalled();
  process.exit((await run(findBun(), [chosen.program, ...args])).code);
}
