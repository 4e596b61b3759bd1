import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { DateTime } from "../../../src/value/datetime.ts";
import { SeededRandom } from "../../../src/value/seeded_random.ts";
import { dataTypes, metricValue, structOfProperties } from "./data_type.ts";
import { eclipsePayload } from "./eclipse_payload.ts";
import { decodePayload, type RawMetric } from "./payload.ts";
import { rebirthCommand } from "./rebirth_command.ts";
import { decodeBySchema, encodeBySchema } from "./schema_encoder.ts";
import { BadPayload } from "./wire_reader.ts";

const metricOf = (metrics: readonly RawMetric[], name: string) => metrics.find((metric) => metric.name === name)!;

test("a payload of Eclipse Tahu's encoder gives every type its value", () => {
  const { timestamp, seq, uuid, metrics } = decodePayload(eclipsePayload);
  assert.deepEqual([timestamp, seq, uuid], [1_700_000_000_000n, 0n, "b1"]);
  const expected = {
    bdSeq: 7n,
    "Node Control/Rebirth": false,
    i8: -8n,
    i16: -1600n,
    i32: -320_000n,
    i64: -6_400_000_000_000n,
    u8: 250n,
    u16: 65_000n,
    u32: 4_000_000_000n,
    u64: 18_446_744_073_709_551_615,
    f: 0.1,
    d: 1e-300,
    b: true,
    s: "Zürich",
    text: "t",
    uuid: "a-b",
    when: new DateTime(1_700_000_000_123, "UTC"),
    bytes: Uint8Array.of(1, 2, 255),
    file: Uint8Array.of(9),
    none: null,
    old: 5n,
    "with/props": 21.5,
    table: [{ n: 1n, s: "a", ok: true }, { n: 2n, s: "b", ok: false }],
    motor: { serial: "M-1", rpm: 1500n, on: true },
    motorType: { rpm: 0n },
  };
  const found = Object.fromEntries(metrics.map((metric) => {
    const value = metricValue(metric, metric.datatype);
    return [metric.name, value instanceof Uint8Array ? Uint8Array.from(value) : value];
  }));
  assert.deepEqual(found, expected);
  assert.equal(metricOf(metrics, "i8").alias, 1n);
  assert.equal(metricOf(metrics, "i8").timestamp, 1_700_000_000_001n);
  assert.equal(metricOf(metrics, "old").isHistorical, true);
  assert.deepEqual(structOfProperties(metricOf(metrics, "with/props").properties!), {
    engUnit: "C",
    Quality: 500n,
    nested: { lo: 1n },
  });
  const type = metricOf(metrics, "motorType").value;
  assert.ok(type?.in === "template" && type.value.isDefinition);
});

test("numbers keep their signs, however many bits a writer spends on them", () => {
  const cases: readonly [type: keyof typeof dataTypes, value: Record<string, unknown>, wanted: unknown][] = [
    ["Int8", { intValue: 0xff }, -1n],
    ["Int8", { intValue: 0xffff_ffff }, -1n],
    ["Int16", { intValue: 0x8000 }, -32_768n],
    ["Int32", { intValue: 0x7fff_ffff }, 2_147_483_647n],
    ["Int64", { longValue: "18446744073709551615" }, -1n],
    ["UInt64", { longValue: "9223372036854775807" }, 9_223_372_036_854_775_807n],
    ["UInt8", { intValue: 0xff }, 255n],
    ["UInt32", { longValue: 5 }, 5n],
    ["Boolean", { intValue: 1 }, true],
    ["Double", { intValue: 3 }, 3],
  ];
  for (const [type, value, wanted] of cases) {
    const datatype = dataTypes[type];
    const { metrics: [metric] } = decodePayload(encodeBySchema({ metrics: [{ name: "n", datatype, ...value }] }));
    assert.equal(metricValue(metric!, datatype), wanted, type);
  }
});

