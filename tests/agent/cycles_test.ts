/**
 * Rules that start, stop and change thousands of times leave nothing behind: the agent does not grow.
 *
 * `WEIR_CYCLES=10000` makes the long run; without it there are as many cycles as fit into a usual test run.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { readProcessUsage } from "../bench/process_usage.ts";
import { startMosquitto } from "../mosquitto.ts";
import { type Agent, withAgent } from "./agent.ts";

const cycles = Number(process.env.WEIR_CYCLES ?? 1500);

/**
 * Growth between the middle and the last fifth that is no leak: what the collector has not got round to, and code that
 * was compiled late.
 */
function noiseBytes(residentBytes: number): number {
  return Math.max(12 * 1024 * 1024, 0.15 * residentBytes);
}

/** V8 lets its heap grow as long as nothing stops it. No other engine reads this. */
const environment = { DENO_V8_FLAGS: "--max-old-space-size=64,--max-semi-space-size=1" };

interface Lane {
  readonly id: string;
  /** What its rule says in odd and in even rounds. */
  readonly variants: readonly [Record<string, unknown>, Record<string, unknown>];
}

function sqlLane(id: string, sql: (variant: number) => string, more: Record<string, unknown> = {}): Lane {
  const variant = (n: number) => ({ id, sql: sql(n), actions: [{ nop: {} }], ...more });
  return { id, variants: [variant(1), variant(2)] };
}

function graphLane(id: string): Lane {
  const variant = (n: number) => ({
    id,
    graph: {
      nodes: {
        src: { type: "source", nodeType: "simulator", props: { data: [{ a: 1 }], interval: 20, loop: true } },
        hot: { type: "operator", nodeType: "filter", props: { expr: `a > -${n}` } },
        js: { type: "operator", nodeType: "script", props: { script: `const exec = (m) => ({ a: m.a + ${n} });` } },
        out: { type: "sink", nodeType: "nop", props: {} },
      },
      topo: { sources: ["src"], edges: { src: ["hot"], hot: ["js"], js: ["out"] } },
    },
  });
  return { id, variants: [variant(1), variant(2)] };
}

const mqttAction = (server: string, n: number) => [{ mqtt: { server, topic: `out/${n}`, qos: 1 } }];

function lanesOf(server: string): Lane[] {
  return [
    sqlLane("filters", (n) => `SELECT a FROM demo WHERE a > -${n}`),
    sqlLane("analytic", (n) => `SELECT a, lag(a, ${n}) AS before FROM demo`),
    sqlLane("tumbling", (n) => `SELECT b, count(*) AS n FROM demo GROUP BY b, TUMBLINGWINDOW(ss, ${n})`, {
      actions: [{ memory: { topic: "counts" } }],
    }),
    sqlLane("sliding", (n) => `SELECT collect(a) AS all FROM demo GROUP BY SLIDINGWINDOW(ss, ${n})`),
    sqlLane("event_time", (n) => `SELECT count(*) AS n FROM timed GROUP BY HOPPINGWINDOW(ms, ${n}00, 50)`, {
      options: { isEventTime: true },
    }),
    sqlLane(
      "asks_table",
      (n) => `SELECT demo.a, names.name FROM demo INNER JOIN names ON demo.a = names.id WHERE a < 1${n}`,
    ),
    sqlLane(
      "joins_table",
      (n) => `SELECT demo.a, kept.n FROM demo LEFT JOIN kept ON demo.b = kept.b GROUP BY TUMBLINGWINDOW(ms, ${n}00)`,
    ),
    sqlLane("shared_1", (n) => `SELECT a FROM together WHERE a > -${n}`),
    sqlLane("shared_2", (n) => `SELECT a + ${n} AS b FROM together`),
    sqlLane("subscribes", (n) => `SELECT a, ${n} AS n FROM own_client`, { actions: mqttAction(server, 1) }),
    sqlLane("subscribes_shared", (n) => `SELECT a FROM at_broker WHERE a > -${n}`, { actions: mqttAction(server, 2) }),
    sqlLane("named", (n) => `SELECT a FROM at_named WHERE a > -${n}`, {
      actions: [{ mqtt: { connectionSelector: "broker", topic: "out/3" } }],
    }),
    graphLane("scripted"),
    sqlLane("durable", (n) => `SELECT a, ${n} AS n FROM own_client WHERE a > 0`, {
      actions: mqttAction(server, 4),
      options: { qos: 1 },
    }),
    sqlLane("durable_state", (n) => `SELECT b, count(*) AS n FROM demo GROUP BY b, TUMBLINGWINDOW(ss, ${n})`, {
      options: { qos: 2 },
    }),
  ];
}

