import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { log } from "./mod.ts";
import { LogSink } from "./sink.ts";

conformance(log, {
  sink: () => ({
    settings: {},
    received: (logged) => logged.map(({ data }) => (JSON.parse(String(data)) as { n: number }).n),
    close: () => Promise.resolve(),
  }),
});

test("log writes bytes as text", async () => {
  const lines: LogFields[] = [];
  await new LogSink(recordingLogger(lines)).write([new TextEncoder().encode("é")], new AbortController().signal);
  assert.deepEqual(lines, [{ data: "é" }]);
});