test("arrays are lists", () => {
  const cases: readonly [type: keyof typeof dataTypes, bytes: readonly number[], wanted: unknown][] = [
    ["Int8Array", [0xe9, 0x7b], [-23n, 123n]],
    ["Int16Array", [0xd0, 0x8a, 0x30, 0x75], [-30_000n, 30_000n]],
    ["Int32Array", [0xff, 0xff, 0xff, 0xff], [-1n]],
    ["Int64Array", [1, 0, 0, 0, 0, 0, 0, 0x80], [-9_223_372_036_854_775_807n]],
    ["UInt8Array", [23, 250], [23n, 250n]],
    ["UInt16Array", [0x1e, 0, 0x88, 0xf4], [30n, 62_600n]],
    ["UInt32Array", [0x34, 0, 0, 0], [52n]],
    ["UInt64Array", [255, 255, 255, 255, 255, 255, 255, 255], [18_446_744_073_709_551_615]],
    ["FloatArray", [0xcd, 0xcc, 0xcc, 0x3d], [0.1]],
    ["DoubleArray", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], [1]],
    // As in the specification: 00010000 10101000.
    ["BooleanArray", [13, 0, 0, 0, 0x13, 0x50], [0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0].map(Boolean)],
    ["StringArray", [0x41, 0x42, 0, 0x63, 0], ["AB", "c"]],
    ["DateTimeArray", [0xc7, 0xd0, 0x90, 0x75, 0x24, 1, 0, 0], [new DateTime(1_256_102_875_335, "UTC")]],
  ];
  for (const [type, bytes, wanted] of cases) {
    const bytesValue = Uint8Array.from(bytes);
    const { metrics: [metric] } = decodePayload(encodeBySchema({ metrics: [{ name: "n", bytesValue }] }));
    assert.deepEqual(metricValue(metric!, dataTypes[type]), wanted, type);
    if (bytes.length < 3) continue;
    assert.throws(
      () => metricValue({ value: { in: "bytes", value: bytesValue.subarray(0, -1) } }, dataTypes[type]),
      BadPayload,
    );
  }
});

test("the request for a birth is what the schema says", () => {
  assert.deepEqual(decodeBySchema(rebirthCommand(1_700_000_000_000)), {
    timestamp: 1_700_000_000_000,
    metrics: [{ name: "Node Control/Rebirth", timestamp: 1_700_000_000_000, datatype: 11, booleanValue: true }],
  });
});

test("templates in templates end somewhere", () => {
  // protobufjs refuses to make such: a metric with a template, with a metric, with a template …
  const within = (
    tag: readonly number[],
    inner: readonly number[],
  ) => [...tag, inner.length % 128 + 128, inner.length >> 7, ...inner];
  let metric: number[] = [];
  for (let i = 0; i < 100; i++) metric = within([0x92, 1], within([0x12], metric));
  const bytes = Uint8Array.from(within([0x12], metric));
  assert.throws(() => decodePayload(bytes), (error) => error instanceof BadPayload && /nested/.test(error.message));
});

test("mutilated payloads are refused, or give values, and nothing else", () => {
  const random = new SeededRandom(20_260_101);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = eclipsePayload.slice(0, random.below(4) === 0 ? random.below(eclipsePayload.length) : undefined);
    for (let hits = random.below(4) + 1; hits > 0; hits--) bytes[random.below(bytes.length)] = random.below(256);
    try {
      const { metrics } = decodePayload(bytes);
      for (const metric of metrics) {
        metricValue(metric, random.below(40));
        if (metric.properties !== undefined) structOfProperties(metric.properties);
      }
    } catch (error) {
      assert.ok(error instanceof BadPayload, String((error as Error).stack));
      refused++;
    }
  }
  assert.ok(refused > 150 && refused < 2850, `${refused}`);
});

test("a compressed payload gives what is in it, within limits", () => {
  const inner = encodeBySchema({
    timestamp: 5,
    seq: 3,
    metrics: [{ name: "a", datatype: dataTypes.Int32, intValue: 1 }],
  });
  const wrapped = (algorithm: string | undefined, body: Uint8Array) =>
    encodeBySchema({
      uuid: "SPBV1.0_COMPRESSED",
      body,
      metrics: algorithm === undefined ? [] : [{ name: "algorithm", datatype: 12, stringValue: algorithm }],
    });
  for (const [algorithm, body] of [[undefined, deflateSync(inner)], ["GZIP", gzipSync(inner)]] as const) {
    const { timestamp, seq, metrics } = decodePayload(wrapped(algorithm, body));
    assert.deepEqual([timestamp, seq, metrics[0]!.value], [5n, 3n, { in: "int", value: 1n }]);
  }
  for (
    const bytes of [
      wrapped("LZMA", inner),
      wrapped("GZIP", inner),
      wrapped("DEFLATE", deflateSync(new Uint8Array(64 * 1024 * 1024))),
    ]
  ) {
    assert.throws(() => decodePayload(bytes), BadPayload);
  }
});
