import assert from "node:assert/strict";
import { test } from "node:test";
import { admin } from "./fixture.ts";

test("a state is put, read as it was put, listed and deleted", async () => {
  const { ask } = admin();
  assert.equal((await ask("PUT", "/api/v1/state/limit", "80")).status, 200);
  assert.equal((await ask("PUT", "/api/v1/state/pump%2F7%20mode", ' {"a": 1.0}')).status, 200);
  assert.deepEqual((await ask("GET", "/api/v1/state")).json(), ["limit", "pump/7 mode"]);
  assert.equal((await ask("GET", "/api/v1/state/pump%2F7%20mode")).text, ' {"a": 1.0}');
  assert.equal((await ask("PUT", "/api/v1/state/limit", '"high"')).status, 200);
  assert.equal((await ask("GET", "/api/v1/state/limit")).json(), "high");
  assert.equal((await ask("DELETE", "/api/v1/state/limit")).status, 200);
  assert.deepEqual((await ask("GET", "/api/v1/state")).json(), ["pump/7 mode"]);
});

test("a state that is not there is not found", async () => {
  const { ask } = admin();
  for (const method of ["GET", "DELETE"]) {
    const { status, json } = await ask(method, "/api/v1/state/nosuch");
    assert.equal(status, 404);
    assert.equal(json().message, 'state error: No state is kept under "nosuch"');
  }
});

test("what is not JSON is refused, and a key that is too long", async () => {
  const { ask } = admin();
  const bad = await ask("PUT", "/api/v1/state/limit", "80 bar");
  assert.equal(bad.status, 400);
  assert.deepEqual(bad.json().diagnostics.map((d: { code: string }) => d.code), ["E703"]);
  const long = await ask("PUT", `/api/v1/state/${"k".repeat(257)}`, "1");
  assert.deepEqual(long.json().diagnostics.map((d: { code: string }) => d.code), ["E704"]);
  assert.deepEqual((await ask("GET", "/api/v1/state")).json(), []);
});
