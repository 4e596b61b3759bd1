import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdmin } from "../../src/admin/app.ts";
import { metricsText } from "../../src/admin/metrics.ts";
import type { ObservedRule, Rules } from "../../src/runtime/rules.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import { labelsText, MetricFamily } from "../../src/telemetry/prometheus.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { type Family, parsePrometheus } from "./prometheus_text.ts";

const info = () => ({
  version: "2.4.0",
  weirVersion: "0.1.0",
  os: "linux",
  arch: "x64",
  upTimeSeconds: 12.7,
  cpuPercent: 1,
  memoryUsedBytes: 1,
  memoryTotalBytes: 2,
});

function appOf({ engine, streams, configs, store }: EngineFixture) {
  const log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };
  return createAdmin({ rules: engine.rules, streams, configs, states: new KeyedStates(store), info, log });
}

async function scrape(fixture: EngineFixture): Promise<ReadonlyMap<string, Family>> {
  const response = await appOf(fixture).request("http://127.0.0.1:9081/metrics");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  return parsePrometheus(await response.text());
}

/** The samples of a family with these labels, and all of theirs. */
function valueOf(families: ReadonlyMap<string, Family>, name: string, labels: Record<string, string>): number {
  const samples = families.get(name)?.samples ?? [];
  const found = samples.filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  );
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}`);
  return found[0]!.value;
}

test("a scrape has eKuiper's names and labels, and the ledger", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    await engine.rules.create(wireRule("r", "SELECT a FROM s WHERE a > 1"));
    await engine.rules.create(wireRule("off", "SELECT a FROM s", { triggered: false }));
    wire.send('{"a":1}', '{"a":2}', "no json");
    await eventually(() => engine.rules.ledger("r").actions[0]!.messages.sent === 1);
    const families = await scrape(fixture);
    const op = (type: string, op: string) => ({ rule: "r", type, op, op_instance: "0" });
    assert.equal(valueOf(families, "kuiper_source_records_in_total", op("source", "s")), 3);
    assert.equal(valueOf(families, "kuiper_op_exceptions_total", op("op", "2_decoder")), 1);
    assert.equal(valueOf(families, "kuiper_op_records_out_total", op("op", "3_filter")), 1);
    assert.equal(valueOf(families, "kuiper_sink_records_out_total", op("sink", "wire_0")), 1);
    assert.equal(valueOf(families, "kuiper_sink_buffer_length", op("sink", "wire_0")), 0);
    assert.equal(valueOf(families, "kuiper_source_connection_status", op("source", "s")), 1);
    assert.equal(valueOf(families, "kuiper_rule_status", { rule: "r" }), 1);
    assert.equal(valueOf(families, "kuiper_rule_status", { rule: "off" }), 0);
    assert.equal(valueOf(families, "kuiper_rule_count", { status: "running" }), 1);
    assert.equal(valueOf(families, "kuiper_rule_count", { status: "stop" }), 1);
    assert.equal(valueOf(families, "weir_rule_ledger_balanced", { rule: "r" }), 1);
    assert.equal(valueOf(families, "weir_rule_slow_batches_total", { rule: "r" }), 0);
    assert.ok(Number(valueOf(families, "weir_rule_state_bytes", { rule: "r" })) >= 0);
    assert.equal(valueOf(families, "weir_rule_rows_filtered_total", { rule: "r" }), 1);
    assert.equal(valueOf(families, "weir_stream_payloads_failed_total", { rule: "r", stream: "s", reason: "E501" }), 1);
    assert.equal(valueOf(families, "weir_action_messages_sent_total", { rule: "r", action: "sink_wire_0" }), 1);
    assert.ok(valueOf(families, "process_resident_memory_bytes", {}) > 1e6);
    assert.ok(valueOf(families, "process_cpu_seconds_total", {}) > 0);
    assert.equal(valueOf(families, "weir_uptime_seconds", {}), 12.7);
    for (const { name, type } of families.values()) {
      assert.equal(name.endsWith("_total"), type === "counter", name);
    }
  }));

test("a rule that was stopped by an error shows as -1, and has no other series", () =>
  withEngine(async (fixture) => {
    const { engine, streams, wire } = fixture;
    streams.execute(wireStream);
    wire.refusal = "never";
    await engine.rules.create(wireRule("r", "SELECT a FROM s"));
    await eventually(() => engine.rules.status("r").status === "stopped by error");
    const families = await scrape(fixture);
    assert.equal(valueOf(families, "kuiper_rule_status", { rule: "r" }), -1);
    assert.equal(families.has("kuiper_source_records_in_total"), false);
  }));

test("labels and numbers are written so that they can be read again", () => {
  const family = new MetricFamily({ name: "x", type: "gauge", help: "a\\b\nc" });
  const odd = 'a"b\\c\nd}, e="f';
  family.add(labelsText({ odd, plain: "ü" }), 1.5);
  family.add("", -1e21);
  family.add(labelsText({ of: "all" }), Infinity);
  const text = [...family.lines()].join("");
  const { samples, help } = parsePrometheus(text).get("x")!;
  assert.equal(help, "a\\\\b\\nc");
  assert.deepEqual(samples.map(({ labels, value }) => [labels, value]), [
    [{ odd, plain: "ü" }, 1.5],
    [{}, -1e21],
    [{ of: "all" }, Infinity],
  ]);
  assert.deepEqual([...new MetricFamily({ name: "y", type: "gauge", help: "" }).lines()], []);
});

test("the reader of this test refuses what is wrong", () => {
  const head = "# HELP a x\n# TYPE a gauge\n";
  for (
    const wrong of [
      `${head}a 1`,
      `${head}b 1\n`,
      `${head}a one\n`,
      `${head}a{b="c} 1\n`,
      `${head}a{b="c" d="e"} 1\n`,
      `${head}a 1\na 2\n`,
      `${head}a 1\n${head}a{b="c"} 1\n`,
      "# TYPE a gauge\na 1\n",
    ]
  ) assert.throws(() => parsePrometheus(wrong), Error, wrong);
});

test("a scrape of a thousand rules lets others have their turn", () =>
  withEngine(async (fixture) => {
    const { engine, streams, configs } = fixture;
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire", SHARED="true")');
    for (let i = 0; i < 20; i++) await engine.rules.create(wireRule(`r${i}`, "SELECT a FROM s WHERE a > 1"));
    const some = [...engine.rules.observe()];
    /** As many rules as it takes, with the nodes of some that run. */
    const many = {
      *observe(): Iterable<ObservedRule> {
        for (let i = 0; i < 1000; i++) yield { ...some[i % some.length]!, id: `rule ${i}` };
      },
    } as Pick<Rules, "observe"> as Rules;
    let longest = 0;
    let last = performance.now();
    let runs = true;
    const watched = (async () => {
      while (runs) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      }
    })();
    let text = "";
    for await (const chunk of metricsText({ rules: many, configs, info })) text += chunk;
    runs = false;
    await watched;
    assert.equal(parsePrometheus(text).get("kuiper_rule_status")!.samples.length, 1000);
    // Twenty times what it takes on a machine that has nothing else to do.
    assert.ok(longest < 1000, `the event loop was held up for ${longest} ms`);
  }));
