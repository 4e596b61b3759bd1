import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Agent, withAgent, withFolder } from "./agent.ts";

const steady = {
  sql: `CREATE STREAM demo (a BIGINT, b STRING) WITH (TYPE="simulator", FORMAT="json", ` +
    `EXTRA='{"data":[{"a":1,"b":"x"}],"interval":5,"loop":true}')`,
};

function rule(id: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { id, sql: "SELECT a FROM demo WHERE a > 0", actions: [{ nop: {} }], ...more };
}

function withDemo(work: (agent: Agent) => Promise<void>): Promise<void> {
  return withAgent(async (agent) => {
    await agent.expect(201, "POST", "/streams", steady);
    await work(agent);
  });
}

const flows = (s: Record<string, string | number>) =>
  s.status === "running" && Number(s.sink_nop_0_0_records_out_total) > 2;

test("commands answer with eKuiper's sentences and may be repeated", () =>
  withDemo(async (agent) => {
    await agent.expect(201, "POST", "/rules", rule("r"));
    const commands = [
      ["start", "Rule r was started", "running", ""],
      ["stop", "Rule r was stopped.", "stopped", "canceled manually"],
      ["stop", "Rule r was stopped.", "stopped", "canceled manually"],
      ["start", "Rule r was started", "running", ""],
      ["restart", "Rule r was restarted", "running", ""],
      ["stop", "Rule r was stopped.", "stopped", "canceled manually"],
      ["restart", "Rule r was restarted", "running", ""],
    ] as const;
    for (const [command, text, state, message] of commands) {
      assert.equal(await agent.expect(200, "POST", `/rules/r/${command}`), text);
      const status = await agent.reaches("r", (s) => s.status === state);
      assert.equal(status.message, message, command);
      const stored = JSON.parse(await agent.expect(200, "GET", "/rules/r"));
      assert.equal(stored.triggered, state === "running", command);
      if (state === "running") await agent.reaches("r", flows);
    }
    for (const command of ["start", "stop", "restart"]) {
      const missing = JSON.parse(await agent.expect(404, "POST", `/rules/none/${command}`));
      assert.equal(missing.error, 1002);
      assert.match(missing.message, /is not found in registry, please check if it is created$/);
    }
  }));

test("a stopped rule keeps the metrics of its last run, a rule that never ran has none", () =>
  withDemo(async (agent) => {
    await agent.expect(201, "POST", "/rules", rule("r"));
    await agent.reaches("r", flows);
    await agent.expect(200, "POST", "/rules/r/stop");
    const stopped = await agent.reaches("r", (s) => s.status === "stopped");
    assert.ok(Number(stopped.sink_nop_0_0_records_out_total) > 2);
    assert.ok(Number(stopped.lastStopTimestamp) >= Number(stopped.lastStartTimestamp));
    await agent.expect(201, "POST", "/rules", rule("never", { triggered: false }));
    assert.deepEqual(await agent.status("never"), {
      status: "stopped",
      message: "",
      lastStartTimestamp: 0,
      lastStopTimestamp: 0,
      nextStartTimestamp: 0,
    });
    assert.equal(JSON.parse(await agent.expect(400, "GET", "/rules/never/topo")).error, 1001);
  }));

