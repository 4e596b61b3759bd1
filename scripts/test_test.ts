import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram, missingOf, testsWith } from "./peers.ts";
import { leftOut } from "./test.ts";

const broker = { module: "tests/mosquitto.ts", programs: ["mosquitto", "openssl"], packages: ["mosquitto", "openssl"] };

test("testsWith() finds the files that import the broker, also through others", () => {
  const files = testsWith(broker.module);
  assert.ok(files.includes("tests/mosquitto_test.ts"), "imports it itself");
  assert.ok(files.includes("tests/agent/article_test.ts"), "through others");
  assert.ok(!files.includes("src/sql/parse_test.ts"));
  assert.ok(!files.includes("scripts/build_grammar_test.ts"));
});

test("missingOf() names what is not there", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-path-"));
  try {
    writeFileSync(join(folder, "weir-no-server"), "");
    const find = (name: string) => findProgram(name, folder);
    assert.deepEqual(missingOf({ ...broker, programs: ["weir-no-server", "weir-no-client"] }, find), [
      "weir-no-client",
    ]);
    assert.deepEqual(missingOf({ ...broker, programs: [], python: ["weir_no_module", "sys"] }), ["weir_no_module"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("leftOut() names files and packages of peers that are missing, and no others", () => {
  const absent = { ...broker, programs: ["weir-no-server"] };
  const [only, ...others] = leftOut([absent, { ...broker, programs: [] }, { ...absent, module: "tests/nobody.ts" }]);
  assert.deepEqual(others, []);
  assert.deepEqual([only!.missing, only!.packages], [["weir-no-server"], broker.packages]);
  assert.ok(only!.files.includes("tests/mosquitto_test.ts"));
});
