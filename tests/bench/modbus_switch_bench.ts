/**
 * Benchmark `modbus-switch`: fifty inverters on a real slave (pymodbus), polled by an agent whose rule switches a coil of
 * another slave when one of them is out of range. Measures from the change of the register to the coil.
 *
 * ```
 * deno task bench modbus-switch [--changes 50] [--interval 1s] [--dead 0] [--timeout 300ms] [--binary dist/weir] [--assert]
 * ```
 *
 * `--dead N` adds N inverters that do not answer. `--assert` fails when a change takes longer than the interval and 20 ms,
 * and, with dead inverters, one time-out of each.
 * @module
 */
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { openMaster } from "../../connectors/modbus/master.ts";
import { parseGoDuration } from "../../src/value/go_duration.ts";
import { startSlave } from "../peers/modbus_slave.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";

export interface SwitchOptions {
  readonly command: readonly string[];
  readonly changes: number;
  readonly intervalMs: number;
  readonly dead: number;
  readonly timeoutMs: number;
}

const inverters = Array.from({ length: 50 }, (_, i) => i + 1);
const slackMs = 20;
const deadlineMs = 60_000;
/** Volts in tenths: in range, and not. */
const [good, low] = ["2300", "1990"] as const;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The milliseconds from each change to the coil, in the order of the changes. */
export async function measureSwitching(
  { command, changes, intervalMs, dead, timeoutMs }: SwitchOptions,
): Promise<number[]> {
  const plant = await startSlave({ units: inverters });
  const cabinet = await startSlave();
  const [plantMaster, cabinetMaster] = [plant, cabinet].map(({ port }) =>
    openMaster({ server: `tcp://127.0.0.1:${port}` })
  ) as [ReturnType<typeof openMaster>, ReturnType<typeof openMaster>];
  const weir = await WeirProcess.start(command);
  const [coil] = cabinetMaster.tagsOf([{ register: "coil", address: 7 }], 0);
  const voltageOf = (unitId: number) => plantMaster.tagsOf([{ register: "holding", address: 0, unitId }], 0)[0]!;
  const set = (unitId: number, text: string) => {
    const tag = voltageOf(unitId);
    return plantMaster.write([tag], [plantMaster.valueOf(tag, text)], "single and multiple");
  };
  const isOn = async () => (await cabinetMaster.read([coil!]))[0]!.value === true;
  try {
    for (const unitId of inverters) await set(unitId, good);
    await cabinetMaster.write([coil!], [false], "single and multiple");
    await weir.call("PUT", "/metadata/sources/modbus/confKeys/plant", 200, {
      server: `tcp://127.0.0.1:${plant.port}`,
      timeout: timeoutMs,
      interval: intervalMs,
      units: [...inverters, ...Array.from({ length: dead }, (_, i) => 200 + i)],
      unitColumn: "device_id",
      tags: [
        { name: "voltage", register: "holding", address: 0, scale: 0.1, unit: "V" },
        { name: "current", register: "holding", address: 1, scale: 0.1, unit: "A" },
      ],
    });
    await weir.call("POST", "/streams", 201, {
      sql: 'CREATE STREAM inverter_metrics () WITH (TYPE="modbus", CONF_KEY="plant")',
    });
    await weir.call("POST", "/rules", 201, {
      id: "trip",
      sql:
        "SELECT device_id, voltage, current, true AS trip FROM inverter_metrics WHERE voltage < 200 OR voltage > 250",
      actions: [{
        modbus: { server: `tcp://127.0.0.1:${cabinet.port}`, tags: [{ name: "trip", register: "coil", address: 7 }] },
      }],
    });
    await settled(weir, inverters.length * 3);
    const taken: number[] = [];
    for (let change = 0; change < changes; change++) {
      // At any moment between two polls.
      await pause(Math.random() * intervalMs);
      const unitId = inverters[Math.floor(Math.random() * inverters.length)]!;
      const begin = performance.now();
      await set(unitId, low);
      while (!await isOn()) {
        if (performance.now() - begin > deadlineMs) throw new Error(`The coil was never switched: ${weir.log}`);
        await pause(1);
      }
      taken.push(performance.now() - begin);
      await set(unitId, good);
      // A row that was read before is still on its way.
      await pause(intervalMs + timeoutMs * dead + 100);
      await cabinetMaster.write([coil!], [false], "single and multiple");
    }
    return taken;
  } finally {
    await weir.stop();
    await Promise.all([plantMaster.close(), cabinetMaster.close()]);
    await Promise.all([plant.kill(), cabinet.kill()]);
  }
}

/** Waits until so many rows have been read. */
async function settled(weir: WeirProcess, rows: number): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  const read = async () =>
    JSON.parse(await weir.call("GET", "/rules/trip/status", 200)).source_inverter_metrics_0_records_in_total as number;
  while (await read() < rows) {
    if (Date.now() > deadline) throw new Error(`The inverters were never read: ${weir.log}`);
    await pause(50);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      changes: { type: "string", default: "50" },
      interval: { type: "string", default: "1s" },
      dead: { type: "string", default: "0" },
      timeout: { type: "string", default: "300ms" },
      binary: { type: "string", default: "dist/weir" },
      assert: { type: "boolean", default: false },
    },
  });
  const options = {
    command: [resolve(values.binary)],
    changes: Number(values.changes),
    intervalMs: parseGoDuration(values.interval) ?? NaN,
    dead: Number(values.dead),
    timeoutMs: parseGoDuration(values.timeout) ?? NaN,
  };
  const taken = (await measureSwitching(options)).sort((a, b) => a - b);
  const at = (share: number) => taken[Math.min(taken.length - 1, Math.floor(taken.length * share))]!.toFixed(0);
  const shown: readonly (readonly [string, string])[] = [
    ["inverters, dead, interval", `50, ${values.dead}, ${values.interval}`],
    ["change to coil", `p50 ${at(0.5)}  p90 ${at(0.9)}  max ${at(1)} ms, of ${taken.length} changes`],
    ["beyond the interval", `${(taken.at(-1)! - options.intervalMs).toFixed(0)} ms at most`],
  ];
  for (const [name, value] of shown) console.log(`${name.padEnd(28)}${value}`);
  const longestMs = options.intervalMs + slackMs + options.dead * options.timeoutMs;
  if (!values.assert || taken.at(-1)! <= longestMs) return 0;
  console.error(`FAILED a change took longer than ${longestMs} ms`);
  return 1;
}

if (import.meta.main) process.exit(await main());
