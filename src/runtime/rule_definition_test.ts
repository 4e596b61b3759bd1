import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { configSchema } from "../config/schema.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { readRule, type RuleDefinition } from "./rule_definition.ts";

const defaults = { generateId: () => "generated" };
const minimal = { id: "r", sql: "SELECT 1 FROM s", actions: [{ log: {} }] };

function read(rule: unknown, id?: string): RuleDefinition {
  return readRule(typeof rule === "string" ? rule : JSON.stringify(rule), defaults, id);
}

test("readRule() fills in what a rule does not say", () => {
  const json = JSON.stringify(minimal);
  const { options, ...rest } = read(json);
  assert.deepEqual(rest, {
    id: "r",
    name: "",
    sql: "SELECT 1 FROM s",
    actions: [{ type: "log", path: "actions.0.log", properties: {} }],
    triggered: true,
    tags: null,
    temp: false,
    version: "",
    json,
  });
  assert.deepEqual(
    [options.qos, options.isEventTime, options.lateTolerance, options.sendError, options.bufferLength],
    [0, false, 1000, false, 1024],
  );
});

test("readRule() keeps the text as it was given, or with the id it got", () => {
  const spaced = '{ "id":"r",  "sql":"x", "actions":[{"log":null}], "note": 1 }';
  assert.equal(read(spaced).json, spaced);
  const { id: _, ...anonymous } = minimal;
  assert.equal(read(anonymous).id, "generated");
  assert.equal(JSON.parse(read(anonymous).json).id, "generated");
  assert.equal(JSON.parse(read({ ...minimal, id: "" }).json).id, "generated");
  assert.equal(read(anonymous, "path").id, "path");
  assert.equal(read(minimal, "r").id, "r");
});

test("readRule() reads names in any case, and durations as numbers or text", () => {
  const rule = read({ ID: "r", SQL: "x", Actions: [{ log: {} }], Options: { lateTolerance: "2s", sendError: true } });
  assert.equal(rule.id, "r");
  assert.equal(rule.options.lateTolerance, 2000);
  assert.equal(rule.options.sendError, true);
  assert.equal(read({ ...minimal, options: { lateTolerance: 5 } }).options.lateTolerance, 5);
});

test("readRule() makes an action of every key", () => {
  const { actions } = read({ ...minimal, actions: [{ log: {}, mqtt: { topic: "t" } }, { nop: null }] });
  assert.deepEqual(actions.map(({ type, path }) => [type, path]), [
    ["log", "actions.0.log"],
    ["mqtt", "actions.0.mqtt"],
    ["nop", "actions.1.nop"],
  ]);
  assert.deepEqual(actions[1]!.properties, { topic: "t" });
});

test("readRule() lets the agent's configuration fill in options, and the rule override them", () => {
  const configured = { ...defaults, options: { lateTolerance: 7000, sendError: true } };
  assert.equal(readRule(JSON.stringify(minimal), configured).options.lateTolerance, 7000);
  const own = JSON.stringify({ ...minimal, options: { lateTolerance: 1, bufferLength: 5 } });
  const { lateTolerance, sendError, bufferLength } = readRule(own, configured).options;
  assert.deepEqual([lateTolerance, sendError, bufferLength], [1, true, 5]);
});

function ranges(...cronDatetimeRange: unknown[]): unknown {
  return { ...minimal, options: { cronDatetimeRange } };
}

test("readRule() takes what tools write for a rule without a schedule", () => {
  const options = { cron: "", duration: "", cronDatetimeRange: null };
  assert.equal(read({ ...minimal, options }).schedule, undefined);
  assert.equal(
    read({ ...minimal, options: { ...options, Duration: null, cronDatetimeRange: [] } }).schedule,
    undefined,
  );
  assert.equal(read({ ...minimal, options: { duration: "1m30s" } }).options.duration, 90_000);
});

test("readRule() reads ranges in the zone of the agent", () => {
  const text = { begin: "2026-07-01 08:00:00", end: "2026-07-01 10:00:00", beginTimestamp: 0 };
  const schedule = readRule(JSON.stringify(ranges(text)), { ...defaults, timezone: "Europe/Berlin" }).schedule;
  const [begin, end] = [Date.UTC(2026, 6, 1, 6), Date.UTC(2026, 6, 1, 8)];
  assert.deepEqual(schedule?.ranges, [{ begin, end }]);
  assert.deepEqual(read(ranges({ beginTimestamp: begin, endTimestamp: end })).schedule, schedule);
});

