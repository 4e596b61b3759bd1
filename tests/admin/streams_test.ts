import assert from "node:assert/strict";
import { test } from "node:test";
import { admin } from "./fixture.ts";

const createDemo = { sql: 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="t/1", FORMAT="JSON")' };

test("POST /streams creates with 201 and the sentence of eKuiper", async () => {
  const { ask } = admin();
  const answer = await ask("POST", "/streams", createDemo);
  assert.equal(answer.status, 201);
  assert.equal(answer.text, "Stream demo is created.");
  assert.equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.deepEqual((await ask("GET", "/streams")).json(), ["demo"]);
});

test("POST /tables creates tables, and each route runs the other's statements", async () => {
  const { ask } = admin();
  assert.equal((await ask("POST", "/tables", { sql: "CREATE TABLE t () WITH ()" })).text, "Table t is created.");
  assert.equal((await ask("POST", "/tables", { sql: "CREATE STREAM s () WITH ()" })).text, "Stream s is created.");
  const lookup = { sql: 'CREATE TABLE l () WITH (TYPE="memory", KIND="lookup", KEY="id")' };
  assert.equal((await ask("POST", "/streams", lookup)).text, "Table l is created.");
  assert.deepEqual((await ask("GET", "/tables")).json(), ["l", "t"]);
  assert.deepEqual((await ask("GET", "/tables?kind=scan")).json(), ["t"]);
  assert.deepEqual((await ask("GET", "/tables?kind=lookup")).json(), ["l"]);
  assert.deepEqual((await ask("GET", "/tables?kind=any")).json(), ["l", "t"]);
  assert.deepEqual((await ask("GET", "/tabledetails")).json(), [
    { name: "l", type: "memory", format: "json" },
    { name: "t", type: "file", format: "json" },
  ]);
});

test("empty lists are arrays", async () => {
  const { ask } = admin();
  for (const path of ["/streams", "/tables", "/streamdetails", "/tabledetails", "/rules"]) {
    assert.equal((await ask("GET", path)).text, "[]");
  }
});

test("keys of the body ignore case and the Content-Type does not matter", async () => {
  const { ask } = admin();
  const answer = await ask("POST", "/streams", '{"SQL":"CREATE STREAM s () WITH ()","other":1}', {
    "Content-Type": "text/plain",
  });
  assert.equal(answer.text, "Stream s is created.");
});

test("a body that is not JSON is refused with 400, code 1000", async () => {
  const { ask } = admin();
  for (const body of ["{", "", "[]", '{"sql":5}']) {
    const answer = await ask("POST", "/streams", body);
    assert.equal(answer.status, 400);
    assert.equal(answer.json().error, 1000);
    assert.match(answer.json().message, /^Invalid body: /);
  }
  assert.match(
    (await ask("POST", "/streams", "{")).json().message,
    /^Invalid body: Error decoding the statement descriptor: /,
  );
});

test("bad SQL is code 2001 with weir's diagnostics beside the message", async () => {
  const { ask } = admin();
  const answer = await ask("POST", "/streams", { sql: "CREATE\nSTREEM demo () WITH ()" });
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  assert.ok(answer.text.endsWith("}\n"));
  const { error, message, diagnostics } = answer.json();
  assert.equal(error, 2001);
  assert.match(message, /^Stream command error: /);
  assert.equal(diagnostics[0].code, "E101");
  assert.equal(diagnostics[0].span.line, 2);
  assert.equal(diagnostics[0].span.column, 1);
});

test("bad options are code 3000, several at once", async () => {
  const { ask } = admin();
  const answer = await ask("POST", "/streams", { sql: 'CREATE STREAM s () WITH (FORMATT="json", SHARED="x")' });
  assert.equal(answer.status, 400);
  assert.equal(answer.json().error, 3000);
  assert.equal(answer.json().diagnostics.length, 2);
  assert.equal(answer.json().diagnostics[0].hint, 'did you mean "FORMAT"?');
});

test("a name in use is code 3000 with the words already exist", async () => {
  const { ask } = admin();
  await ask("POST", "/streams", createDemo);
  const answer = await ask("POST", "/streams", createDemo);
  assert.equal(answer.status, 400);
  assert.equal(answer.json().error, 3000);
  assert.equal(answer.json().message, "Stream command error: Create stream fails: demo already exists");
});

