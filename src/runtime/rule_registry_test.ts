import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { settled } from "../../tests/hand_clock.ts";
import { probeRule as rule, probeWorld as world, withProbes as withWorld } from "../../tests/probe_world.ts";
import { MemoryStore } from "../store/memory.ts";

test("a rule's results are with its actions before its messages are acknowledged", () =>
  withWorld(async ({ probe, create }) => {
    await create("r", "SELECT a FROM own WHERE a > 1");
    await settled();
    const release = probe.hold("r");
    probe.give("own", '{"a":1}', '{"a":2}');
    probe.give("own", '{"a":1}');
    await settled();
    assert.deepEqual(probe.acknowledged, ['{"a":1}'], "what sets off nothing is done with at once");
    release();
    await settled();
    assert.deepEqual(probe.written.r, ['{"a":2}']);
    assert.deepEqual(probe.acknowledged, ['{"a":1}', '{"a":1}', '{"a":2}']);
  }));

test("a lone rule holds its source while its queue is full, and loses nothing", () =>
  withWorld(async ({ probe, create }) => {
    await create("r", "SELECT a FROM own", { actions: [{ probe: { to: "r", sendSingle: true, bufferLength: 2 } }] });
    await settled();
    const release = probe.hold("r");
    for (let a = 0; a < 20; a++) probe.give("own", JSON.stringify({ a }));
    await settled();
    release();
    await settled();
    await settled();
    assert.deepEqual(probe.written.r, Array.from({ length: 20 }, (_, a) => JSON.stringify({ a })));
  }));

test("a slow rule on a shared stream drops its oldest rows, and the others lose none", () =>
  withWorld(async ({ probe, create, engine }) => {
    await create("fast", "SELECT a FROM shared");
    await create("slow", "SELECT a FROM shared", {
      actions: [{ probe: { to: "slow", sendSingle: true, bufferLength: 1 } }],
      options: { bufferLength: 3 },
    });
    await settled();
    const release = probe.hold("slow");
    for (let a = 0; a < 10; a++) {
      probe.give("shared", JSON.stringify({ a }));
      await settled();
    }
    const all = Array.from({ length: 10 }, (_, a) => JSON.stringify({ a }));
    assert.deepEqual(probe.written.fast, all);
    assert.deepEqual(probe.acknowledged, all, "nobody waits for the slow one");
    release();
    // What waited may take several turns: the rule gives way to others when 8 ms have passed.
    await eventually(() => probe.written.slow?.at(-1) === '{"a":9}');
    assert.deepEqual(probe.written.slow, ['{"a":0}', '{"a":7}', '{"a":8}', '{"a":9}']);
    const status = engine.rules.status("slow");
    assert.equal(status.source_shared_0_exceptions_total, 6);
    assert.equal(status.source_shared_0_dropped_total, 6);
    assert.equal(status.source_shared_0_last_exception, "buffer full, drop message");
  }));

test("a rule that joins a shared stream frees it of what the first one held", () =>
  withWorld(async ({ probe, create }) => {
    await create("first", "SELECT a FROM shared");
    await settled();
    probe.hold("first");
    probe.give("shared", '{"a":1}');
    await settled();
    assert.deepEqual(probe.acknowledged, []);
    await create("second", "SELECT a FROM shared");
    assert.deepEqual(probe.acknowledged, ['{"a":1}']);
    assert.equal(probe.sources.size, 1);
  }));

test("the source of a shared stream is closed before its successor opens", () =>
  withWorld(async ({ probe, create, engine, clock }) => {
    await create("first", "SELECT a FROM shared");
    await settled();
    const [before] = probe.sources;
    probe.hold("first");
    probe.give("shared", '{"a":1}');
    await settled();
    const stopping = engine.rules.stop("first");
    await create("second", "SELECT a FROM shared");
    await settled();
    assert.deepEqual([...probe.sources], [before], "the first one still finishes");
    await clock.advance(5000);
    await stopping;
    await settled();
    assert.equal(probe.sources.size, 1);
    assert.equal(probe.sources.has(before!), false);
    probe.give("shared", '{"a":2}');
    await settled();
    assert.deepEqual(probe.written.second, ['{"a":2}']);
  }));

