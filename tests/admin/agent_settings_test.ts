import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../src/telemetry/log.ts";
import type { LogLevel } from "../../src/connector/context.ts";
import { LogLevels } from "../../src/telemetry/log_levels.ts";
import { admin } from "./fixture.ts";

function withLevels() {
  const levels: (LogLevel | undefined)[] = [];
  const { ask } = admin({ settings: { timezone: "UTC", setLogLevel: (level) => void levels.push(level) } });
  return { levels, patch: (body: unknown) => ask("PATCH", "/configs", body) };
}

test("PATCH /configs sets the level of the log, by the names of eKuiper too", async () => {
  const { levels, patch } = withLevels();
  const bodies: [body: unknown, level: LogLevel | undefined][] = [
    [{ logLevel: "debug" }, "debug"],
    [{ LOGLEVEL: "Warning" }, "warn"],
    [{ logLevel: "panic" }, "error"],
    [{ debug: true, logLevel: "info" }, "debug"],
    [{ debug: false }, undefined],
    [{ debug: false, logLevel: "warn" }, "warn"],
  ];
  for (const [body] of bodies) {
    const { status, text } = await patch(body);
    assert.deepEqual([status, text], [204, ""]);
  }
  assert.deepEqual(levels, bodies.map(([, level]) => level));
});

test("PATCH /configs takes what is so already, and refuses what cannot change, as a whole", async () => {
  const { levels, patch } = withLevels();
  const same = { timezone: "UTC", consoleLog: true, fileLog: false, metricsDumpConfig: { enable: false } };
  assert.equal((await patch(same)).status, 204);
  const refused: [body: unknown, code: string, message: RegExp][] = [
    ["{", "E703", /^Invalid JSON: /],
    [[], "E703", /^Invalid JSON: /],
    [{ timezone: "Mars/Base" }, "E703", /^Invalid TZ: /],
    [{ timezone: 1 }, "E703", /^Invalid TZ: /],
    [{ timezone: "Europe/Berlin" }, "E408", /timezone cannot be changed: it is UTC/],
    [{ consoleLog: false }, "E408", /^consoleLog cannot be changed/],
    [{ fileLog: true }, "E408", /^fileLog cannot be changed/],
    [{ metricsDumpConfig: { enable: true } }, "E408", /dumps of metrics/],
    [{ debug: "yes" }, "E403", /^"debug" must be true or false/],
    [{ logLevel: "loud" }, "E403", /^Unknown logLevel "loud"/],
    [{ logLevel: "constructor" }, "E403", /^Unknown logLevel/],
    [{ restPort: 1 }, "E402", /^Unknown setting "restPort"/],
  ];
  for (const [body, code, message] of refused) {
    const answer = await patch(typeof body === "object" && !Array.isArray(body) ? { debug: true, ...body } : body);
    assert.deepEqual([answer.status, answer.json().error], [400, 1000], answer.text);
    assert.equal(answer.json().diagnostics[0].code, code);
    assert.match(answer.json().message, message);
  }
  assert.deepEqual(levels, []);
});

test("the level of a log may change while it is written", () => {
  const lines: string[] = [];
  const levels = new LogLevels("info");
  const log = createLog({ level: levels, format: "logfmt", write: (line) => void lines.push(line), now: () => 0 });
  const scoped = log.with({ rule: "r" });
  scoped.debug("one");
  levels.base = "debug";
  scoped.debug("two");
  levels.base = "error";
  scoped.warn("three");
  assert.deepEqual(lines.map((line) => /msg=(\w+)/.exec(line)?.[1]), ["two"]);
});

test("levels of modules are shown, set, set for some time and taken away", async () => {
  const levels = new LogLevels("info");
  const { ask } = admin({ settings: { timezone: "UTC", setLogLevel() {}, levels } });
  const path = "/api/v1/log/levels";
  assert.deepEqual((await ask("GET", path)).json(), { level: "info", modules: [] });
  const set = await ask("PUT", path, { module: "rule.r1", level: "debug" });
  assert.deepEqual(set.json().modules, [{ module: "rule.r1", level: "debug" }]);
  const timed = await ask("PUT", path, { module: "connector.*", level: "DEBUG", for: "10m" });
  assert.ok(timed.json().modules[0].until > Date.now());
  assert.equal((await ask("PUT", path, { module: "rule.r1", level: "configured" })).json().modules.length, 1);
  assert.equal((await ask("PUT", path, { level: "warn" })).json().level, "warn");
  assert.equal(levels.base, "warn");
  const wrong = [
    { module: "rules.r1", level: "debug" },
    { module: "rule.", level: "debug" },
    { module: "rule.r1", level: "loud" },
    { module: "rule.r1", level: "debug", for: "soon" },
    { module: "rule.r1", level: "debug", for: "10000h" },
    { level: "debug", for: "1m" },
  ];
  for (const body of wrong) assert.equal((await ask("PUT", path, body)).status, 400, JSON.stringify(body));
  levels.remove("connector.*");
});
