/**
 * The routes of traces over a real engine.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdmin } from "../../src/admin/app.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import { functions } from "../../src/sql/functions/registry.ts";
import { allConnectors } from "../all_connectors.ts";
import { wireRule, wireStream, withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";
import type { Logger } from "../../src/connector/context.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

test("the routes of traces answer as eKuiper does", () =>
  withEngine(async ({ engine, streams, configs, store, wire }) => {
    const app = createAdmin({
      rules: engine.rules,
      traces: engine.traces,
      streams,
      configs,
      states: new KeyedStates(store),
      connectors: new ConnectorList(allConnectors),
      functions,
      info: () => ({ version: "2.4.0", weirVersion: "0", os: "linux-x64", upTimeSeconds: 1 }) as never,
      log: silent,
    });
    const ask = async (method: string, path: string, body?: unknown) => {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await app.request(path, init);
      return { status: response.status, text: await response.text() };
    };
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s", { triggered: false }));
    assert.equal((await ask("POST", "/rules/none/trace/start", {})).status, 404);
    assert.match((await ask("POST", "/rules/r/trace/start", {})).text, /Rule r does not run/);
    await engine.rules.start("r");
    assert.match((await ask("POST", "/rules/r/trace/start", { strategy: "some" })).text, /must be always or head/);
    assert.deepEqual(await ask("POST", "/rules/r/trace/start", {}), { status: 200, text: "" });
    assert.equal(JSON.parse((await ask("GET", "/rules")).text)[0].trace, true);

    wire.send('{"a":1}', '{"a":2}');
    let ids: string[] = [];
    await eventually(async () => (ids = JSON.parse((await ask("GET", "/trace/rule/r")).text)).length === 2);
    assert.deepEqual(JSON.parse((await ask("GET", "/trace/rule/r?limit=1")).text), ids.slice(0, 1));
    assert.equal((await ask("GET", "/trace/rule/r?limit=x")).status, 400);
    const tree = JSON.parse((await ask("GET", `/trace/${ids[0]}`)).text);
    assert.deepEqual([tree.traceID, tree.ruleID, tree.attribute.data], [ids[0], "r", '{"a":2}']);
    assert.equal((await ask("GET", "/trace/0af7651916cd43dd8448eb211c80319c")).status, 404);

    assert.deepEqual(await ask("POST", "/rules/r/trace/stop"), { status: 200, text: "" });
    assert.match((await ask("POST", "/tracer", { action: "go" })).text, /must be start or stop/);
    assert.deepEqual(await ask("POST", "/tracer", { action: "stop" }), { status: 200, text: "success" });
    assert.match((await ask("GET", "/metrics")).text, /^weir_trace_limited_total 0$/m);
  }));
