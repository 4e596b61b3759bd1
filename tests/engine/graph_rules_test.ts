/**
 * Graph rules in a running engine: created, shown, validated, explained, watched, stopped; each sink with its own results.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { eventually } from "../eventually.ts";
import { withEngine } from "./engine.ts";

const source = { type: "source", nodeType: "wire", props: { datasource: "t" } };

function graphRule(
  id: string,
  nodes: Record<string, unknown>,
  edges: unknown,
  more: Record<string, unknown> = {},
): string {
  const sources = Object.keys(nodes).filter((name) => (nodes[name] as { type: string }).type === "source");
  return JSON.stringify({ id, graph: { nodes, topo: { sources, edges } }, ...more });
}

const switching = graphRule(
  "g",
  {
    src: source,
    warm: { type: "operator", nodeType: "filter", props: { expr: "a > 0" } },
    level: { type: "operator", nodeType: "switch", props: { cases: ["a > 10", "true"], stopAtFirstMatch: true } },
    alarm: { type: "sink", nodeType: "memory", props: { topic: "alarm" } },
    rest: { type: "sink", nodeType: "wire", props: {} },
  },
  { src: ["warm"], warm: ["level"], level: [["alarm"], ["rest"]] },
);

test("every sink of a graph gets its own results", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM alarms () WITH (DATASOURCE="alarm", TYPE="memory")');
    await engine.rules.create(
      JSON.stringify({ id: "watch", sql: "SELECT a AS alarm FROM alarms", actions: [{ wire: {} }] }),
    );
    await engine.rules.create(switching);
    wire.send('{"a":20}', '{"a":-1}', '{"a":5}');
    await eventually(() => wire.written.length === 2);
    assert.deepEqual([...wire.written].sort(), ['[{"a":5}]', '[{"alarm":20}]']);
  }));

test("a graph rule has status, topology and plan", () =>
  withEngine(async ({ engine, wire }) => {
    await engine.rules.create(switching);
    wire.send('{"a":20}', '{"a":5}', '{"a":"x"}');
    await eventually(() => wire.written.length === 1);
    const status = engine.rules.status("g");
    assert.equal(status.status, "running");
    assert.equal(status.source_src_0_records_in_total, 3);
    assert.equal(status.op_3_filter_0_records_in_total, 3);
    assert.equal(status.op_3_filter_0_exceptions_total, 1);
    assert.equal(status.op_4_switch_0_records_out_total, 2);
    assert.equal(status.sink_wire_1_0_records_in_total, 1);
    assert.deepEqual(engine.rules.topo("g"), {
      sources: ["source_src"],
      edges: {
        source_src: ["op_2_decoder"],
        op_2_decoder: ["op_3_filter"],
        op_3_filter: ["op_4_switch"],
        op_4_switch: ["op_5_project", "op_6_project"],
        op_5_project: ["op_memory_0_0_transform"],
        op_memory_0_0_transform: ["sink_memory_0"],
        op_6_project: ["op_wire_1_0_transform"],
        op_wire_1_0_transform: ["op_wire_1_1_encode"],
        op_wire_1_1_encode: ["sink_wire_1"],
      },
    });
    const plan = await engine.rules.explain("g");
    assert.match(plan, /^\{"op":"OutputsPlan_0"/);
    assert.match(plan, /"Cases:\[ a > 10, true \], StopAtFirstMatch:true"/);
    assert.match(plan, /"Condition:\{ a > 0 \}"/);
  }));

test("a graph rule is kept as it was given, updated, stopped and started", () =>
  withEngine(async ({ engine, wire, store }) => {
    await engine.rules.create(switching);
    assert.equal(engine.rules.get("g"), switching);
    assert.equal(store.list("rule").length, 1);
    const update = graphRule(
      "g",
      {
        in: source,
        f: { type: "operator", nodeType: "function", props: { expr: "abs(a) AS b" } },
        out: { type: "sink", nodeType: "wire", props: { sendSingle: true, fields: ["b"] } },
      },
      { in: ["f"], f: ["out"] },
    );
    await engine.rules.update("g", update);
    wire.send('{"a":-3}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['{"b":3}']);
    await engine.rules.stop("g");
    await engine.rules.start("g");
    wire.send('{"a":-4}');
    await eventually(() => wire.written.length === 2);
    await engine.rules.delete("g");
    assert.deepEqual(engine.rules.list(), []);
  }));

test("what is wrong with a graph names the place", () =>
  withEngine(async ({ engine }) => {
    assert.deepEqual(await engine.rules.validate(switching), { sources: ["src"] });
    const rule = graphRule(
      "g",
      {
        src: { type: "source", nodeType: "wiree", props: { datasource: "t" } },
        two: { type: "source", nodeType: "wire", props: { datasourc: "t" } },
        out: { type: "sink", nodeType: "mqtt", props: { topic: "t", qos: 7 } },
        none: { type: "sink", nodeType: "mqqt", props: {} },
      },
      { src: ["out"], two: ["none"] },
    );
    const problems = async (json: string) => {
      try {
        await engine.rules.validate(json);
      } catch (error) {
        assert.ok(error instanceof DiagnosticError);
        return error.diagnostics.map((d) => `${d.code} ${d.path}`);
      }
      return [];
    };
    assert.deepEqual(await problems(rule), ["E218 graph.nodes.two.props.datasourc"]);
    assert.deepEqual(await problems(rule.replace('datasourc"', 'datasource"')), [
      "E405 graph.nodes.src.props",
      "E403 graph.nodes.out.props.qos",
      "E405 graph.nodes.none.props",
    ]);
  }));

test("a source node has the type of the stream that it names", () =>
  withEngine(async ({ engine, streams }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="x", TYPE="simulator")');
    const rule = (nodeType: string) =>
      graphRule(
        "g",
        {
          src: { type: "source", nodeType, props: { sourceName: "s" } },
          f: { type: "operator", nodeType: "filter", props: { expr: "abss(a) > 1" } },
          out: { type: "sink", nodeType: "log", props: {} },
        },
        { src: ["f"], f: ["out"] },
      );
    await assert.rejects(() => engine.rules.validate(rule("mqtt")), /^DiagnosticError: E217: .*simulator.*; E202: /);
    await assert.rejects(() => engine.rules.validate(rule("simulator")), /^DiagnosticError: E202: /);
    assert.deepEqual(await engine.rules.validate(rule("simulator").replace("abss", "abs")), { sources: ["s"] });
  }));

test("a stream that a graph defines itself belongs to it alone", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM src () WITH (DATASOURCE="x", TYPE="simulator")');
    await engine.rules.create(switching);
    wire.send('{"a":5}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(engine.rules.usersOf("src"), []);
    assert.deepEqual(engine.rules.wantedColumns("src"), []);
  }));

test("the rows of a script reach the sink of a running rule in their order", () =>
  withEngine(async ({ engine, wire }) => {
    const script = "function exec(msg) { if (msg.n === 3) throw new Error('three'); return { m: msg.n * 2 }; }";
    const rule = graphRule(
      "g",
      {
        src: source,
        double: { type: "operator", nodeType: "script", props: { script } },
        out: { type: "sink", nodeType: "wire", props: { sendSingle: true } },
      },
      { src: ["double"], double: ["out"] },
      { options: { sendError: true } },
    );
    await engine.rules.create(rule);
    for (let n = 0; n < 200; n++) wire.send(`{"n":${n}}`);
    await eventually(() => wire.written.length === 200);
    const expected = Array.from({ length: 200 }, (_, n) => n === 3 ? "error" : JSON.stringify({ m: n * 2 }));
    assert.deepEqual(wire.written.map((text) => text.includes("three") ? "error" : text), expected);
  }));
