/**
 * Benchmark `durable`: a real mosquitto, QoS 1 in and QoS 1 out, one rule, with the promise of delivery and without.
 *
 * ```
 * deno task bench durable [--messages 200000] [--inflight 1000] [--rate 2000] [--seconds 5] [--qos 0,1,2]
 *   [--sql 'SELECT * FROM demo WHERE temperature > 50'] [--power] [--brokers 1|2] [--binary dist/weir]
 *   [--json FILE]
 * ```
 *
 * Throughput: the broker keeps all messages for a session while weir is away; then weir starts, and the time from the
 * first to the last message that comes out counts. Latency: messages come at a steady pace. `--inflight` is mosquitto's
 * `max_inflight_messages`, 20 by default there: so many messages it leaves unacknowledged.
 * @module
 */
import { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { openConnection, publishPacket, subscribe } from "./mqtt_wire.ts";
import { readProcessUsage } from "./process_usage.ts";

const input = "bench/in";
const output = "bench/out";
const waitMsMax = 120_000;

export interface DurableOptions {
  readonly messages: number;
  readonly inflight: number;
  readonly rate: number;
  readonly seconds: number;
  readonly sql: string;
  readonly durability: "process" | "power";
  readonly binary: string;
  /** 2: one to read from and one to publish to. */
  readonly brokers: number;
}

export interface DurableFigure {
  readonly qos: number;
  readonly received: number;
  readonly messagesPerSecond: number;
  readonly cpuUsPerMessage: number;
  readonly writtenBytesPerMessage: number;
  readonly residentPeakBytes: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const late = Date.now() + waitMsMax;
  while (!holds()) {
    if (Date.now() > late) throw new Error(`Still waiting for ${what} after ${waitMsMax / 1000} s`);
    await pause(5);
  }
}

/** A PUBLISH with QoS 1, made of one with QoS 0. */
function withPacketId(frame: Buffer, topic: string, id: number): Buffer {
  const body = frame.subarray(frame.length - (frame.length - 2));
  const at = 2 + Buffer.byteLength(topic);
  const length = body.length + 2;
  return Buffer.concat([
    Buffer.from([0x32, length]),
    body.subarray(0, at),
    Buffer.from([id >> 8, id & 0xff]),
    body.subarray(at),
  ]);
}

/** Publishes with QoS 1, so many unacknowledged at once; `acked` counts. */
class Publisher {
  acked = 0;
  sent = 0;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    // A PUBACK has four bytes.
    let rest = 0;
    socket.on("data", (chunk: Buffer) => {
      rest += chunk.length;
      this.acked += Math.floor(rest / 4);
      rest %= 4;
    });
  }

  send(payloads: readonly string[]): void {
    this.#socket.write(Buffer.concat(payloads.map((payload) => {
      const id = (this.sent++ % 60_000) + 1;
      return withPacketId(publishPacket(input, Buffer.from(payload)), input, id);
    })));
  }

  async sendAll(count: number, payloadOf: (index: number) => string): Promise<void> {
    for (let next = 0; next < count;) {
      const end = Math.min(count, next + 200);
      this.send(Array.from({ length: end - next }, (_, i) => payloadOf(next + i)));
      next = end;
      await until("acknowledgements", () => this.sent - this.acked < 2000);
    }
    await until("acknowledgements", () => this.acked >= this.sent);
  }
}

/** Of at most 100 bytes, so that the length of a frame is one byte. */
function payload(index: number, time = 0): string {
  return `{"temperature":${60 + index % 30},"device":"d-${index % 100}","n":${index},"t":${time}}`;
}

function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))![1]);
}

interface Brokers {
  readonly in: Mosquitto;
  readonly out: Mosquitto;
}

async function define(weir: WeirProcess, brokers: Brokers, qos: number, options: DurableOptions): Promise<void> {
  const session = { server: brokers.in.url, qos: 1, clientid: "bench-in", enableClientSession: true };
  await weir.call("PUT", "/metadata/sources/mqtt/confKeys/bench", 200, session);
  const sql = `CREATE STREAM demo () WITH (DATASOURCE="${input}", FORMAT="JSON", TYPE="mqtt", CONF_KEY="bench")`;
  await weir.call("POST", "/streams", 201, { sql });
  await weir.call("POST", "/rules", 201, {
    id: "bench",
    sql: options.sql,
    actions: [{ mqtt: { server: brokers.out.url, topic: output, qos: 1, sendSingle: true } }],
    options: { qos, durability: options.durability },
  });
}

