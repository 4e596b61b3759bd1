/**
 * What every source can do with what comes, whatever its connector: down-sampling, decompression, payloads inside of
 * payloads, pauses.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { type EngineFixture, wireRule, withEngine } from "./engine.ts";

interface Scene extends EngineFixture {
  readonly clock: HandClock;
}

/** A rule `r` on a stream `s` of the wire, with these settings. */
function withRule(
  { settings, stream = "()", format = "json", sql = "SELECT * FROM s", shared = false }: {
    readonly settings: Record<string, unknown>;
    readonly stream?: string;
    readonly format?: string;
    readonly sql?: string;
    readonly shared?: boolean;
  },
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  const clock = new HandClock();
  return withEngine(async (fixture) => {
    const { configs, streams, engine } = fixture;
    configs.putConfKey("source", "wire", "k", settings);
    const more = shared ? ', SHARED="true"' : "";
    streams.execute(
      `CREATE STREAM s ${stream} WITH (DATASOURCE="t", FORMAT="${format}", TYPE="wire", CONF_KEY="k"${more})`,
    );
    await engine.rules.create(wireRule("r", sql));
    await work({ ...fixture, clock });
  }, { clock });
}

function metric(scene: EngineFixture, name: string): unknown {
  return (scene.engine.rules.status("r") as Record<string, unknown>)[name];
}

test("interval gives the latest message of each interval, and accounts for the others", () =>
  withRule({ settings: { interval: "1s" } }, async (scene) => {
    const { clock, wire, engine } = scene;
    await clock.advance(1);
    for (const n of [1, 2, 3]) wire.send(`{"n":${n}}`);
    wire.send('{"n":4}', '{"n":5}');
    await clock.advance(500);
    assert.equal(engine.rules.ledger("r").streams[0]!.payloads!.held, 1);
    await clock.advance(500);
    await eventually(() => wire.written.length === 1);
    wire.send('{"n":6}');
    await clock.advance(1000);
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ['[{"n":5}]', '[{"n":6}]']);
    assert.equal(metric(scene, "op_2_ratelimit_0_records_in_total"), 6);
    assert.equal(metric(scene, "op_2_ratelimit_0_records_out_total"), 2);
    assert.equal(metric(scene, "op_2_ratelimit_0_dropped_total"), 4);
    assert.equal(metric(scene, "op_3_decoder_0_records_in_total"), 2);
    assert.equal(metric(scene, "source_s_0_records_in_total"), 6);
    assert.deepEqual(engine.rules.ledger("r").streams[0]!.payloads!.dropped, { downsampled: 4 });
    // One that waits when the rule stops is not lost track of.
    wire.send('{"n":7}');
    await clock.advance(1);
  }));

test("interval works for the rules of a shared stream, too", () =>
  withRule({ settings: { interval: "1s" }, shared: true }, async (scene) => {
    const { clock, wire, engine } = scene;
    await engine.rules.create(wireRule("r2", "SELECT n + 1 AS m FROM s"));
    await clock.advance(1);
    wire.send('{"n":1}', '{"n":2}');
    await clock.advance(1000);
    await eventually(() => wire.written.length === 2);
    assert.deepEqual([...wire.written].sort(), ['[{"m":3}]', '[{"n":2}]']);
    assert.equal(metric(scene, "op_s_2_ratelimit_0_records_out_total"), 1);
  }));

test("interval goes with a source of rows, such as the memory bus", () => {
  const clock = new HandClock();
  return withEngine(async ({ engine, streams, configs, wire }) => {
    configs.putConfKey("source", "memory", "slow", { interval: 1000 });
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", TYPE="wire")');
    streams.execute('CREATE STREAM m () WITH (DATASOURCE="bus", TYPE="memory", CONF_KEY="slow")');
    await engine.rules.create(wireRule("r", "SELECT * FROM m"));
    await engine.rules.create(
      JSON.stringify({ id: "feeder", sql: "SELECT * FROM s", actions: [{ memory: { topic: "bus" } }] }),
    );
    await clock.advance(1);
    for (let n = 0; n < 5; n++) wire.send(`{"n":${n}}`);
    await clock.advance(1000);
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"n":4}]']);
    assert.deepEqual(engine.rules.ledger("r").streams[0]!.rows.dropped, { downsampled: 4 });
  }, { clock });
});

