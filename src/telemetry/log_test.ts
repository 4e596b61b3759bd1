import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogFormat } from "./log.ts";

const start = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function recorder(format: LogFormat, level: "debug" | "info" | "error" = "info") {
  const lines: string[] = [];
  const clock = { now: start };
  const log = createLog({ level, format, write: (line) => lines.push(line), now: () => clock.now });
  return { log, lines, clock };
}

test("a line has time, level, message and fields in each format", () => {
  const expected: Record<LogFormat, string> = {
    human: '2026-01-02T03:04:05.678Z WARN  connection lost rule=r1 reason="not reached"\n',
    logfmt: 'time=2026-01-02T03:04:05.678Z level=warn msg="connection lost" rule=r1 reason="not reached"\n',
    json: '{"time":"2026-01-02T03:04:05.678Z","level":"warn","msg":"connection lost","rule":"r1",' +
      '"reason":"not reached"}\n',
  };
  for (const [format, line] of Object.entries(expected)) {
    const { log, lines } = recorder(format as LogFormat);
    log.with({ rule: "r1" }).warn("connection lost", { reason: "not reached", absent: undefined });
    assert.deepEqual(lines, [line]);
  }
});

test("lines below the level are not written", () => {
  const { log, lines } = recorder("logfmt", "error");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  assert.equal(lines.length, 1);
});

test("no value can make a second line or a second field", () => {
  for (const format of ["human", "logfmt", "json"] as const) {
    const { log, lines } = recorder(format);
    log.info("x\ny", { a: "b\nlevel=error", c: "d e=f", g: "\u001b[31m", h: "\u2028" });
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^[^\p{Cc}\u2028]*\n$/u);
    if (format === "json") assert.equal(JSON.parse(lines[0]!).a, "b\nlevel=error");
    else assert.match(lines[0]!, / a="b\\nlevel=error" c="d e=f" /);
  }
});

test("very long fields are cut", () => {
  const { log, lines } = recorder("json");
  log.info("x", { payload: "y".repeat(100_000) });
  assert.ok(lines[0]!.length < 2200);
  assert.match(lines[0]!, /100000 characters/);
});

test("equal lines are limited; the next one that is written tells how many were not", () => {
  const { log, lines, clock } = recorder("logfmt");
  for (let i = 0; i < 1000; i++) log.error("device failed", { attempt: i });
  assert.equal(lines.length, 10);
  log.error("another message");
  log.with({ rule: "r2" }).error("device failed");
  assert.equal(lines.length, 12);
  clock.now += 10_000;
  log.error("device failed", { attempt: 1000 });
  assert.match(lines.at(-1)!, /attempt=1000 suppressed=990\n$/);
  log.error("device failed", { attempt: 1001 });
  assert.match(lines.at(-1)!, /attempt=1001\n$/);
});

test("lines that are no complaints are never limited", () => {
  const { log, lines } = recorder("logfmt", "debug");
  for (let i = 0; i < 100; i++) log.debug("row");
  for (let i = 0; i < 100; i++) log.info("result");
  assert.equal(lines.length, 200);
});

test("the limit works on when the clock is set back", () => {
  const { log, lines, clock } = recorder("logfmt");
  for (let i = 0; i < 20; i++) log.error("x");
  clock.now -= 3_600_000;
  log.error("x");
  assert.equal(lines.length, 11);
});
