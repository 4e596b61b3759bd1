/**
 * Benchmark `mqtt-filter`: a real mosquitto, 10,000 messages of 80 bytes a second, one rule that passes on those with
 * `temperature > 50`.
 *
 * ```
 * deno task bench mqtt-filter [--seconds 60] [--rate 10000] [--connections 1] [--binary dist/weir]
 *   [--contender weir|mqttjs] [--json FILE] [--assert | --assert-lost]
 * ```
 *
 * `--assert` fails on a lost, doubled or wrong message, a memory peak of 50 MB or more, or 6 µs of CPU or more a
 * message; `--assert-lost` on the first of these alone, for machines of unknown speed.
 * @module
 */
import { spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { type Collected, Collector, type Latency } from "./collector.ts";
import { openConnection, publishPacket } from "./mqtt_wire.ts";
import { type ProcessUsage, readProcessUsage } from "./process_usage.ts";
import { isExpected, payloadOf } from "./readings.ts";

const INPUT = "bench/in";
const OUTPUT = "bench/out";
const BASELINE_SECONDS_MAX = 5;
const READY_TIMEOUT_MS = 30_000;
/** Nothing has arrived for this long: what is missing is lost. */
const QUIET_MS = 2_000;
const RESIDENT_PEAK_BYTES_MAX = 50_000_000;
const CPU_US_PER_MESSAGE_MAX = 6;

interface Options {
  readonly seconds: number;
  readonly rate: number;
  readonly connections: number;
}

/** Something that filters from INPUT to OUTPUT. */
interface Contender {
  readonly pid: number;
  stop(): Promise<void>;
}

interface Sent {
  readonly sent: number;
  readonly seconds: number;
  readonly lateMsMax: number;
}

interface Report {
  readonly contender: string;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  readonly sent: number;
  readonly output: Collected;
  readonly residentStartBytes: number;
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  readonly cpuUsPerMessage: number;
  /** The longest pause of the load itself: what the machine did to everybody. */
  readonly loadLateMsMax: number;
  /** A direct subscriber's latency on the same broker and load. */
  readonly broker: Latency;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs the load in a process of its own and waits for its end. */
function sendLoad(broker: Mosquitto, { rate, seconds, connections }: Options): Promise<Sent> {
  const program = fileURLToPath(new URL("mqtt_load.ts", import.meta.url));
  const args = [program, broker.port, INPUT, rate, seconds, connections].map(String);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => output += String(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`Cannot send the load: the generator ended with ${code}`));
    });
  });
}

/** Waits until all has arrived, or nothing more comes. */
async function settle(collector: Collector, expected: number): Promise<void> {
  let before = -1;
  while (collector.received < expected && collector.received !== before) {
    before = collector.received;
    await pause(QUIET_MS);
  }
}

function countExpected(total: number, expected: (sequence: number) => boolean): number {
  let count = 0;
  for (let index = 0; index < total; index++) if (expected(1_000_000 + index)) count++;
  return count;
}

async function measureBroker(broker: Mosquitto, options: Options): Promise<Latency> {
  const seconds = Math.min(options.seconds, BASELINE_SECONDS_MAX);
  const collector = await Collector.open(broker.port, INPUT, options.rate * seconds);
  const { sent } = await sendLoad(broker, { ...options, seconds });
  await settle(collector, sent);
  collector.close();
  const { lost, wrong, latency } = collector.result(() => true);
  if (lost > 0 || wrong > 0) throw new Error(`The broker alone lost ${lost} and changed ${wrong} of ${sent} messages`);
  return latency;
}

/** Sends readings that match until one comes out at the other end. */
async function awaitFlow(broker: Mosquitto, collector: Collector): Promise<void> {
  const socket = await openConnection(broker.port, "probe");
  const probe = payloadOf(1, 0).replace(/"temperature":[\d.]+/, '"temperature":99');
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (collector.probes === 0) {
    if (Date.now() > deadline) throw new Error(`No probe came through within ${READY_TIMEOUT_MS / 1_000} s`);
    socket.write(publishPacket(INPUT, Buffer.from(probe)));
    await pause(50);
  }
  socket.end();
}

async function startWeir(binary: string, broker: Mosquitto): Promise<Contender> {
  const weir = await WeirProcess.start([resolve(binary)]);
  try {
    await weir.call("PUT", "/metadata/sources/mqtt/confKeys/bench", 200, { server: broker.url, qos: 0 });
    const sql = `CREATE STREAM demo () WITH (DATASOURCE="${INPUT}", FORMAT="JSON", TYPE="mqtt", CONF_KEY="bench")`;
    await weir.call("POST", "/streams", 201, { sql });
    await weir.call("POST", "/rules", 201, {
      id: "bench",
      sql: "SELECT * FROM demo WHERE temperature > 50",
      actions: [{ mqtt: { server: broker.url, topic: OUTPUT, qos: 0, sendSingle: true } }],
    });
  } catch (error) {
    await weir.stop();
    throw error;
  }
  return {
    pid: weir.pid,
    stop: async () => {
      const code = await weir.stop();
      if (code !== 0) throw new Error(`weir ended with ${code} on SIGTERM`);
    },
  };
}

