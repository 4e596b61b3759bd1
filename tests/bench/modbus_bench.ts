/**
 * Benchmark `modbus`: 1,000 tags of a real slave (pymodbus) read once a second on one connection, all of them written to a
 * file by a rule.
 *
 * ```
 * deno task bench modbus [--seconds 60] [--tags 1000] [--units 1] [--interval 1s] [--binary dist/weir] [--assert]
 * ```
 *
 * With `--units 50` the tags are those of fifty devices, each of which is asked by itself. `--assert` fails on a missing
 * row or value, or 2 % of a core or more.
 * @module
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { parseGoDuration } from "../../src/value/go_duration.ts";
import { startSlave } from "../peers/modbus_slave.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { readProcessUsage } from "./process_usage.ts";

export interface ModbusBenchOptions {
  readonly command: readonly string[];
  readonly seconds: number;
  readonly tags: number;
  readonly units: number;
  readonly intervalMs: number;
}

export interface ModbusFigures {
  /** Of one core, in percent. */
  readonly cpuPercent: number;
  readonly cpuMsPerCycle: number;
  readonly residentBytes: number;
  readonly rows: number;
  readonly valuesMissing: number;
}

/** What an agent needs after its start to settle: the first cycles compile what all others of its months run. */
const SETTLE_MS = 30_000;
const CPU_PERCENT_MAX = 2;
const READY_TIMEOUT_MS = 30_000;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Runs the load for `seconds`, after the agent has settled. */
export async function measureModbus(
  { command, seconds, tags, units, intervalMs }: ModbusBenchOptions,
  settleMs = SETTLE_MS,
): Promise<ModbusFigures> {
  const unitIds = Array.from({ length: units }, (_, i) => i + 1);
  const perUnit = Math.ceil(tags / units);
  const slave = await startSlave({ units: unitIds, registers: perUnit });
  const weir = await WeirProcess.start(command);
  try {
    await weir.call("PUT", "/metadata/sources/modbus/confKeys/bench", 200, {
      server: `tcp://127.0.0.1:${slave.port}`,
      interval: intervalMs,
      ...(units > 1 ? { units: unitIds, unitColumn: "unit" } : {}),
      tags: Array.from({ length: perUnit }, (_, address) => ({
        name: `tag_${address}`,
        register: "holding",
        address,
        scale: 0.1,
      })),
    });
    await weir.call("POST", "/streams", 201, { sql: 'CREATE STREAM plant () WITH (TYPE="modbus", CONF_KEY="bench")' });
    const file = join(weir.dataDir, "rows.jsonl");
    await weir.call("POST", "/rules", 201, {
      id: "bench",
      sql: "SELECT * FROM plant WHERE tag_0 >= 0",
      actions: [{ file: { path: file, fileType: "lines", sendSingle: true, rollingCount: 1_000_000 } }],
    });
    const rows = async () =>
      JSON.parse(await weir.call("GET", "/rules/bench/status", 200)).sink_file_0_0_records_out_total as number;
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (await rows() < units) {
      if (Date.now() > deadline) throw new Error(`No row within ${READY_TIMEOUT_MS / 1000} s: ${weir.log}`);
      await pause(50);
    }
    await pause(settleMs);
    const [rowsBefore, before] = [await rows(), readProcessUsage(weir.pid)];
    const begin = performance.now();
    await pause(seconds * 1000);
    const ms = performance.now() - begin;
    const [after, rowsAfter] = [readProcessUsage(weir.pid), await rows()];
    const cpuMs = (after.cpuUs - before.cpuUs) / 1000;
    return {
      cpuPercent: cpuMs / ms * 100,
      cpuMsPerCycle: cpuMs / (ms / intervalMs),
      residentBytes: after.residentBytes,
      rows: rowsAfter - rowsBefore,
      valuesMissing: missingIn(readFileSync(file, "utf8"), perUnit),
    };
  } finally {
    await weir.stop();
    await slave.kill();
  }
}

/** Values that rows lack, or that are not what the slave has. */
function missingIn(lines: string, perUnit: number): number {
  let missing = 0;
  // The last line may be half written.
  for (const line of lines.split("\n").slice(0, -1)) {
    const row = JSON.parse(line) as Record<string, number>;
    const base = (row.unit ?? 1) * 10_000;
    for (let n = 0; n < perUnit; n++) {
      const expected = (base + n) % 65_536 / 10;
      if (row[`tag_${n}`] !== expected) missing++;
    }
  }
  return missing;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      tags: { type: "string", default: "1000" },
      units: { type: "string", default: "1" },
      interval: { type: "string", default: "1s" },
      binary: { type: "string", default: "dist/weir" },
      assert: { type: "boolean", default: false },
    },
  });
  const [seconds, tags, units] = [values.seconds, values.tags, values.units].map(Number) as [number, number, number];
  const intervalMs = parseGoDuration(values.interval) ?? NaN;
  if (![seconds, tags, units, intervalMs].every((n) => n > 0)) {
    throw new TypeError("Cannot use a number that is not above 0");
  }
  const figures = await measureModbus({ command: [resolve(values.binary)], seconds, tags, units, intervalMs });
  const rowsWanted = Math.floor(seconds * 1000 / intervalMs) * units;
  const shown: readonly (readonly [string, string])[] = [
    ["tags, units, interval", `${tags}, ${units}, ${values.interval}`],
    ["CPU", `${figures.cpuPercent.toFixed(2)} % of a core, ${figures.cpuMsPerCycle.toFixed(2)} ms a cycle`],
    ["resident", `${(figures.residentBytes / 1e6).toFixed(1)} MB`],
    ["rows", `${figures.rows} in ${seconds} s`],
    ["values missing or wrong", String(figures.valuesMissing)],
  ];
  for (const [name, value] of shown) console.log(`${name.padEnd(28)}${value}`);
  if (!values.assert) return 0;
  const failures: string[] = [];
  if (figures.cpuPercent >= CPU_PERCENT_MAX) failures.push(`CPU is ${CPU_PERCENT_MAX} % of a core or more`);
  // One cycle may begin before the measurement and end in it, or the other way round.
  if (figures.rows < rowsWanted - units) failures.push(`${figures.rows} rows instead of ${rowsWanted}`);
  if (figures.valuesMissing > 0) failures.push(`${figures.valuesMissing} values missing or wrong`);
  for (const failure of failures) console.error(`FAILED ${failure}`);
  return failures.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
