/**
 * Benchmark `restart`: how long an agent with many rules takes from its start until it answers and works again.
 *
 * ```
 * deno task bench restart [--rules 10000] [--streams 50] [--qos 0|1|2] [--rounds 3] [--binary dist/weir] [--own-sources]
 *   [--json FILE]
 * deno task bench restart --engine deno        # main.ts from source under Deno instead of the binary
 * ```
 *
 * Four of five rules are filters, one a window of ten seconds, each with a text of its own, over streams that they share,
 * or, with `--own-sources`, with a source for each rule. The rules that start first, in the middle and last append to
 * files; what is measured ends when a line is there. With a `qos` above 0 the agent runs for a while first and is killed,
 * so that there is delivery state to go on from.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openStore } from "../../src/store/sqlite.ts";
import { deviceCount } from "./sql_cases.ts";
import { readProcessUsage } from "./process_usage.ts";

export interface RestartOptions {
  readonly rules: number;
  readonly streams: number;
  readonly qos: 0 | 1 | 2;
  /** A source for each rule, instead of one for each stream. */
  readonly ownSources: boolean;
}

/** Times are milliseconds since the process was started. */
export interface RestartFigure {
  /** The first answer over REST. */
  readonly answerMs: number;
  readonly readyMs: number;
  /** Outputs of the rules that start first, in the middle and last. */
  readonly outputMs: readonly [number, number, number];
  /** User and system time until all of these outputs were there. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  /** Rules that run. */
  readonly running: number;
}

const probes = ["a_first", "r_middle", "z_last"] as const;
const timeoutMs = 120_000;
const pollMs = 5;
/** How long rules with delivery state run before they are killed. */
const primeMs = 3_000;

function outputFile(folder: string, probe: string): string {
  return join(folder, "out", `${probe}.txt`);
}

/** A statement that no other rule has. */
function statementOf(n: number, stream: string): string {
  const device = `inverter-${String(n % deviceCount).padStart(4, "0")}`;
  switch (n % 5) {
    case 0:
      return `SELECT device_id, avg(voltage) AS v, count(*) AS n FROM ${stream} WHERE current > ${n / 1000} ` +
        `GROUP BY device_id, TUMBLINGWINDOW(ss, 10)`;
    case 1:
      return `SELECT * FROM ${stream} WHERE voltage > ${190 + (n % 700) / 10} AND device_id = "${device}"`;
    case 2:
      return `SELECT device_id, voltage * current AS power FROM ${stream} WHERE voltage * current > ${n}`;
    case 3:
      return `SELECT device_id, CASE WHEN voltage > ${n % 250} THEN "high" ELSE "low" END AS level FROM ${stream} ` +
        `WHERE device_id LIKE "inverter-${n % 10}%"`;
    default:
      return `SELECT upper(device_id) AS id, round(voltage) AS v FROM ${stream} WHERE current BETWEEN ${n} AND ${
        n + 5
      }`;
  }
}

