import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, type Fixture } from "./fixture.ts";

const rule = { id: "r1", sql: "SELECT * FROM demo", actions: [{ log: {} }] };

async function withDemo(): Promise<Fixture> {
  const fixture = admin();
  await fixture.ask("POST", "/streams", { sql: "CREATE STREAM demo () WITH ()" });
  return fixture;
}

async function withRule(): Promise<Fixture> {
  const fixture = await withDemo();
  const answer = await fixture.ask("POST", "/rules", rule);
  assert.equal(answer.status, 201);
  assert.equal(answer.text, "Rule r1 was created successfully.");
  return fixture;
}

test("POST /rules numbers what is wrong and introduces it by nothing", async () => {
  const { ask } = await withRule();
  const cases: [unknown, number, RegExp][] = [
    [rule, 1000, /^rule r1 already exists$/],
    ["{", 1000, /^invalid rule json: /],
    [{ ...rule, id: "r2", sql: "SELECT FROM demo" }, 2001, /./],
    [{ ...rule, id: "r2", sql: "SELECT * FROM nowhere" }, 2101, /^fail to get stream nowhere$/],
    [{ ...rule, id: "r2", actions: [{ nosuch: {} }] }, 2201, /^unknown sink nosuch$/],
    [{ ...rule, id: "a/b" }, 1000, /invalid characters/],
  ];
  for (const [body, error, message] of cases) {
    const answer = await ask("POST", "/rules", body);
    assert.equal(answer.status, 400);
    assert.equal(answer.json().error, error, answer.text);
    assert.match(answer.json().message, message);
  }
  assert.deepEqual((await ask("GET", "/rules")).json(), [
    { id: "r1", name: "", status: "running", version: "", trace: false, tags: null },
  ]);
});

test("an error inside the SQL brings its place", async () => {
  const { ask } = await withDemo();
  const { diagnostics } = (await ask("POST", "/rules", { ...rule, sql: "SELECT *\n  FROM nowhere" })).json();
  assert.deepEqual(diagnostics, [
    { code: "E201", message: "fail to get stream nowhere", span: { start: 16, end: 23, line: 2, column: 8 } },
  ]);
});

test("GET /rules/{id} echoes the text; a missing rule is 404", async () => {
  const { ask } = await withDemo();
  const text = '{ "id":"r1",  "sql":"SELECT * FROM demo", "actions":[{"log":{}}] }';
  await ask("POST", "/rules", text);
  const answer = await ask("GET", "/rules/r1");
  assert.equal(answer.text, text);
  assert.equal(answer.headers.get("content-type"), "application/json");
  const missing = await ask("GET", "/rules/nosuch");
  assert.equal(missing.status, 404);
  assert.equal(missing.json().error, 1002);
  assert.equal(missing.json().message, "Describe rule error: Rule nosuch is not found.");
});

test("PUT /rules/{id} replaces, creates, and refuses a lower version", async () => {
  const { ask } = await withRule();
  const updated = await ask("PUT", "/rules/r1", { ...rule, version: "2" });
  assert.equal(updated.status, 200);
  assert.equal(updated.text, "Rule r1 was updated successfully.");
  assert.equal((await ask("PUT", "/rules/r2", { ...rule, id: undefined })).text, "Rule r2 was updated successfully.");
  const lower = await ask("PUT", "/rules/r1", { ...rule, version: "1" });
  assert.equal(lower.status, 400);
  assert.equal(
    lower.json().message,
    "Update rule error: rule r1 already exists with version (2), new version (1) is lower",
  );
  assert.match((await ask("PUT", "/rules/r1", "")).json().message, /^Invalid body/);
});

test("DELETE /rules/{id} drops; a missing rule is 400", async () => {
  const { ask } = await withRule();
  const answer = await ask("DELETE", "/rules/r1");
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "Rule r1 is dropped.");
  const missing = await ask("DELETE", "/rules/r1");
  assert.equal(missing.status, 400);
  assert.equal(missing.json().error, 1000);
  assert.equal(missing.json().message, "Delete rule error: rule r1 not found");
});

test("start, stop and restart answer with or without a full stop", async () => {
  const { ask } = await withRule();
  assert.equal((await ask("POST", "/rules/r1/stop")).text, "Rule r1 was stopped.");
  assert.equal((await ask("GET", "/rules/r1/status")).json().status, "stopped");
  assert.equal((await ask("POST", "/rules/r1/start")).text, "Rule r1 was started");
  assert.equal((await ask("POST", "/rules/r1/restart")).text, "Rule r1 was restarted");
  for (const command of ["start", "stop", "restart"]) {
    const missing = await ask("POST", `/rules/nosuch/${command}`);
    assert.equal(missing.status, 404);
    assert.equal(missing.json().error, 1002);
    assert.equal(
      missing.json().message,
      `${command} rule error: Rule nosuch is not found in registry, please check if it is created`,
    );
  }
});

