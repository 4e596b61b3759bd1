/**
 * Every route of the admin interface, asked by everybody: what is not for one must be refused, and what is must not.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { listedRoutes, neededFor } from "../../src/admin/route_roles.ts";
import { allows, type Role, roles } from "../../src/auth/role.ts";
import { everyRoute, routesOf } from "./every_route.ts";
import { admin } from "./fixture.ts";

const keysDir = mkdtempSync(join(tmpdir(), "weir-auth-"));
after(() => rmSync(keysDir, { recursive: true }));
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
writeFileSync(join(keysDir, "plant.pub"), pem);

const { app, logged } = admin(await everyRoute({ mode: "auto", tokens: { keysDir, audience: "eKuiper" } }));

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = Math.floor(Date.now() / 1000);
const claims = { iss: "plant", aud: "eKuiper", exp: now + 3600 };

function jwt(payload: object, header: object = { alg: "RS256" }): string {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${sign("RSA-SHA256", Buffer.from(text), privateKey).toString("base64url")}`;
}

const macText = `${part({ alg: "HS256" })}.${part(claims)}`;
/** What must never let in, whatever is asked. */
const bad: Readonly<Record<string, string | undefined>> = {
  "no credential": undefined,
  "an expired token": jwt({ ...claims, exp: now - 3600 }),
  "a token with alg none": `${part({ alg: "none" })}.${part(claims)}.`,
  "a MAC with the public key": `${macText}.${createHmac("sha256", pem).update(macText).digest("base64url")}`,
  "a token for somebody else": jwt({ ...claims, aud: "other" }),
  "garbage": "Bearer garbage",
};

const routes = routesOf(app);

let addresses = 0;

/** Each from an address of its own: guessing locks an address. */
function ask(route: string, authorization: string | undefined): Promise<Response> {
  const [method, path] = route.split(" ") as [string, string];
  const request = new Request(`http://127.0.0.1${path.replaceAll(/:[A-Za-z]+/g, "nosuch")}`, {
    method,
    headers: authorization === undefined ? {} : { Authorization: authorization },
    ...(method === "GET" ? {} : { body: "{" }),
  });
  return Promise.resolve(app.fetch(request, { address: `192.0.2.${addresses++}` }));
}

test("every route stands in the table of roles, and every line of the table is a route", () => {
  assert.deepEqual([...listedRoutes().keys()].sort(), [...routes].sort());
});

for (const [what, authorization] of Object.entries(bad)) {
  test(`with ${what} only what is open answers`, async () => {
    for (const route of routes) {
      const { status } = await ask(route, authorization);
      if (listedRoutes().get(route) === "open") assert.notEqual(status, 401, route);
      else assert.equal(status, 401, route);
    }
  });
}

for (const role of roles) {
  test(`a ${role} may do what the table says, and nothing more`, async () => {
    const authorization = jwt({ ...claims, role });
    for (const route of routes) {
      const needed = listedRoutes().get(route)!;
      const { status } = await ask(route, authorization);
      const may = needed === "open" || allows(role, needed as Role);
      if (may) assert.ok(![401, 403].includes(status), `${route}: ${status}`);
      else assert.equal(status, 403, route);
    }
  });
}

const holders = roles.map((role) => ({ commonName: `a ${role}`, role }));
const byCertificate = admin(await everyRoute({ mode: "auto", checksCertificates: true, clientRoles: holders })).app;

/** By somebody with a certificate of this name, and nothing else. */
function show(route: string, commonName: string): Promise<Response> {
  const [method, path] = route.split(" ") as [string, string];
  const url = `http://127.0.0.1${path.replaceAll(/:[A-Za-z]+/g, "nosuch")}`;
  const request = new Request(url, { method, ...(method === "GET" ? {} : { body: "{" }) });
  const certificate = { commonNames: [commonName], alternativeNames: [], fingerprint: "00".repeat(32) };
  return Promise.resolve(byCertificate.fetch(request, { address: "127.0.0.1", certificate }));
}

for (const role of roles) {
  test(`a certificate of the role ${role} may do what the table says, and nothing more`, async () => {
    for (const route of routes) {
      const needed = listedRoutes().get(route)!;
      const { status } = await show(route, `a ${role}`);
      if (needed === "open" || allows(role, needed)) assert.ok(![401, 403].includes(status), `${route}: ${status}`);
      else assert.equal(status, 403, route);
    }
  });
}

