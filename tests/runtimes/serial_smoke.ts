/**
 * Lets a built binary read and write a Modbus slave on a serial line: `serial_smoke.ts COMMAND…`, for example
 * `serial_smoke.ts qemu-aarch64-static -L /usr/aarch64-linux-gnu dist/weir-linux-arm64`.
 *
 * The slave is pymodbus, the line two pseudo-terminals that socat joins. Prints one line a check and exits with 1 when any
 * fails. The last line is `N passed, N failed`.
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { startSlave } from "../peers/modbus_slave.ts";
import { startWire } from "../peers/serial_wire.ts";
import { WeirProcess } from "./weir_process.ts";

const SWITCH_TIMEOUT_MS = 60_000;

let passed = 0;
let failed = 0;

async function check(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    passed++;
    console.log(`ok     ${name}`);
  } catch (error) {
    failed++;
    console.error(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What a command of weir prints; rejects unless it ends with 0. */
function outputOf([program, ...args]: readonly string[]): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += String(chunk));
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? done(output) : reject(new Error(`ended with ${code}: ${output}`)));
  });
}

async function smoke(command: readonly string[]): Promise<void> {
  const wire = await startWire();
  const slave = await startSlave({ serial: wire.theirs, framing: "rtu", units: [3] });
  const modbus = (...args: string[]) => outputOf([...command, "modbus", ...args, "--baud", "115200", "--unit", "3"]);
  try {
    await check("reads registers", async () => {
      assert.match(await modbus("read", wire.ours, "holding", "5", "--count", "100"), /104 +uint16 +30104 +7598\n$/);
    });
    await check("writes a float32 and reads it back", async () => {
      assert.match(await modbus("write", wire.ours, "holding", "10", "float32", "21.5"), /21\.5 +21\.5\n$/);
    });
    await check("a rule reads and writes on the same line", async () => {
      const weir = await WeirProcess.start(command);
      try {
        const line = { server: wire.ours, baudRate: 115_200, unitId: 3 };
        const tags = [{ name: "level", register: "holding", address: 20 }];
        await weir.call("PUT", "/metadata/sources/modbus/confKeys/tank", 200, { ...line, interval: "100ms", tags });
        await weir.call("POST", "/streams", 201, {
          sql: 'CREATE STREAM tank () WITH (TYPE="modbus", CONF_KEY="tank")',
        });
        const sink = { ...line, verify: "read back", tags: [{ name: "pump", register: "coil", address: 1 }] };
        await weir.call("POST", "/rules", 201, {
          id: "fill",
          sql: "SELECT level < 100 AS pump FROM tank WHERE level < 100",
          actions: [{ modbus: sink }],
        });
        const written = async () =>
          JSON.parse(await weir.call("GET", "/rules/fill/status", 200)).sink_modbus_0_0_records_out_total as number;
        const deadline = Date.now() + SWITCH_TIMEOUT_MS;
        assert.equal(await written(), 0);
        // The slave has one line, and the agent has it: the rule itself makes the change that it waits for.
        await weir.call("POST", "/rules", 201, {
          id: "drain",
          sql: "SELECT 7 AS drained FROM tank WHERE level > 30000",
          actions: [{ modbus: { ...line, tags: [{ ...tags[0], name: "drained" }] } }],
        });
        while (await written() === 0) {
          assert.ok(Date.now() < deadline, `nothing was written: ${weir.log}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      } finally {
        assert.equal(await weir.stop(), 0);
      }
    });
    await check("the coil is on", async () => {
      assert.match(await modbus("read", wire.ours, "coil", "1"), /coil +1 +bool +true +1\n$/);
    });
  } finally {
    await slave.kill();
    await wire.stop();
  }
}

if (import.meta.main) {
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined) {
    console.error("usage: serial_smoke.ts COMMAND…");
    process.exit(2);
  }
  // The agent runs in a directory of its own, so paths given from here are made absolute.
  await smoke([program, ...args].map((part) => (existsSync(part) ? resolve(part) : part)));
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
