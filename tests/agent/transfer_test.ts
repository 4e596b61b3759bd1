/**
 * All definitions out of one agent and into another, as tools for eKuiper do it.
 * @module
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { Agent, withFolder } from "./agent.ts";

async function ask(agent: Agent, method: string, path: string, body?: unknown) {
  const response = await fetch(agent.url + path, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text) };
}

const proto = 'syntax = "proto3"; message Reading { double temperature = 1; }';

async function define(agent: Agent): Promise<void> {
  await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/plant", {
    server: "tcp://127.0.0.1:1",
    username: "ada",
    password: "secret",
  });
  await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/unused", { loop: false });
  await agent.expect(201, "POST", "/connections", { id: "cloud", typ: "mqtt", props: { server: "tcp://127.0.0.1:2" } });
  await agent.expect(201, "POST", "/schemas/protobuf", { name: "plant", content: proto });
  const sql =
    'CREATE STREAM demo () WITH (DATASOURCE="t", CONF_KEY="plant", FORMAT="protobuf", SCHEMAID="plant.Reading")';
  await agent.expect(201, "POST", "/streams", { sql });
  await agent.expect(201, "POST", "/streams", { sql: 'CREATE STREAM other () WITH (TYPE="memory", DATASOURCE="o")' });
  await agent.expect(201, "POST", "/tables", {
    sql: 'CREATE TABLE items () WITH (TYPE="memory", DATASOURCE="i", KIND="lookup", KEY="id")',
  });
  await agent.expect(201, "POST", "/rules", {
    id: "hot",
    sql: "SELECT temperature FROM demo WHERE temperature > 30",
    actions: [{ mqtt: { connectionSelector: "cloud", topic: "alerts" } }],
  });
  await agent.expect(201, "POST", "/rules", {
    id: "idle",
    sql: "SELECT * FROM other",
    actions: [{ log: {} }],
    triggered: false,
  });
}

test("what one agent exports, another one imports, and runs", async () => {
  await withFolder(async (folder) => {
    const [first, second] = [
      await Agent.start({ dataDir: join(folder, "a") }),
      await Agent.start({ dataDir: join(folder, "b") }),
    ];
    try {
      await define(first);
      const exported = await ask(first, "GET", "/data/export");
      assert.equal(exported.status, 200);
      const data = exported.json();
      assert.equal(
        Object.keys(data).join(),
        "streams,tables,rules,nativePlugins,portablePlugins,sourceConfig,sinkConfig," +
          "connectionConfig,Service,Schema,uploads,scripts",
      );
      assert.deepEqual(Object.keys(data.streams), ["demo", "other"]);
      assert.equal(JSON.parse(data.sourceConfig.mqtt).plant.password, "secret", "a backup is worth nothing without");

      // What was there is gone afterwards.
      await second.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM old () WITH (TYPE="memory", DATASOURCE="o")',
      });
      const imported = await ask(second, "POST", "/data/import", { content: exported.text });
      assert.deepEqual([imported.status, imported.json().ErrorMsg], [200, ""], imported.text);
      assert.deepEqual((await ask(second, "GET", "/streams")).json(), ["demo", "other"]);
      assert.deepEqual((await ask(second, "GET", "/data/export")).json(), data);
      const states = (await ask(second, "GET", "/rules")).json().map((
        { id, status }: { id: string; status: string },
      ) => [id, status]);
      assert.deepEqual(states, [["hot", "running"], ["idle", "stopped"]]);

      const only = (await ask(first, "POST", "/data/export", ["hot"])).json();
      assert.deepEqual(Object.keys(only.streams), ["demo"]);
      assert.deepEqual(Object.keys(only.rules), ["hot"]);
      assert.deepEqual(Object.keys(JSON.parse(only.connectionConfig.mqtt)), ["cloud"]);
      assert.deepEqual(Object.keys(only.sourceConfig), ["mqtt"]);
      assert.deepEqual(Object.keys(only.Schema), ["protobuf_plant"]);
      assert.equal((await ask(first, "POST", "/data/export", ["nosuch"])).status, 404);
    } finally {
      await first.end("SIGKILL");
      await second.end("SIGKILL");
    }
  });
});

test("an import that is wrong anywhere changes nothing, and tells each mistake", async () => {
  await withFolder(async (folder) => {
    const agent = await Agent.start({ dataDir: join(folder, "data") });
    try {
      await define(agent);
      const before = (await ask(agent, "GET", "/data/export")).text;
      const content = JSON.stringify({
        streams: { demo: "CREATE STREEM demo", fine: 'CREATE STREAM fine () WITH (TYPE="memory", DATASOURCE="t")' },
        rules: { r: '{"sql":"SELECT a FROM nosuch","actions":[{"log":{}}]}', s: "{" },
        scripts: { f: "{}" },
      });
      const refused = await ask(agent, "POST", "/data/import", { content });
      assert.deepEqual([refused.status, refused.json().error], [400, 1000]);
      const errors = JSON.parse(refused.json().message);
      assert.deepEqual(Object.keys(errors.streams), ["demo"]);
      assert.match(errors.rules.r, /nosuch/);
      assert.ok(errors.rules.s !== "" && errors.scripts.f.includes("not supported"));
      assert.equal((await ask(agent, "GET", "/data/export")).text, before);
      assert.deepEqual((await ask(agent, "GET", "/data/import/status")).json(), errors);

      const partial = await ask(agent, "POST", "/data/import?partial=1", { content });
      assert.equal(partial.status, 400);
      assert.deepEqual(
        (await ask(agent, "GET", "/streams")).json(),
        ["demo", "fine", "other"],
        "what is right is there",
      );

      for (
        const [body, reason] of [
          [{}, /must specify content or file/],
          [{ content: "{}", file: "x" }, /Cannot specify both content and file/],
          [{ content: "{" }, /configuration unmarshal with error/],
          [{ content: '{"streams":[]}' }, /streams.{1,3}must be an object/],
          [{ file: "file:///etc/passwd" }, /./],
          [{ file: "../weir.db" }, /./],
        ] as const
      ) {
        const answer = await ask(agent, "POST", "/data/import", body);
        assert.equal(answer.status, 400, JSON.stringify(body));
        assert.match(answer.text, reason);
        assert.doesNotMatch(answer.text, /root:/);
      }
      assert.deepEqual((await ask(agent, "GET", "/streams")).json(), ["demo", "fine", "other"]);
    } finally {
      await agent.end("SIGKILL");
    }
  });
});

test("rulesets add and replace, from a text or a file of the agent", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const agent = await Agent.start({ dataDir });
    try {
      await define(agent);
      const ruleset = (await ask(agent, "POST", "/ruleset/export")).json();
      assert.deepEqual(Object.keys(ruleset), ["streams", "tables", "rules"]);
      await agent.expect(200, "DELETE", "/rules/hot");
      await agent.expect(200, "DELETE", "/streams/demo");
      const sum = await ask(agent, "POST", "/ruleset/import", { content: JSON.stringify(ruleset) });
      assert.deepEqual([sum.status, sum.text], [200, "imported 2 streams, 1 tables and 2 rules"]);
      assert.equal((await ask(agent, "GET", "/rules/hot/status")).json().status, "running");
      mkdirSync(join(dataDir, "uploads"), { recursive: true });
      writeFileSync(join(dataDir, "uploads", "set.json"), JSON.stringify({ rules: ruleset.rules }));
      const file = await ask(agent, "POST", "/ruleset/import", {
        file: `file://${join(dataDir, "uploads", "set.json")}`,
      });
      assert.equal(file.text, "imported 0 streams, 0 tables and 2 rules");
      const bad = { streams: { x: "SELECT 1" }, rules: { idle: "[]" } };
      const told = await ask(agent, "POST", "/ruleset/import", { content: JSON.stringify(bad) });
      assert.equal(told.text, "imported 0 streams, 0 tables and 0 rules");
      const logged = /A part of a ruleset was not imported.*section=rules name=idle/;
      await eventually(() => logged.test(agent.output().stderr));
      const both = await ask(agent, "POST", "/ruleset/import", {});
      assert.equal(both.json().message, "Invalid body: must specify content or file: bad request");
    } finally {
      await agent.end("SIGKILL");
    }
  });
});

test("a file to import comes from a web server that the agent may ask", async () => {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    if (request.url === "/moved") response.writeHead(302, { Location: "/set" }).end();
    else if (request.url !== "/set") response.writeHead(404).end();
    else {response.end(
        JSON.stringify({ streams: { other: 'CREATE STREAM other () WITH (TYPE="memory", DATASOURCE="o")' } }),
      );}
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const agent = await Agent.start();
    try {
      const moved = await ask(agent, "POST", "/ruleset/import", { file: `${url}/moved` });
      assert.equal(moved.text, "imported 1 streams, 0 tables and 0 rules");
      const missing = await ask(agent, "POST", "/data/import", { file: `${url}/no` });
      assert.deepEqual([missing.status, /Cannot read .*it answered 404/.test(missing.json().message)], [400, true]);
      assert.equal(asked, 3);
    } finally {
      await agent.end("SIGKILL");
    }
    const closed = await Agent.start({ environment: { WEIR__network__privateAddresses: "refuse" } });
    try {
      for (const path of ["/ruleset/import", "/data/import"]) {
        const refused = await ask(closed, "POST", path, { file: `${url}/set` });
        assert.equal(refused.status, 400);
        assert.match(refused.json().message, /is in a private network/);
      }
      assert.equal(asked, 3);
    } finally {
      await closed.end("SIGKILL");
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
