/**
 * Graph rules in an agent as a process: over HTTP, after a restart, and with scripts that would hang it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withAgent, withFolder } from "./agent.ts";

const source = {
  type: "source",
  nodeType: "simulator",
  props: { extra: { data: [{ n: 1 }, { n: 2 }, { n: 3 }], interval: 5, loop: true } },
};
const script = (text: string) => ({ type: "operator", nodeType: "script", props: { script: text } });
const sink = { type: "sink", nodeType: "nop", props: {} };

function chain(id: string, operator: unknown): unknown {
  const nodes = { src: source, op: operator, out: sink };
  return { id, graph: { nodes, topo: { sources: ["src"], edges: { src: ["op"], op: ["out"] } } } };
}

test("graph rules run over HTTP, and again after a restart", () =>
  withFolder(async (dataDir) => {
    await withAgent(async (agent) => {
      await agent.expect(201, "POST", "/rules", chain("g", script("const exec = (msg) => ({ m: msg.n * 2 });")));
      await agent.reaches("g", (s) => Number(s.sink_nop_0_0_records_out_total) > 5);
      assert.match(await agent.expect(200, "GET", "/rules/g/explain"), /^\{"op":"ProjectPlan_0"/);
      const topo = JSON.parse(await agent.expect(200, "GET", "/rules/g/topo"));
      assert.deepEqual(topo.edges.source_src, ["op_2_script"]);
      const wrong = chain("bad", { type: "operator", nodeType: "filter", props: { expr: "abss(n) > 1" } });
      const { error, diagnostics } = JSON.parse(await agent.expect(400, "POST", "/rules", wrong));
      assert.equal(error, 2101);
      assert.deepEqual(diagnostics, [{
        code: "E202",
        message: "Unknown function abss()",
        span: { start: 0, end: 4, line: 1, column: 1 },
        path: "graph.nodes.op.props.expr",
        hint: 'did you mean "abs"?',
      }]);
      assert.match(await agent.expect(422, "POST", "/rules/validate", wrong), /Unknown function abss/);
    }, { dataDir });
    await withAgent(async (agent) => {
      const rule = JSON.parse(await agent.expect(200, "GET", "/rules/g"));
      assert.equal(rule.graph.nodes.op.nodeType, "script");
      await agent.reaches("g", (s) => Number(s.sink_nop_0_0_records_out_total) > 5);
    }, { dataDir });
  }));

test("scripts that do not end keep nobody else waiting", () =>
  withAgent(async (agent) => {
    const search = "'a'.repeat(2e5).indexOf('a'.repeat(1e5) + 'b')";
    await agent.expect(201, "POST", "/rules", chain("loops", script("function exec() { for (;;); }")));
    await agent.expect(201, "POST", "/rules", chain("hangs", script(`const exec = () => ({ at: ${search} });`)));
    await agent.expect(201, "POST", "/rules", chain("works", script("const exec = (msg) => msg;")));
    await agent.reaches("loops", (s) => Number(s.op_2_script_0_exceptions_total) > 2);
    await agent.reaches("hangs", (s) => String(s.op_2_script_0_last_exception).includes("is not called again"));
    const begun = performance.now();
    await agent.expect(200, "GET", "/ping");
    assert.ok(performance.now() - begun < 2000);
    const { sink_nop_0_0_records_out_total: sent } = JSON.parse(await agent.expect(200, "GET", "/rules/works/status"));
    await agent.reaches("works", (s) => Number(s.sink_nop_0_0_records_out_total) > sent + 5);
  }));
