import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyLedger, type RuleLedger } from "../../src/runtime/rule_ledger.ts";
import { weir as weirProcess, withAgent } from "../agent/agent.ts";
import { weir } from "../cli/fixture.ts";
import { parsePrometheus } from "./prometheus_text.ts";

test("an agent shows the ledger of a rule on the command line and over REST, and to Prometheus", () =>
  withAgent(async (agent) => {
    const stream = 'CREATE STREAM s () WITH (TYPE="simulator", CONF_KEY="ten")';
    await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/ten", {
      data: [{ a: 1 }, { a: 5 }],
      interval: "1ms",
      loop: false,
    });
    await agent.expect(201, "POST", "/streams", { sql: stream });
    await agent.expect(201, "POST", "/rules", { id: "r", sql: "SELECT a FROM s WHERE a > 2", actions: [{ nop: {} }] });
    await agent.reaches("r", ({ ledger_in_total: taken }) => taken === 2);
    const server = ["--server", agent.url];
    const { code, stdout, stderr } = await weirProcess(["rule", "ledger", "r", ...server]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^rule: rows +2 +0 +1 +1 +0 /m);
    assert.match(stdout, /rule r balances/);
    const json = await weirProcess(["rule", "ledger", "r", "--output", "json", ...server]);
    const ledger: RuleLedger = JSON.parse(json.stdout);
    assert.equal(ledger.rows.filtered, 1);
    assert.deepEqual(JSON.parse(await agent.expect(200, "GET", "/api/v1/rules/r/ledger")), ledger);
    await agent.expect(404, "GET", "/api/v1/rules/none/ledger");
    const families = parsePrometheus(await agent.expect(200, "GET", "/metrics"));
    assert.equal(families.get("kuiper_rule_status")?.samples[0]?.labels.rule, "r");
  }));

/** The command against an agent that answers with this ledger. */
function show(ledger: RuleLedger, ...more: string[]) {
  return weir(["rule", "ledger", "r", ...more], {
    fetch: () => Promise.resolve(new Response(JSON.stringify(ledger))),
  });
}

test("weir rule ledger ends with 1 when something is missing", async () => {
  const wrong = {
    ...emptyLedger("r"),
    since: 1,
    balanced: false,
    imbalances: ["step filter: in 2 is 1 more than out 1"],
  };
  const { code, stderr } = await show(wrong);
  assert.equal(code, 1);
  assert.match(stderr, /^RULE r DOES NOT BALANCE/);
  assert.match(stderr, /step filter: in 2 is 1 more/);
  const json = await show(wrong, "--output", "json");
  assert.equal(json.code, 1);
  assert.deepEqual(JSON.parse(json.stdout), wrong);
  assert.equal((await show(emptyLedger("r"))).code, 0);
  assert.equal((await show(emptyLedger("r"), "--output", "yaml")).code, 2);
});
