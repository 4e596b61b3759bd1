import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import type { Struct } from "../../src/connector/source.ts";
import { EdgeNodes, type EdgeNodesOptions } from "./edge_nodes.ts";
import { dataTypes } from "./payload/data_type.ts";
import { encodeBySchema, type SchemaMetric } from "./payload/schema_encoder.ts";
import { messageTypes, parseNodeFilter, parseTopic, topicFilters } from "./topic.ts";

const { Int32, Double, UInt64 } = dataTypes;

class World {
  now = 0;
  readonly asked: string[] = [];
  readonly logged: LogFields[] = [];
  readonly nodes: EdgeNodes;

  constructor(options: Partial<EdgeNodesOptions> = {}) {
    this.nodes = new EdgeNodes({
      shape: "message",
      types: messageTypes,
      filter: { group: undefined, node: undefined, device: undefined },
      rebirthPauseMs: 10_000,
      now: () => this.now,
      log: recordingLogger(this.logged),
      requestRebirth: (group, node) => void this.asked.push(`${group}/${node}`),
      ...options,
    });
  }

  /** `tail`: `NBIRTH/n` or `DDATA/n/d`, of the group `g`. */
  take(tail: string, seq: number | undefined, metrics: readonly SchemaMetric[], timestamp = 1000): Struct[] {
    const topic = parseTopic(`spBv1.0/g/${tail}`);
    assert.ok(topic, tail);
    return this.nodes.take(topic, encodeBySchema({ timestamp, ...(seq === undefined ? {} : { seq }), metrics }));
  }

  /** The node `n` with its metric `power`, and its device `d` with its metric `temperature`. */
  bear(bdSeq = 1): void {
    this.take("NBIRTH/n", 0, [
      { name: "bdSeq", datatype: UInt64, longValue: bdSeq },
      { name: "power", alias: 1, datatype: Int32, intValue: 5 },
    ]);
    this.take("DBIRTH/n/d", 1, [{ name: "temperature", alias: 2, datatype: Double, doubleValue: 20 }]);
  }
}

const head = (type: string, device: string | null, seq: number | null, online = true) => ({
  group_id: "g",
  edge_node_id: "n",
  device_id: device,
  message_type: type,
  timestamp: 1000n,
  seq: seq === null ? null : BigInt(seq),
  online,
});

test("aliases of data have the names and types of the births", () => {
  const world = new World();
  world.bear();
  assert.deepEqual(world.take("NDATA/n", 2, [{ alias: 1, intValue: 0xffff_ffff }]), [
    { ...head("NDATA", null, 2), historical: false, metrics: { power: -1n } },
  ]);
  assert.deepEqual(world.take("DDATA/n/d", 3, [{ alias: 2, doubleValue: 21.5 }, { alias: 1, intValue: 3 }]), [
    { ...head("DDATA", "d", 3), historical: false, metrics: { temperature: 21.5, power: 3n } },
  ]);
  assert.deepEqual(world.asked, []);
});

test("a gap, an unknown alias and data before a birth ask for a birth, at most once in a while", () => {
  const world = new World();
  assert.deepEqual(
    world.take("DDATA/n/d", 9, [{ alias: 2, doubleValue: 1 }, { name: "own", datatype: Int32, intValue: 1 }]),
    [
      {
        ...head("DDATA", "d", 9, false),
        historical: false,
        metrics: { "alias 2": null, own: 1n },
        quality: { "alias 2": "unknown alias" },
      },
    ],
  );
  assert.deepEqual(world.asked, ["g/n"]);
  world.take("NDATA/n", 10, []);
  assert.equal(world.asked.length, 1);
  world.now = 10_000;
  world.take("NDATA/n", 11, []);
  assert.equal(world.asked.length, 2, "the node has not heard it");
  world.bear();
  for (let seq = 2; seq < 600; seq++) world.take("NDATA/n", seq & 255, []);
  assert.equal(world.asked.length, 2, "numbers go round");
  world.now = 20_000;
  const row = world.take("NDATA/n", 90, [{ alias: 1, intValue: 7 }]);
  assert.deepEqual(row[0]!.metrics, { power: 7n }, "what can be read is given");
  assert.equal(world.asked.length, 3);
  assert.ok(world.logged.some(({ last, found }) => last === 87 && found === 90));
  world.bear();
  world.take("DDATA/n/d", 2, [{ alias: 77, intValue: 1 }]);
  assert.equal(world.asked.length, 3, "a birth that did not help is not asked for again at once");
  world.now = 30_000;
  world.take("DDATA/n/d", 3, [{ alias: 77, intValue: 1 }]);
  assert.equal(world.asked.length, 4);
  world.bear();
  world.now = 40_000;
  world.take("DDATA/n/other", 2, []);
  assert.equal(world.asked.length, 5, "the birth of a device is missing");
});