test("a bad name is code 1000 with the words invalid characters", async () => {
  const { ask } = admin();
  const answer = await ask("POST", "/streams", { sql: "CREATE STREAM `a b` () WITH ()" });
  assert.equal(answer.status, 400);
  assert.equal(answer.json().error, 1000);
  assert.equal(
    answer.json().message,
    "Stream command error: id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed",
  );
  for (const method of ["GET", "PUT", "DELETE"]) {
    const other = await ask(method, "/streams/a%20b", method === "PUT" ? createDemo : undefined);
    assert.equal(other.status, 400);
    assert.equal(other.json().error, 1000);
    assert.match(other.json().message, /invalid characters/);
  }
});

test("GET /streams/{name} shows the definition; a missing one is 400 and 3000", async () => {
  const { ask } = admin();
  await ask("POST", "/streams", createDemo);
  assert.deepEqual((await ask("GET", "/streams/demo")).json(), {
    Name: "demo",
    StreamFields: [{ Name: "a", FieldType: "bigint" }],
    Options: { datasource: "t/1", format: "JSON" },
    StreamType: 0,
    Statement: null,
  });
  const missing = await ask("GET", "/streams/nosuch");
  assert.equal(missing.status, 400);
  assert.equal(missing.json().error, 3000);
  assert.equal(missing.json().message, "describe stream error: Describe stream fails, nosuch is not found.");
  assert.equal(
    (await ask("GET", "/tables/demo")).json().message,
    "describe table error: Describe table fails, demo is not found.",
  );
});

test("GET /streams/{name}/schema gives the columns, or null", async () => {
  const { ask } = admin({ wantedColumns: (name) => name === "asked" ? ["x"] : [] });
  await ask("POST", "/streams", createDemo);
  await ask("POST", "/streams", { sql: "CREATE STREAM loose () WITH ()" });
  await ask("POST", "/streams", { sql: "CREATE STREAM asked () WITH ()" });
  assert.deepEqual((await ask("GET", "/streams/demo/schema")).json(), { a: { type: "bigint" } });
  assert.equal((await ask("GET", "/streams/loose/schema")).text, "null");
  assert.deepEqual((await ask("GET", "/streams/asked/schema")).json(), { x: null });
  assert.equal((await ask("GET", "/streams/nosuch/schema")).status, 404);
});

test("PUT /streams/{name} replaces; a missing one and one of the other kind are 404", async () => {
  const { ask } = admin();
  await ask("POST", "/streams", createDemo);
  const answer = await ask("PUT", "/streams/demo", { sql: "CREATE STREAM demo () WITH ()" });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "Stream demo is replaced.");
  await ask("POST", "/tables", { sql: "CREATE TABLE t () WITH ()" });
  assert.equal((await ask("PUT", "/streams/t", { sql: "CREATE TABLE t () WITH ()" })).status, 404);
  assert.equal((await ask("PUT", "/streams/nosuch", { sql: "CREATE STREAM nosuch () WITH ()" })).json().error, 1002);
  const otherName = await ask("PUT", "/streams/demo", { sql: "CREATE STREAM other () WITH ()" });
  assert.equal(otherName.status, 400);
});

test("DELETE /streams/{name} is refused while a running rule reads it, unless forced; a missing one is 404", async () => {
  const { ask } = admin();
  await ask("POST", "/streams", createDemo);
  await ask("POST", "/rules", { id: "r1", sql: "SELECT * FROM demo", actions: [{ log: {} }] });
  const refused = await ask("DELETE", "/streams/demo");
  assert.equal(refused.status, 400);
  assert.equal(refused.json().message, "delete stream error: stream demo has been referenced by other rules");
  const forced = await ask("DELETE", "/streams/demo?force=true");
  assert.equal(forced.status, 200);
  assert.equal(forced.text, "Stream demo is dropped.");
  const missing = await ask("DELETE", "/streams/demo");
  assert.equal(missing.status, 404);
  assert.equal(missing.json().error, 1002);
  assert.match(missing.json().message, /^delete stream error: .*demo is not found/);
});

test("POST /streams runs SHOW, DESCRIBE and DROP", async () => {
  const { ask } = admin();
  assert.equal((await ask("POST", "/streams", { sql: "SHOW STREAMS" })).text, "No stream definitions are found.");
  await ask("POST", "/streams", createDemo);
  assert.equal((await ask("POST", "/streams", { sql: "SHOW STREAMS;" })).text, "demo");
  assert.match((await ask("POST", "/streams", { sql: "DESCRIBE STREAM demo" })).text, /^Fields\n-{80}\na\tbigint\n\n/);
  assert.equal((await ask("POST", "/streams", { sql: "DROP STREAM demo" })).text, "Stream demo is dropped.");
});