async function measure(qos: number, options: DurableOptions): Promise<DurableFigure> {
  const directory = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const kept = { dataDir: directory };
  const lines = [
    "log_type none",
    "set_tcp_nodelay true",
    "max_queued_messages 0",
    `max_inflight_messages ${options.inflight}`,
  ];
  const first = await startMosquitto({ lines });
  const brokers: Brokers = { in: first, out: options.brokers === 2 ? await startMosquitto({ lines }) : first };
  try {
    const before = await WeirProcess.start([resolve(options.binary)], kept);
    await define(before, brokers, qos, options);
    await pause(1000);
    await before.stop();

    const publisher = new Publisher(await openConnection(brokers.in.port, "bench-load"));
    await publisher.sendAll(options.messages, payload);
    const seen: number[] = [];
    const latencies: number[] = [];
    let times = { first: 0, last: 0 };
    const collector = await openConnection(brokers.out.port, "bench-out");
    await subscribe(collector, output, (bytes) => {
      const now = performance.now();
      if (seen.length === 0) times = { first: now, last: now };
      times.last = now;
      const text = bytes.toString("latin1");
      seen.push(0);
      const sentAt = Number(/"t":([\d.]+)/.exec(text)?.[1] ?? 0);
      if (sentAt > 0) latencies.push(now - sentAt);
    });
    const weir = await WeirProcess.start([resolve(options.binary)], kept);
    try {
      await until("the backlog", () => seen.length >= options.messages);
      const received = seen.length;
      const seconds = (times.last - times.first) / 1000;
      await pause(500);
      const usage = readProcessUsage(weir.pid);
      const figure = {
        qos,
        received,
        messagesPerSecond: Math.round(received / seconds),
        cpuUsPerMessage: round(usage.cpuUs / received),
        writtenBytesPerMessage: Math.round(writtenBytes(weir.pid) / received),
        residentPeakBytes: usage.residentPeakBytes,
      };
      await steady(publisher, options);
      await pause(500);
      latencies.sort((a, b) => a - b);
      const at = (share: number) => round(latencies[Math.floor((latencies.length - 1) * share)] ?? NaN);
      return { ...figure, latencyMs: { p50: at(0.5), p99: at(0.99) } };
    } finally {
      await weir.stop();
      collector.end();
    }
  } finally {
    await brokers.out.stop();
    if (brokers.in !== brokers.out) await brokers.in.stop();
    rmSync(directory, { recursive: true });
  }
}

async function steady(publisher: Publisher, { rate, seconds }: DurableOptions): Promise<void> {
  const begin = performance.now();
  for (let sent = 0; sent < rate * seconds;) {
    const now = performance.now();
    const due = Math.min(rate * seconds, Math.floor(((now - begin) * rate) / 1000));
    if (due > sent) publisher.send(Array.from({ length: due - sent }, (_, i) => payload(sent + i, round(now))));
    sent = Math.max(sent, due);
    await pause(1);
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "200000" },
      inflight: { type: "string", default: "1000" },
      rate: { type: "string", default: "2000" },
      seconds: { type: "string", default: "5" },
      qos: { type: "string", default: "0,1,2" },
      sql: { type: "string", default: "SELECT * FROM demo WHERE temperature > 50" },
      power: { type: "boolean", default: false },
      brokers: { type: "string", default: "1" },
      binary: { type: "string", default: "dist/weir" },
      json: { type: "string" },
    },
  });
  const options: DurableOptions = {
    messages: Number(values.messages),
    inflight: Number(values.inflight),
    rate: Number(values.rate),
    seconds: Number(values.seconds),
    sql: values.sql,
    durability: values.power ? "power" : "process",
    binary: values.binary,
    brokers: Number(values.brokers),
  };
  const figures: DurableFigure[] = [];
  for (const qos of values.qos.split(",").map(Number)) {
    const figure = await measure(qos, options);
    figures.push(figure);
    const { received, messagesPerSecond, cpuUsPerMessage, writtenBytesPerMessage, residentPeakBytes, latencyMs } =
      figure;
    console.log(
      `qos ${qos}: ${received} of ${options.messages} messages, ${messagesPerSecond} a second, ` +
        `${cpuUsPerMessage} µs CPU and ${writtenBytesPerMessage} bytes written a message, ` +
        `peak ${(residentPeakBytes / 1e6).toFixed(1)} MB, latency p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms`,
    );
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ options, figures }, null, 2)}\n`);
}

if (import.meta.main) {
  await main();
  process.exit(0);
}