test("the status has every metric of every node, in the order of the topology", () =>
  withDemo(async (agent) => {
    const actions = [{ nop: {} }, { memory: { topic: "t" } }, { log: {} }];
    await agent.expect(201, "POST", "/rules", rule("r", { actions }));
    const status = await agent.reaches("r", flows);
    const connection = [
      "connection_status",
      "connection_last_connected_time",
      "connection_last_disconnected_time",
      "connection_last_disconnected_message",
      "connection_last_try_time",
    ];
    const all = [
      "records_in_total",
      "records_out_total",
      "messages_processed_total",
      "process_latency_us",
      "buffer_length",
      "last_invocation",
      "exceptions_total",
      "last_exception",
      "last_exception_time",
    ];
    const nodes = [
      "source_demo",
      "op_2_filter",
      "op_3_project",
      "op_nop_0_0_transform",
      "sink_nop_0",
      "op_memory_1_0_transform",
      "sink_memory_1",
      "op_log_2_0_transform",
      "op_log_2_1_encode",
      "sink_log_2",
    ];
    const expected = nodes.flatMap((node) =>
      [...all, ...(node.startsWith("sink_") ? ["dropped_total"] : []), ...(node.startsWith("op_") ? [] : connection)]
        .map((metric) => `${node}_0_${metric}`)
    );
    const fixed = ["status", "message", "lastStartTimestamp", "lastStopTimestamp", "nextStartTimestamp"];
    const own = Object.keys(status).slice(fixed.length + expected.length);
    assert.deepEqual(Object.keys(status), [...fixed, ...expected, ...own]);
    assert.deepEqual(own.filter((key) => !key.startsWith("ledger_")), [
      "slow_batches_total",
      "longest_batch_ms",
      "state_bytes",
      "delivery",
      "delivery_limited_by",
    ]);
    assert.equal(status.source_demo_0_connection_status, 1);
    assert.ok(Number(status.source_demo_0_last_invocation) > 1_600_000_000_000);

    const pretty = await agent.expect(200, "GET", "/rules/r/status");
    assert.match(pretty, /^\{\n {2}"status": "running",\n/);
    const compact = await agent.expect(200, "GET", "/v2/rules/r/status");
    assert.deepEqual(Object.keys(JSON.parse(compact)), Object.keys(status));
    assert.deepEqual(JSON.parse(await agent.expect(200, "GET", "/rules/status/all")), {
      r: { status: "running", last_exception: "", exceptions_total: 0 },
    });
    const topo = JSON.parse(await agent.expect(200, "GET", "/rules/r/topo"));
    assert.deepEqual(topo.sources, ["source_demo"]);
    assert.deepEqual(topo.edges["op_3_project"], [
      "op_nop_0_0_transform",
      "op_memory_1_0_transform",
      "op_log_2_0_transform",
    ]);
    assert.deepEqual(topo.edges["op_log_2_1_encode"], ["sink_log_2"]);
    const explained = (await agent.expect(200, "GET", "/rules/r/explain")).trimEnd().split("\n");
    const parsed = explained.map((line) => ({ depth: /^\t*/.exec(line)![0].length, ...JSON.parse(line) }));
    assert.deepEqual(
      parsed.map(({ depth, op }) => [depth, op]),
      [[0, "ProjectPlan_0"], [1, "FilterPlan_1"], [2, "DataSourcePlan_2"]],
    );
    assert.match(parsed[1]!.info, /a > 0/);
  }));

test("of rules created with one id at once, one wins", () =>
  withDemo(async (agent) => {
    const attempts = Array.from({ length: 20 }, (_, i) => agent.call("POST", "/rules", rule("one", { name: `n${i}` })));
    const answers = await Promise.all(attempts);
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    for (const { status, text } of answers) {
      if (status !== 201) assert.equal(JSON.parse(text).message, "rule one already exists");
    }
    const winner = answers.findIndex(({ status }) => status === 201);
    assert.equal(JSON.parse(await agent.expect(200, "GET", "/rules/one")).name, `n${winner}`);
    await agent.reaches("one", flows);
  }));

test("an update replaces the running rule; a wrong one leaves it as it was", () =>
  withFolder((folder) =>
    withDemo(async (agent) => {
      const file = (name: string) => ({ file: { path: join(folder, name), sendSingle: true } });
      await agent.expect(201, "POST", "/rules", rule("r", { actions: [file("old")] }));
      await agent.reaches("r", (s) => Number(s.sink_file_0_0_records_out_total) > 0);
      const before = await agent.expect(200, "GET", "/rules/r");
      const wrong = [
        { sql: "SELECT nosuch FROM demo" },
        { sql: "SELECT FROM demo" },
        { actions: [{ file: { pth: "x" } }] },
        { actions: [] },
        { options: { qos: 9 } },
        { id: "other" },
      ];
      for (const each of wrong) {
        await agent.expect(400, "PUT", "/rules/r", rule("r", { actions: [file("new")], ...each }));
      }
      assert.equal(await agent.expect(200, "GET", "/rules/r"), before);
      const { sink_file_0_0_records_out_total: seen, lastStartTimestamp: started } = await agent.status("r");
      await agent.reaches("r", (s) =>
        Number(s.sink_file_0_0_records_out_total) > Number(seen) && s.lastStartTimestamp === started);

      const next = { sql: "SELECT b FROM demo", actions: [file("new")] };
      assert.equal(await agent.expect(200, "PUT", "/rules/r", next), "Rule r was updated successfully.");
      await agent.reaches("r", (s) =>
        Number(s.sink_file_0_0_records_out_total) > 0);
      assert.match(await readFile(join(folder, "new"), "utf8"), /^\{"b":"x"\}\n/);
      const old = await readFile(join(folder, "old"), "utf8");
      await agent.expect(200, "PUT", "/rules/r", { ...next, triggered: false });
      const stopped = await agent.reaches("r", (s) => s.status === "stopped");
      assert.equal(stopped.message, "stopped by update");
      assert.equal(await readFile(join(folder, "old"), "utf8"), old, "the old rule writes no more");
      // An update of what is not there creates it.
      assert.equal(
        await agent.expect(200, "PUT", "/rules/fresh", rule("fresh")),
        "Rule fresh was updated successfully.",
      );
      await agent.reaches("fresh", flows);
    })
  ));

test("a version may only grow", () =>
  withDemo(async (agent) => {
    await agent.expect(201, "POST", "/rules", rule("r", { version: "2" }));
    const refused = JSON.parse(await agent.expect(400, "PUT", "/rules/r", rule("r", { version: "1" })));
    assert.match(refused.message, /rule r already exists with version \(2\), new version \(1\) is lower$/);
    await agent.expect(400, "PUT", "/rules/r", rule("r", { version: "2" }));
    await agent.expect(400, "PUT", "/rules/r", rule("r"));
    const versions = Array.from({ length: 9 }, (_, i) => String(i + 1));
    await Promise.all(versions.map((version) => agent.call("PUT", "/rules/r", rule("r", { version }))));
    assert.equal(JSON.parse(await agent.expect(200, "GET", "/rules/r")).version, "9");
    await agent.reaches("r", flows);
  }));

test("a rule can be deleted while it runs, and created again at once", () =>
  withDemo(async (agent) => {
    for (let i = 0; i < 5; i++) {
      await agent.expect(201, "POST", "/rules", rule("r"));
      await agent.reaches("r", flows);
      assert.equal(await agent.expect(200, "DELETE", "/rules/r"), "Rule r is dropped.");
      assert.equal((await agent.call("GET", "/rules/r/status")).status, 404);
    }
    const missing = JSON.parse(await agent.expect(400, "DELETE", "/rules/r"));
    assert.equal(missing.message, "Delete rule error: rule r not found");
    await agent.expect(201, "POST", "/rules", rule("r"));
    const [deleted, updated, started] = await Promise.all([
      agent.call("DELETE", "/rules/r"),
      agent.call("PUT", "/rules/r", rule("r")),
      agent.call("POST", "/rules/r/start"),
    ]);
    assert.equal(deleted.status, 200);
    assert.equal(updated.status, 200);
    assert.ok([200, 404].includes(started.status));
    // In whatever order they came: what runs is what is shown.
    const list = JSON.parse(await agent.expect(200, "GET", "/rules")) as { id: string }[];
    if (list.length === 1) await agent.reaches("r", flows);
    else await agent.expect(200, "DELETE", "/streams/demo");
  }));

test("a stream that ends leaves its rule stopped and done, also after a restart", () =>
  withAgent(async (agent) => {
    const data = Array.from({ length: 20 }, (_, a) => ({ a }));
    await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/once", { data, interval: 1, loop: false });
    await agent.expect(201, "POST", "/streams", {
      sql: 'CREATE STREAM demo () WITH (TYPE="simulator", CONF_KEY="once")',
    });
    await agent.expect(201, "POST", "/rules", rule("r"));
    const done = await agent.reaches("r", (s) => s.status === "stopped");
    assert.equal(done.message, "done");
    assert.equal(done.sink_nop_0_0_records_out_total, 19);
    assert.equal(JSON.parse(await agent.expect(200, "GET", "/rules/r")).triggered, false);
    await agent.expect(200, "POST", "/rules/r/start");
    await agent.reaches("r", (s) => s.message === "done" && s.sink_nop_0_0_records_out_total === 19);
    // The open window of a stream that ends is closed.
    await agent.expect(
      201,
      "POST",
      "/rules",
      rule("w", { sql: "SELECT count(*) AS c FROM demo GROUP BY TUMBLINGWINDOW(hh, 1)" }),
    );
    const window = await agent.reaches("w", (s) => s.status === "stopped");
    assert.equal(window.sink_nop_0_0_records_out_total, 1);
  }));

test("validation answers 200 or 422 and stores nothing", () =>
  withDemo(async (agent) => {
    const valid = JSON.parse(await agent.expect(200, "POST", "/rules/validate", rule("v")));
    assert.deepEqual(valid, { sources: ["demo"], valid: true });
    const wrong: [unknown, RegExp][] = [
      ["{", /invalid rule json/],
      [rule("v", { sql: "SELECT nosuch FROM demo" }), /nosuch/],
      [rule("v", { actions: [{ nosuch: {} }] }), /nosuch/],
    ];
    for (const [body, text] of wrong) assert.match(await agent.expect(422, "POST", "/rules/validate", body), text);
    assert.equal(await agent.expect(200, "GET", "/rules"), "[]");
  }));
