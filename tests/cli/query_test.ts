import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { weir } from "./fixture.ts";

test("weir query names the stream that was meant, or the flag that brings one", async () => {
  const near = await weir(["query", "SELECT * FROM traffic_stream", "--stream", "traffic=rows.ndjson"]);
  assert.equal(near.code, 1);
  assert.match(near.stderr, /E201: Unknown stream or table "traffic_stream"/);
  assert.match(near.stderr, /did you mean "traffic"\?/);
  const far = await weir(["query", "SELECT * FROM cars", "--stream", "traffic=rows.ndjson"]);
  assert.match(far.stderr, /give its rows with --stream NAME=FILE/);
});

test("weir query refuses STRICT_VALIDATION, which it cannot honour yet", async () => {
  const create = 'CREATE STREAM s (a BIGINT DEFAULT 7) WITH (STRICT_VALIDATION="true")';
  const { code, stdout, stderr } = await weir(["query", "SELECT a FROM s", "--stream", "s=-", "--create", create]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /E408: weir query does not check rows strictly yet: found STRICT_VALIDATION on stream "s"/);
});

test("weir query gives CSV fields the types that the stream declares", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-query-"));
  try {
    const file = join(folder, "d.csv");
    writeFileSync(file, 'id,v,b,s\n1234567890123456789,1.5,true,007\n+7,x,false,a\n,2,true,"1"\n');
    const create = "CREATE STREAM d (id BIGINT, v FLOAT, s STRING) WITH ()";
    const typed = await weir(["query", "SELECT *, id + 1 AS n FROM d", "--stream", `d=${file}`, "--create", create]);
    assert.equal(
      typed.stdout,
      '{"id":1234567890123456789,"n":1234567890123456790,"s":"007","v":1.5}\n{"s":"1","v":2}\n',
    );
    assert.match(typed.stderr, /d\.csv:3: E501: Cannot decode column "v": expected float, found "x"/);
    const plain = await weir(["query", "SELECT s, v FROM d", "--stream", `d=${file}`]);
    assert.equal(plain.stdout, '{"s":7,"v":1.5}\n{"s":"a","v":"x"}\n{"s":"1","v":2}\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
