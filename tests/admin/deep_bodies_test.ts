/**
 * Bodies that nest so deep that whatever goes through them would exhaust its stack: every route that takes one refuses it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { everyRoute, routesOf } from "./every_route.ts";
import { admin } from "./fixture.ts";

const nested = (open: string, close: string, depth: number, inner = "1") =>
  open.repeat(depth) + inner + close.repeat(depth);

const bodies: readonly string[] = [
  nested("[", "]", 100_000),
  nested('{"a":', "}", 100_000),
  `{"id":"x","name":"x","sql":"SELECT 1","actions":${nested("[", "]", 50_000)}}`,
  `{"id":"x","sql":"SELECT 1","actions":[{"log":${nested('{"a":', "}", 50_000)}}]}`,
  `{"typ":"mqtt","id":"x","props":${nested('{"a":', "}", 50_000)}}`,
  `{"name":"x","role":${nested("[", "]", 50_000)}}`,
  nested("[", "", 100_000, ""),
  "{",
  "[]",
  "null",
  '"text"',
  "",
  "\u0000\u0001",
];

test("no route breaks on a body that nests too deep, or is something else than it takes", async () => {
  const { auth: _, ...options } = await everyRoute();
  const { app } = admin(options);
  for (const route of routesOf(app)) {
    const [method, path] = route.split(" ") as [string, string];
    if (method === "GET") continue;
    for (const [i, body] of bodies.entries()) {
      const request = new Request(`http://127.0.0.1${path.replaceAll(/:[A-Za-z]+/g, "nosuch")}`, { method, body });
      const { status } = await app.fetch(request, { address: "127.0.0.1" });
      assert.ok(status < 500, `${route} with body ${i}: ${status}`);
    }
  }
});

test("a body that nests too deep is told as such", async () => {
  const { ask } = admin(await everyRoute().then(({ auth: _, ...options }) => options));
  const deep = nested("[", "]", 257);
  for (
    const [method, path] of [
      ["POST", "/streams"],
      ["POST", "/rules"],
      ["PUT", "/api/v1/state/x"],
      ["PUT", "/metadata/sources/mqtt/confKeys/x"],
      ["PATCH", "/configs"],
      ["POST", "/data/export"],
      ["POST", "/data/import"],
      ["POST", "/config/uploads"],
      ["POST", "/connections"],
    ] as const
  ) {
    const { status, text } = await ask(method, path, deep);
    assert.equal(status, 400, path);
    assert.match(text, /nested over 256 levels deep/, path);
  }
  assert.equal((await ask("PUT", "/api/v1/state/x", nested("[", "]", 256))).status, 200);
});

test("what is imported may not nest too deep either, as a whole or in its parts", async () => {
  const { ask } = admin(await everyRoute().then(({ auth: _, ...options }) => options));
  const deep = nested('{"a":', "}", 50_000);
  const sections = {
    rules: { r: `{"sql":"SELECT 1","actions":${deep}}` },
    sourceConfig: { mqtt: deep },
    connectionConfig: { mqtt: deep },
    uploads: { a: deep },
    Schema: { protobuf_a: deep },
  };
  for (const [name, section] of Object.entries(sections)) {
    const { status, text } = await ask("POST", "/data/import", { content: JSON.stringify({ [name]: section }) });
    assert.ok(status < 500, `${name}: ${status} ${text.slice(0, 300)}`);
  }
  for (const path of ["/data/import", "/ruleset/import"]) {
    const { status, text } = await ask("POST", path, { content: `{"rules":${deep}}` });
    assert.equal(status, 400, path);
    assert.match(text, /nested over 256 levels deep/, path);
  }
});
