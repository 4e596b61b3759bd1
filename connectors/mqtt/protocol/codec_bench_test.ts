import assert from "node:assert/strict";
import { test } from "node:test";
import { benchCodec } from "./codec_bench.ts";

test("codec benchmark parses what it encoded", () => {
  const figures = benchCodec(5);
  assert.equal(figures.messages, 2500);
  assert.equal(figures.digest, "33bdf6688f14745f");
});