test("the status is pretty-printed, that of /v2 compact, that of all rules a map", async () => {
  const { ask } = await withRule();
  const status = { status: "running", message: "", lastStartTimestamp: 0, source_demo_0_records_in_total: 0 };
  assert.equal((await ask("GET", "/rules/r1/status")).text, JSON.stringify(status, null, 2));
  assert.equal((await ask("GET", "/v2/rules/r1/status")).text, JSON.stringify(status));
  assert.deepEqual((await ask("GET", "/rules/status/all")).json(), {
    r1: { status: "running", last_exception: "", exceptions_total: 0 },
  });
  const missing = await ask("GET", "/rules/nosuch/status");
  assert.equal(missing.status, 404);
  assert.equal(missing.json().error, 1002);
});

test("POST /rules/validate answers 200, or 422 with the bare text", async () => {
  const { ask } = await withDemo();
  const valid = await ask("POST", "/rules/validate", rule);
  assert.equal(valid.status, 200);
  assert.deepEqual(valid.json(), { sources: ["demo"], valid: true });
  const invalid = await ask("POST", "/rules/validate", { ...rule, sql: "SELECT * FROM nowhere" });
  assert.equal(invalid.status, 422);
  assert.equal(invalid.text, "fail to get stream nowhere");
  assert.equal((await ask("POST", "/rules/validate", "{")).status, 422);
  assert.equal((await ask("GET", "/rules")).text, "[]");
});

test("a rule may be named validate", async () => {
  const { ask } = await withDemo();
  await ask("POST", "/rules", { ...rule, id: "validate" });
  assert.equal((await ask("GET", "/rules/validate")).json().id, "validate");
});

test("topo, explain", async () => {
  const { ask } = await withRule();
  assert.deepEqual((await ask("GET", "/rules/r1/topo")).json(), {
    sources: ["source_demo"],
    edges: { source_demo: ["op_2_decoder"] },
  });
  const explained = await ask("GET", "/rules/r1/explain");
  assert.equal(explained.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.match(explained.text, /^\{"op":"ProjectPlan_0"/);
  await ask("POST", "/rules/r1/stop");
  const topo = await ask("GET", "/rules/r1/topo");
  assert.equal(topo.status, 400);
  assert.equal(topo.json().error, 1001);
});

test("tags select rules for match and bulk commands", async () => {
  const { ask } = await withDemo();
  await ask("POST", "/rules", { ...rule, id: "a", tags: ["x", "y"] });
  await ask("POST", "/rules", { ...rule, id: "b", tags: ["x"] });
  await ask("POST", "/rules", { ...rule, id: "c" });
  assert.deepEqual((await ask("GET", "/rules/tags/match?tags=x")).json(), { rules: ["a", "b"] });
  assert.deepEqual((await ask("GET", "/rules/tags/match?tags=x,y")).json(), { rules: ["a"] });
  assert.deepEqual((await ask("GET", "/rules/tags/match?tags=z")).json(), {});
  assert.deepEqual((await ask("POST", "/rules/bulkstop", { tags: ["x"] })).json(), [
    { ruleId: "a", success: true },
    { ruleId: "b", success: true },
  ]);
  assert.equal((await ask("GET", "/rules/c/status")).json().status, "running");
  const none = await ask("POST", "/rules/bulkstart", { tags: ["z"] });
  assert.equal(none.status, 400);
  assert.equal(none.json().message, "bulk start failed: no matching rules");
  await ask("POST", "/rules/bulkstart", { keys: ["y"] });
  assert.equal((await ask("GET", "/rules/a/status")).json().status, "running");
  assert.equal((await ask("GET", "/rules/b/status")).json().status, "stopped");
});

test("tags of a rule are replaced, added and removed", async () => {
  const { ask } = await withDemo();
  await ask("POST", "/rules", { ...rule, id: "a", tags: ["x"] });
  const tags = async () => (await ask("GET", "/rules")).json()[0].tags;
  const changes: readonly (readonly [string, unknown, readonly string[]])[] = [
    ["PATCH", { tags: ["y", "x"] }, ["x", "y"]],
    ["DELETE", { tags: ["x"] }, ["y"]],
    ["PUT", { tags: ["p", "q"] }, ["p", "q"]],
    ["DELETE", { keys: ["q"] }, ["p"]],
  ];
  for (const [method, body, expected] of changes) {
    const answer = await ask(method, "/rules/a/tags", body);
    assert.deepEqual([answer.status, answer.text], [200, ""]);
    assert.deepEqual(await tags(), expected);
  }
  assert.equal((await ask("PUT", "/rules/a/tags", { tags: [1] })).status, 400);
  const missing = await ask("PUT", "/rules/nosuch/tags", { tags: ["x"] });
  assert.equal(missing.status, 404);
  assert.match(missing.json().message, /Rule nosuch is not found\.$/);
});