const wrong: [rule: unknown, message: RegExp, path?: string][] = [
  ["{", /^E703: invalid rule json: /],
  ["", /^E703: invalid rule json: /],
  ["null", /a rule must be a JSON object/],
  ["[]", /a rule must be a JSON object/],
  ["5", /a rule must be a JSON object/],
  [{ ...minimal, id: "a b" }, /^E704: .*invalid characters/, "id"],
  [{ ...minimal, id: "a/b" }, /^E704: .*invalid characters/, "id"],
  [{ ...minimal, id: " a" }, /^E704: .*whitespace/, "id"],
  [{ ...minimal, id: "x".repeat(257) }, /^E704: .*longer/, "id"],
  [{ ...minimal, id: 5 }, /field "id" must be a string, found number/, "id"],
  [{ ...minimal, sql: "" }, /Rule r has neither sql nor graph\./],
  [{ id: "r", actions: [{ log: {} }] }, /Rule r has neither sql nor graph\./],
  [{ ...minimal, graph: {} }, /Rule r has both sql and graph\./],
  [{ id: "r", graph: {} }, /^E217: The nodes of a graph must be an object/, "graph.nodes"],
  [{ id: "r", sql: "x" }, /Missing rule actions\./, "actions"],
  [{ ...minimal, actions: [] }, /Missing rule actions\./, "actions"],
  [{ ...minimal, actions: {} }, /actions must be an array/, "actions"],
  [{ ...minimal, actions: [{}] }, /must name a sink type/, "actions.0"],
  [{ ...minimal, actions: [[]] }, /must be an object/, "actions.0"],
  [{ ...minimal, actions: [{ log: 5 }] }, /properties of action "log" must be an object/, "actions.0.log"],
  [{ ...minimal, triggered: "yes" }, /field "triggered" must be a boolean, found string/, "triggered"],
  [{ ...minimal, tags: "a" }, /"tags" must be an array of strings/, "tags"],
  [{ ...minimal, tags: [1] }, /"tags" must be an array of strings/, "tags"],
  [{ ...minimal, version: 2 }, /field "version" must be a string/, "version"],
  [{ ...minimal, options: [] }, /Rule r has invalid options/, "options"],
  [
    { ...minimal, options: { lateTolerence: 1 } },
    /^E402: .*lateTolerence.*did you mean "lateTolerance"/,
    "options.lateTolerence",
  ],
  [{ ...minimal, options: { qos: 3 } }, /^E403: /, "options.qos"],
  [{ ...minimal, options: { qos: 3 } }, /^E403: /, "options.qos"],
  [{ ...minimal, options: { qos: 1, durability: "disk" } }, /^E403: /, "options.durability"],
  [{ ...minimal, options: { bufferLength: 0 } }, /^E403: /, "options.bufferLength"],
  [{ ...minimal, options: { concurrency: -1 } }, /^E403: /, "options.concurrency"],
  [{ ...minimal, options: { restartStrategy: { attempts: -1 } } }, /^E403: /, "options.restartStrategy.attempts"],
  [{ ...minimal, options: { logFilename: "r.log" } }, /^E408: /, "options.logFilename"],
  [{ ...minimal, options: { cron: "* * * * *" } }, /^E404: .*"duration" beside "cron"/, "options.duration"],
  [{ ...minimal, options: { cron: "* * *", duration: "1m" } }, /^E403: .*wanted five fields/, "options.cron"],
  [{ ...minimal, options: { cron: "0 0 30 2 *", duration: "1m" } }, /^E403: .*never comes/, "options.cron"],
  [{ ...minimal, options: { cron: ["@daily"], duration: "1m" } }, /^E403: .*wanted a text/, "options.cron"],
  [{ ...minimal, options: { duration: "-5s" } }, /^E403: /, "options.duration"],
  [{ ...minimal, options: { duration: "a while" } }, /^E403: /, "options.duration"],
  [{ ...minimal, options: { cronDatetimeRange: "2026" } }, /^E403: /, "options.cronDatetimeRange.0"],
  [{ ...minimal, options: { cronDatetimeRange: [{}] } }, /^E403: .*wanted either/, "options.cronDatetimeRange.0"],
  [ranges({ from: 1, to: 2 }), /^E403: /, "options.cronDatetimeRange.0.from"],
  [ranges({ beginTimestamp: 1, endTimestamp: 2, begin: "x" }), /wanted either/, "options.cronDatetimeRange.0"],
  [ranges({ beginTimestamp: 2, endTimestamp: 1 }), /it ends before it begins/, "options.cronDatetimeRange.0"],
  [ranges({ beginTimestamp: 2, endTimestamp: 1e18 }), /^E403: /, "options.cronDatetimeRange.0.endTimestamp"],
  [
    ranges({ begin: "2026-01-02 00:00:00", end: "2026-01-01 00:00:00" }),
    /it ends before it begins/,
    "options.cronDatetimeRange.0",
  ],
  [
    ranges({ begin: "2026-01-02 00:00:00", end: "tomorrow" }),
    /end must be a time such as .*, found "tomorrow"/,
    "options.cronDatetimeRange.0",
  ],
  [
    ranges(...Array.from({ length: 1001 }, () => ({ beginTimestamp: 1, endTimestamp: 2 }))),
    /has 1001 ranges: at most 1000/,
    "options.cronDatetimeRange",
  ],
];

