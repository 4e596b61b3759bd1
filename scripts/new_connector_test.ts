import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./source_files.ts";
import { newConnector } from "./new_connector.ts";

test("newConnector() makes a folder under the new name, and lists it in its order", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-connector-"));
  try {
    mkdirSync(join(folder, "connectors"));
    cpSync(join(root, "connectors/mod.ts"), join(folder, "connectors/mod.ts"));
    const before = readFileSync(join(folder, "connectors/mod.ts"), "utf8");
    const files = newConnector("nats", folder);
    assert.ok(files.includes("connectors/nats/nats_test.ts"));
    for (const file of files) {
      assert.doesNotMatch(readFileSync(join(folder, file), "utf8"), /skeleton/i, file);
    }
    assert.match(
      readFileSync(join(folder, "connectors/nats/mod.ts"), "utf8"),
      /export const nats = defineConnector\(\{\n {2}name: "nats",/,
    );
    const after = readFileSync(join(folder, "connectors/mod.ts"), "utf8");
    const entry = '  {\n    name: "nats",\n    roles: ["source", "sink"],\n' +
      '    load: async () => (await import("./nats/mod.ts")).nats,\n  },\n';
    assert.equal(after, before.replace('  {\n    name: "nop"', `${entry}  {\n    name: "nop"`));
    assert.throws(() => newConnector("nats", folder), /is there already/);
    for (const name of ["", "Nats", "../x", "a b"]) {
      assert.throws(() => newConnector(name, folder), /cannot be the name/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
