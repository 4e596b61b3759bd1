/**
 * What one rule may take: time, memory and errors of its own never harm another.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionSet } from "../../src/sql/catalog.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { any, defineAggregate, defineFunction, float } from "../../src/sql/functions/declare.ts";
import { eventually } from "../eventually.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";

/** Works for so many milliseconds, and can do nothing else. */
const busy = defineFunction({
  name: "busy",
  category: "other",
  returns: "float",
  nulls: "propagate",
  params: [float("ms")],
  doc: "For tests.",
  impure: true,
  examples: [],
  compile: () => (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return ms;
  },
});

/** Throws what `kind` says. */
const breaks = defineFunction({
  name: "breaks",
  category: "other",
  returns: "string",
  nulls: "sees",
  params: [any("kind")],
  doc: "For tests.",
  impure: true,
  examples: [],
  compile: () => (kind) => {
    switch (kind) {
      case "stack": {
        const deeper = (n: number): number => 1 + deeper(n + 1);
        return deeper(0);
      }
      case "text":
        return "x".repeat(2 ** 29).repeat(4);
      case "list":
        return new Array<number>(-1);
      case "nothing":
        throw undefined;
      case "null":
        throw null;
      case "text thrown":
        throw "a text";
      case "frozen":
        throw Object.freeze(new TypeError("frozen"));
      default:
        return "whole";
    }
  },
});

let broken = 0;

/** A mistake of ours: an aggregate that cannot even begin, from its second state on. */
const mistaken = defineAggregate({
  name: "mistaken",
  category: "aggregate",
  returns: "float",
  params: [any("x")],
  doc: "For tests.",
  examples: [],
  init: () => {
    if (broken++ > 0) throw new Error("it cannot begin");
    return 0;
  },
  add: (state) => state,
  result: (state) => state,
  merge: (left) => left,
});

const own = [busy, breaks, mistaken];
const functions: FunctionSet = {
  lookup: (name) => own.find((fn) => fn.name === name.toLowerCase()) ?? builtInFunctions.lookup(name),
  names: () => [...builtInFunctions.names(), ...own.map((fn) => fn.name)],
};

function withTestFunctions(work: (fixture: EngineFixture) => Promise<void>): Promise<void> {
  return withEngine(async (fixture) => {
    fixture.streams.execute(wireStream);
    await work(fixture);
  }, { functions });
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `{"n":${n}}`);

