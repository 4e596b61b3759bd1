import assert from "node:assert/strict";
import { test } from "node:test";
import { pathResolver } from "./resolve_path.ts";

const resolvePath = pathResolver("/data/weir");

for (
  const [path, expected] of [
    ["out.ndjson", "/data/weir/out.ndjson"],
    ["a/../b/out.ndjson", "/data/weir/b/out.ndjson"],
    ["..out", "/data/weir/..out"],
    ["a/weir.db", "/data/weir/a/weir.db"],
    ["/tmp/out.ndjson", "/tmp/out.ndjson"],
    ["/data/weir/out", "/data/weir/out"],
  ] as const
) {
  test(`pathResolver() takes ${path} for ${expected}`, () => assert.equal(resolvePath(path), expected));
}

for (const path of ["../out", "a/../../out", "..", "../weir2/out"]) {
  test(`pathResolver() refuses ${path}, which leaves the directory`, () => {
    assert.throws(() => resolvePath(path), /E403: ".*" leads out of the data directory/);
  });
}

for (const path of ["weir.db", "./weir.db-wal", "/data/weir/weir.lock"]) {
  test(`pathResolver() refuses ${path}, which is weir's own`, () => {
    assert.throws(() => resolvePath(path), /E403: .* belongs to weir itself/);
  });
}
