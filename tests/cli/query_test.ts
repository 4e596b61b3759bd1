import assert from "node:assert/strict";
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
