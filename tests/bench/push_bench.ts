/**
 * Benchmark `push`: clients with a connection each post to the source `httppush`, one request after the other.
 *
 * ```
 * deno task bench push [--seconds 10] [--connections 32] [--qos 0,1] [--binary dist/weir] [--json FILE]
 * ```
 *
 * The rule is `SELECT * FROM demo WHERE temperature > 30`, which lets about two thirds through, to the action `nop`. With
 * `qos` 1 a request is answered when the rule keeps it. A request that is not answered with 200, or a row that does not
 * arrive, fails it.
 * @module
 */
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { freePort } from "../peers/server_process.ts";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { readProcessUsage } from "./process_usage.ts";

export interface PushCase {
  readonly seconds: number;
  readonly connections: number;
  readonly qos: number;
}

export interface PushFigure extends PushCase {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Requests that were not answered with 200, and rows that did not arrive. */
  readonly wrong: number;
  readonly latencyMsMedian: number;
  readonly latencyMs99: number;
  readonly cpuUsPerRequest: number;
  readonly residentPeakBytes: number;
}

interface Pushed {
  requests: number;
  refused: number;
  readonly latenciesMs: number[];
}

function requestOf(n: number): string {
  const body = `{"n":${n},"device":"pump-${n % 100}","temperature":${20 + n % 30},"humidity":${40 + n % 50}}`;
  const head =
    `POST /in HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  return `${head}\r\n${body}`;
}

/** Posts until the time is over, and waits for the last answers. */
async function push(port: number, { seconds, connections }: PushCase): Promise<Pushed> {
  const pushed: Pushed = { requests: 0, refused: 0, latenciesMs: [] };
  const end = performance.now() + seconds * 1000;
  let next = 0;
  await Promise.all(Array.from({ length: connections }, () =>
    new Promise<void>((done, reject) => {
      const socket = connect(port, "127.0.0.1");
      socket.setNoDelay(true);
      let sentAt = 0;
      let text = "";
      const send = () => {
        sentAt = performance.now();
        if (sentAt > end) {
          socket.end();
          return done();
        }
        socket.write(requestOf(next++));
      };
      socket.on("connect", send);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("A connection was closed early")));
      socket.on("data", (chunk: Uint8Array) => {
        text += String(chunk);
        const head = text.indexOf("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
        if (head < 0 || text.length < head + 4 + length) return;
        pushed.requests++;
        if (!text.startsWith("HTTP/1.1 200 ")) pushed.refused++;
        if (pushed.requests % 10 === 0) pushed.latenciesMs.push(performance.now() - sentAt);
        text = "";
        send();
      });
    })));
  return pushed;
}

/** Runs one case against an agent of its own. `command` starts weir. */
export async function measurePush(command: readonly string[], options: PushCase): Promise<PushFigure> {
  const port = await freePort();
  const environment = ["WEIR__source__httpServerIp=127.0.0.1", `WEIR__source__httpServerPort=${port}`];
  const weir = await WeirProcess.start(["env", ...environment, ...command]);
  try {
    const sql = 'CREATE STREAM demo () WITH (DATASOURCE="/in", FORMAT="JSON", TYPE="httppush")';
    await weir.call("POST", "/streams", 201, { sql });
    await weir.call("POST", "/rules", 201, {
      id: "bench",
      sql: "SELECT * FROM demo WHERE temperature > 30",
      actions: [{ nop: {} }],
      options: { qos: options.qos },
    });
    const rows = async () => {
      const status = JSON.parse(await weir.call("GET", "/rules/bench/status", 200)) as Record<string, unknown>;
      return Number(status.source_demo_0_records_in_total);
    };
    const isOpen = () =>
      new Promise<boolean>((done) => {
        const socket = connect(port, "127.0.0.1", () => (socket.destroy(), done(true)));
        socket.on("error", () => done(false));
      });
    const late = Date.now() + 30_000;
    while (!(await isOpen())) {
      if (Date.now() > late) throw new Error(`The data server does not listen: ${weir.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const before = readProcessUsage(weir.pid);
    const started = performance.now();
    const { requests, refused, latenciesMs } = await push(port, options);
    const elapsedMs = performance.now() - started;
    const after = readProcessUsage(weir.pid);
    latenciesMs.sort((a, b) => a - b);
    const at = (share: number) => latenciesMs[Math.floor(latenciesMs.length * share)] ?? NaN;
    return {
      ...options,
      requests,
      requestsPerSecond: Math.round((requests * 1000) / elapsedMs),
      wrong: refused + Math.abs(requests - refused - await rows()),
      latencyMsMedian: at(0.5),
      latencyMs99: at(0.99),
      cpuUsPerRequest: (after.cpuUs - before.cpuUs) / requests,
      residentPeakBytes: after.residentPeakBytes,
    };
  } finally {
    await weir.stop();
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      connections: { type: "string", default: "32" },
      qos: { type: "string", default: "0,1" },
      binary: { type: "string", default: "dist/weir" },
      json: { type: "string" },
    },
  });
  const figures: PushFigure[] = [];
  for (const qos of values.qos.split(",").map(Number)) {
    const options = { seconds: Number(values.seconds), connections: Number(values.connections), qos };
    const figure = await measurePush([resolve(values.binary)], options);
    console.log(
      `qos ${qos}, ${figure.connections} connections: ${figure.requestsPerSecond} requests/s, ` +
        `${figure.latencyMsMedian.toFixed(2)} ms in the median, ${figure.latencyMs99.toFixed(2)} ms for 99 %, ` +
        `${figure.cpuUsPerRequest.toFixed(1)} µs of CPU a request, ` +
        `${Math.round(figure.residentPeakBytes / 1e6)} MB at the peak${
          figure.wrong === 0 ? "" : `, ${figure.wrong} WRONG`
        }`,
    );
    figures.push(figure);
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  return figures.some(({ wrong }) => wrong > 0) ? 1 : 0;
}

if (import.meta.main) process.exit(await main());
