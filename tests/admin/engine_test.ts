/**
 * The admin interface over the real engine: what clients of eKuiper compare, from the CREATE to the DROP.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectors as entries } from "../../connectors/mod.ts";
import { createAdmin } from "../../src/admin/app.ts";
import type { Logger } from "../../src/connector/context.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

interface Answer {
  readonly status: number;
  readonly text: string;
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>;

async function withAgent(work: (ask: Ask, connectors: ConnectorList) => Promise<void>): Promise<void> {
  const store = new MemoryStore();
  const connectors = new ConnectorList(entries);
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  const engine = createEngine({ connectors, store, streams, configs, config: { timezone: "Local" }, log: silent });
  const info = {
    version: "2.4.0",
    weirVersion: "0",
    os: "linux",
    arch: "x64",
    upTimeSeconds: 0,
    cpuPercent: 0,
    memoryUsedBytes: 1,
    memoryTotalBytes: 1,
  };
  const { rules, live, reach, wantedColumns } = engine;
  const states = new KeyedStates(store);
  const parts = { rules, live, reach, wantedColumns, streams, configs, connectors, states };
  const app = createAdmin({ ...parts, log: silent, info: () => info });
  await engine.start();
  try {
    await work(async (method, path, body) => {
      const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      const response = await app.request(path, text === undefined ? { method } : { method, body: text });
      return { status: response.status, text: await response.text() };
    }, connectors);
  } finally {
    await engine.close();
  }
}

const demo = {
  sql: `CREATE STREAM demo (a BIGINT) WITH (TYPE="simulator", EXTRA='{"data":[{"a":1}],"interval":10,"loop":true}')`,
};
const rule = { id: "r1", sql: "SELECT a FROM demo", actions: [{ nop: {} }] };

/** Asks for the status until `expected` is reached. */
async function reaches(ask: Ask, id: string, expected: (status: Record<string, unknown>) => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const { text } = await ask("GET", `/rules/${id}/status`);
    if (expected(JSON.parse(text))) return;
    assert.ok(Date.now() < deadline, text);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a rule from its creation to its removal", () =>
  withAgent(async (ask) => {
    assert.deepEqual(await ask("POST", "/streams", demo), { status: 201, text: "Stream demo is created." });
    assert.deepEqual(await ask("POST", "/rules", rule), { status: 201, text: "Rule r1 was created successfully." });
    await reaches(ask, "r1", (status) =>
      status.status === "running" && Number(status.sink_nop_0_0_records_out_total) > 0);
    const [summary] = JSON.parse((await ask("GET", "/rules")).text);
    assert.deepEqual(summary, { id: "r1", name: "", status: "running", version: "", trace: false, tags: null });
    assert.deepEqual(JSON.parse((await ask("GET", "/rules/status/all")).text).r1, {
      status: "running",
      last_exception: "",
      exceptions_total: 0,
    });
    assert.equal(JSON.parse((await ask("GET", "/rules/r1")).text).sql, rule.sql);
    assert.deepEqual(JSON.parse((await ask("GET", "/rules/r1/topo")).text).sources, ["source_demo"]);
    assert.match((await ask("GET", "/rules/r1/explain")).text, /^\{"op":"ProjectPlan_0"/);
    assert.equal((await ask("DELETE", "/streams/demo")).status, 400);
    assert.equal((await ask("POST", "/rules/r1/stop")).text, "Rule r1 was stopped.");
    await reaches(ask, "r1", ({ status, message }) =>
      status === "stopped" && message === "canceled manually");
    assert.equal(JSON.parse((await ask("GET", "/rules/r1")).text).triggered, false);
    assert.equal((await ask("POST", "/rules/r1/start")).text, "Rule r1 was started");
    await reaches(ask, "r1", ({ status }) =>
      status === "running");
    assert.equal(
      (await ask("PUT", "/rules/r1", { ...rule, triggered: false })).text,
      "Rule r1 was updated successfully.",
    );
    await reaches(ask, "r1", ({ status }) => status === "stopped");
    assert.equal((await ask("DELETE", "/rules/r1")).text, "Rule r1 is dropped.");
    assert.equal((await ask("DELETE", "/streams/demo")).text, "Stream demo is dropped.");
  }));

test("what is wrong with a rule has eKuiper's numbers", () =>
  withAgent(async (ask) => {
    await ask("POST", "/streams", demo);
    await ask("POST", "/rules", { ...rule, triggered: false });
    const cases: [unknown, number, number][] = [
      [rule, 400, 1000],
      ["{", 400, 1000],
      ["[]", 400, 1000],
      [{ id: "x", actions: [{ nop: {} }] }, 400, 1000],
      [{ id: "x", sql: "SELECT a FROM demo" }, 400, 1000],
      [{ ...rule, id: "a b" }, 400, 1000],
      [{ ...rule, id: "x", sql: "SELECT FROM demo" }, 400, 2001],
      [{ ...rule, id: "x", sql: "SELECT a FROM nowhere" }, 400, 2101],
      [{ ...rule, id: "x", sql: "SELECT b FROM demo" }, 400, 2101],
      [{ ...rule, id: "x", actions: [{ nosuch: {} }] }, 400, 2201],
      [{ ...rule, id: "x", actions: [{ memory: { topc: "t" } }] }, 400, 2201],
    ];
    for (const [body, status, error] of cases) {
      const answer = await ask("POST", "/rules", body);
      assert.equal(answer.status, status, answer.text);
      assert.equal(JSON.parse(answer.text).error, error, answer.text);
    }
    assert.equal(JSON.parse((await ask("POST", "/rules", rule)).text).message, "rule r1 already exists");
    assert.equal(JSON.parse((await ask("GET", "/rules")).text).length, 1);
    const topo = await ask("GET", "/rules/r1/topo");
    assert.equal(topo.status, 400);
    assert.equal(JSON.parse(topo.text).error, 1001);
  }));

/** Numbers of a linear congruential generator, so that a failure can be had again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

test("no request, however broken, is answered with 500 or not at all", () =>
  withAgent(async (ask) => {
    await ask("POST", "/streams", demo);
    const next = generator(20260102);
    const pick = <T>(from: readonly T[]): T => from[next(from.length)]!;
    const methods = ["GET", "POST", "PUT", "DELETE", "PATCH"];
    const names = ["demo", "r1", "%00", "a%20b", "%E0%A4%A", "__proto__", "constructor", "x".repeat(300), "..", "mqtt"];
    const roots = ["streams", "tables", "rules", "connections", "metadata", "v2", "streamdetails"];
    const routes = [
      "/streams",
      "/tables",
      "/streams/{}",
      "/tables/{}",
      "/streams/{}/schema",
      "/rules",
      "/rules/validate",
      "/rules/bulkstart",
      "/rules/tags/match?tags={}",
      "/rules/{}",
      "/rules/{}/tags",
      "/rules/{}/start",
      "/rules/{}/status",
      "/rules/{}/topo",
      "/rules/{}/explain",
      "/connections",
      "/connections/{}",
      "/metadata/sources/yaml/{}",
      "/metadata/sources/simulator/confKeys/{}",
      "/metadata/connections/{}/confKeys/{}",
    ];
    const words = [
      "schema",
      "status",
      "start",
      "stop",
      "topo",
      "explain",
      "all",
      "validate",
      "sources",
      "yaml",
      "confKeys",
    ];
    const texts = [
      "",
      "{",
      "null",
      "[]",
      "5",
      '"x"',
      "{}",
      '{"sql":null}',
      '{"sql":{}}',
      '{"sql":"CREATE STREAM `a` () WITH (EXTRA=\'null\')"}',
      '{"sql":"DROP STREAM demo"}',
      '{"__proto__":{"sql":"x"}}',
      '{"id":"r1","sql":"SELECT a FROM demo","actions":null}',
      '{"id":"r1","sql":"SELECT a FROM demo","actions":[null]}',
      '{"id":"r1","sql":"SELECT a FROM demo","actions":[{"nop":5}]}',
      '{"id":"r1","sql":"SELECT a FROM demo","actions":[{"nop":{}}],"options":[]}',
      '{"id":"r1","sql":"SELECT a FROM demo","actions":[{"nop":{}}],"options":{"qos":"x","bufferLength":-1}}',
      '{"id":{},"sql":7,"actions":{},"tags":[1]}',
      '{"tags":[{}]}',
      '{"id":"c","typ":5,"props":[]}',
      '{"id":"c","typ":"__proto__","props":{"password":"******"}}',
      `{"sql":"${"(".repeat(500)}"}`,
      "\u0000\uffff",
    ];
    for (let n = 0; n < 3000; n++) {
      const method = pick(methods);
      const parts = [pick(roots), ...Array.from({ length: next(4) }, () => pick(next(2) === 0 ? names : words))];
      const path = next(4) === 0 ? `/${parts.join("/")}` : pick(routes).replaceAll("{}", () => pick(names));
      const body = method === "GET" || next(6) === 0 ? undefined : pick(texts);
      const { status, text } = await ask(method, path, body);
      assert.ok([200, 201, 400, 404, 405, 422].includes(status), `${method} ${path} ${body}: ${status} ${text}`);
    }
  }));

test("DROP STREAM asks nobody: a rule that runs goes on, and cannot be started anew", () =>
  withAgent(async (ask) => {
    await ask("POST", "/streams", demo);
    await ask("POST", "/rules", rule);
    await reaches(ask, "r1", (status) => Number(status.sink_nop_0_0_records_out_total) > 0);
    assert.deepEqual(await ask("POST", "/streams", { sql: "DROP STREAM demo" }), {
      status: 200,
      text: "Stream demo is dropped.",
    });
    assert.equal((await ask("GET", "/streams")).text, "[]");
    const before = Number(JSON.parse((await ask("GET", "/rules/r1/status")).text).sink_nop_0_0_records_out_total);
    await reaches(ask, "r1", (status) => Number(status.sink_nop_0_0_records_out_total) > before);
    await ask("POST", "/rules/r1/restart");
    await reaches(ask, "r1", ({ status, message }) => status !== "running" && /demo/.test(String(message)));
  }));

test("what a stream says decides which rules it takes, and how it may be replaced", () =>
  withAgent(async (ask) => {
    const data = `TYPE="simulator", EXTRA='{"data":[{"a":1}],"interval":10,"loop":true}'`;
    const create = async (text: string) => {
      const answer = await ask("POST", "/streams", { sql: text });
      assert.equal(answer.status, 201, answer.text);
    };
    const refused = async (method: string, path: string, body: unknown, code: string) => {
      const answer = await ask(method, path, body);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, new RegExp(`"code":"${code}"`));
    };
    const over = (stream: string, more: object = {}) => ({
      id: `over_${stream}`,
      sql: `SELECT a FROM ${stream}`,
      actions: [{ nop: {} }],
      ...more,
    });

    await create('CREATE STREAM nowhere () WITH (TYPE="nosuch", DATASOURCE="x")');
    await refused("POST", "/rules", over("nowhere"), "E405");
    await refused("POST", "/streams", { sql: 'CREATE STREAM x () WITH (FORMAT="xml")' }, "E407");
    await refused("POST", "/streams", { sql: 'CREATE TABLE x () WITH (TYPE="memory", KIND="lookup")' }, "E407");

    await create(`CREATE STREAM fleeting () WITH (${data}, TEMP="true")`);
    await refused("POST", "/rules", over("fleeting"), "E303");
    assert.equal((await ask("POST", "/rules", over("fleeting", { temp: true }))).status, 201);
    await refused("PUT", "/streams/fleeting", { sql: `CREATE STREAM fleeting () WITH (${data}, TEMP="true")` }, "E407");

    await create(`CREATE STREAM common () WITH (${data}, SHARED="true", VERSION="B")`);
    await refused("POST", "/rules", over("common", { options: { disableBufferFullDiscard: true } }), "E303");
    await refused("POST", "/rules", over("common", { options: { isEventTime: true } }), "E302");
    await refused("PUT", "/streams/common", { sql: `CREATE STREAM common () WITH (${data}, VERSION="c")` }, "E407");
    const next = (version: string) => ({
      sql: `CREATE STREAM common () WITH (${data}, SHARED="true"${version === "" ? "" : `, VERSION="${version}"`})`,
    });
    for (const version of ["", "A", "b"]) await refused("PUT", "/streams/common", next(version), "E706");
    assert.equal((await ask("PUT", "/streams/common", next("b1"))).status, 200);
    assert.equal(JSON.parse((await ask("GET", "/streams/common")).text).Options.version, "b1");
    assert.equal((await ask("POST", "/rules", over("common"))).status, 201);
  }));

test("an idle agent has loaded no connector, and each is loaded when something names it", () =>
  withAgent(async (ask, connectors) => {
    const expect = async (status: number, method: string, path: string, body?: unknown): Promise<string> => {
      const answer = await ask(method, path, body);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      return answer.text;
    };
    const loads = async (names: string[], ...request: Parameters<typeof expect>) => {
      const before = connectors.loadedNames;
      const text = await expect(...request);
      assert.deepEqual(connectors.loadedNames.filter((name) => !before.includes(name)), names, request.join(" "));
      return text;
    };
    for (const path of ["/", "/ping", "/streams", "/tables", "/rules", "/connections", "/rules/status/all"]) {
      await loads([], 200, "GET", path);
    }
    assert.deepEqual(connectors.loadedNames, []);
    await loads(["mqtt"], 200, "PUT", "/metadata/sources/mqtt/confKeys/k", { server: "tcp://127.0.0.1:1" });
    await loads(["modbus"], 201, "POST", "/connections", {
      id: "line",
      typ: "modbus",
      props: { server: "tcp://127.0.0.1:1" },
    });
    // Of a stream, the rule that reads it needs the settings; a table is opened at once.
    const sql = (text: string) => ({ sql: text });
    await loads([], 201, "POST", "/streams", demo);
    await loads(
      ["redis"],
      201,
      "POST",
      "/tables",
      sql('CREATE TABLE t () WITH (TYPE="redis", KIND="lookup", KEY="a")'),
    );
    await loads(["simulator"], 200, "POST", "/streams", sql("EXPLAIN STREAM demo"));
    await loads(["nop"], 200, "POST", "/rules/validate", rule);
    await loads(["log"], 201, "POST", "/rules", { ...rule, actions: [{ log: {} }] });
    await reaches(ask, "r1", ({ status }) => status === "running");
    await loads(["file"], 200, "PUT", "/rules/r1", { ...rule, actions: [{ file: { path: "/dev/null" } }] });
    await loads([], 200, "GET", "/rules/r1/explain");
    await loads(["influx"], 200, "GET", "/metadata/sinks/influx");
    await loads(["influx2"], 400, "POST", "/metadata/sinks/connection/influx2", { addr: "127.0.0.1:1" });
    await expect(200, "GET", "/metadata/sinks");
    assert.deepEqual(connectors.loadedNames, connectors.names());
  }));
