import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditPage } from "../../src/admin/audit.ts";
import { isRecorded, listedExceptions } from "../../src/admin/audited_routes.ts";
import { listedRoutes } from "../../src/admin/route_roles.ts";
import { everyRoute, routesOf } from "./every_route.ts";
import { admin } from "./fixture.ts";

const password = "a password of ada";

async function withAccounts() {
  const options = await everyRoute();
  const { accounts } = options.auth!;
  await accounts.addUser("ada", "admin", password);
  await accounts.addUser("eve", "viewer", password);
  const { app, ask } = admin(options);
  const as = (name: string, secret = password) => ({ Authorization: `Basic ${btoa(`${name}:${secret}`)}` });
  const page = async (query = "limit=1000"): Promise<AuditPage> =>
    (await ask("GET", `/api/v1/audit?${query}`, undefined, as("ada"))).json();
  return { app, ask, as, page, trail: options.audit!.trail };
}

test("every route that does more than read is recorded, whoever asks; those that only read are not", async () => {
  const { app, ask, as, page } = await withAccounts();
  const served = new Set(routesOf(app));
  for (const exception of listedExceptions()) assert.ok(served.has(exception), `${exception} is no route`);
  for (const route of listedRoutes().keys()) {
    if (!served.has(route)) continue;
    const [method, path] = route.split(" ") as [string, string];
    const asked = path.replaceAll(/:[A-Za-z]+/g, "x1");
    if (asked.endsWith("/tap")) continue;
    const before = (await page("limit=1")).head.sequence;
    const { status } = await ask(method, asked, method === "GET" ? undefined : "{", as("ada"));
    const { entries: [newest], head } = await page("limit=1");
    const [action, reading] = [newest?.event.action, method === "GET" || method === "HEAD"];
    if (status === 404) continue;
    if (isRecorded(method, asked)) {
      assert.equal(head.sequence, before + 1, route);
      assert.deepEqual([action, newest!.event.actor, newest!.event.target], [
        "request",
        "user ada",
        `${method} ${asked}`,
      ]);
      assert.equal(newest!.event.status, status, route);
    } else {
      assert.equal(head.sequence, before, route);
      assert.ok(reading || listedExceptions().includes(route), `${route} changes something and is not recorded`);
    }
  }
});

test("who made what, and why it failed, stand in the trail; passwords and bodies do not", async () => {
  const { ask, as, page } = await withAccounts();
  const own = as("ada");
  await ask("POST", "/streams", { sql: 'CREATE STREAM demo () WITH (DATASOURCE="t", TYPE="mqtt")' }, own);
  await ask("POST", "/rules", { id: "r1", sql: "SELECT a FROM demo", actions: [{ log: {} }] }, own);
  await ask("POST", "/rules", { id: "r2", sql: "SELECT a FROM nosuch", actions: [{ log: {} }] }, own);
  await ask("POST", "/api/v1/users", { name: "bob", role: "editor", password: "secret of bob 1" }, own);
  const made = await ask("POST", "/api/v1/tokens", { name: "ci", role: "viewer" }, own);
  await ask("PATCH", "/api/v1/users/bob", { role: "viewer", password: "secret of bob 2" }, own);
  const { entries, head } = await page();
  assert.equal(head.hash, entries[0]!.hash);
  const told = entries.toReversed().map(({ event: { outcome, subject, reason } }) => [outcome, subject || reason]);
  assert.deepEqual(told.map(([outcome]) => outcome), ["done", "done", "failed", "done", "done", "done"]);
  assert.deepEqual(told[1], ["done", "Rule r1 was created successfully."]);
  assert.match(told[2]![1]!, /nosuch/);
  assert.deepEqual(told.slice(3).map(([, text]) => text), [
    "User bob is added as editor.",
    "Token ci is made as viewer.",
    "password, role viewer",
  ]);
  const text = JSON.stringify(entries);
  for (const secret of ["secret of bob", made.json().token, password, "SELECT"]) {
    assert.ok(!text.includes(secret), secret);
  }
});

test("HEAD does what GET does, and is recorded as that is", async () => {
  const { ask, as, page } = await withAccounts();
  for (const path of ["/stop", "/data/export", "/streams"]) await ask("HEAD", path, undefined, as("ada"));
  const { entries } = await page();
  assert.deepEqual(entries.toReversed().map(({ event }) => event.target), ["HEAD /stop", "HEAD /data/export"]);
});

test("refusals are recorded with who and why, a flood of them in few entries", async () => {
  const { ask, as, trail } = await withAccounts();
  await ask("DELETE", "/rules/r1", undefined, as("eve"));
  for (let n = 0; n < 50; n++) await ask("DELETE", `/nosuch/${n}`, undefined, as("ada"));
  for (let n = 0; n < 30; n++) await ask("GET", `/rules/r${n}`, undefined, as("ada", `wrong ${n}`));
  for (let n = 0; n < 50; n++) await ask("GET", `/rules/r${n}`);
  // The address is locked by now.
  const entries = trail.read({ limit: 1000 });
  const told = entries.toReversed().map(({ event }) => [event.action, event.actor, event.status]);
  assert.deepEqual(told, [
    ["refused", "user eve", 403],
    ["unknown", "user ada", 404],
    ["refused", "", 401],
    ["refused", "", 429],
  ]);
  const [first] = entries.toReversed();
  assert.match(first!.event.reason, /user eve is viewer: editor is needed/);
});

test("the trail is an admin's, comes in pages, and wrong questions are answered", async () => {
  const { ask, as, page } = await withAccounts();
  assert.equal((await ask("GET", "/api/v1/audit", undefined, as("eve"))).status, 403);
  for (let n = 0; n < 5; n++) await ask("PUT", `/api/v1/state/k${n}`, "1", as("ada"));
  const first = await page("limit=2&actor=user%20ada");
  assert.deepEqual(first.entries.map(({ event }) => event.target), ["PUT /api/v1/state/k4", "PUT /api/v1/state/k3"]);
  const second = await page(`limit=2&actor=user%20ada&before=${first.next}`);
  assert.deepEqual(second.entries.map(({ event }) => event.target), ["PUT /api/v1/state/k2", "PUT /api/v1/state/k1"]);
  assert.equal((await page("since=2999-01-01T00:00:00Z")).entries.length, 0);
  for (const query of ["limit=0", "limit=x", "before=-1", "since=yesterday"]) {
    assert.equal((await ask("GET", `/api/v1/audit?${query}`, undefined, as("ada"))).status, 400, query);
  }
});
