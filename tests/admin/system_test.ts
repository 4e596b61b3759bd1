import assert from "node:assert/strict";
import { test } from "node:test";
import { admin } from "./fixture.ts";

test("GET and POST / tell version and machine", async () => {
  const { ask } = admin();
  for (const method of ["GET", "POST"]) {
    assert.deepEqual((await ask(method, "/")).json(), {
      version: "2.4.0",
      os: "linux",
      arch: "x64",
      upTimeSeconds: 12,
      cpuUsage: "1.25%",
      memoryUsed: "1000",
      memoryTotal: "2000",
      weir: "0.1.0",
    });
  }
});

test("/ping is 200 and empty; the probes say ok, or 503 while not ready", async () => {
  let isReady = false;
  const { ask } = admin({ ready: () => isReady });
  const ping = await ask("GET", "/ping");
  assert.equal(ping.status, 200);
  assert.equal(ping.text, "");
  assert.equal((await ask("GET", "/healthz")).text, "ok");
  assert.equal((await ask("GET", "/readyz")).status, 503);
  isReady = true;
  assert.equal((await ask("GET", "/readyz")).status, 200);
});

test("/stop exists only where the process can be stopped", async () => {
  assert.equal((await admin().ask("POST", "/stop")).status, 404);
  let stops = 0;
  const answer = await admin({ stop: () => void stops++ }).ask("POST", "/stop");
  assert.equal(answer.text, "stop success");
  assert.equal(stops, 1);
});

test("an unknown route is 404 with text, a wrong method 405 and empty", async () => {
  const { ask } = admin();
  for (const path of ["/nosuch", "/rules/", "/Rules", "/streams/a/b/c"]) {
    const answer = await ask("GET", path);
    assert.equal(answer.status, 404);
    assert.equal(answer.text.trim(), "404 page not found");
    assert.equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
  }
  for (const [method, path] of [["PATCH", "/rules"], ["DELETE", "/streams"], ["GET", "/rules/r1/start"]] as const) {
    const answer = await ask(method, path);
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.equal(answer.text, "");
    assert.ok(answer.headers.get("allow"));
  }
});

test("HEAD answers like GET without a body", async () => {
  const answer = await admin().ask("HEAD", "/rules");
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "");
});

test("a body beyond the limit is 413", async () => {
  const { ask } = admin({ maxBodyBytes: 100 });
  const body = JSON.stringify({ sql: "x".repeat(200) });
  const answer = await ask("POST", "/streams", body, { "Content-Length": String(body.length) });
  assert.equal(answer.status, 413);
});

test("what is no diagnostic is logged and answered with 500", async () => {
  const { ask, rules, logged } = admin();
  rules.list = () => {
    throw new Error("a bug");
  };
  const answer = await ask("GET", "/rules");
  assert.equal(answer.status, 500);
  assert.equal(answer.json().message, "internal error: a bug");
  assert.match(logged[0]!, /a bug/);
});

test("web pages of other origins may not call, unless the configuration names them", async () => {
  const { ask } = admin({ allowOrigins: ["https://ui.example"] });
  const stream = { sql: "CREATE STREAM s () WITH ()" };
  const foreign = await ask("POST", "/streams", stream, { Origin: "https://evil.example" });
  assert.equal(foreign.status, 403);
  assert.equal((await ask("GET", "/streams", undefined, { "Sec-Fetch-Site": "cross-site" })).status, 403);
  assert.equal((await ask("GET", "/streams")).text, "[]");
  const allowed = await ask("POST", "/streams", stream, { Origin: "https://ui.example" });
  assert.equal(allowed.status, 201);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://ui.example");
  const preflight = await ask("OPTIONS", "/streams", undefined, { Origin: "https://ui.example" });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get("access-control-allow-methods")!, /PUT/);
  const own = await ask("GET", "/streams", undefined, { Origin: "http://127.0.0.1:9081", Host: "127.0.0.1:9081" });
  assert.equal(own.status, 200);
});

test("an origin of * allows every page", async () => {
  const { ask } = admin({ allowOrigins: ["*"] });
  const answer = await ask("GET", "/ping", undefined, {
    Origin: "https://any.example",
    "Sec-Fetch-Site": "cross-site",
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
});

test("on loopback a name in the Host header is refused, an address is not", async () => {
  const { ask } = admin({ loopbackOnly: true });
  for (const host of ["127.0.0.1:9081", "localhost", "LOCALHOST:1", "[::1]:9081"]) {
    assert.equal((await ask("GET", "/ping", undefined, { Host: host })).status, 200, host);
  }
  for (const host of ["evil.example:9081", "127.0.0.1.evil.example", "localhost.evil.example"]) {
    assert.equal((await ask("GET", "/ping", undefined, { Host: host })).status, 403, host);
  }
  assert.equal((await admin().ask("GET", "/ping", undefined, { Host: "gateway.local:9081" })).status, 200);
});
