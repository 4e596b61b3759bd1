import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { nop } from "./mod.ts";
import { NopSink } from "./sink.ts";

conformance(nop, {
  sink: () => ({
    settings: { log: "true" },
    received: (logged) => logged.map(({ data }) => (JSON.parse(String(data)) as { n: number }[])[0]!.n),
    close: () => Promise.resolve(),
  }),
});

test("nop logs nothing unless asked, and lives with rows that JSON cannot hold", async () => {
  const lines: LogFields[] = [];
  const { signal } = new AbortController();
  await new NopSink({ log: false }, recordingLogger(lines)).write([[{ a: 1 }]], signal);
  assert.equal(lines.length, 0);
  await new NopSink({ log: true }, recordingLogger(lines)).write([[{ b: 2n, a: 1 }], [{ a: NaN }]], signal);
  assert.deepEqual(lines[0], { data: '[{"a":1,"b":2}]' });
  assert.match(String(lines[1]?.data), /NaN/);
});
