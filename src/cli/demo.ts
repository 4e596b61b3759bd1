/**
 * `weir demo`: an agent with simulated devices and two rules, whose results are printed for people. Nothing is kept.
 *
 * Streams and rules are made through the same REST routes that a user calls, over a store in memory.
 * @module
 */
import { createAdmin } from "../admin/app.ts";
import { configSchema } from "../config/schema.ts";
import type { LogFields, Logger } from "../connector/context.ts";
import { formatAddress, ListenError } from "../platform/listen_error.ts";
import type { HttpServer, Platform } from "../platform/platform.ts";
import { version } from "../platform/version.ts";
import { ConfigRegistry } from "../runtime/configs.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { KeyedStates } from "../runtime/keyed_states.ts";
import { StreamRegistry } from "../runtime/streams.ts";
import { MemoryStore } from "../store/memory.ts";
import * as v from "valibot";
import { type Arguments, type CliContext, CliError, type Command, UsageError } from "./command.ts";
import { systemInfo } from "./system_info.ts";
import { crossroadsData, deviceData } from "./demo_data.ts";

const port = 9081;
const hostname = "127.0.0.1";
/** For a request that is being answered when the demo ends. */
const requestGraceMs = 1000;

const overheatSql = "SELECT temperature, deviceId FROM demo WHERE temperature > 30";
const crossroadsSql = "SELECT COUNT(*) as car_count, direction FROM traffic_stream " +
  "WINDOW TUMBLING (SIZE 5 SECOND) GROUP BY direction";

/** What the demo sets up, as a user would with curl. */
const requests: readonly (readonly [method: string, path: string, body: unknown])[] = [
  ["PUT", "/metadata/sources/simulator/confKeys/sensors", { data: deviceData(), interval: "200ms", loop: true }],
  ["PUT", "/metadata/sources/simulator/confKeys/cameras", { data: crossroadsData(), interval: "150ms", loop: true }],
  ["POST", "/streams", { sql: 'CREATE STREAM demo () WITH (TYPE="simulator", CONF_KEY="sensors")' }],
  ["POST", "/streams", { sql: 'CREATE STREAM traffic_stream () WITH (TYPE="simulator", CONF_KEY="cameras")' }],
  ["POST", "/rules", { id: "overheat", sql: overheatSql, actions: [{ log: {} }] }],
  ["POST", "/rules", { id: "crossroads", sql: crossroadsSql, actions: [{ log: {} }] }],
];

type Rows = readonly Readonly<Record<string, unknown>>[];

/** Results as sentences; those of rules that the user made are shown as they are. */
function describe(rule: string, rows: Rows): string[] {
  switch (rule) {
    case "overheat":
      return rows.map((row) => `ALERT  ${row.deviceId} is at ${row.temperature} °C`);
    case "crossroads":
      return [`cars in 5 s:  ${rows.map((row) => `${row.direction} ${row.car_count}`).join(",  ")}`];
    default:
      return rows.map((row) => JSON.stringify(row));
  }
}

/** Takes the engine's log: what the `log` action writes is the demo's output, warnings are shown, the rest is not. */
function resultLog(print: (line: string) => void, bound: LogFields = {}): Logger {
  const tell = (message: string, fields: LogFields) => {
    const all = { ...bound, ...fields };
    print(`${String(all.rule ?? "weir").padEnd(11)} ${message}${all.reason === undefined ? "" : `: ${all.reason}`}`);
  };
  return {
    debug: () => {},
    info(message, fields = {}) {
      const { rule, data } = { ...bound, ...fields };
      if (message !== "result" || typeof rule !== "string" || typeof data !== "string") return;
      const parsed = JSON.parse(data) as Rows | Rows[number];
      for (const line of describe(rule, Array.isArray(parsed) ? parsed : [parsed as Rows[number]])) {
        print(`${rule.padEnd(11)} ${line}`);
      }
    },
    warn: (message, fields = {}) => tell(message, fields),
    error: (message, fields = {}) => tell(message, fields),
    with: (fields) => resultLog(print, { ...bound, ...fields }),
  };
}

/** The usual port, or a free one when somebody, perhaps a real weir, has it. */
async function serve(
  platform: Platform,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<HttpServer> {
  const options = { hostname, maxBodyBytes: 1024 * 1024 };
  try {
    return await platform.serve({ ...options, port }, handler);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    return await platform.serve({ ...options, port: 0 }, handler);
  }
}

function introduction(url: string): string {
  const rule = JSON.stringify({ id: "hot", sql: "SELECT * FROM demo WHERE temperature > 33", actions: [{ log: {} }] });
  return `weir ${version} runs on ${url} with simulated devices; nothing of it is kept.

  overheat    ${overheatSql}
  crossroads  ${crossroadsSql}

While it runs, type in another terminal:

  curl ${url}/rules
  curl ${url}/rules/overheat/status
  curl ${url}/rules -d '${rule}'
  curl -X POST ${url}/rules/crossroads/stop

Ctrl-C ends it.

`;
}

function readSeconds(args: Arguments): number | undefined {
  const text = args.text("seconds");
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!(seconds > 0)) throw new UsageError(`--seconds ${JSON.stringify(text)}: expected a number above 0`);
  return seconds;
}

/** Resolves at a signal, or after the given time. */
function untilEnd(platform: Platform, seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
    const stopListening = platform.onTerminate(() => end());
    function end() {
      clearTimeout(timer);
      stopListening();
      resolve();
    }
  });
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  const seconds = readSeconds(args);
  const { platform } = context;
  const time = () => new Date().toLocaleTimeString("en-GB");
  // That the demo's open windows end with it is no news.
  let ending = false;
  const log = resultLog((line) => {
    if (!ending) context.stdout(`${time()}  ${line}\n`);
  });

  const { connectors, create } = await context.loadEngine();
  const store = new MemoryStore();
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  const config = v.parse(configSchema, {});
  const engine = await create({ store, streams, configs, config, log });
  const app = createAdmin({
    rules: engine.rules,
    streams,
    configs,
    states: new KeyedStates(store),
    log,
    info: systemInfo(config.reportedVersion, platform),
  });
  const server = await serve(platform, (request) => app.fetch(request));
  try {
    await engine.start?.();
    context.stdout(introduction(`http://${formatAddress(server.hostname, server.port)}`));
    for (const [method, path, body] of requests) {
      const response = await app.request(path, { method, body: JSON.stringify(body) });
      if (!response.ok) throw new CliError(`the demo cannot be set up: ${method} ${path}: ${await response.text()}`);
    }
    await untilEnd(platform, seconds);
  } finally {
    ending = true;
    await engine.close();
    await server.close(requestGraceMs);
    store.close();
  }
  context.stdout("The demo has ended.\n");
  return 0;
}

export const demo: Command = {
  usage: ["weir demo [--seconds N]"],
  flags: { seconds: { type: "string", value: "N", summary: "end after this time instead of at Ctrl-C" } },
  details: `
Starts an agent on 127.0.0.1:9081 (or a free port) with simulated sensors and traffic cameras, an alert rule and a rule
that counts cars in windows of five seconds, and prints their results. It needs no broker and leaves nothing behind.`,
  run,
};
