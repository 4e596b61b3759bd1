/**
 * Rules that forget something: bodies, answers and the command line. What becomes of the rule is tested with the registry.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { weir } from "../cli/fixture.ts";
import { admin } from "./fixture.ts";

async function withRule() {
  const fixture = admin();
  await fixture.ask("POST", "/streams", { sql: "CREATE STREAM demo () WITH ()" });
  await fixture.ask("POST", "/rules", { id: "r", sql: "SELECT a FROM demo", actions: [{ log: {} }] });
  const put = (body: unknown) => fixture.ask("PUT", "/rules/r/reset_state", body);
  return { ...fixture, put };
}

test("PUT reset_state sets the position of a source, or lets it begin anew", async () => {
  const { put, rules } = await withRule();
  const of = (input: unknown) => ({ type: 1, params: { streamName: "demo", input } });
  for (const input of [{}, { offset: 0 }, undefined, { position: "17" }, { position: { path: "a", offset: 3 } }]) {
    const { status, text } = await put(of(input));
    assert.deepEqual([status, text], [200, "success"], JSON.stringify(input));
  }
  const positions = [null, null, null, "17", '{"path":"a","offset":3}'];
  assert.deepEqual(rules.resets, positions.map((position) => ["r", "demo", position]));
});

test("PUT reset_state refuses what it does not know", async () => {
  const { put, ask, rules } = await withRule();
  const wrong: [unknown, RegExp][] = [
    [{ type: 2, params: {} }, /^reset rule error: unknown stateType:2$/],
    [{ params: {} }, /^reset rule error: unknown stateType:0$/],
    [{ type: 1 }, /"params.streamName" is missing/],
    [{ type: 1, params: { streamName: "other" } }, /does not read a stream "other"/],
    [{ type: 1, params: { streamName: "demo", input: { offset: 5 } } }, /Cannot begin at {"offset":5}/],
    [{ type: 1, params: { streamName: "demo", input: { position: "a", offset: 0 } } }, /Cannot begin at/],
    [{ type: 1, params: { streamName: "demo", input: { position: null } } }, /Cannot begin at/],
    [{ type: 1, params: { streamName: "demo", input: [] } }, /"input" must be an object/],
    ["[]", /expected a JSON object/],
  ];
  for (const [body, message] of wrong) {
    const { status, json } = await put(body);
    assert.deepEqual([status, json().error], [400, 1000], JSON.stringify(body));
    assert.match(json().message, message);
  }
  assert.deepEqual(rules.resets, []);
  const missing = await ask("PUT", "/rules/nosuch/reset_state", { type: 1, params: { streamName: "demo" } });
  assert.deepEqual([missing.status, missing.json().error], [404, 1002]);
});

test("POST reset forgets state, positions or both, and nothing by a slip", async () => {
  const { ask, rules } = await withRule();
  const path = "/api/v1/rules/r/reset";
  assert.equal((await ask("POST", path, { state: true })).text, "Rule r was reset");
  assert.equal((await ask("POST", path, { positions: true, state: false })).status, 200);
  assert.equal((await ask("POST", path, { positions: true, state: true })).status, 200);
  assert.deepEqual(rules.resets, [["r", true, false], ["r", false, true], ["r", true, true]]);
  for (const body of [{}, { state: false }, { state: "yes" }, { state: true, position: false }, ""]) {
    const { status, json } = await ask("POST", path, body);
    assert.deepEqual([status, json().error], [400, 1000], JSON.stringify(body));
  }
  assert.equal(rules.resets.length, 3);
  assert.equal((await ask("POST", "/api/v1/rules/nosuch/reset", { state: true })).status, 404);
});

test("weir rule reset says what shall be forgotten", async () => {
  const { app, rules } = await withRule();
  const cli = (...args: string[]) =>
    weir(["rule", "reset", ...args], { fetch: async (url, init) => await app.request(url, init) });
  assert.deepEqual(await cli("r", "--state"), { code: 0, stdout: "Rule r was reset\n", stderr: "" });
  assert.equal((await cli("r", "--positions", "--state")).code, 0);
  assert.deepEqual(rules.resets, [["r", true, false], ["r", true, true]]);
  const nothing = await cli("r");
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /--state, --positions or both/);
  assert.equal((await cli("nosuch", "--state")).code, 1);
});