test("a node dies with its devices, and not by the will of an earlier session", () => {
  const world = new World();
  world.bear(7);
  assert.deepEqual(world.take("NDEATH/n", undefined, [{ name: "bdSeq", datatype: UInt64, longValue: 6 }]), []);
  assert.equal(world.take("NDATA/n", 2, [])[0]!.online, true);
  assert.deepEqual(world.take("NDEATH/n", undefined, [{ name: "bdSeq", datatype: UInt64, longValue: 7 }]), [
    {
      ...head("NDEATH", null, null, false),
      historical: false,
      metrics: { bdSeq: null, power: null },
      quality: { bdSeq: "stale", power: "stale" },
    },
    {
      ...head("NDEATH", "d", null, false),
      historical: false,
      metrics: { temperature: null },
      quality: { temperature: "stale" },
    },
  ]);
  assert.deepEqual(world.asked, []);
  assert.equal(world.take("DDATA/n/d", 3, [{ alias: 2, doubleValue: 1 }])[0]!.online, false);
  assert.deepEqual(world.asked, ["g/n"], "what is dead and speaks has to be born");
});

test("a device dies alone", () => {
  const world = new World();
  world.bear();
  const [row] = world.take("DDEATH/n/d", 2, []);
  assert.deepEqual([row!.online, row!.quality], [false, { temperature: "stale" }]);
  assert.equal(world.take("NDATA/n", 3, [])[0]!.online, true);
  assert.deepEqual(world.take("DDEATH/n/d", 4, [])[0]!.metrics, {}, "once is enough");
});

test("historical values have rows of their own with their times, also several of one metric", () => {
  const world = new World();
  world.bear();
  const rows = world.take("DDATA/n/d", 2, [
    { alias: 2, doubleValue: 1, timestamp: 500, isHistorical: true },
    { name: "b", datatype: Int32, intValue: 9, timestamp: 500, isHistorical: true },
    { alias: 2, doubleValue: 2, timestamp: 600, isHistorical: true },
    { alias: 2, doubleValue: 3, timestamp: 990 },
    { alias: 2, doubleValue: 4, timestamp: 995 },
  ]);
  assert.deepEqual(rows.map(({ timestamp, historical, metrics }) => [timestamp, historical, metrics]), [
    [500n, true, { temperature: 1, b: 9n }],
    [600n, true, { temperature: 2 }],
    [1000n, false, { temperature: 3 }],
    [1000n, false, { temperature: 4 }],
  ]);
});

test("values that are not good are told with the reason, and the others stay", () => {
  const world = new World();
  world.bear();
  const quality = (value: number) => ({ keys: ["Quality"], values: [{ type: Int32, intValue: value }] });
  const [row] = world.take("DDATA/n/d", 2, [
    { name: "good", datatype: Double, doubleValue: 1, properties: quality(192) },
    { name: "bad", datatype: Double, doubleValue: 2, properties: quality(0) },
    { name: "old", datatype: Double, doubleValue: 3, properties: quality(500) },
    { name: "nan", datatype: Double, doubleValue: Number.NaN },
    { name: "wrong", datatype: dataTypes.Int32Array, bytesValue: Uint8Array.of(1) },
    { name: "new", intValue: 4 },
    { name: "none", datatype: Int32, isNull: true },
  ]);
  assert.deepEqual(row!.metrics, { good: 1, bad: 2, old: 3, nan: null, wrong: null, new: null, none: null });
  assert.deepEqual(row!.quality, {
    bad: "bad",
    old: "stale",
    nan: "NaN is no number",
    wrong: "1 bytes are no Int32Array",
    new: "unknown type",
  });
  assert.deepEqual((row!.properties as Struct).good, { Quality: 192n });
});

