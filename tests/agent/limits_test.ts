/**
 * One rule that takes too much, in an agent as a process: the others, and the REST interface, go on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withAgent } from "./agent.ts";

test("a rule that holds too much is stopped by the limit of the configuration, a slow one holds up nobody", () =>
  withAgent(async (agent) => {
    const texts = Array.from({ length: 50 }, (_, i) => ({ n: i, text: "a".repeat(100_000) + i, k: `key ${i}` }));
    const settings = { data: texts, interval: 1, loop: true };
    await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/texts", settings);
    await agent.expect(201, "POST", "/streams", {
      sql: 'CREATE STREAM texts () WITH (TYPE="simulator", CONF_KEY="texts")',
    });
    const rule = (id: string, sql: string) => agent.expect(201, "POST", "/rules", { id, sql, actions: [{ nop: {} }] });
    await rule("quick", "SELECT n FROM texts");
    await rule("slow", "SELECT regexp_matches(text, '(a|aa)+$') AS found FROM texts");
    await rule("large", "SELECT collect(concat(text, n)) AS all FROM texts GROUP BY k, TUMBLINGWINDOW(hh, 1)");
    const stopped = await agent.reaches("large", (s) => s.status === "stopped by error");
    assert.match(String(stopped.message), /^E513: .* stateBytesMax allows 2\.0 MiB: step "inc_agg_window" holds /);
    const before = Number((await agent.status("quick")).sink_nop_0_0_records_out_total);
    await agent.reaches("quick", (s) => Number(s.sink_nop_0_0_records_out_total) > before + 20);
    await agent.reaches("slow", (s) => Number(s.op_2_project_0_records_in_total) > 20);
    const started = performance.now();
    for (let i = 0; i < 10; i++) await agent.expect(200, "GET", "/ping");
    assert.ok(performance.now() - started < 10_000, "the REST interface answers");
    // More memory, and it runs again.
    await agent.expect(200, "PUT", "/rules/large", {
      sql: "SELECT count(*) AS c FROM texts GROUP BY TUMBLINGWINDOW(hh, 1)",
      actions: [{ nop: {} }],
      options: { stateBytesMax: 0 },
    });
    await agent.reaches("large", (s) => s.status === "running" && Number(s.state_bytes) > 0);
  }, { environment: { WEIR__rule__stateBytesMax: String(2 * 1024 * 1024) } }));
