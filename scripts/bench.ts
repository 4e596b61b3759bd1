/**
 * `deno task bench CASE [--engine bun|deno] [ARGUMENT…]` runs one benchmark of `tests/bench/`; without a case it lists
 * them.
 * @module
 */
import process from "node:process";
import { ensureInstalled, findBun, run, runDeno } from "./engines.ts";

/**
 * A case is a program of its own, so that one cannot warm up or disturb another. It runs on Bun, as the binary does,
 * unless told otherwise.
 */
const cases: Readonly<Record<string, { readonly program: string; readonly summary: string }>> = {
  "mqtt-filter": {
    program: "tests/bench/mqtt_filter.ts",
    summary: "10,000 messages a second from a broker, filtered and published again: loss, latency, memory, CPU",
  },
  sql: {
    program: "tests/bench/sql_bench.ts",
    summary: "statements in process: rows a second, state per key, time to compile",
  },
  query: {
    program: "tests/bench/query_bench.ts",
    summary: "weir query over a file of 2,000,000 rows: rows a second, memory",
  },
  formats: {
    program: "tests/bench/formats_bench.ts",
    summary: "decoding and encoding of each format, compression, encryption: microseconds and bytes a row",
  },
  modbus: {
    program: "tests/bench/modbus_bench.ts",
    summary: "1,000 tags of a Modbus slave a second on one connection: CPU, memory",
  },
  "modbus-switch": {
    program: "tests/bench/modbus_switch_bench.ts",
    summary: "fifty Modbus inverters: from the change of a register to a coil on another device",
  },
  "delivery-store": {
    program: "tests/bench/delivery_store_bench.ts",
    summary: "outbox and log of durable delivery in SQLite: time and bytes written for each message",
  },
  durable: {
    program: "tests/bench/durable_bench.ts",
    summary: "QoS 1 in and out, with the promise of delivery and without: messages a second, latency, bytes written",
  },
  written: {
    program: "tests/bench/written_bench.ts",
    summary: "bytes written to the disk for each message, by qos and durability, of messages alone and in bursts",
  },
  rest: {
    program: "tests/bench/rest_bench.ts",
    summary: "rows of a file sent to an HTTP server, one request each and in batches: requests and rows a second",
  },
  push: {
    program: "tests/bench/push_bench.ts",
    summary: "clients that post to the source httppush: requests a second, latency, CPU, memory",
  },
  tables: {
    program: "tests/bench/tables_bench.ts",
    summary: "rows written to and looked up in SQLite, PostgreSQL and MariaDB: rows a second",
  },
  restart: {
    program: "tests/bench/restart_bench.ts",
    summary: "an agent with 10,000 rules: from its start to its first answer, its first output, and the last rule's",
  },
};

/** Takes `--engine NAME` out of the arguments; the rest is for the case. */
function takeEngine(args: readonly string[]): { readonly engine: string; readonly rest: readonly string[] } {
  const at = args.indexOf("--engine");
  if (at === -1) return { engine: "bun", rest: args };
  return { engine: args[at + 1] ?? "", rest: args.toSpliced(at, 2) };
}

async function bench([name, ...args]: readonly string[]): Promise<number> {
  const chosen = name === undefined ? undefined : cases[name];
  if (chosen === undefined) {
    if (name !== undefined) console.error(`Cannot find benchmark "${name}"`);
    for (const [name, { summary }] of Object.entries(cases)) console.log(`${name}  ${summary}`);
    return name === undefined ? 0 : 2;
  }
  const { engine, rest } = takeEngine(args);
  if (engine !== "bun" && engine !== "deno") {
    console.error(`Cannot run on engine "${engine}": expected bun or deno`);
    return 2;
  }
  await ensureInstalled();
  const { code } = engine === "bun"
    ? await run(findBun(), [chosen.program, ...rest])
    : await runDeno(["run", "--allow-all", "--no-check", chosen.program, ...rest]);
  return code;
}

if (import.meta.main) process.exit(await bench(process.argv.slice(2)));