/** Fills a data directory as a user's requests would have. */
export function writeDefinitions(folder: string, { rules, streams, qos, ownSources }: RestartOptions): void {
  mkdirSync(join(folder, "out"), { recursive: true });
  const { store } = openStore(folder);
  const data = [{ device_id: "inverter-0007", voltage: 231.4, current: 14.2, ts: 1_700_000_000_000 }];
  const options = qos === 0 ? {} : { qos };
  const putRule = (id: string, sql: string, action: Record<string, unknown>) =>
    store.put("rule", id, JSON.stringify({ id, sql, actions: [action], options }));
  store.transaction(() => {
    store.put("source_config", "simulator/bench", JSON.stringify({ data, interval: "10s" }));
    store.put("source_config", "simulator/probe", JSON.stringify({ data, interval: "50ms" }));
    store.put("stream", "probe", 'CREATE STREAM probe () WITH (TYPE="simulator", CONF_KEY="probe")');
    for (let n = 0; n < streams; n++) {
      const shared = ownSources ? "" : ', SHARED="true"';
      store.put("stream", `s${n}`, `CREATE STREAM s${n} () WITH (TYPE="simulator", CONF_KEY="bench"${shared})`);
    }
    for (const probe of probes) {
      putRule(probe, "SELECT device_id, voltage FROM probe", { file: { path: outputFile(folder, probe) } });
    }
    for (let n = 0; n < rules - probes.length; n++) {
      const id = `${n < rules / 2 ? "b" : "s"}${String(n).padStart(6, "0")}`;
      putRule(id, statementOf(n, `s${n % streams}`), { memory: { topic: `out/${n % 100}` } });
    }
  });
  store.close();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function hasOutput(folder: string, probe: string): boolean {
  return (statSync(outputFile(folder, probe), { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** An agent on the folder, and what it is seen to do. */
class Agent {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #startedAt = performance.now();
  readonly #port: number;
  #log = "";
  #hasExited = false;
  readyMs: number | undefined;

  constructor([program, ...args]: readonly string[], folder: string, port: number) {
    const listen = `127.0.0.1:${port}`;
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    const child = spawn(program!, [...args, "serve", "--listen", listen, "--data-dir", folder], { stdio });
    this.#child = child;
    this.#port = port;
    this.pid = child.pid!;
    child.stdout.on("data", (chunk) => {
      if (String(chunk).includes("ready on")) this.readyMs ??= this.elapsedMs;
    });
    child.stderr.on("data", (chunk) => this.#log = (this.#log + String(chunk)).slice(-2000));
    this.#exited = new Promise<void>((resolve) => child.on("exit", () => resolve())).then(() => this.#hasExited = true);
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** When `isMet` is true at first. */
  async when(what: string, isMet: () => boolean | Promise<boolean>): Promise<number> {
    while (!await isMet()) {
      if (this.#hasExited) throw new Error(`The agent ended before ${what}:\n${this.#log}`);
      if (this.elapsedMs > timeoutMs) throw new Error(`Nothing of ${what} within ${timeoutMs / 1000} s:\n${this.#log}`);
      await pause(pollMs);
    }
    return this.elapsedMs;
  }

  async get(path: string): Promise<Response | undefined> {
    return await fetch(`http://127.0.0.1:${this.#port}${path}`).catch(() => undefined);
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!this.#hasExited) process.kill(this.pid, signal);
    await this.#exited;
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function measureOnce(command: readonly string[], folder: string): Promise<RestartFigure> {
  for (const probe of probes) rmSync(outputFile(folder, probe), { force: true });
  const agent = new Agent(command, folder, await freePort());
  try {
    const answer = agent.when("an answer", async () => (await agent.get("/ping"))?.ok === true);
    const ready = agent.when("a ready line", () => agent.readyMs !== undefined);
    const outputs = probes.map((probe) => agent.when(`output of ${probe}`, () => hasOutput(folder, probe)));
    const [answerMs, , ...outputMs] = await Promise.all([answer, ready, ...outputs]);
    const { cpuUs } = readProcessUsage(agent.pid);
    const states = await (await agent.get("/rules"))!.json() as { readonly status: string }[];
    // What was needed for the start only has been given back by then.
    await pause(1_000);
    const { residentBytes, residentPeakBytes } = readProcessUsage(agent.pid);
    return {
      answerMs,
      readyMs: agent.readyMs!,
      outputMs: outputMs as [number, number, number],
      cpuMs: cpuUs / 1000,
      residentBytes,
      residentPeakBytes,
      running: states.filter(({ status }) => status === "running").length,
    };
  } finally {
    await agent.end("SIGTERM");
  }
}

/** Lets the agent write delivery state and kills it. */
async function prime(command: readonly string[], folder: string): Promise<void> {
  const agent = new Agent(command, folder, await freePort());
  await agent.when("a ready line", () => agent.readyMs !== undefined);
  for (const probe of probes) await agent.when(`output of ${probe}`, () => hasOutput(folder, probe));
  await pause(primeMs);
  await agent.end("SIGKILL");
}

/** Starts the agent `rounds` times on one data directory. `command` starts weir: the binary, or an engine with `main.ts`. */
export async function measureRestart(
  command: readonly string[],
  options: RestartOptions,
  rounds: number,
): Promise<RestartFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    writeDefinitions(folder, options);
    const figures: RestartFigure[] = [];
    for (let round = 0; round < rounds; round++) {
      if (options.qos > 0) await prime(command, folder);
      figures.push(await measureOnce(command, folder));
    }
    return figures;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `main.ts` on the engine that runs this. */
export function sourceCommand(): string[] {
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const flags = process.versions.bun === undefined ? ["run", "--allow-all", "--no-check"] : [];
  return [process.execPath, ...flags, main];
}

function binaryCommand(binary: string): string[] {
  if (!existsSync(binary)) throw new Error(`Cannot find "${binary}": build it with deno task build`);
  return [resolve(binary)];
}

function print(figures: readonly RestartFigure[]): void {
  const line = (cells: readonly string[]) => console.log(cells.map((cell) => cell.padStart(13)).join(""));
  line(["answer", "ready", "first output", "middle", "last", "CPU", "memory", "peak", "running"]);
  const ms = (value: number) => `${Math.round(value)} ms`;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  for (const { answerMs, readyMs, outputMs, cpuMs, residentBytes, residentPeakBytes, running } of figures) {
    line([
      ...[answerMs, readyMs, ...outputMs, cpuMs].map(ms),
      mb(residentBytes),
      mb(residentPeakBytes),
      String(running),
    ]);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rules: { type: "string", default: "10000" },
      streams: { type: "string", default: "50" },
      qos: { type: "string", default: "0" },
      rounds: { type: "string", default: "3" },
      binary: { type: "string", default: "dist/weir" },
      "own-sources": { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const [rules, streams, rounds] = [Number(values.rules), Number(values.streams), Number(values.rounds)];
  for (const [name, value] of Object.entries({ rules, streams, rounds })) {
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`Cannot use --${name}: expected a whole number`);
  }
  const qos = ([0, 1, 2] as const).find((each) => String(each) === values.qos);
  if (qos === undefined) throw new TypeError("Cannot use --qos: expected 0, 1 or 2");
  const options = { rules, streams, qos, ownSources: values["own-sources"] };
  const command = process.versions.bun === undefined ? sourceCommand() : binaryCommand(values.binary);
  const figures = await measureRestart(command, options, rounds);
  print(figures);
  if (values.json !== undefined) {
    writeFileSync(values.json, JSON.stringify({ command, options, figures }, null, 2) + "\n");
  }
}

if (import.meta.main) await main();
