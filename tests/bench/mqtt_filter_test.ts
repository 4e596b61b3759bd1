import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findBun, run } from "../../scripts/engines.ts";
import { findMosquitto } from "../mosquitto.ts";
import { FIRST_SEQUENCE, payloadOf, readingOf } from "./readings.ts";

test("payloadOf() gives 80 bytes that end with time and sequence", () => {
  for (const sequence of [FIRST_SEQUENCE, FIRST_SEQUENCE + 8_999, FIRST_SEQUENCE + 600_000]) {
    const payload = payloadOf(sequence, 1_234_567);
    assert.equal(payload.length, 80);
    const { ts, seq, temperature } = JSON.parse(payload);
    assert.deepEqual([ts, seq, temperature], [1_000_000_001_234_567, sequence, readingOf(sequence).temperature]);
  }
});

test("readingOf() repeats after 9,000", () => {
  for (let index = 0; index < 1_000; index++) {
    assert.deepEqual(readingOf(FIRST_SEQUENCE + index), readingOf(FIRST_SEQUENCE + 9_000 + index));
  }
});

// The benchmark itself, small and with its reference contender, so that it cannot rot.
test("mqtt-filter runs, and loses nothing of a small load", async () => {
  // Says so at once, not somewhere in the output of the other process.
  findMosquitto();
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    const json = join(folder, "report.json");
    const program = "tests/bench/mqtt_filter.ts";
    const args = ["--contender", "mqttjs", "--rate", "500", "--seconds", "1", "--connections", "2", "--json", json];
    const { code, output } = await run(findBun(), [program, ...args, "--assert-lost"], "collect", 60_000);
    assert.equal(code, 0, output);
    const report = JSON.parse(readFileSync(json, "utf8"));
    assert.equal(report.sent, 500);
    assert.ok(report.output.received > 200, output);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
