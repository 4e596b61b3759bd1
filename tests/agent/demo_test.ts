import assert from "node:assert/strict";
import { test } from "node:test";
import { weir } from "./agent.ts";

test("weir demo prints alerts and counts, and ends by itself", async () => {
  const { code, stdout, stderr } = await weir(["demo", "--seconds", "8"]);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  const url = /^weir \S+ runs on (http:\/\/127\.0\.0\.1:\d+) with simulated devices/m.exec(stdout)?.[1];
  assert.ok(url, stdout);
  assert.ok(stdout.includes(`curl ${url}/rules`), stdout);
  assert.match(stdout, /^\d\d:\d\d:\d\d {2}overheat +ALERT {2}\S+ is at 3\d(\.\d)? °C$/m);
  assert.match(stdout, /^\d\d:\d\d:\d\d {2}crossroads +cars in 5 s: .*north \d+/m);
  assert.match(stdout, /The demo has ended\.\n$/);
});

test("weir demo refuses what it does not understand", async () => {
  assert.equal((await weir(["demo", "--seconds", "soon"])).code, 2);
  assert.equal((await weir(["demo", "now"])).code, 2);
});
