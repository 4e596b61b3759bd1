import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { findMosquitto } from "./mosquitto.ts";

test("findMosquitto() looks on the PATH, then where packages put it, and says so", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-path-"));
  try {
    const program = join(folder, "mosquitto");
    assert.throws(() => findMosquitto(folder, ["/nowhere/mosquitto"]), /not installed.*\/nowhere\/mosquitto/);
    writeFileSync(program, "");
    assert.equal(findMosquitto(["/nowhere", folder].join(delimiter), ["/nowhere/mosquitto"]), program);
    assert.equal(findMosquitto("", ["/nowhere/mosquitto", program]), program);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