async function define(agent: Agent, server: string): Promise<void> {
  const data = [{ a: 1, b: "x", at: 1 }, { a: 2, b: "y", at: 2 }];
  await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/quick", { data, interval: 10, loop: true });
  await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/here", { server, qos: 1 });
  await agent.expect(201, "POST", "/connections", { id: "broker", typ: "mqtt", props: { server } });
  await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/named", { connectionSelector: "broker" });
  const simulated = 'TYPE="simulator", CONF_KEY="quick"';
  for (
    const sql of [
      `CREATE STREAM demo () WITH (${simulated})`,
      `CREATE STREAM timed () WITH (${simulated}, TIMESTAMP="at")`,
      `CREATE STREAM together () WITH (${simulated}, SHARED="true")`,
      'CREATE STREAM own_client () WITH (DATASOURCE="t/1", TYPE="mqtt", CONF_KEY="here", FORMAT="json")',
      'CREATE STREAM at_broker () WITH (DATASOURCE="t/2", TYPE="mqtt", CONF_KEY="here", FORMAT="json", SHARED="true")',
      'CREATE STREAM at_named () WITH (DATASOURCE="t/3", TYPE="mqtt", CONF_KEY="named", FORMAT="json")',
    ]
  ) await agent.expect(201, "POST", "/streams", { sql });
  for (
    const sql of [
      'CREATE TABLE names () WITH (DATASOURCE="names", TYPE="memory", KIND="lookup", KEY="id")',
      'CREATE TABLE kept () WITH (DATASOURCE="counts", TYPE="memory", RETAIN_SIZE="20")',
    ]
  ) await agent.expect(201, "POST", "/tables", { sql });
}

/** One cycle of a lane: stops and starts its rule, restarts it, replaces it, or deletes and creates it. */
async function cycle(agent: Agent, { id, variants }: Lane, round: number): Promise<void> {
  const next = variants[round % 2]!;
  switch (round % 4) {
    case 0:
      await agent.expect(200, "POST", `/rules/${id}/stop`);
      await agent.expect(200, "POST", `/rules/${id}/start`);
      break;
    case 1:
      await agent.expect(200, "PUT", `/rules/${id}`, next);
      break;
    case 2:
      await agent.expect(200, "POST", `/rules/${id}/restart`);
      break;
    default:
      await agent.expect(200, "DELETE", `/rules/${id}`);
      await agent.expect(201, "POST", "/rules", next);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

test(`${cycles} cycles of start, stop, update and delete leave the agent as large as it was`, async () => {
  const broker = await startMosquitto();
  try {
    await withAgent(async (agent) => {
      await define(agent, broker.url);
      const lanes = lanesOf(broker.url);
      for (const { variants } of lanes) await agent.expect(201, "POST", "/rules", variants[0]);
      const rounds = Math.ceil(cycles / lanes.length);
      const resident: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await Promise.all(lanes.map((lane) => cycle(agent, lane, round)));
        resident.push(readProcessUsage(agent.pid).residentBytes);
      }
      for (const { id } of lanes) await agent.reaches(id, (s) => s.status === "running");
      const fifth = Math.floor(resident.length / 5);
      const middle = median(resident.slice(2 * fifth, 3 * fifth));
      const last = median(resident.slice(-fifth));
      const kib = resident.map((bytes) => bytes >> 10);
      const shown = kib.filter((_, i) => i % Math.ceil(kib.length / 25) === 0).join(" ");
      console.log(`resident memory, KiB: middle fifth ${middle >> 10}, last fifth ${last >> 10}; in between: ${shown}`);
      assert.ok(
        last - middle < noiseBytes(middle),
        `the agent grew from ${middle >> 10} to ${last >> 10} KiB: ${shown}`,
      );
    }, { environment });
  } finally {
    await broker.stop();
  }
});