test("a rule is done when its source has ended and everything is delivered", () =>
  withWorld(async ({ probe, create, engine, clock }) => {
    await create("r", "SELECT count(*) AS c FROM own GROUP BY TUMBLINGWINDOW(hh, 1)");
    await settled();
    const release = probe.hold("r");
    probe.give("own", '{"a":1}', '{"a":2}');
    probe.end("own", "file ends");
    await clock.advance(60_000);
    assert.equal(engine.rules.status("r").status, "running", "its result is not delivered");
    release();
    await settled();
    await settled();
    assert.deepEqual(probe.written.r, ['{"c":2}']);
    assert.equal(engine.rules.status("r").status, "stopped");
    assert.equal(engine.rules.status("r").message, "done: file ends");
    assert.equal(JSON.parse(engine.rules.get("r")).triggered, false);
  }));

test("a rule whose source has ended can be stopped before all is delivered", () =>
  withWorld(async ({ probe, create, engine, clock }) => {
    await create("r", "SELECT a FROM own");
    await settled();
    probe.hold("r");
    probe.give("own", '{"a":1}');
    probe.end("own");
    await settled();
    const stopping = engine.rules.stop("r");
    await clock.advance(5000);
    await stopping;
    assert.equal(engine.rules.status("r").message, "canceled manually");
    assert.deepEqual(probe.acknowledged, []);
  }));

test("windows follow the clock", () =>
  withWorld(async ({ probe, create, clock }) => {
    await create("r", "SELECT count(*) AS c FROM own GROUP BY TUMBLINGWINDOW(ss, 10)");
    await settled();
    probe.give("own", "{}", "{}");
    await clock.advance(10_000);
    assert.deepEqual(probe.written.r, ['{"c":2}']);
    probe.give("own", "{}");
    await clock.advance(10_000);
    assert.deepEqual(probe.written.r, ['{"c":2}', '{"c":1}']);
  }));

test("windows wait for a sink that cannot write, and then hold the rows that arrived in them", () =>
  withWorld(async ({ probe, create, engine, clock }) => {
    await create("r", "SELECT count(*) AS c, window_end() AS e FROM own GROUP BY TUMBLINGWINDOW(ss, 1)", {
      actions: [{ probe: { to: "r", sendSingle: true, bufferLength: 2 } }],
    });
    await settled();
    const release = probe.hold("r");
    await clock.advance(2500);
    probe.give("own", "{}", "{}");
    await clock.advance(60_000);
    assert.equal(engine.rules.status("r").sink_probe_0_0_buffer_length, 2, "nothing piles up");
    release();
    await clock.advance(1000);
    // The rows that waited may take several turns, and the windows come after them.
    await eventually(() => probe.written.r!.length >= 63);
    const windows = probe.written.r!.map((line) => JSON.parse(line) as { c: number; e: number });
    assert.deepEqual(
      windows.map(({ e }) => e),
      windows.map((_, i) => 1_001_000 + 1000 * i),
      "each window once, in order",
    );
    assert.equal(windows.length, 63);
    assert.deepEqual(windows.filter(({ c }) => c > 0), [{ c: 2, e: 1_003_000 }]);
  }));

test("a rule that is done ends in order, also when that cannot be stored", () =>
  withWorld(async ({ probe, create, engine, store, logged }) => {
    await create("r", "SELECT a FROM own");
    await settled();
    const put = store.put;
    store.put = () => {
      throw new Error("no space left");
    };
    probe.end("own", "file ends");
    await settled();
    await settled();
    store.put = put;
    assert.equal(engine.rules.status("r").status, "stopped");
    assert.ok(logged.some((line) => line.rule === "r" && String(line.reason).includes("no space left")));
  }));

test("a definition that cannot be stored changes nothing", () =>
  withWorld(async ({ probe, create, engine, store }) => {
    await create("r", "SELECT a FROM own");
    await settled();
    const before = engine.rules.get("r");
    const { put, delete: remove } = store;
    store.put = store.delete = () => {
      throw new Error("no space left");
    };
    await assert.rejects(engine.rules.update("r", rule("r", "SELECT b FROM own")), /no space left/);
    await assert.rejects(engine.rules.delete("r"), /no space left/);
    assert.equal(engine.rules.get("r"), before);
    assert.equal(engine.rules.status("r").status, "running");
    probe.give("own", '{"a":1}');
    await settled();
    assert.deepEqual(probe.written.r, ['{"a":1}']);
    await assert.rejects(engine.rules.stop("r"), /no space left/);
    assert.equal(engine.rules.status("r").status, "stopped", "though it will start again with the agent");
    Object.assign(store, { put, delete: remove });
  }));