test("a large batch of slow rows lets others run every few milliseconds, and keeps its order", () =>
  withTestFunctions(async ({ engine, wire }) => {
    await engine.rules.create(wireRule("r", "SELECT n, busy(0.5) AS b FROM s"));
    wire.send(...numbers(600));
    let longest = 0;
    let last = performance.now();
    let turns = 0;
    const watch = setInterval(() => {
      turns++;
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await eventually(() => wire.written.length > 0);
    clearInterval(watch);
    assert.ok(turns > 10, `${turns} turns of others in 300 ms of work`);
    const rows = wire.written.flatMap((text) => JSON.parse(text) as { n: number }[]);
    assert.deepEqual(rows.map(({ n }) => n), numbers(600).map((_, n) => n));
    // A machine that is busy with other tests takes longer; without turns it would be all of the 300 ms.
    assert.ok(longest < 250, `nothing ran for ${longest} ms`);
    assert.equal(engine.rules.status("r").op_3_project_0_records_in_total, 600);
  }));

test("a rule that is stopped in the middle of a batch gives what is done, and counts the rest", () =>
  withTestFunctions(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM shared () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    await engine.rules.create(wireRule("r", "SELECT n, busy(1) AS b FROM shared"));
    await engine.rules.create(JSON.stringify({ id: "other", sql: "SELECT n FROM shared", actions: [{ nop: {} }] }));
    wire.send(...numbers(2000));
    await eventually(() => Number(engine.rules.status("r").op_3_project_0_records_in_total) > 0);
    await engine.rules.stop("r");
    const rows = wire.written.flatMap((text) => JSON.parse(text) as { n: number }[]);
    const dropped = Number(engine.rules.status("r").source_shared_0_dropped_total);
    assert.ok(rows.length > 0 && rows.length < 2000);
    assert.equal(rows.length + dropped, 2000);
    await eventually(() => engine.rules.status("other").sink_nop_0_0_records_out_total === 2000);
  }));

test("rules on a shared stream that keep the processor busy lose nothing", () =>
  withTestFunctions(async ({ engine, streams, wire }) => {
    streams.execute('CREATE STREAM shared () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    for (const id of ["r1", "r2", "r3"]) {
      const actions = [{ nop: {} }];
      await engine.rules.create(JSON.stringify({ id, sql: "SELECT n, busy(0.02) AS b FROM shared", actions }));
    }
    for (let i = 0; i < 10; i++) wire.send(...numbers(600));
    const outs = () => ["r1", "r2", "r3"].map((id) => engine.rules.status(id).sink_nop_0_0_records_out_total);
    await eventually(() => outs().every((out) => out === 6000));
    assert.equal(engine.rules.status("r1").source_shared_0_dropped_total, 0);
  }));

test("a rule whose batch took longer than it may is stopped with E514, another one goes on", () =>
  withTestFunctions(async ({ engine, wire, log }) => {
    const sql = "SELECT n, busy(CASE WHEN n = 3 THEN 300 ELSE 0 END) AS b FROM s";
    await engine.rules.create(wireRule("slow", sql, { options: { batchTimeMax: "200ms" } }));
    wire.send(...numbers(5));
    await eventually(() => engine.rules.status("slow").status === "stopped by error");
    const { message, slow_batches_total: slow, longest_batch_ms: longest } = engine.rules.status("slow");
    assert.match(
      String(message),
      /^E514: A batch of 5 rows took 3\d\d ms, and batchTimeMax allows 200 ms \(nothing else/,
    );
    assert.equal(slow, 1);
    assert.ok(Number(longest) >= 300);
    assert.equal(wire.written.length, 5, "what it gave has left");
    assert.ok(
      log.some((line) => line.includes('level=error msg="A rule cannot run" rule=slow reason="E514')),
      log.join("\n"),
    );

    await engine.rules.create(wireRule("quick", "SELECT n FROM s"));
    wire.send('{"n":9}');
    await eventually(() => wire.written.includes('[{"n":9}]'));
    await engine.rules.start("slow");
    assert.equal(engine.rules.status("slow").status, "running");
  }));

test("a rule with restartStrategy starts again after a limit", () =>
  withEngine(async ({ engine, streams, wire }) => {
    streams.execute(wireStream);
    const options = { batchTimeMax: "100ms", restartStrategy: { attempts: 1 } };
    await engine.rules.create(wireRule("r", "SELECT busy(n) AS b FROM s", { options }));
    wire.send('{"n":200}');
    await eventually(() => engine.rules.status("r").status === "stopped by error");
    await eventually(() => engine.rules.status("r").status === "running");
    wire.send('{"n":1}');
    await eventually(() => wire.written.includes('[{"b":1}]'));
  }, { functions, config: { timezone: "UTC", rulePatrolInterval: 50 } }));

const larger: readonly (readonly [name: string, sql: string, row: (n: number) => object, step: RegExp])[] = [
  [
    "rows of a window",
    "SELECT * FROM s GROUP BY TUMBLINGWINDOW(hh, 1)",
    (n) => ({ n, text: "x".repeat(500) }),
    /step "window" holds \d+ rows in about [\d.]+ MiB/,
  ],
  [
    "groups of a window",
    "SELECT k, count(*) AS c FROM s GROUP BY k, TUMBLINGWINDOW(hh, 1)",
    (n) => ({ k: `key ${n}` }),
    /step "inc_agg_window" holds \d+ rows in/,
  ],
  [
    "one aggregate that collects",
    "SELECT collect(text) AS c FROM s GROUP BY TUMBLINGWINDOW(hh, 1)",
    (n) => ({ text: `${n}`.padStart(300) }),
    /step "inc_agg_window" holds/,
  ],
  [
    "partitions of an analytic function",
    "SELECT lag(n) OVER (PARTITION BY k) AS before FROM s",
    (n) => ({ n, k: `key ${n}` }),
    /step "analytic" holds about [\d.]+ MiB/,
  ],
];

for (const [name, sql, row, step] of larger) {
  test(`a rule whose state grows over its limit is stopped with E513: ${name}`, () =>
    withTestFunctions(async ({ engine, wire }) => {
      const options = { stateBytesMax: 1024 * 1024 };
      await engine.rules.create(wireRule("large", sql, { options }));
      for (let i = 0; i < 40; i++) {
        wire.send(...Array.from({ length: 1000 }, (_, n) => JSON.stringify(row(i * 1000 + n))));
      }
      await eventually(() => engine.rules.status("large").status === "stopped by error");
      const { message, state_bytes: bytes } = engine.rules.status("large");
      assert.match(
        String(message),
        /^E513: The state of the rule takes about [\d.]+ MiB, and stateBytesMax allows 1\.0 MiB: /,
      );
      assert.match(String(message), step);
      assert.ok(Number(bytes) > 1024 * 1024 && Number(bytes) < 15 * 1024 * 1024, `${bytes} bytes`);
    }));
}

test("a rule without limits goes on, whatever it holds and however long it takes", () =>
  withTestFunctions(async ({ engine, wire }) => {
    const sql = "SELECT count(*) AS n, busy(150) AS b, collect(text) AS all FROM s GROUP BY COUNTWINDOW(2000)";
    await engine.rules.create(wireRule("r", sql, { options: { stateBytesMax: 0, batchTimeMax: 0 } }));
    wire.send(...Array.from({ length: 2000 }, (_, n) => JSON.stringify({ text: `${n}`.padStart(1000) })));
    await eventually(() => wire.written.length === 1);
    assert.equal(engine.rules.status("r").status, "running");
    assert.equal(engine.rules.status("r").slow_batches_total, 1);
  }));

test("whatever an expression throws is an error of its row alone", () =>
  withTestFunctions(async ({ engine, wire }) => {
    await engine.rules.create(wireRule("r", "SELECT breaks(kind) AS b FROM s"));
    const kinds = ["stack", "text", "list", "nothing", "null", "text thrown", "frozen"];
    for (const kind of [...kinds, "fine"]) wire.send(JSON.stringify({ kind }));
    await eventually(() => wire.written.length > 0);
    assert.deepEqual(wire.written, ['[{"b":"whole"}]']);
    const status = engine.rules.status("r");
    assert.equal(status.status, "running");
    assert.equal(status.op_3_project_0_exceptions_total, kinds.length);
  }));

test("whatever an expression throws in a condition, a window or an aggregate leaves the rule running", () =>
  withTestFunctions(async ({ engine, wire }) => {
    const statements = [
      "SELECT n FROM s WHERE breaks(kind) = 'whole'",
      "SELECT count(*) AS n FROM s GROUP BY breaks(kind), COUNTWINDOW(1)",
      "SELECT max(breaks(kind)) AS n FROM s GROUP BY COUNTWINDOW(1)",
      "SELECT n FROM s GROUP BY COUNTWINDOW(1) HAVING max(breaks(kind)) = 'whole'",
      "SELECT n FROM s GROUP BY COUNTWINDOW(1) ORDER BY breaks(kind)",
      "SELECT lag(breaks(kind)) AS n FROM s",
      "SELECT n FROM s GROUP BY SLIDINGWINDOW(ss, 1) OVER (WHEN breaks(kind) = 'whole')",
      "SELECT n FROM s GROUP BY STATEWINDOW(breaks(kind) = 'whole', breaks(kind) = 'whole')",
    ];
    for (const [i, sql] of statements.entries()) {
      await engine.rules.create(wireRule(`r${i}`, sql));
      for (const kind of ["stack", "nothing", "text thrown", "fine"]) wire.send(JSON.stringify({ kind, n: i }));
      await eventually(() => engine.rules.status(`r${i}`).source_s_0_records_in_total === 4);
      assert.equal(engine.rules.status(`r${i}`).status, "running", sql);
      assert.equal(engine.rules.status(`r${i}`).source_s_0_connection_status, 1, sql);
      await engine.rules.delete(`r${i}`);
    }
  }));

test("messages that are nested without end, or make results that are, are errors of their rows alone", () =>
  withTestFunctions(async ({ engine, wire }) => {
    await engine.rules.create(wireRule("r", "SELECT a, to_json(a) AS text, n FROM s"));
    const deep = (depth: number, open: string, close: string) => open.repeat(depth) + "1" + close.repeat(depth);
    for (const depth of [900, 5000, 100_000]) {
      wire.send(`{"a":${deep(depth, "[", "]")}}`);
      wire.send(`{"a":${deep(depth, '{"b":', "}")}}`);
    }
    wire.send("[".repeat(1_000_000), '{"n":1}');
    await eventually(() => wire.written.includes('[{"n":1}]'));
    assert.equal(engine.rules.status("r").status, "running");
    assert.equal(engine.rules.status("r").source_s_0_connection_status, 1);
  }));

test("a result that cannot be written is an error of its message alone", () =>
  withTestFunctions(async ({ engine, wire }) => {
    await engine.rules.create(wireRule("r", "SELECT n, x * 10 AS b FROM s"));
    wire.send('{"n":1,"x":1e308}', '{"n":2,"x":0.5}');
    await eventually(() => wire.written.length > 0);
    assert.deepEqual(wire.written, ['[{"b":5,"n":2}]']);
    assert.equal(engine.rules.status("r").status, "running");
  }));

test("a rule of which a step fails as a whole is stopped with E515, and others on its stream do not notice", () =>
  withTestFunctions(async ({ engine, streams, wire }) => {
    broken = 0;
    streams.execute('CREATE STREAM shared () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    await engine.rules.create(wireRule("sound", "SELECT n FROM shared"));
    await engine.rules.create(
      wireRule("broken", "SELECT mistaken(n) AS m FROM shared GROUP BY HOPPINGWINDOW(ms, 60, 30)"),
    );
    // Windows that overlap begin anew with what is left of them.
    const sending = setInterval(() => wire.send('{"n":1}'), 5);
    await eventually(() => engine.rules.status("broken").status === "stopped by error")
      .finally(() => clearInterval(sending));
    assert.match(
      String(engine.rules.status("broken").message),
      /^E515: A step of the rule failed: Error: it cannot begin \(this is a mistake in weir/,
    );
    wire.send('{"n":2}');
    await eventually(() => wire.written.includes('[{"n":2}]'));
    assert.equal(engine.rules.status("sound").source_shared_0_exceptions_total, 0);
    // What a step that broke had in its hands is in no ledger.
    await engine.rules.delete("broken");
  }));

test("of a batch that a rule with qos 1 does not come to the end of, nothing is kept", () =>
  withTestFunctions(async ({ engine, wire }) => {
    const sql = "SELECT n, lag(n) AS before, busy(d) AS b FROM s";
    await engine.rules.create(wireRule("r", sql, { options: { qos: 1 } }));
    wire.send('{"n":1,"d":0}');
    await eventually(() => wire.written.length === 1);
    wire.send(...Array.from({ length: 500 }, (_, n) => `{"n":${n + 1000},"d":1}`));
    await eventually(() => Number(engine.rules.status("r").op_3_analytic_0_records_in_total) > 10);
    await engine.rules.stop("r");
    assert.equal(wire.written.length, 1);
    await engine.rules.start("r");
    wire.send('{"n":2,"d":0}');
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ['[{"b":0,"n":1}]', '[{"b":0,"before":1,"n":2}]']);
  }));
