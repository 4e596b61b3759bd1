import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../connectors/memory/mod.ts";
import { mqtt } from "../../connectors/mqtt/mod.ts";
import { HandClock, settled } from "../../tests/hand_clock.ts";
import { Probe } from "../../tests/probe_connector.ts";
import { recordingLogger } from "../connector/conformance.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { connectorConfigs } from "./connector_configs.ts";
import { createEngine, type Engine } from "./engine.ts";
import { StreamRegistry } from "./streams.ts";
import { ConnectorList } from "../connector/connector_list.ts";

async function withEngine(work: (engine: Engine, probe: Probe, clock: HandClock) => Promise<void>): Promise<void> {
  const probe = new Probe();
  const clock = new HandClock();
  const store = new MemoryStore();
  const connectors = new ConnectorList([probe.connector, memory, mqtt]);
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  const log = recordingLogger([]);
  configs.createConnection({ id: "plant", type: "mqtt", settings: { server: "tcp://127.0.0.1:1" } });
  configs.putConfKey("source", "mqtt", "plant", { connectionSelector: "plant" });
  for (
    const sql of [
      'CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")',
      'CREATE STREAM strict (a BIGINT) WITH (TYPE="probe", DATASOURCE="strict", FORMAT="json", STRICT_VALIDATION="true", ' +
      'SHARED="true")',
      'CREATE STREAM rows () WITH (TYPE="memory", DATASOURCE="rows")',
      'CREATE STREAM named () WITH (TYPE="mqtt", DATASOURCE="a/b", FORMAT="json", CONF_KEY="plant")',
    ]
  ) streams.execute(sql);
  const engine = createEngine({ connectors, store, streams, configs, config: { timezone: "UTC" }, log, clock });
  await engine.start();
  try {
    await work(engine, probe, clock);
  } finally {
    await engine.close();
  }
}

function rule(id: string, sql: string, actions: unknown[] = [{ probe: { to: id } }]): string {
  return JSON.stringify({ id, sql, actions });
}

/** The nodes in the order of the status. */
function nodesIn(status: Record<string, unknown>): string[] {
  return Object.keys(status).flatMap((key) => /^(.*)_0_records_in_total$/.exec(key)?.[1] ?? []);
}

test("nodes are named after what they are and numbered in the order rows pass them", () =>
  withEngine(async ({ rules }) => {
    const cases: [sql: string, nodes: string[]][] = [
      ["SELECT a FROM own WHERE a > 1", ["source_own", "op_2_decoder", "op_3_filter", "op_4_project"]],
      ["SELECT * FROM rows", ["source_rows", "op_2_project"]],
      ["SELECT a FROM strict", ["source_strict", "op_strict_2_decoder", "op_strict_3_preprocessor", "op_4_project"]],
      ["SELECT a FROM named", ["source_plant/a/b", "op_2_emitter", "op_3_decoder", "op_4_project"]],
    ];
    for (const [sql, nodes] of cases) {
      await rules.create(rule("r", sql));
      const sink = ["op_probe_0_0_transform", "op_probe_0_1_encode", "sink_probe_0"];
      assert.deepEqual(nodesIn(rules.status("r")), [...nodes, ...sink], sql);
      assert.deepEqual(rules.topo("r").sources, [nodes[0]]);
      const path = [...nodes, ...sink];
      const edges = Object.fromEntries(path.slice(0, -1).map((node, i) => [node, [path[i + 1]]]));
      assert.deepEqual(rules.topo("r").edges, edges);
      await rules.delete("r");
    }
  }));

test("actions branch behind the last operator, and have the position of the action in their names", () =>
  withEngine(async ({ rules }) => {
    const actions = [{ memory: { topic: "t" } }, { probe: { to: "a" } }, { probe: { to: "b" } }];
    await rules.create(rule("r", "SELECT a FROM own", actions));
    const { edges } = rules.topo("r");
    assert.deepEqual(edges.op_3_project, [
      "op_memory_0_0_transform",
      "op_probe_1_0_transform",
      "op_probe_2_0_transform",
    ]);
    assert.deepEqual(edges.op_memory_0_0_transform, ["sink_memory_0"]);
    assert.deepEqual(edges.op_probe_2_1_encode, ["sink_probe_2"]);
  }));

test("the exception of a rule is that of the node which had the last one, while it runs", () =>
  withEngine(async ({ rules }, probe, clock) => {
    await rules.create(rule("r", "SELECT a + 1 AS b FROM own"));
    await settled();
    assert.deepEqual(rules.statusAll().r, { status: "running", last_exception: "", exceptions_total: 0 });
    probe.give("own", "{", "{", "{");
    await clock.advance(1);
    assert.equal(rules.statusAll().r!.exceptions_total, 3);
    await clock.advance(10);
    probe.give("own", '{"a":"x"}');
    await settled();
    const { last_exception, exceptions_total } = rules.statusAll().r!;
    assert.deepEqual([exceptions_total, /^E50\d: /.test(last_exception)], [1, true]);
    assert.equal(rules.status("r").op_3_project_0_last_exception, last_exception);
    assert.equal(rules.status("r").op_3_project_0_last_exception_time, clock.now());
    await rules.stop("r");
    assert.deepEqual(rules.statusAll().r, { status: "stopped", last_exception: "", exceptions_total: 0 });
    assert.equal(rules.status("r").op_3_project_0_exceptions_total, 1);
  }));