for (const [rule, message, path] of wrong) {
  test(`readRule() refuses ${JSON.stringify(rule).slice(0, 80)}`, () => {
    assert.throws(() => read(rule), (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      assert.match(error.message, message);
      if (path !== undefined) assert.equal(error.diagnostics[0]!.path, path);
      return true;
    });
  });
}

test("readRule() refuses another id than that of the path", () => {
  assert.throws(() => read(minimal, "other"), /RuleId is not consistent with rule id\./);
});

test("readRule() takes every option of the dialect at its default", () => {
  const rule = read({
    ...minimal,
    options: {
      isEventTime: false,
      lateTolerance: "1s",
      concurrency: 1,
      bufferLength: 1024,
      disableBufferFullDiscard: false,
      sendError: false,
      sendMetaToSink: false,
      sendNilField: false,
      qos: 0,
      checkpointInterval: "5m",
      enableSaveStateBeforeStop: false,
      forceExitTimeout: 0,
      restartStrategy: { attempts: 0, delay: 1000, multiplier: 2, maxDelay: 30000, jitterFactor: 0.1 },
      cron: "",
      duration: "",
      cronDatetimeRange: [],
      debug: false,
      logFilename: "",
      enableRuleTracer: false,
      notifySub: false,
      planOptimizeStrategy: {
        enableIncrementalWindow: false,
        enableAliasPushdown: false,
        disableAliasRefCal: false,
        optimizeControl: { disableOptimizeRules: [] },
        windowOption: { windowVersion: "", enableSendSlidingWindowTwice: false },
      },
      experiment: { useSliceTuple: false },
    },
  });
  const { planOptimizeStrategy: _, ...options } = rule.options;
  assert.deepEqual(options, read(minimal).options);
});

test("readRule() reads durations of every form", () => {
  const forms: [unknown, number][] = [
    [0, 0],
    [250, 250],
    ["300s", 300_000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["1h", 3_600_000],
    ["1.5s", 1500],
  ];
  for (const [lateTolerance, ms] of forms) {
    assert.equal(read({ ...minimal, options: { lateTolerance } }).options.lateTolerance, ms, String(lateTolerance));
  }
});

const badOptions: readonly [options: Record<string, unknown>, path: string][] = [
  [{ lateTolerance: -1 }, "options.lateTolerance"],
  [{ lateTolerance: "-1s" }, "options.lateTolerance"],
  [{ lateTolerance: "soon" }, "options.lateTolerance"],
  [{ lateTolerance: true }, "options.lateTolerance"],
  [{ bufferLength: -1 }, "options.bufferLength"],
  [{ bufferLength: "many" }, "options.bufferLength"],
  [{ concurrency: -2 }, "options.concurrency"],
  [{ restartStrategy: { attempts: -1 } }, "options.restartStrategy.attempts"],
  [{ isEventTime: "perhaps" }, "options.isEventTime"],
  [{ sendNilField: 5 }, "options.sendNilField"],
  [{ qos: -1 }, "options.qos"],
  [{ qos: "two" }, "options.qos"],
];

for (const [options, path] of badOptions) {
  test(`readRule() refuses the option ${JSON.stringify(options)} with E403`, () => {
    assert.throws(() => read({ ...minimal, options }), (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      assert.deepEqual(error.diagnostics.map((d) => [d.code, d.path]), [["E403", path]]);
      return true;
    });
  });
}

test("readRule() takes ids of letters, digits, underscores and hyphens only", () => {
  for (const id of ["a", "A-1_b", "0", "-", "_"]) assert.equal(read({ ...minimal, id }).id, id);
  for (const id of ["a.b", "é", "a%20b", "a\n", "#1", "a:b"]) {
    assert.throws(() => read({ ...minimal, id }), /E704: /, JSON.stringify(id));
  }
});

test("readRule() keeps name, tags, version, temp and triggered, and ignores unknown fields", () => {
  const fields = { name: "Hot", tags: ["a", "b"], version: "2", temp: true, triggered: false };
  const rule = read({ ...minimal, ...fields, comment: "x", ui: { x: 1 } });
  const { name, tags, version, temp, triggered } = rule;
  assert.deepEqual({ name, tags, version, temp, triggered }, fields);
});

test("readRule() and the configuration have the same defaults", () => {
  const { rule } = v.parse(configSchema, {});
  const { options } = read(minimal);
  const own = Object.fromEntries(Object.keys(rule).map((name) => [name, options[name as keyof typeof options]]));
  // What is ignored has no value.
  assert.deepEqual({ ...own, concurrency: rule.concurrency }, rule);
});