test("rules of one shared stream that stop one after the other still acknowledge what they finish", () =>
  withWorld(async ({ probe, create, engine, clock }) => {
    await create("slow", "SELECT a FROM shared");
    await create("last", "SELECT a FROM shared");
    await settled();
    const [source] = probe.sources;
    probe.hold("slow");
    const release = probe.hold("last");
    probe.give("shared", '{"a":1}');
    await settled();
    const stopping = [engine.rules.stop("slow")];
    await settled();
    probe.give("shared", '{"a":2}');
    await settled();
    assert.deepEqual(probe.acknowledged, ['{"a":1}']);
    await clock.advance(3000);
    stopping.push(engine.rules.stop("last"));
    await clock.advance(2000);
    assert.ok(probe.sources.has(source!), "the last one has not finished");
    release();
    await Promise.all(stopping);
    assert.deepEqual(probe.acknowledged, ['{"a":1}', '{"a":2}']);
    assert.equal(probe.sources.size, 0);
  }));

test("errors of rows go to the actions where the rule wants them", () =>
  withWorld(async ({ probe, create }) => {
    await create("told", "SELECT a + 1 AS b FROM own", { options: { sendError: true } });
    await create("quiet", "SELECT a + 1 AS b FROM own");
    await settled();
    probe.give("own", "{", '{"a":"x"}', '{"a":1}');
    await settled();
    assert.deepEqual(probe.written.quiet, ['{"b":2}']);
    const rows = probe.written.told!.map((line) => Object.keys(JSON.parse(line)).join());
    assert.deepEqual(rows, ["error", "error", "b"]);
  }));

test("errors do not pile up before a sink that cannot write", () =>
  withWorld(async ({ probe, create, engine }) => {
    await create("fast", "SELECT a FROM shared");
    await create("slow", "SELECT a FROM shared", {
      actions: [{ probe: { to: "slow", sendSingle: true, bufferLength: 5 } }],
      options: { sendError: true },
    });
    await settled();
    const release = probe.hold("slow");
    for (let i = 0; i < 50; i++) {
      probe.give("shared", "{");
      await settled();
    }
    assert.equal(engine.rules.status("slow").sink_probe_0_0_buffer_length, 5);
    release();
    await settled();
    assert.equal(probe.written.slow!.length, 5);
  }));

test("commands for one rule run one after the other, and none for a rule that is gone", () =>
  withWorld(async ({ probe, create, engine, clock, store }) => {
    const { rules } = engine;
    await create("r", "SELECT a FROM own");
    await settled();
    probe.hold("r");
    probe.give("own", '{"a":1}');
    await settled();
    // The deletion waits for the sink; what comes meanwhile waits for the deletion.
    const deleting = rules.delete("r");
    const starting = rules.start("r");
    const updating = rules.update("r", rule("r", "SELECT b FROM own"));
    await assert.rejects(rules.create(rule("r", "SELECT b FROM own")), /already exists/);
    starting.catch(() => {});
    await clock.advance(5000);
    await deleting;
    await assert.rejects(starting, /E701/);
    await updating;
    assert.deepEqual(rules.list().map(({ id, status }) => [id, status]), [["r", "running"]]);
    assert.equal(JSON.parse(store.get("rule", "r")!).sql, "SELECT b FROM own");
    await settled();
    assert.equal(probe.sources.size, 1);
  }));

test("a rule that may restart is tried again until it is stopped, updated or deleted", () =>
  withWorld(async ({ create, engine, clock, streams, probe }) => {
    const { rules } = engine;
    const options = { restartStrategy: { attempts: 1 } };
    await create("r", "SELECT a FROM own", { options, triggered: false });
    streams.execute("DROP STREAM own");
    await rules.start("r");
    assert.equal(rules.status("r").status, "stopped by error");
    assert.match(String(rules.status("r").message), /own/);
    await clock.advance(25_000);
    assert.equal(rules.status("r").status, "stopped by error");
    await rules.stop("r");
    assert.equal(rules.status("r").status, "stopped");
    assert.equal(clock.waiting, 0, "no try is left");
    await rules.start("r");
    streams.execute('CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")');
    await clock.advance(10_000);
    assert.equal(rules.status("r").status, "running");
    assert.equal(probe.sources.size, 1);
  }));

