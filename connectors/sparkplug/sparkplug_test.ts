import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import type { Connector } from "../../src/connector/declare.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Source, SourceBatch, Struct } from "../../src/connector/source.ts";
import { withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../tests/mosquitto.ts";
import type { LazyConnection } from "../mqtt/connection.ts";
import { connectionSettings } from "../mqtt/mod.ts";
import { EdgeNodePeer } from "./edge_node_peer.ts";
import { sparkplug } from "./mod.ts";

/** The cases want rows with a column `n`; here it stands among the metrics. */
function withNumbers(connector: Connector): Connector {
  const { source } = connector;
  const numbered = (batch: SourceBatch): SourceBatch => {
    assert.ok(batch.kind === "rows");
    return { ...batch, rows: batch.rows.map((row) => ({ ...row, n: (row.metrics as Struct).temperature })) };
  };
  return {
    ...connector,
    source: {
      ...source!,
      open: async (settings, context) => {
        const opened = await source!.open(settings, context);
        return { read: async (signal) => numbered(await opened.read(signal)), close: () => opened.close() };
      },
    },
  };
}

conformance(withNumbers(sparkplug), {
  losesConnection: true,
  source: async () => {
    const broker = await startMosquitto();
    const node = new EdgeNodePeer(broker.url);
    await node.connected();
    return {
      connection: { server: broker.url, clientid: "reader" },
      settings: () => ({ datasource: "plant", messages: ["DDATA"] }),
      send: async (values) => {
        await eventually(() => broker.log.includes("Sending SUBACK to reader"));
        await node.connected();
        await node.bear();
        await node.measure(values);
      },
      cut: async () => {
        await broker.kill();
        await broker.start();
      },
      close: async () => {
        await node.close();
        await broker.stop();
      },
    };
  },
});

interface World {
  readonly broker: Mosquitto;
  readonly node: EdgeNodePeer;
  readonly logged: LogFields[];
  open(raw?: Record<string, unknown>): Promise<Source>;
}

async function withNode(work: (world: World) => Promise<void>): Promise<void> {
  const broker = await startMosquitto();
  const node = new EdgeNodePeer(broker.url);
  const logged: LogFields[] = [];
  const context = { name: "test", clock: realClock, log: recordingLogger(logged), status: () => {} };
  const place = { path: "", where: "sparkplug source" };
  const settings = readSettings(connectionSettings, { server: broker.url, clientid: "reader" }, place);
  const connection = sparkplug.connection!.open(settings, context) as LazyConnection;
  const sources: Source[] = [];
  try {
    await node.connected();
    await work({
      broker,
      node,
      logged,
      open: async (raw = {}) => {
        const own = readSettings(sparkplug.source!.settings, { rebirthInterval: 500, ...raw }, place);
        const source = await sparkplug.source!.open(own, { ...context, connection });
        sources.push(source);
        await eventually(() => broker.log.includes("Sending SUBACK to reader"));
        return source;
      },
    });
  } finally {
    for (const source of sources) await source.close();
    await connection.close();
    await node.close();
    await broker.stop();
  }
}

/** Reads until a row is as wanted, and gives all until then. */
async function readUntil(source: Source, wanted: (row: Struct) => boolean): Promise<Struct[]> {
  const signal = AbortSignal.timeout(20_000);
  const rows: Struct[] = [];
  while (!rows.some(wanted)) {
    const batch = await source.read(signal);
    assert.ok(batch.kind === "rows");
    rows.push(...batch.rows);
    batch.ack?.();
  }
  return rows;
}

const is = (type: string, metrics?: Struct) => (row: Struct) =>
  row.message_type === type &&
  (metrics === undefined || Object.entries(metrics).every(([name, value]) => (row.metrics as Struct)[name] === value));

test("a node that was there before is asked for its birth, and again when messages are missing", () =>
  withNode(async ({ broker, node, open }) => {
    await node.bear();
    // What is sent with QoS 0 may still be on its way, and a reader that subscribes meanwhile gets it.
    await eventually(() => /Received PUBLISH from .*DBIRTH/.test(broker.log));
    const source = await open();
    await node.measure([21]);
    const rows = await readUntil(source, is("DBIRTH", { temperature: 21 }));
    assert.deepEqual(rows[0]!.quality, { "alias 1": "unknown alias" });
    assert.equal(node.rebirths, 1);
    await node.measure([22]);
    const [row] = await readUntil(source, is("DDATA"));
    assert.deepEqual([row!.metrics, row!.quality], [{ temperature: 22 }, undefined]);
    const reading = readUntil(source, is("DBIRTH", { temperature: 23 }));
    for (const deadline = Date.now() + 20_000; node.rebirths === 1 && Date.now() < deadline;) {
      await node.measure([23], 1);
      await realClock.sleep(20);
    }
    await reading;
  }));

test("a node that dies takes its devices along", () =>
  withNode(async ({ node, open }) => {
    const source = await open();
    await node.bear();
    await readUntil(source, is("DBIRTH"));
    await node.die();
    const rows = await readUntil(source, ({ message_type, device_id }) =>
      message_type === "NDEATH" && device_id === "oven");
    const oven = rows.at(-1)!;
    assert.deepEqual([oven.online, oven.quality], [false, { temperature: "stale", "Inputs/door": "stale" }]);
  }));

test("after the death of the broker living nodes are asked for what was missed", () =>
  withNode(async ({ broker, node, open }) => {
    const source = await open();
    await node.bear();
    await readUntil(source, is("DBIRTH"));
    await broker.kill();
    await broker.start();
    await node.connected();
    // What it is asked for before its client has subscribed, it does not hear.
    const reading = readUntil(source, is("DBIRTH"));
    for (const deadline = Date.now() + 20_000; node.rebirths === 0 && Date.now() < deadline;) {
      await node.measure([30]);
      await realClock.sleep(20);
    }
    const rows = await reading;
    // Its aliases are known from before.
    assert.ok(rows.filter(is("DDATA")).every(is("DDATA", { temperature: 30 })));
  }));

test("a rule speaks of metrics by their names", () =>
  withNode(async ({ broker, node }) => {
    await withEngine(async ({ engine, streams, configs, wire }) => {
      configs.putConfKey("source", "sparkplug", "plant", { server: broker.url, clientid: "reader" });
      streams.execute('CREATE STREAM plant () WITH (TYPE="sparkplug", DATASOURCE="plant", CONF_KEY="plant")');
      await engine.rules.create(JSON.stringify({
        id: "hot",
        sql: "SELECT device_id, metrics->temperature AS t, metrics->`Inputs/door` AS door FROM plant " +
          "WHERE message_type IN ('DBIRTH', 'DDATA') AND metrics->temperature > 30",
        actions: [{ wire: {} }],
      }));
      await eventually(() => broker.log.includes("Sending SUBACK to reader"));
      node.temperature = 31;
      await node.bear();
      await node.measure([29, 32]);
      await eventually(() => wire.written.length === 2);
      assert.deepEqual(wire.written, [
        '[{"device_id":"oven","door":false,"t":31}]',
        '[{"device_id":"oven","t":32}]',
      ]);
    });
  }));
