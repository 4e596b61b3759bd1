/**
 * Benchmark `rest`: rows of a file, one rule, requests to a local server in a process of its own.
 *
 * ```
 * deno task bench rest [--requests 100000] [--rows 1000000] [--batch 1000] [--qos 0,1] [--binary dist/weir] [--json FILE]
 *   [--assert]
 * ```
 *
 * Single: each row is a request, sent when the one before is answered. Batched: `--batch` rows a request. The time from
 * the first to the last request counts. `--assert` fails below 5,000 requests or 100,000 rows a second without promise of
 * delivery; a row that is lost, doubled or out of order fails it always.
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WeirProcess } from "../runtimes/weir_process.ts";
import { readProcessUsage } from "./process_usage.ts";

const waitMsMax = 300_000;
const requestsPerSecondMin = 5_000;
const rowsPerSecondMin = 100_000;

export interface RestCase {
  readonly title: string;
  readonly rows: number;
  readonly qos: number;
  /** Properties of the action. */
  readonly action: Readonly<Record<string, unknown>>;
}

export interface RestFigure {
  readonly title: string;
  readonly qos: number;
  readonly requests: number;
  readonly rows: number;
  readonly wrong: number;
  readonly requestsPerSecond: number;
  readonly rowsPerSecond: number;
  readonly cpuUsPerRow: number;
  readonly residentPeakBytes: number;
}

interface Counted {
  readonly rows: number;
  readonly requests: number;
  readonly wrong: number;
  readonly seconds: number;
}

interface Receiver {
  readonly port: number;
  readonly counted: Promise<Counted>;
  stop(): void;
}

function startReceiver(rows: number): Promise<Receiver> {
  const program = fileURLToPath(new URL("http_receiver.ts", import.meta.url));
  const isDeno = process.versions.deno !== undefined;
  const args = [...(isDeno ? ["run", "-A", "--no-check"] : []), program, String(rows)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolveReceiver, reject) => {
    let output = "";
    let count: (counted: Counted) => void;
    const counted = new Promise<Counted>((resolve) => count = resolve);
    child.on("error", reject);
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
      const [port, result] = output.split("\n");
      if (output.includes("\n")) {
        resolveReceiver({
          port: Number(port),
          counted,
          stop: () => void child.kill("SIGKILL"),
        });
      }
      if (result !== undefined && result.endsWith("}")) count(JSON.parse(result) as Counted);
    });
  });
}

function writeRows(file: string, rows: number): void {
  const lines: string[] = [];
  for (let n = 0; n < rows; n++) {
    lines.push(
      `{"n":${n},"device":"pump-${n % 100}","temperature":${20 + (n % 300) / 10},"humidity":${40 + n % 50}}\n`,
    );
  }
  writeFileSync(file, lines.join(""));
}

/** Runs one case against an agent of its own. `command` starts weir. */
export async function measureRest(
  command: readonly string[],
  { title, rows, qos, action }: RestCase,
): Promise<RestFigure> {
  const folder = mkdtempSync(join(tmpdir(), "weir-rest-"));
  const receiver = await startReceiver(rows);
  try {
    const file = join(folder, "rows.ndjson");
    writeRows(file, rows);
    const weir = await WeirProcess.start(command);
    try {
      await weir.call("PUT", "/metadata/sources/file/confKeys/bench", 200, { fileType: "lines", interval: 0 });
      const sql = `CREATE STREAM demo () WITH (DATASOURCE="${file}", FORMAT="JSON", TYPE="file", CONF_KEY="bench")`;
      await weir.call("POST", "/streams", 201, { sql });
      const before = readProcessUsage(weir.pid);
      await weir.call("POST", "/rules", 201, {
        id: "bench",
        sql: "SELECT * FROM demo",
        actions: [{ rest: { url: `http://127.0.0.1:${receiver.port}/in`, method: "POST", ...action } }],
        options: { qos },
      });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Error(`Not all rows came within ${waitMsMax / 1000} s: ${weir.log}`)),
          waitMsMax,
        );
      });
      const counted = await Promise.race([receiver.counted, late]).finally(() => clearTimeout(timer));
      const after = readProcessUsage(weir.pid);
      return {
        title,
        qos,
        requests: counted.requests,
        rows: counted.rows,
        wrong: counted.wrong,
        requestsPerSecond: Math.round(counted.requests / counted.seconds),
        rowsPerSecond: Math.round(counted.rows / counted.seconds),
        cpuUsPerRow: (after.cpuUs - before.cpuUs) / counted.rows,
        residentPeakBytes: after.residentPeakBytes,
      };
    } finally {
      await weir.stop();
    }
  } finally {
    receiver.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function describe({ title, qos, requestsPerSecond, rowsPerSecond, cpuUsPerRow, residentPeakBytes, wrong }: RestFigure) {
  return `${title}, qos ${qos}: ${requestsPerSecond} requests/s, ${rowsPerSecond} rows/s, ${
    cpuUsPerRow.toFixed(1)
  } µs of CPU ` +
    `a row, ${Math.round(residentPeakBytes / 1e6)} MB at the peak${wrong === 0 ? "" : `, ${wrong} rows WRONG`}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "100000" },
      rows: { type: "string", default: "1000000" },
      batch: { type: "string", default: "1000" },
      qos: { type: "string", default: "0,1" },
      binary: { type: "string", default: "dist/weir" },
      json: { type: "string" },
      assert: { type: "boolean", default: false },
    },
  });
  const figures: RestFigure[] = [];
  for (const qos of values.qos.split(",").map(Number)) {
    const cases: RestCase[] = [
      { title: "single", rows: Number(values.requests), qos, action: { sendSingle: true } },
      { title: "batched", rows: Number(values.rows), qos, action: { batchSize: Number(values.batch) } },
    ];
    for (const each of cases) {
      const figure = await measureRest([resolve(values.binary)], each);
      console.log(describe(figure));
      figures.push(figure);
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  const isWrong = figures.some(({ wrong }) => wrong > 0);
  const isSlow = figures.some(({ title, qos, requestsPerSecond, rowsPerSecond }) =>
    qos === 0 && (title === "single" ? requestsPerSecond < requestsPerSecondMin : rowsPerSecond < rowsPerSecondMin)
  );
  return isWrong || (values.assert && isSlow) ? 1 : 0;
}

if (import.meta.main) process.exit(await main());
