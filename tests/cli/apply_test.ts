import assert from "node:assert/strict";
import { test } from "node:test";
import { weir } from "./fixture.ts";

async function applied(answer: object, ...args: string[]) {
  const asked: string[] = [];
  const fetch = (url: string, init?: RequestInit) => {
    asked.push(`${init?.method} ${new URL(url).pathname}${new URL(url).search}`);
    return Promise.resolve(Response.json(answer));
  };
  return { ...await weir(["apply", ...args], { fetch }), asked };
}

test("weir apply tells what was changed; a dry run what would be", async () => {
  const changes = [
    { kind: "stream", name: "demo", change: "create", file: "s.sql" },
    { kind: "rule", name: "r1", change: "replace", file: "r.yaml" },
    { kind: "rule", name: "r2", change: "delete", file: "old.json" },
  ];
  const { code, stdout, asked } = await applied({ errors: [], changes, unchanged: 4 });
  assert.deepEqual([code, asked], [0, ["POST /api/v1/managed"]]);
  assert.equal(
    stdout,
    "+ stream demo  (s.sql)\n~ rule r1  (r.yaml)\n- rule r2  (old.json)\n3 definitions were changed, 4 stay as they are.\n",
  );
  const dry = await applied({ errors: [], changes: [], unchanged: 7 }, "--dry-run");
  assert.deepEqual(dry.asked, ["POST /api/v1/managed?dry-run=true"]);
  assert.equal(dry.stdout, "0 definitions would be changed, 7 stay as they are.\n");
});

test("mistakes stand at their place, with what to do about them, and end with 1", async () => {
  const errors = [
    { file: "s.sql", code: "E407", message: "Unknown stream option", line: 3, column: 7, hint: "did you mean FORMAT?" },
    { file: "r.json", code: "E713", message: "A rule needs an id", path: "rule x" },
  ];
  const { code, stdout } = await applied({ errors, changes: [], unchanged: 0 });
  assert.equal(code, 1);
  assert.equal(
    stdout,
    "s.sql:3:7: E407: Unknown stream option\n    did you mean FORMAT?\nr.json: E713: A rule needs an id (rule x)\n" +
      "Nothing was changed: the set before it goes on.\n",
  );
});

test("weir apply takes no folder: the agent has its own", async () => {
  assert.equal((await weir(["apply", "rules.d"])).code, 2);
});
