/**
 * Benchmark `written`: what an agent writes to the disk for each message, by what its rule promises. A real mosquitto, and
 * messages that come alone or in bursts.
 *
 * ```
 * deno task bench written [--seconds 10] [--bursts 1,20,200] [--only 'qos 1'] [--binary dist/weir] [--json FILE]
 * ```
 *
 * Linux tells of a process what it gave to the disk (`write_bytes`: pages of 4 KiB, each once, however often it was
 * written before the system wrote it out) and what it handed over in all (`wchar`, which has what it sent over sockets,
 * too). Both are for the time from the first to the last message, a wait for what comes after included.
 * @module
 */
import { Buffer } from "node:buffer";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { openConnection, publishPacket } from "./mqtt_wire.ts";

const input = "written/in";
const settleMsMax = 120_000;

/** A rule to measure. */
export interface WrittenCase {
  readonly name: string;
  readonly sql: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const filter = "SELECT * FROM demo WHERE temperature > 50";
const window = "SELECT device, count(*) AS c, avg(temperature) AS t FROM demo GROUP BY device, TUMBLINGWINDOW(ss, 10)";

export const writtenCases: readonly WrittenCase[] = [
  { name: "qos 0, filter", sql: filter, options: { qos: 0 } },
  { name: "qos 1, filter", sql: filter, options: { qos: 1 } },
  { name: "qos 1, power, filter", sql: filter, options: { qos: 1, durability: "power" } },
  { name: "qos 1, window", sql: window, options: { qos: 1 } },
  { name: "qos 1, power, window", sql: window, options: { qos: 1, durability: "power" } },
];

export interface WrittenLoad {
  /** Messages that come together. */
  readonly burst: number;
  readonly bursts: number;
  /** Milliseconds from one burst to the next; 0 is as fast as the rule takes them. */
  readonly everyMs: number;
}

export interface WrittenFigure {
  readonly messages: number;
  /** Of `write_bytes`, and of `wchar`. */
  readonly diskBytes: number;
  readonly handedBytes: number;
  /** Files of the data directory that are not what they were: their names. */
  readonly changed: readonly string[];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Of 80 to 90 bytes. */
function payload(index: number): string {
  const temperature = (60 + index % 30 + 0.25).toFixed(2);
  return `{"device":"device-${index % 100}","temperature":${temperature},"humidity":${
    40 + index % 20
  },"index":${index}}`;
}

function written(pid: number): { readonly diskBytes: number; readonly handedBytes: number } {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)![1]);
  return { diskBytes: of("write_bytes"), handedBytes: of("wchar") };
}

/** The size of each file and the time of its last change. */
function filesOf(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder).map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return [name, `${size} ${mtimeMs}`];
    }),
  );
}

async function define(weir: WeirProcess, broker: Mosquitto, { sql, options }: WrittenCase): Promise<void> {
  const stream = `CREATE STREAM demo () WITH (DATASOURCE="${input}", FORMAT="JSON", TYPE="mqtt", CONF_KEY="bench")`;
  // So that the broker holds nothing back while bursts come.
  await weir.call("PUT", "/metadata/sources/mqtt/confKeys/bench", 200, { server: broker.url, qos: 0 });
  await weir.call("POST", "/streams", 201, { sql: stream });
  const actions = [{ mqtt: { server: broker.url, topic: "written/out", qos: 1, sendSingle: true } }];
  await weir.call("POST", "/rules", 201, { id: "bench", sql, actions, options });
}

/** Messages that the rule has taken, and those that wait for its sink. */
async function progress(weir: WeirProcess): Promise<{ readonly taken: number; readonly waiting: number }> {
  const status = JSON.parse(await weir.call("GET", "/rules/bench/status", 200)) as Record<string, number>;
  return { taken: status.source_demo_0_records_in_total ?? 0, waiting: status.sink_mqtt_0_0_buffer_length ?? 0 };
}

async function untilTaken(weir: WeirProcess, count: number): Promise<void> {
  const late = Date.now() + settleMsMax;
  for (let now = await progress(weir); now.taken < count || now.waiting > 0; now = await progress(weir)) {
    if (Date.now() > late) throw new Error(`Still ${now.taken} of ${count} taken and ${now.waiting} waiting`);
    await pause(50);
  }
}

/** Starts an agent with one rule, gives it the load, and tells what was written meanwhile. */
export async function measureWritten(
  command: readonly string[],
  measured: WrittenCase,
  { burst, bursts, everyMs }: WrittenLoad,
): Promise<WrittenFigure> {
  const dataDir = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const broker = await startMosquitto({ quiet: true, lines: ["set_tcp_nodelay true", "max_queued_messages 0"] });
  try {
    const weir = await WeirProcess.start(command, { dataDir });
    try {
      await define(weir, broker, measured);
      const load = await openConnection(broker.port, "bench-load");
      let sent = 0;
      const send = (count: number) =>
        load.write(
          Buffer.concat(Array.from({ length: count }, () => publishPacket(input, Buffer.from(payload(sent++))))),
        );
      // Until the source has subscribed, messages go nowhere.
      const late = Date.now() + settleMsMax;
      for (let taken = 0; taken === 0; ({ taken } = await progress(weir))) {
        if (Date.now() > late) throw new Error(`The rule takes nothing: ${weir.log}`);
        send(1);
        await pause(50);
      }
      await pause(500);
      const { taken } = await progress(weir);
      await untilTaken(weir, taken);
      const files = filesOf(dataDir);
      const before = written(weir.pid);
      for (let i = 0; i < bursts; i++) {
        send(burst);
        if (everyMs > 0) await pause(everyMs);
        else if (i % 10 === 9) await untilTaken(weir, taken + (i - 9) * burst);
      }
      await untilTaken(weir, taken + bursts * burst);
      await pause(500);
      const after = written(weir.pid);
      const changed = [...filesOf(dataDir)].filter(([name, text]) => files.get(name) !== text).map(([name]) => name);
      load.end();
      return {
        messages: bursts * burst,
        diskBytes: after.diskBytes - before.diskBytes,
        handedBytes: after.handedBytes - before.handedBytes,
        changed,
      };
    } finally {
      await weir.stop();
    }
  } finally {
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }
}

/** As many bursts as fit into so many seconds; larger ones come less often. */
function loadOf(burst: number, seconds: number): WrittenLoad {
  const everyMs = burst === 1 ? 10 : burst <= 20 ? 20 : 50;
  return { burst, everyMs, bursts: Math.ceil((seconds * 1000) / everyMs) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      bursts: { type: "string", default: "1,20,200" },
      only: { type: "string", default: "" },
      binary: { type: "string", default: "dist/weir" },
      json: { type: "string" },
    },
  });
  const line = (cells: readonly string[]) =>
    console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(22))).join(""));
  line(["rule", "messages together", "to the disk, bytes", "handed over, bytes"]);
  const figures: unknown[] = [];
  for (const measured of writtenCases.filter(({ name }) => name.startsWith(values.only))) {
    for (const burst of values.bursts.split(",").map(Number)) {
      const load = loadOf(burst, Number(values.seconds));
      const figure = await measureWritten([resolve(values.binary)], measured, load);
      figures.push({ ...measured, ...load, ...figure });
      const each = (bytes: number) => `${Math.round(bytes / figure.messages)} a message`;
      line([measured.name, `${burst}`, each(figure.diskBytes), each(figure.handedBytes)]);
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
}

if (import.meta.main) {
  await main();
  process.exit(0);
}
