/**
 * Down-sampling and decompression of what a broker sends.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { publish, publishLines, subscribed } from "../agent/mosquitto_clients.ts";
import { eventually } from "../eventually.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { type EngineFixture, wireRule, withEngine } from "./engine.ts";

const messages = 3000;

async function withStream(
  settings: Record<string, unknown>,
  work: (fixture: EngineFixture, broker: Mosquitto) => Promise<void>,
): Promise<void> {
  const broker = await startMosquitto();
  try {
    await withEngine(async (fixture) => {
      fixture.configs.putConfKey("source", "mqtt", "k", {
        server: broker.url,
        clientid: "weir-intake",
        qos: 1,
        ...settings,
      });
      fixture.streams.execute('CREATE STREAM s () WITH (DATASOURCE="t/#", FORMAT="json", TYPE="mqtt", CONF_KEY="k")');
      await work(fixture, broker);
    });
  } finally {
    await broker.stop();
  }
}

/** Of the last interval. */
const numbers = (written: readonly string[]) => written.map((each) => JSON.parse(each)[0].n as number);

for (const qos of [0, 1] as const) {
  test(`interval keeps up with a broker that allows few unacknowledged messages, for a rule with qos ${qos}`, () =>
    withStream({ interval: "150ms" }, async ({ engine, wire }, broker) => {
      await engine.rules.create(wireRule("r", "SELECT n, meta(topic) AS topic FROM s", { options: { qos } }));
      await subscribed(broker, "weir-intake");
      const count = qos === 0 ? messages : 60;
      const lines = Array.from({ length: count }, (_, n) => `{"n":${n}}`);
      await publishLines(broker, "t/a", lines, ["-q", "1"]);
      await eventually(() => numbers(wire.written).at(-1) === count - 1, 20_000);
      const got = numbers(wire.written);
      assert.deepEqual(got, [...got].sort((a, b) => a - b));
      assert.equal(JSON.parse(wire.written[0]!)[0].topic, "t/a");
      assert.equal(engine.rules.status("r").source_s_0_records_in_total, count);
      if (qos === 0) assert.ok(got.length < 200, `${got.length} rows of ${count} messages`);
    }));
}

test("mergeField makes one row of what many devices send in an interval", () =>
  withStream({ interval: "300ms", mergeField: "id" }, async ({ engine, wire }, broker) => {
    await engine.rules.create(wireRule("r", "SELECT a, b FROM s WHERE a > 8 AND b > 8"));
    await subscribed(broker, "weir-intake");
    const lines = Array.from({ length: 10 }, (_, n) => [`{"id":1,"a":${n}}`, `{"id":2,"b":${n}}`]).flat();
    // The end of an interval may fall in between.
    while (wire.written.length === 0) await publishLines(broker, "t/a", lines, ["-q", "1"]);
    assert.equal(wire.written[0], '[{"a":9,"b":9}]');
  }));

test("a compressed message is unpacked, one that is not is dropped and counted", () =>
  withStream({ decompression: "gzip" }, async ({ engine, wire }, broker) => {
    await engine.rules.create(wireRule("r", "SELECT n FROM s"));
    await subscribed(broker, "weir-intake");
    await publish(broker, "t/a", '{"n":1}', ["-q", "1"]);
    await publish(broker, "t/a", gzipSync('{"n":2}'), ["-q", "1"]);
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"n":2}]']);
    assert.equal(engine.rules.status("r").op_2_decompress_0_exceptions_total, 1);
  }));