test("a row for each metric says its type, quality and time", () => {
  const world = new World({ shape: "metric" });
  world.bear();
  const rows = world.take("DDATA/n/d", 2, [
    { alias: 2, doubleValue: 21.5, timestamp: 990 },
    { alias: 9, doubleValue: 1 },
  ]);
  const common = { ...head("DDATA", "d", 2), historical: false };
  assert.deepEqual(rows, [
    { ...common, timestamp: 990n, metric: "temperature", value: 21.5, type: "Double", quality: "good" },
    { ...common, metric: "alias 9", value: null, type: null, quality: "unknown alias" },
  ]);
});

test("garbage gives a row that says so, and changes nothing", () => {
  const world = new World();
  world.bear();
  const topic = parseTopic("spBv1.0/g/NDATA/n")!;
  const [row] = world.nodes.take(topic, Uint8Array.of(0x12, 0x50, 1));
  assert.deepEqual([row!.metrics, row!.quality, row!.online], [{}, { payload: "the payload ends in field 2" }, true]);
  assert.deepEqual(world.take("NDATA/n", 2, [{ alias: 1, intValue: 1 }])[0]!.metrics, { power: 1n });
  assert.deepEqual(world.asked, []);
});

test("only wanted messages and devices give rows, and births are heeded anyway", () => {
  const world = new World({ types: ["DDATA"], filter: parseNodeFilter("g/+/d")! });
  world.bear();
  assert.deepEqual(world.take("NDATA/n", 2, [{ alias: 1, intValue: 1 }]), []);
  assert.deepEqual(world.take("DBIRTH/n/e", 3, []), []);
  assert.deepEqual(world.take("DDATA/n/e", 4, []), []);
  assert.deepEqual(world.take("DDATA/n/d", 5, [{ alias: 2, doubleValue: 1 }])[0]!.metrics, { temperature: 1 });
  assert.deepEqual(world.asked, []);
});

test("after a lost connection living nodes are asked for their births", () => {
  const world = new World();
  world.bear();
  world.take("DBIRTH/dead/d", 0, []);
  world.asked.length = 0;
  world.nodes.reconnected();
  assert.deepEqual(world.asked, ["g/n"]);
});

test("hosts tell their state in JSON or in a word", () => {
  const world = new World();
  const state = (text: string) =>
    world.nodes.take(parseTopic("spBv1.0/STATE/scada")!, new TextEncoder().encode(text))[0];
  const row = { host_id: "scada", message_type: "STATE" };
  assert.deepEqual(state('{"online":true,"timestamp":5}'), { ...row, timestamp: 5n, online: true });
  assert.deepEqual(state("OFFLINE"), { ...row, timestamp: null, online: false });
  assert.deepEqual(state("{"), { ...row, timestamp: null, online: null });
});

test("topics and filters are read", () => {
  assert.deepEqual(parseTopic("spBv1.0/g/DDATA/n/d"), { type: "DDATA", group: "g", node: "n", device: "d" });
  for (
    const topic of [
      "a/g/DDATA/n/d",
      "spBv1.0/g/DDATA/n",
      "spBv1.0/g/NDATA/n/d",
      "spBv1.0/g/X/n",
      "spBv1.0/g",
      "spBv1.0/g/DDATA/n/d/e",
    ]
  ) {
    assert.equal(parseTopic(topic), undefined, topic);
  }
  for (const text of ["a/b/c/d", "a/#", "a//b", "a+"]) assert.equal(parseNodeFilter(text), undefined, text);
  assert.deepEqual(topicFilters(parseNodeFilter("")!, ["STATE"]), ["spBv1.0/+/+/+/#", "spBv1.0/STATE/+"]);
  assert.deepEqual(topicFilters(parseNodeFilter("/plant/+/d")!, []), ["spBv1.0/plant/+/+/#"]);
});