test("a certificate that no line names opens only what is open, also from this machine", async () => {
  for (const route of routes) {
    const { status } = await show(route, "a stranger");
    if (listedRoutes().get(route) === "open") assert.notEqual(status, 401, route);
    else assert.equal(status, 401, route);
  }
});

test("what no line names wants an admin, other methods of a path somebody that is known", async () => {
  assert.equal(neededFor("GET", "/nosuch"), undefined);
  assert.equal((await ask("GET /nosuch", jwt({ ...claims, role: "editor" }))).status, 403);
  assert.equal((await ask("GET /nosuch", jwt(claims))).status, 404);
  assert.equal((await ask("PATCH /streams", jwt({ ...claims, role: "viewer" }))).status, 405);
  assert.equal((await ask("PATCH /streams", undefined)).status, 401);
  assert.equal(neededFor("POST", "/rules/validate"), "viewer");
  assert.equal(neededFor("HEAD", "/rules/x"), "viewer");
});

test("a refusal says in a header what is wanted, in a text why, and is logged without the credential", async () => {
  const missing = await ask("GET /rules", undefined);
  assert.equal(await missing.text(), "missing_token");
  assert.match(missing.headers.get("WWW-Authenticate")!, /^Bearer realm="weir"/);
  const role = await ask("DELETE /rules/x", jwt({ ...claims, sub: "ui", role: "viewer" }));
  assert.equal(await role.text(), "jwt plant/ui is viewer: editor is needed");
  assert.doesNotMatch(logged.join(), /eyJ/);
});

test("users and tokens are managed over REST; secrets are shown once", async () => {
  const call = async (method: string, path: string, body: object | undefined, authorization = jwt(claims)) => {
    const request = new Request(`http://127.0.0.1${path}`, {
      method,
      headers: { Authorization: authorization },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const response = await app.fetch(request, { address: `198.51.100.${addresses++}` });
    const text = await response.text();
    return {
      status: response.status,
      text,
      json: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : {},
    };
  };
  const made = await call("POST", "/api/v1/users", { name: "ada", role: "admin" });
  assert.equal(made.status, 201);
  assert.match(made.json.password, /^[A-Za-z0-9]{24}$/);
  const basic = (password: string) => `Basic ${Buffer.from(`ada:${password}`).toString("base64")}`;
  const me = await call("GET", "/api/v1/whoami", undefined, basic(made.json.password));
  assert.deepEqual(me.json, { name: "ada", kind: "user", role: "admin" });
  const token = await call("POST", "/api/v1/tokens", { name: "grafana", role: "viewer", expiresIn: "720h" });
  assert.equal((await call("GET", "/rules", undefined, `Bearer ${token.json.token}`)).status, 200);
  assert.equal((await call("POST", "/rules", {}, `Bearer ${token.json.token}`)).status, 403);
  for (const path of ["/api/v1/users", "/api/v1/tokens"]) {
    const { text, json } = await call("GET", path, undefined);
    assert.equal(json.length, 1);
    assert.doesNotMatch(text, /hash|scrypt|password|"token":/);
  }
  const bad = await call("POST", "/api/v1/users", { name: "bob", role: "root", password: "long enough to pass" });
  assert.deepEqual([bad.status, bad.json.error], [400, 1000]);
  assert.match(bad.text, /Unknown role .*root/);
  assert.equal((await call("POST", "/api/v1/tokens", { name: "x", role: "viewer", expiresIn: "soon" })).status, 400);
  assert.equal((await call("PATCH", "/api/v1/users/ada", { password: "a password that is new" })).status, 200);
  assert.equal((await call("GET", "/rules", undefined, basic(made.json.password))).status, 401);
  assert.equal((await call("GET", "/rules", undefined, basic("a password that is new"))).status, 200);
  assert.match((await call("DELETE", "/api/v1/users/ada", undefined)).text, /last admin/);
  assert.equal((await call("DELETE", "/api/v1/tokens/grafana", undefined)).status, 200);
  assert.equal((await call("GET", "/rules", undefined, `Bearer ${token.json.token}`)).status, 401);
  assert.equal((await call("DELETE", "/api/v1/tokens/grafana", undefined)).status, 404);
});
