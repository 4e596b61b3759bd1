import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { Agent, withAgent, withFolder } from "./agent.ts";
import { publishLines, subscribed } from "./mosquitto_clients.ts";

const simulated = { data: [{ a: 1, b: "x" }], interval: 10, loop: true };

async function define(agent: Agent, folder: string): Promise<void> {
  await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/steady", simulated);
  await agent.expect(201, "POST", "/streams", {
    sql: 'CREATE STREAM demo (a BIGINT, b STRING) WITH (TYPE="simulator", CONF_KEY="steady")',
  });
  await agent.expect(201, "POST", "/tables", {
    sql: 'CREATE TABLE limits (id STRING) WITH (DATASOURCE="limits", TYPE="memory", KEY="id", KIND="lookup")',
  });
  const connection = { id: "broker", typ: "mqtt", props: { server: "tcp://127.0.0.1:1", password: "s3cret" } };
  await agent.expect(201, "POST", "/connections", connection);
  const rule = (id: string, more = {}) => ({
    id,
    sql: "SELECT a FROM demo",
    actions: [{ file: { path: join(folder, `${id}.ndjson`), sendSingle: true } }],
    ...more,
  });
  await agent.expect(201, "POST", "/rules", rule("runs"));
  await agent.expect(201, "POST", "/rules", rule("stopped"));
  await agent.expect(200, "POST", "/rules/stopped/stop");
  await agent.expect(201, "POST", "/rules", rule("never", { triggered: false }));
  await agent.expect(201, "POST", "/rules", rule("gone"));
  await agent.expect(200, "DELETE", "/rules/gone");
  await agent.expect(201, "POST", "/rules", rule("temporary", { temp: true }));
  await agent.reaches("runs", (s) => Number(s.sink_file_0_0_records_out_total) > 0);
}

/** What a user sees of the definitions. */
async function definitions(agent: Agent): Promise<unknown> {
  const paths = [
    "/streams",
    "/tables",
    "/streams/demo",
    "/tables/limits",
    "/rules/runs",
    "/rules/stopped",
    "/rules/never",
    "/metadata/sources/yaml/simulator",
  ];
  const seen: unknown[] = [];
  for (const path of paths) seen.push(JSON.parse(await agent.expect(200, "GET", path)));
  const [{ id, typ, props }] = JSON.parse(await agent.expect(200, "GET", "/connections"));
  return [...seen, { id, typ, props }];
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`definitions are as before after ${signal}, and rules run as before`, () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      const first = await Agent.start({ dataDir });
      let before: unknown;
      try {
        await define(first, folder);
        before = await definitions(first);
      } finally {
        const asked = Date.now();
        const code = await first.end(signal);
        if (signal === "SIGTERM") assert.equal(code, 0, first.output().stderr);
        assert.ok(Date.now() - asked < 10_000, "the agent ends within 10 s");
      }
      const written = (await readFile(join(folder, "runs.ndjson"), "utf8")).length;
      const second = await Agent.start({ dataDir });
      try {
        assert.deepEqual(await definitions(second), before);
        await second.reaches("runs", (s) => s.status === "running" && Number(s.sink_file_0_0_records_out_total) > 0);
        const rules = JSON.parse(await second.expect(200, "GET", "/rules"));
        assert.deepEqual(rules.map(({ id, status }: { id: string; status: string }) => `${id} ${status}`), [
          "never stopped",
          "runs running",
          "stopped stopped",
        ]);
        assert.ok((await readFile(join(folder, "runs.ndjson"), "utf8")).length > written);
        await second.expect(200, "POST", "/rules/stopped/start");
        await second.reaches("stopped", (s) => Number(s.sink_file_0_0_records_out_total) > 0);
        assert.equal(await second.end(), 0);
      } finally {
        await second.remove();
      }
    }));
}

test("a rule that cannot start any more does not keep the others from starting", () =>
  withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const config = join(folder, "weir.yaml");
    await writeFile(config, "sources: { simulator: { filed: { data: [{ a: 1 }], interval: 10, loop: true } } }\n");
    const first = await Agent.start({ dataDir, args: ["--config", config] });
    try {
      await define(first, folder);
      const sql = 'CREATE STREAM filed () WITH (TYPE="simulator", CONF_KEY="filed")';
      await first.expect(201, "POST", "/streams", { sql });
      const actions = [{ nop: {} }];
      await first.expect(201, "POST", "/rules", { id: "filed", sql: "SELECT * FROM filed", actions });
      assert.equal(await first.end(), 0);
    } finally {
      await first.remove();
    }
    const second = await Agent.start({ dataDir });
    try {
      const failed = await second.status("filed");
      assert.equal(failed.status, "stopped by error");
      assert.match(String(failed.message), /Unknown configuration key "filed"/);
      await second.reaches("runs", (s) => Number(s.sink_file_0_0_records_out_total) > 0);
      assert.match(second.output().stderr, /level=error msg="A rule cannot run".*rule=filed/);
    } finally {
      await second.remove();
    }
  }));

test("a damaged database is set aside, and the agent starts without it", () =>
  withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const first = await Agent.start({ dataDir });
    await define(first, folder).finally(() => first.end());
    const database = (await readdir(dataDir)).find((name) => name.endsWith(".db"));
    assert.ok(database, (await readdir(dataDir)).join());
    await writeFile(join(dataDir, database), "this is no database ".repeat(1000));
    const second = await Agent.start({ dataDir });
    try {
      assert.equal(await second.expect(200, "GET", "/rules"), "[]");
      assert.match(second.output().stderr, /level=error .*code=E6\d\d/);
      const files = await readdir(dataDir);
      assert.ok(files.some((name) => name !== database && name.startsWith(database)), files.join());
      await define(second, folder);
      assert.equal(await second.end(), 0);
    } finally {
      await second.remove();
    }
  }));

test("SIGTERM ends the agent with 0 within 10 s, also while brokers do not answer", async () => {
  const broker = await startMosquitto();
  const silent = await startMosquitto();
  try {
    await withAgent(async (agent) => {
      for (const name of ["one", "two"]) {
        const props = { server: name === "one" ? silent.url : broker.url, clientid: "weir-in", qos: 1 };
        await agent.expect(200, "PUT", `/metadata/sources/mqtt/confKeys/${name}`, props);
        await agent.expect(201, "POST", "/streams", {
          sql: `CREATE STREAM ${name} () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="${name}")`,
        });
        const actions = [{ mqtt: { server: silent.url, topic: "out", qos: 1 } }];
        await agent.expect(201, "POST", "/rules", { id: name, sql: `SELECT n FROM ${name}`, actions });
        await agent.reaches(name, (s) => s.sink_mqtt_0_0_connection_status === 1);
      }
      await subscribed(broker, "weir-in");
      await subscribed(silent, "weir-in");
      silent.freeze();
      await publishLines(broker, "in", Array.from({ length: 100 }, (_, n) => `{"n":${n}}`), ["-q", "1"]);
      await agent.reaches("two", (s) => Number(s.sink_mqtt_0_0_buffer_length) > 0);
      const asked = Date.now();
      assert.equal(await agent.end(), 0, agent.output().stderr);
      const took = Date.now() - asked;
      assert.ok(took < 10_000, `${took} ms`);
      assert.match(agent.output().stderr, /Results were not sent before the rule stopped.*rule=two/);
    });
  } finally {
    silent.thaw();
    await silent.stop();
    await broker.stop();
  }
});
