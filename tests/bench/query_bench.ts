/**
 * Benchmark `query`: `weir query` over an NDJSON file with rows of 80 bytes, from the start of the process to its end.
 *
 * ```
 * deno task bench query [--rows 2000000] [--rounds 3] [--binary dist/weir] [--json FILE]
 * deno task bench query --engine deno          # main.ts from source under Deno instead of the binary
 * ```
 *
 * Rows a second of the best round, the largest resident memory of any, and a digest of what was printed.
 * @module
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { deviceCount } from "./sql_cases.ts";
import { readProcessUsage } from "./process_usage.ts";

export interface QueryFigure {
  readonly name: string;
  readonly rowsPerSecond: number;
  readonly residentPeakBytes: number;
  readonly outputBytes: number;
  readonly digest: string;
}

const statements: readonly { readonly name: string; readonly sql: string; readonly eventTime?: boolean }[] = [
  { name: "filter and project", sql: "SELECT device_id, voltage FROM demo WHERE voltage > 250" },
  { name: "all columns of all rows", sql: "SELECT * FROM demo" },
  {
    name: "tumbling 10 s, avg count by key",
    sql: "SELECT device_id, avg(voltage) AS v, count(*) AS n FROM demo GROUP BY device_id, TUMBLINGWINDOW(ss, 10)",
    eventTime: true,
  },
  { name: "lag by key", sql: "SELECT voltage - lag(voltage, 1, 0) OVER (PARTITION BY device_id) AS rise FROM demo" },
];

/** A line is 80 bytes long. */
function writeRows(file: string, count: number): void {
  const random = new SeededRandom(7);
  const descriptor = openSync(file, "w");
  for (let i = 0; i < count;) {
    let lines = "";
    for (const end = Math.min(count, i + 10_000); i < end; i++) {
      const device = String(random.below(deviceCount)).padStart(4, "0");
      const voltage = (190 + random.below(700) / 10).toFixed(1);
      const current = (10 + random.below(200) / 10).toFixed(1);
      const time = 1_700_000_000_000 + i;
      lines += `{"device_id":"inverter-${device}","voltage":${voltage},"current":${current},"ts":${time}}\n`;
    }
    writeSync(descriptor, lines);
  }
  closeSync(descriptor);
}

interface Run {
  readonly ms: number;
  readonly residentPeakBytes: number;
  readonly outputBytes: number;
  readonly digest: string;
}

const MEMORY_POLL_MS = 10;

function runQuery([program, ...first]: readonly string[], args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(program!, [...first, "query", ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const hash = createHash("sha256");
    let outputBytes = 0;
    let residentPeakBytes = 0;
    child.stdout.on("data", (chunk: Uint8Array) => {
      outputBytes += chunk.length;
      hash.update(chunk);
    });
    const poll = setInterval(() => {
      try {
        residentPeakBytes = Math.max(residentPeakBytes, readProcessUsage(child.pid!).residentPeakBytes);
      } catch {
        // It has ended; what was read before stands.
      }
    }, MEMORY_POLL_MS);
    child.on("error", (error) => {
      clearInterval(poll);
      reject(error);
    });
    child.on("close", (code) => {
      clearInterval(poll);
      const ms = performance.now() - begin;
      if (code === 0) resolve({ ms, residentPeakBytes, outputBytes, digest: hash.digest("hex").slice(0, 12) });
      else reject(new Error(`weir query ended with ${code}`));
    });
  });
}

/** Runs every statement `rounds` times. `command` starts weir: the binary, or an engine with `main.ts`. */
export async function measureQueries(command: readonly string[], rows: number, rounds: number): Promise<QueryFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    const file = join(folder, "rows.ndjson");
    writeRows(file, rows);
    const figures: QueryFigure[] = [];
    for (const { name, sql, eventTime } of statements) {
      const args = [sql, "--stream", `demo=${file}`, ...(eventTime ? ["--event-time", "ts"] : [])];
      const runs: Run[] = [];
      for (let round = 0; round < rounds; round++) runs.push(await runQuery(command, args));
      const [{ digest, outputBytes }] = runs as [Run];
      if (runs.some((run) => run.digest !== digest)) throw new Error(`"${name}" printed different rows in each round`);
      figures.push({
        name,
        rowsPerSecond: Math.round(rows / (Math.min(...runs.map(({ ms }) => ms)) / 1000)),
        residentPeakBytes: Math.max(...runs.map((run) => run.residentPeakBytes)),
        outputBytes,
        digest,
      });
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

function print(figures: readonly QueryFigure[]): void {
  const line = (cells: readonly string[]) =>
    console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(36) : cell.padStart(14))).join(""));
  line(["statement", "rows/s", "peak memory", "output", "digest"]);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  for (const { name, rowsPerSecond, residentPeakBytes, outputBytes, digest } of figures) {
    line([name, rowsPerSecond.toLocaleString("en"), mb(residentPeakBytes), mb(outputBytes), digest]);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "2000000" },
      rounds: { type: "string", default: "3" },
      binary: { type: "string", default: "dist/weir" },
      json: { type: "string" },
    },
  });
  const [rows, rounds] = [Number(values.rows), Number(values.rounds)];
  for (const [name, value] of Object.entries({ rows, rounds })) {
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`Cannot use --${name}: expected a whole number`);
  }
  const command = process.versions.bun === undefined ? sourceCommand() : binaryCommand(values.binary);
  const figures = await measureQueries(command, rows, rounds);
  print(figures);
  if (values.json !== undefined) {
    writeFileSync(values.json, JSON.stringify({ command, rows, rounds, figures }, null, 2) + "\n");
  }
}

if (import.meta.main) await main();