function startMqttjs(broker: Mosquitto): Contender {
  const program = fileURLToPath(new URL("mqttjs_filter.ts", import.meta.url));
  const child = spawn(process.execPath, [program, broker.url.replace("tcp:", "mqtt:"), INPUT, OUTPUT], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return {
    pid: child.pid!,
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

async function measure(name: string, start: (broker: Mosquitto) => Contender | Promise<Contender>, options: Options) {
  const broker = await startMosquitto({
    // Its log of every packet would cost more than its work; its limits would drop what a slow contender leaves.
    lines: ["log_type none", "set_tcp_nodelay true", "max_queued_messages 0", "max_inflight_messages 0"],
  });
  try {
    const latency = await measureBroker(broker, options);
    const total = options.rate * options.seconds;
    const collector = await Collector.open(broker.port, OUTPUT, total);
    const contender = await start(broker);
    try {
      await awaitFlow(broker, collector);
      // Probes on their way would count as messages, and the memory trim after start-up is part of the agent.
      await pause(QUIET_MS);
      const before = readProcessUsage(contender.pid);
      const sent = await sendLoad(broker, options);
      await settle(collector, countExpected(total, isExpected));
      const after = readProcessUsage(contender.pid);
      collector.close();
      return reportOf(name, sent, before, after, collector.result(isExpected), latency);
    } finally {
      await contender.stop();
    }
  } finally {
    await broker.stop();
  }
}

function reportOf(
  contender: string,
  { sent, seconds, lateMsMax }: Sent,
  before: ProcessUsage,
  after: ProcessUsage,
  output: Collected,
  broker: Latency,
): Report {
  return {
    contender,
    inPerSecond: Math.round(sent / seconds),
    outPerSecond: Math.round(output.received / seconds),
    sent,
    output,
    residentStartBytes: before.residentBytes,
    residentBytes: after.residentBytes,
    residentPeakBytes: after.residentPeakBytes,
    cpuUsPerMessage: Math.round(((after.cpuUs - before.cpuUs) / sent) * 100) / 100,
    loadLateMsMax: Math.round(lateMsMax * 10) / 10,
    broker,
  };
}

function print(report: Report): void {
  const { output, broker } = report;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const latency = ({ p50Ms, p99Ms, p999Ms }: Latency) => `p50 ${p50Ms}  p99 ${p99Ms}  p99.9 ${p999Ms} ms`;
  const rows: [string, string][] = [
    ["contender", report.contender],
    ["in", `${report.inPerSecond} messages/s, ${report.sent} in all`],
    ["out", `${report.outPerSecond} messages/s, ${output.received} in all`],
    ["lost, doubled, wrong", `${output.lost}, ${output.duplicates}, ${output.wrong}`],
    ["resident", `${mb(report.residentStartBytes)} before, ${mb(report.residentBytes)} after`],
    ["resident peak", mb(report.residentPeakBytes)],
    ["CPU", `${report.cpuUsPerMessage} µs/message`],
    ["latency", latency(output.latency)],
    ["latency of the broker alone", latency(broker)],
    ["longest pause of the load", `${report.loadLateMsMax} ms`],
    ["digest", output.digest],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(28)}${value}`);
  console.log(JSON.stringify(report));
}

/** What the report breaks of the limits, a sentence each. */
function violations({ output, residentPeakBytes, cpuUsPerMessage }: Report, onlyLoss: boolean): string[] {
  const found: string[] = [];
  const { lost, duplicates, wrong } = output;
  if (lost + duplicates + wrong > 0) found.push(`${lost} messages lost, ${duplicates} doubled, ${wrong} wrong`);
  if (onlyLoss) return found;
  if (residentPeakBytes >= RESIDENT_PEAK_BYTES_MAX) found.push("resident peak is 50 MB or more");
  if (cpuUsPerMessage >= CPU_US_PER_MESSAGE_MAX) found.push("CPU is 6 µs a message or more");
  return found;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      rate: { type: "string", default: "10000" },
      connections: { type: "string", default: "1" },
      binary: { type: "string", default: "dist/weir" },
      contender: { type: "string", default: "weir" },
      json: { type: "string" },
      assert: { type: "boolean", default: false },
      "assert-lost": { type: "boolean", default: false },
    },
  });
  const options = {
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    connections: Number(values.connections),
  };
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`Cannot use --${name}: expected a whole number`);
  }
  const { contender, binary } = values;
  if (contender !== "weir" && contender !== "mqttjs") {
    throw new TypeError(`Cannot run contender "${contender}": expected weir or mqttjs`);
  }
  const start = contender === "weir" ? (broker: Mosquitto) => startWeir(binary, broker) : startMqttjs;
  const report = await measure(contender, start, options);
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(report, null, 2) + "\n");
  const found = values.assert || values["assert-lost"] ? violations(report, !values.assert) : [];
  for (const sentence of found) console.error(`FAILED ${sentence}`);
  return found.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