test("mergeField puts the latest message of each value into one row", () =>
  withRule({ settings: { interval: "1s", mergeField: "id" }, sql: "SELECT a, b, id FROM s" }, async (scene) => {
    const { clock, wire, engine } = scene;
    await clock.advance(1);
    wire.send('{"id":"x","a":1}', '{"id":"y","b":2}', "bad");
    wire.send('[{"id":"x","a":3},{"id":"x","a":4}]');
    await clock.advance(1000);
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"a":4,"b":2,"id":"x"}]']);
    assert.deepEqual(engine.rules.ledger("r").streams[0]!.rows.dropped, { downsampled: 2, merged: 1 });
    assert.equal(metric(scene, "op_2_decoder_0_exceptions_total"), 1);
    assert.equal(metric(scene, "op_3_ratelimit_0_records_out_total"), 1);
  }));

for (
  const [method, pack] of [
    ["gzip", gzipSync],
    ["zlib", deflateSync],
    ["flate", deflateRawSync],
    ["zstd", zstdCompressSync],
  ] as const
) {
  test(`decompression ${method} unpacks payloads, and drops what is none`, () =>
    withRule({ settings: { decompression: method } }, async (scene) => {
      const { wire, engine } = scene;
      const packed = pack(new TextEncoder().encode('{"n":1}'));
      wire.sendBytes(packed, packed.subarray(0, packed.length - 3), new TextEncoder().encode('{"n":2}'), packed);
      await eventually(() => wire.written.length === 2);
      assert.deepEqual(wire.written, ['[{"n":1}]', '[{"n":1}]']);
      assert.equal(metric(scene, "op_2_decompress_0_exceptions_total"), 2);
      assert.match(String(metric(scene, "op_2_decompress_0_last_exception")), /^E501: .*decompress/);
      assert.equal(metric(scene, "op_3_decoder_0_records_in_total"), 2);
      assert.deepEqual(engine.rules.ledger("r").streams[0]!.payloads!.failed, { E501: 2 });
    }));
}

test("a payload that would fill the memory is dropped", () =>
  withRule({ settings: { decompression: "gzip" } }, async (scene) => {
    const { wire } = scene;
    wire.sendBytes(gzipSync(new Uint8Array(64 * 1024 * 1024)), gzipSync('{"n":1}'));
    await eventually(() => wire.written.length === 1);
    assert.match(String(metric(scene, "op_2_decompress_0_last_exception")), /larger than 16777216 bytes/);
  }));

test("payloadField is decoded a second time, and its columns join the row", () =>
  withRule({
    settings: { payloadFormat: "delimited", payloadField: "frame", payloadDelimiter: ";" },
    sql: "SELECT device, col0, col1 FROM s",
  }, async (scene) => {
    const { wire, engine } = scene;
    wire.send('{"device":"a","frame":"1;2"}', '{"device":"b"}', '{"device":"c","frame":5}');
    await eventually(() => wire.written.length === 1);
    assert.deepEqual(wire.written, ['[{"col0":"1","col1":"2","device":"a"}]']);
    assert.equal(metric(scene, "op_3_payload_decoder_0_exceptions_total"), 2);
    assert.deepEqual(engine.rules.ledger("r").streams[0]!.envelopes!.failed, { E501: 2 });
    assert.equal(engine.rules.ledger("r").streams[0]!.envelopes!.in, 3);
  }));

test("a payload inside that is a list gives a row for each, beside what stands around it", () =>
  withRule({ settings: { payloadFormat: "json", payloadField: "data" } }, async ({ wire }) => {
    wire.send(JSON.stringify({ at: 1, v: 0, data: '[{"v":1},{"v":2}]' }));
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written.map((each) => JSON.parse(each)[0].v), [1, 2]);
    assert.deepEqual(JSON.parse(wire.written[0]!)[0].at, 1);
  }));