test("what the store holds starts again, and a rule that cannot be read is kept for its user", async () => {
  const store = new MemoryStore();
  const first = world({ store });
  first.streams.execute('CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")');
  await first.create("runs", "SELECT a FROM own");
  await first.create("stopped", "SELECT a FROM own");
  await first.create("temporary", "SELECT a FROM own", { temp: true });
  await first.create("was_kept", "SELECT a FROM own");
  await first.engine.rules.update("was_kept", rule("was_kept", "SELECT a FROM own", { temp: true }));
  await first.engine.rules.stop("stopped");
  await first.engine.close();
  store.put(
    "rule",
    "odd",
    '{"id":"odd","sql":"SELECT a FROM own","actions":[{"probe":{"to":"x"}}],"options":{"new":1}}',
  );

  const second = world({ store });
  await second.engine.start();
  const { rules } = second.engine;
  assert.deepEqual(rules.list().map(({ id, status }) => [id, status]), [
    ["odd", "stopped by error"],
    ["runs", "running"],
    ["stopped", "stopped"],
  ]);
  assert.match(String(rules.status("odd").message), /E402/);
  assert.ok(second.logged.some((line) => line.rule === "odd"));
  await rules.update("odd", rule("odd", "SELECT a FROM own"));
  assert.equal(rules.status("odd").status, "running");
  await second.engine.close();
  assert.deepEqual(rules.list().map(({ status }) => status), ["stopped", "stopped", "stopped"]);
  assert.equal(second.probe.sources.size, 0);
  assert.equal(
    JSON.parse(store.get("rule", "runs")!).triggered ?? true,
    true,
    "a shutdown does not change what shall run",
  );
});

test("many rules start in slices: commands come between, in their order, and the end of the agent too", async () => {
  const store = new MemoryStore();
  store.put("stream", "own", 'CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")');
  const ids = Array.from({ length: 500 }, (_, n) => `r${String(n).padStart(3, "0")}`);
  for (const id of ids) store.put("rule", id, rule(id, "SELECT a FROM own"));
  const { engine } = world({ store });
  const { rules } = engine;
  const states = () => Object.fromEntries(rules.list().map(({ id, status }) => [id, status]));
  const started = engine.start();
  let isStarted = false;
  void engine.whenStarted().then(() => isStarted = true);
  await settled();
  assert.deepEqual([states().r000, states().r499, isStarted], ["running", "starting", false]);
  await rules.stop("r499");
  await rules.delete("r498");
  await rules.update("r497", rule("r497", "SELECT b FROM own"));
  await started;
  await engine.whenStarted();
  assert.ok(isStarted);
  assert.deepEqual(states(), {
    ...Object.fromEntries(ids.filter((id) => id !== "r498").map((id) => [id, "running"])),
    r499: "stopped",
  });
  assert.deepEqual(rules.wantedColumns("own"), ["a", "b"]);
  await engine.close();

  const next = world({ store });
  const starting = next.engine.start();
  await settled();
  assert.equal(next.engine.rules.status("r499").status, "stopped");
  await next.engine.close();
  await starting;
  assert.deepEqual(new Set(next.engine.rules.list().map(({ status }) => status)), new Set(["stopped"]));
  assert.equal(next.probe.sources.size, 0);
});

test("the registry knows who uses a stream, and which columns", () =>
  withWorld(async ({ create, engine }) => {
    const { rules } = engine;
    await create("one", "SELECT a FROM shared WHERE b > 1");
    await create("two", "SELECT c FROM shared");
    await create("idle", "SELECT d FROM shared", { triggered: false });
    assert.deepEqual(rules.usersOf("shared"), ["one", "two"]);
    assert.deepEqual(rules.wantedColumns("shared"), ["a", "b", "c"]);
    await rules.delete("one");
    assert.deepEqual(rules.wantedColumns("shared"), ["c"]);
    assert.deepEqual(rules.usersOfConnection("none"), []);
  }));
