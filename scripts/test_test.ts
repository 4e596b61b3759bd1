import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { brokerTests, missingPrograms } from "./test.ts";

test("brokerTests() finds the files that import the broker, also through others", () => {
  const files = brokerTests();
  assert.ok(files.includes("tests/mosquitto_test.ts"), "imports it itself");
  assert.ok(files.includes("tests/agent/article_test.ts"), "through others");
  assert.ok(!files.includes("src/sql/parse_test.ts"));
  assert.ok(!files.includes("scripts/build_grammar_test.ts"));
});

test("missingPrograms() names what is not on the path", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-path-"));
  try {
    for (const name of ["mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_passwd"]) {
      writeFileSync(join(folder, name), "");
    }
    assert.deepEqual(missingPrograms(folder), ["openssl"]);
    writeFileSync(join(folder, "openssl"), "");
    assert.deepEqual(missingPrograms(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
