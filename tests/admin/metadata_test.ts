/**
 * The catalogue that user interfaces build forms from, and the question whether a peer can be reached.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { allConnectors as connectors } from "../all_connectors.ts";
import { connectors as entries } from "../../connectors/mod.ts";
import { functions } from "../../src/sql/functions/registry.ts";
import { withEngine } from "../engine/engine.ts";
import { startMosquitto } from "../mosquitto.ts";
import { admin } from "./fixture.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

const { ask } = admin({ connectors: new ConnectorList(entries), functions });

test("the catalogue lists what has a role", async () => {
  const names = async (path: string) => (await ask("GET", path)).json().map(({ name }: { name: string }) => name);
  for (
    const [path, role] of [
      ["/metadata/sources", "source"],
      ["/metadata/sources?kind=lookup", "lookup"],
      ["/metadata/sinks", "sink"],
      ["/metadata/connections", "connection"],
    ] as const
  ) {
    const having = connectors.filter((connector) => connector[role] !== undefined).map(({ name }) => name);
    assert.deepEqual(await names(path), having, path);
  }
  const [first] = (await ask("GET", "/metadata/sinks")).json();
  assert.equal(first.type, "internal");
  assert.equal(typeof first.about.description.en_US, "string");
});

test("the form of a source has the settings of its connection, its own, and the values of confKeys", async () => {
  // The fixture has a confKey in its configuration file.
  const form = (await ask("GET", "/metadata/sources/mqtt")).json();
  assert.equal(form.dataSource.name, "datasource");
  const field = (key: string, name: string) =>
    form.properties[key].find((each: { name: string }) => each.name === name);
  assert.equal(field("default", "server").default, "tcp://127.0.0.1:1883");
  assert.equal(field("default", "server").connection_related, true);
  assert.equal(field("default", "password").default, "******");
  assert.equal(field("default", "password").control, "password");
  const qos = field("default", "qos");
  assert.deepEqual([qos.type, qos.control, qos.values, qos.connection_related], ["int", "select", [0, 1, 2], false]);
  assert.equal(field("default", "useInt64ForWholeNumber").type, "bool");
  assert.equal(field("default", "datasource"), undefined, "an option of the stream");
  assert.equal(field("default", "bufferLength"), undefined, "without effect");
});

test("every connector has forms, whose fields are whole", async () => {
  for (const { name, source, sink, lookup, connection } of connectors) {
    for (
      const [role, path] of [
        [source, `/metadata/sources/${name}`],
        [lookup, `/metadata/sources/${name}?kind=lookup`],
        [sink, `/metadata/sinks/${name}`],
        [connection, `/metadata/connections/${name}`],
      ] as const
    ) {
      // The registry of the fixture knows few types.
      if (role === undefined || !["mqtt", "file", "log"].includes(name)) continue;
      const answer = await ask("GET", path);
      assert.equal(answer.status, 200, `${path}: ${answer.text}`);
      const { properties } = answer.json();
      for (const each of Array.isArray(properties) ? properties : properties.default) {
        // A group is described by its members.
        if (Array.isArray(each.default)) continue;
        assert.notEqual(each.hint.en_US, "", `${path} ${each.name} has no description`);
        assert.ok(each.optional || each.default === null, `${path} ${each.name}`);
      }
    }
  }
});

test("the form of a sink ends with what every action has", async () => {
  const { properties } = (await ask("GET", "/metadata/sinks/mqtt")).json();
  const names = properties.map(({ name }: { name: string }) => name);
  assert.deepEqual(names.slice(0, 1), ["server"]);
  assert.ok(names.indexOf("sendSingle") > names.indexOf("topic"));
  const { default: parts } = properties.find(({ name }: { name: string }) => name === "encProps");
  assert.deepEqual(parts.map(({ name }: { name: string }) => name), ["mode", "iv", "aad", "tagsize"]);
});

test("an unknown connector is 400, and names what there is", async () => {
  const answer = await ask("GET", "/metadata/sinks/mqqt");
  assert.equal(answer.status, 400);
  assert.match(answer.text, /Unknown sink type .{1,3}mqqt/);
  assert.match(answer.text, /did you mean/);
});

test("functions stand in groups, and the steps of graphs in a list", async () => {
  const groups = (await ask("GET", "/metadata/functions")).json();
  const all = groups.flatMap(({ functions }: { functions: { name: string }[] }) => functions);
  assert.equal(all.length, functions.length);
  const avg = all.find(({ name }: { name: string }) => name === "avg");
  assert.equal(avg.aggregate, true);
  assert.notEqual(avg.example, "");
  const steps = (await ask("GET", "/metadata/operators")).json().map(({ name }: { name: string }) => name);
  assert.ok(steps.includes("window") && steps.includes("switch"));
});

test("resources are the confKeys with their types", async () => {
  const fixture = admin({
    connectors: new ConnectorList(entries.filter(({ name }) => ["mqtt", "log"].includes(name))),
  });
  await fixture.ask("PUT", "/metadata/sinks/log/confKeys/plain", {});
  assert.deepEqual((await fixture.ask("GET", "/metadata/resources")).json(), {
    sources: [{ default: "mqtt" }],
    sinks: [{ plain: "log" }],
  });
});

test("a peer is asked whether it can be reached", async () => {
  const broker = await startMosquitto({ users: { ada: "secret" } });
  try {
    await withEngine(async ({ engine }) => {
      const { ask } = admin({ connectors: new ConnectorList(entries), reach: engine.reach });
      const known = { server: broker.url, username: "ada", password: "secret" };
      for (const role of ["sources", "sinks"]) {
        const reached = await ask("POST", `/metadata/${role}/connection/mqtt`, known);
        assert.deepEqual([reached.status, reached.text], [200, ""]);
      }
      const wrong = await ask("POST", "/metadata/sinks/connection/mqtt", { ...known, password: "wrong" });
      assert.deepEqual([wrong.status, wrong.json().error], [400, 1003], wrong.text);
      assert.match(wrong.json().message, /^found error when connecting for tcp:\/\/127.0.0.1:\d+: /);
      assert.doesNotMatch(wrong.text, /wrong/);
      const bad = await ask("POST", "/metadata/sources/connection/mqtt", { server: 5, protocolVersion: "6" });
      assert.deepEqual([bad.status, bad.json().error], [400, 5000], bad.text);
      const log = await ask("POST", "/metadata/sinks/connection/log");
      assert.deepEqual([log.status, log.json().error], [400, 1000]);
      assert.equal(log.json().message, "sink log doesn't support ping connection");
      const lookup = await ask("POST", "/metadata/lookups/connection/simulator");
      assert.equal(lookup.json().message, "lookup source simulator doesn't support ping connection");
      await broker.stop();
      const gone = await ask("POST", "/metadata/sources/connection/mqtt", known);
      assert.equal(gone.json().error, 1003, gone.text);
    });
  } finally {
    await broker.stop();
  }
});
