import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { createLog } from "./log.ts";
import { LogLevels } from "./log_levels.ts";

test("a module's level counts for its lines, the longest pattern that fits first, and others keep theirs", () => {
  const levels = new LogLevels("info", { "rule.*": "warn", "rule.r1": "debug" });
  assert.ok(levels.admits("debug", { rule: "r1" }));
  assert.ok(!levels.admits("info", { rule: "r2" }) && levels.admits("warn", { rule: "r2" }));
  assert.ok(levels.admits("info", { connector: "mqtt" }) && !levels.admits("debug", { connector: "mqtt" }));
  assert.ok(
    levels.admits("debug", { connector: "mqtt" }, { rule: "r1" }),
    "of a line's modules the one that says most",
  );
  assert.ok(!levels.admits("debug", { rule: "r1.x" }), "a name is a whole one");
  levels.remove("rule.r1");
  assert.ok(!levels.admits("debug", { rule: "r1" }));
  levels.base = "error";
  assert.ok(!levels.admits("warn", {}) && levels.admits("warn", { rule: "r1" }));
});

test("a log writes by module, for fields of the scope and of the line", () => {
  const lines: string[] = [];
  const levels = new LogLevels("warn", { "rule.r1": "debug" });
  const log = createLog({ level: levels, format: "logfmt", write: (line) => void lines.push(line), now: () => 0 });
  log.with({ rule: "r1" }).debug("a");
  log.debug("b", { rule: "r1" });
  log.with({ rule: "r2" }).info("c");
  log.info("d");
  log.with({ rule: "r2" }).warn("e");
  assert.deepEqual(lines.map((line) => /msg=(\w)/.exec(line)![1]), ["a", "b", "e"]);
});

test("a level for some time goes back to what it was before", async () => {
  const levels = new LogLevels("info", { "rule.r1": "error" });
  levels.set("rule.r1", "debug", 20);
  levels.set("rule.r2", "debug", 20);
  assert.ok(levels.admits("debug", { rule: "r1" }) && levels.admits("debug", { rule: "r2" }));
  assert.ok(levels.list().every(({ until }) => until !== undefined));
  levels.set("rule.r1", "warn", 30);
  await eventually(() => levels.count === 1);
  await eventually(() => levels.list()[0]!.level === "error");
  assert.deepEqual(levels.list(), [{ module: "rule.r1", level: "error" }]);
});

test("stars and nothing else are wildcards", () => {
  const levels = new LogLevels("error", { "rule.a.b*": "debug" });
  assert.ok(levels.admits("debug", { rule: "a.b1" }) && !levels.admits("debug", { rule: "axb1" }));
});
