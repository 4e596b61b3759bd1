/**
 * Starts a built binary and runs one rule through it: `smoke.ts COMMAND…`, for example
 * `smoke.ts qemu-aarch64-static -L /usr/aarch64-linux-gnu dist/weir-linux-arm64`.
 *
 * Prints one line a check and exits with 1 when any fails. The last line is `N passed, N failed`.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { WeirProcess } from "./weir_process.ts";

const ROWS_TIMEOUT_MS = 60_000;

let passed = 0;
let failed = 0;

async function check(name: string, run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    passed++;
    console.log(`ok     ${name}`);
    return true;
  } catch (error) {
    failed++;
    console.error(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** Waits until the file sink has written `count` lines; returns them as JSON values. */
async function readRows(file: string, count: number): Promise<unknown[]> {
  const deadline = Date.now() + ROWS_TIMEOUT_MS;
  while (true) {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : [];
    if (lines.length >= count) return lines.map((line) => JSON.parse(line));
    if (Date.now() > deadline) throw new Error(`Cannot find ${count} rows in the sink's file: found ${lines.length}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function smoke(command: readonly string[]): Promise<void> {
  let weir: WeirProcess | undefined;
  await check("starts and prints its ready line", async () => {
    weir = await WeirProcess.start(command);
  });
  if (weir === undefined) return;
  const agent = weir;
  const output = join(agent.dataDir, "rows.jsonl");
  await check("GET /ping answers 200", async () => void await agent.call("GET", "/ping", 200));
  await check("GET / names a version", async () => {
    assert.match(JSON.parse(await agent.call("GET", "/", 200)).version, /^\d+\.\d+/);
  });
  await check("creates a stream of the simulator", async () => {
    const data = [{ n: 1, temperature: 20.5 }, { n: 2, temperature: 70.25 }, { n: 3, temperature: 90 }];
    const settings = { data, interval: "10ms", loop: true };
    await agent.call("PUT", "/metadata/sources/simulator/confKeys/smoke", 200, settings);
    const sql = 'CREATE STREAM smoke () WITH (TYPE="simulator", CONF_KEY="smoke", FORMAT="JSON")';
    assert.match(await agent.call("POST", "/streams", 201, { sql }), /Stream smoke is created\./);
  });
  await check("creates a rule with a file sink", async () => {
    const rule = {
      id: "smoke",
      sql: "SELECT n, temperature FROM smoke WHERE temperature > 50",
      actions: [{ file: { path: output, fileType: "lines", sendSingle: true, rollingCount: 1_000_000 } }],
    };
    assert.match(await agent.call("POST", "/rules", 201, rule), /Rule smoke was created successfully\./);
  });
  await check("writes the rows that match", async () => {
    const rows = await readRows(output, 2);
    assert.deepEqual(rows.slice(0, 2), [{ n: 2, temperature: 70.25 }, { n: 3, temperature: 90 }]);
  });
  await check("reports the rule as running", async () => {
    assert.equal(JSON.parse(await agent.call("GET", "/rules/smoke/status", 200)).status, "running");
  });
  await check("ends with 0 on SIGTERM", async () => {
    const code = await agent.stop();
    assert.equal(code, 0, `exit code ${code}, log:\n${agent.log}`);
  });
}

if (import.meta.main) {
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined) {
    console.error("usage: smoke.ts COMMAND…");
    process.exit(2);
  }
  // The agent runs in a directory of its own, so paths given from here are made absolute.
  const absolute = [program, ...args].map((part) => (existsSync(part) ? resolve(part) : part));
  await smoke(absolute);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