test("payloadBatchField has the payloads of all elements in one row, with the types that are declared", () =>
  withRule({
    settings: { payloadFormat: "json", payloadField: "data", payloadBatchField: "frames" },
    stream: "(at BIGINT, a BIGINT, b STRING)",
  }, async ({ wire }) => {
    const frames = [{ id: 1, data: '{"a":9007199254740993,"x":1}' }, { id: 2, data: '{"b":"7"}' }];
    wire.send(JSON.stringify({ at: 5, frames }), JSON.stringify({ at: 6, frames: "none" }));
    wire.send(JSON.stringify({ at: 7, frames: [{ data: '{"a":1}' }, { data: "bad" }] }));
    wire.send(JSON.stringify({ at: 8, frames: [] }));
    await eventually(() => wire.written.length === 2);
    assert.deepEqual(wire.written, ['[{"a":9007199254740993,"at":5,"b":"7"}]', '[{"at":8}]']);
  }));

test("sendInterval makes a pause between rows, and accounts for those that wait", () =>
  withRule({ settings: { sendInterval: "1s" } }, async (scene) => {
    const { clock, wire, engine } = scene;
    await clock.advance(1);
    wire.send('[{"n":1},{"n":2},{"n":3}]');
    wire.send('{"n":4}');
    await eventually(() => wire.written.length === 1);
    assert.equal(engine.rules.ledger("r").streams[0]!.rows.held, 2);
    assert.deepEqual(engine.rules.ledger("r").imbalances, []);
    for (let n = 2; n <= 3; n++) {
      await clock.advance(999);
      assert.equal(wire.written.length, n - 1);
      await clock.advance(1);
      await eventually(() => wire.written.length === n);
    }
    await clock.advance(1000);
    await eventually(() => wire.written.length === 4);
    wire.send('[{"n":5},{"n":6}]');
    await clock.advance(1000);
    await eventually(() => wire.written.length === 5);
    // The rule is stopped with one row waiting.
  }));

for (
  const [name, settings, code, more] of [
    ["mergeField without interval", { mergeField: "a" }, "E404", {}],
    ["mergeField of what is not JSON", { mergeField: "a", interval: 5 }, "E403", { format: "delimited" }],
    ["payloadFormat without a field", { payloadFormat: "json" }, "E404", {}],
    ["payloadField without a format", { payloadField: "a" }, "E404", {}],
    ["an unknown payloadFormat", { payloadField: "a", payloadFormat: "jsn" }, "E403", {}],
    ["a decompression that nobody has", { decompression: "lz4" }, "E403", {}],
    ["a merger", { interval: 5, merger: "mine" }, "E408", {}],
  ] as const
) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(withRule({ settings, ...more }, () => Promise.resolve()), (error) => {
      assert.ok(error instanceof DiagnosticError);
      assert.deepEqual(error.diagnostics.map(({ code }) => code), [code]);
      return true;
    });
  });
}

test("a kill loses nothing of the interval, and no message that was handed on comes again", () =>
  World.with(async (world) => {
    const { tape, streams } = world;
    streams.execute(`CREATE STREAM s () WITH (DATASOURCE="t", TYPE="tape", EXTRA="{\\"interval\\":300}")`);
    await world.define("SELECT n FROM s", { qos: 2 });
    tape.add([{ n: 1 }], [{ n: 2 }], [{ n: 3 }]);
    await eventually(() => tape.once().length === 1);
    assert.deepEqual(tape.once(), ['[{"n":3}]']);
    tape.add([{ n: 4 }], [{ n: 5 }]);
    await eventually(() => tape.acks.includes(3));
    assert.ok(!tape.acks.includes(4), "the latest waits for the end of its interval");
    world.kill();
    await world.start();
    await eventually(() => tape.once().length === 2);
    assert.deepEqual(tape.once(), ['[{"n":3}]', '[{"n":5}]']);
    assert.equal(tape.begun[1], "4");
  }));
