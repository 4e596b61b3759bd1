import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { ConnectionState } from "../../src/connector/context.ts";
import type { ClosableConnection, OpenContext } from "../../src/connector/declare.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import { eventually } from "../../tests/eventually.ts";
import { type Mosquitto, startMosquitto } from "../../tests/mosquitto.ts";
import { type MqttConnection, MqttError, type PublishMessage } from "./client/connection.ts";
import { openMqtt } from "./client/open_mqtt.ts";
import { LazyConnection } from "./connection.ts";
import { mqtt } from "./mod.ts";

type Raw = Record<string, unknown>;

const utf8 = new TextDecoder();

conformance(mqtt, {
  source: async () => {
    const broker = await startMosquitto();
    const peer = openMqtt({ servers: [broker.url] });
    return {
      connection: { server: broker.url, clientid: "reader" },
      settings: () => ({ datasource: "numbers", qos: 1 }),
      send: async (values) => {
        await eventually(() => broker.log.includes("Sending SUBACK to reader"));
        await tell(peer, values.map((n) => ({ topic: "numbers", payload: `{"n":${n}}`, qos: 1 })));
      },
      cut: async () => {
        await broker.kill();
        await broker.start();
      },
      close: async () => {
        await peer.close();
        await broker.stop();
      },
    };
  },
  sink: async () => {
    const broker = await startMosquitto();
    const peer = openMqtt({ servers: [broker.url] });
    const received: number[] = [];
    await listen(peer, "numbers", (text) => received.push(JSON.parse(text).n));
    return {
      connection: { server: broker.url },
      settings: { topic: "numbers", qos: 1 },
      received: () => received,
      cut: async () => {
        await broker.kill();
        await broker.start();
        await listen(peer, "unused", () => {});
      },
      close: async () => {
        await peer.close();
        await broker.stop();
      },
    };
  },
  losesConnection: true,
});

/** Publishes, again when the connection was lost meanwhile. */
async function tell(client: MqttConnection, messages: readonly PublishMessage[]): Promise<void> {
  for (;;) {
    await client.connected(AbortSignal.timeout(20_000));
    try {
      return await client.publish(messages);
    } catch (error) {
      if (!(error instanceof MqttError && error.retryable)) throw error;
    }
  }
}

/** Resolves when the broker delivers; after a reconnect of the client also for what it listens to already. */
async function listen(client: MqttConnection, topic: string, take: (text: string) => void): Promise<void> {
  const subscription = client.subscribe({
    filters: [{ filter: topic, qos: 1 }],
    onBatch: (batch) => {
      for (const { payload } of batch.messages) take(utf8.decode(payload));
      batch.ack();
    },
  });
  await subscription.subscribed();
}

interface World {
  readonly broker: Mosquitto;
  readonly peer: MqttConnection;
  readonly states: [state: ConnectionState, message: string | undefined][];
  connect(raw?: Raw): ClosableConnection;
  source(raw: Raw, connection: ClosableConnection): Promise<Source>;
  sink(raw: Raw, connection: ClosableConnection): Promise<PayloadSink>;
}

async function withBroker(work: (world: World) => Promise<void>): Promise<void> {
  const broker = await startMosquitto();
  const peer = openMqtt({ servers: [broker.url] });
  const states: World["states"] = [];
  const base = {
    name: "test",
    clock: realClock,
    log: recordingLogger([]),
    status: (state: ConnectionState, message?: string) => void states.push([state, message]),
  };
  const opened: ClosableConnection[] = [];
  const place = { path: "", where: "mqtt" };
  const context = (connection: ClosableConnection): OpenContext<never> => ({
    ...base,
    connection: connection as never,
  });
  try {
    await work({
      broker,
      peer,
      states,
      connect: (raw = {}) => {
        const role = mqtt.connection!;
        const connection = role.open(readSettings(role.settings, { server: broker.url, ...raw }, place) as never, base);
        opened.push(connection);
        return connection;
      },
      source: async (raw, connection) => {
        const { settings, open } = mqtt.source!;
        return await open(readSettings(settings, raw, place) as never, context(connection));
      },
      sink: async (raw, connection) => {
        const { settings, open } = mqtt.sink!;
        return await open(readSettings(settings, raw, place) as never, context(connection)) as PayloadSink;
      },
    });
  } finally {
    for (const connection of opened) await connection.close();
    await peer.close();
    await broker.stop();
  }
}

async function read(source: Source): Promise<PayloadBatch> {
  const batch = await source.read(AbortSignal.timeout(20_000));
  assert.equal(batch.kind, "payloads");
  return batch as PayloadBatch;
}

function textOf(payload: Uint8Array | { readonly bytes: Uint8Array; readonly start: number; readonly end: number }) {
  return utf8.decode(payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end));
}

const texts = (batch: PayloadBatch) => batch.payloads.map(textOf);

test("an mqtt source reads several filters and tells topic, QoS, identifier and properties", () =>
  withBroker(async ({ broker, connect, source, peer }) => {
    const v5 = openMqtt({ servers: [broker.url], protocolVersion: "5" });
    const connection = connect({ protocolVersion: "5", clientid: "reader" });
    const opened = await source({ datasource: "a/+, b , ,c/#", qos: 2 }, connection);
    try {
      // Mosquitto answers a packet for each filter, where filters carry identifiers.
      await eventually(() => broker.log.split("Sending SUBACK to reader").length > 3);
      const userProperties: [name: string, value: string][] = [["unit", "°C"], ["unit", "K"]];
      await v5.publish([{ topic: "a/1", payload: "1", qos: 2, properties: { userProperties } }]);
      const first = await read(opened);
      assert.deepEqual(texts(first), ["1"]);
      const { messageId, ...meta } = first.meta!(0)!;
      assert.deepEqual(meta, { topic: "a/1", qos: 2n, properties: { unit: "K" } });
      assert.equal(typeof messageId, "bigint");
      first.ack!();
      await peer.publish([{ topic: "b", payload: "2" }]);
      const second = await read(opened);
      assert.deepEqual(second.meta!(0), { topic: "b", qos: 0n, messageId: 0n });
      second.ack!();
      await peer.publish([{ topic: "a/b/c", payload: "unwanted" }, { topic: "c/d/e", payload: "3", qos: 1 }]);
      assert.deepEqual(texts(await read(opened)), ["3"]);
    } finally {
      await opened.close();
      await v5.close();
    }
  }));

test("an mqtt sink publishes with its QoS, retained and with properties", () =>
  withBroker(async ({ broker, connect, sink }) => {
    const settings = { topic: "t", qos: 1, retained: true, properties: { unit: "K" } };
    const opened = await sink(settings, connect({ protocolVersion: "5" }));
    await opened.write(["one", new TextEncoder().encode("two")], AbortSignal.timeout(20_000));
    const late = openMqtt({ servers: [broker.url], protocolVersion: "5" });
    try {
      const got: unknown[] = [];
      late.subscribe({
        filters: [{ filter: "t", qos: 1 }],
        onBatch: (batch) => {
          for (const { payload, retain, qos, properties } of batch.messages) {
            got.push([utf8.decode(payload), retain, qos, properties?.userProperties]);
          }
          batch.ack();
        },
      });
      await eventually(() => got.length === 1);
      assert.deepEqual(got, [["two", true, 1, [["unit", "K"]]]]);
    } finally {
      await late.close();
    }
  }));

test("an mqtt sink passes ids on as a user property, where the protocol has any", () =>
  withBroker(async ({ broker, connect, sink }) => {
    const listener = openMqtt({ servers: [broker.url], protocolVersion: "5" });
    try {
      const got: unknown[] = [];
      const subscription = listener.subscribe({
        filters: [{ filter: "t", qos: 1 }],
        onBatch: (batch) => {
          for (const { payload, properties } of batch.messages) {
            got.push([utf8.decode(payload), properties?.userProperties]);
          }
          batch.ack();
        },
      });
      await subscription.subscribed();
      const settings = { topic: "t", qos: 1, properties: { unit: "K" } };
      const signal = AbortSignal.timeout(20_000);
      const opened = await sink(settings, connect({ protocolVersion: "5" }));
      await opened.write(["one", "two"], signal, ["r/1", "r/2"]);
      await opened.write(["three"], signal);
      await (await sink(settings, connect())).write(["four"], signal, ["r/4"]);
      await eventually(() => got.length === 4);
      assert.deepEqual(got, [
        ["one", [["unit", "K"], ["weir-id", "r/1"]]],
        ["two", [["unit", "K"], ["weir-id", "r/2"]]],
        ["three", [["unit", "K"]]],
        ["four", undefined],
      ]);
    } finally {
      await listener.close();
    }
  }));

test("an mqtt sink waits for the connection, and gives up when it shall", () =>
  withBroker(async ({ broker, connect, sink, peer, states }) => {
    const got: string[] = [];
    await listen(peer, "t", (text) => got.push(text));
    const opened = await sink({ topic: "t", qos: 1 }, connect());
    await opened.write(["before"], AbortSignal.timeout(20_000));
    await broker.kill();
    await eventually(() => states.some(([state]) => state === "disconnected"));
    const reason = new Error("the rule stops");
    const abort = new AbortController();
    const given = opened.write(["given up"], abort.signal);
    abort.abort(reason);
    await assert.rejects(given, (error) => error === reason);
    const waiting = opened.write(["after"], AbortSignal.timeout(20_000));
    await broker.start();
    await waiting;
    assert.equal(got[0], "before");
    assert.equal(got.includes("given up"), false);
  }));

test("an mqtt connection reports its states, with the reason of a loss", () =>
  withBroker(async ({ broker, connect, states }) => {
    const connection = connect();
    await eventually(() => states.at(-1)?.[0] === "connected");
    await broker.kill();
    await eventually(() => states.some(([state]) => state === "disconnected"));
    const [, message] = states.find(([state]) => state === "disconnected")!;
    assert.match(message!, new RegExp(`^${broker.url}: `));
    await broker.start();
    await eventually(() => states.at(-1)?.[0] === "connected");
    await connection.close();
    // A connection that is closed on purpose has no further state.
    assert.equal(states.at(-1)?.[0], "connected");
  }));

test("messages of a kept session wait for the next start; others are unsubscribed", () =>
  withBroker(async ({ broker, connect, source, peer }) => {
    const kept = { clientid: "kept", enableClientSession: true };
    const first = connect(kept);
    const before = await source({ datasource: "kept", qos: 1 }, first);
    await eventually(() => broker.log.includes("Sending SUBACK to kept"));
    await before.close();
    await first.close();
    assert.equal(broker.log.includes("Received UNSUBSCRIBE from kept"), false);
    await peer.publish([{ topic: "kept", payload: "while away", qos: 1 }]);
    const second = connect(kept);
    const after = await source({ datasource: "kept", qos: 1 }, second);
    assert.deepEqual(texts(await read(after)), ["while away"]);
    await after.close();

    const clean = connect({ clientid: "clean" });
    const opened = await source({ datasource: "clean", qos: 1 }, clean);
    await eventually(() => broker.log.includes("Sending SUBACK to clean"));
    await opened.close();
    await eventually(() => broker.log.includes("Received UNSUBSCRIBE from clean"));
  }));

test("what a source of a kept session has not acknowledged comes again", () =>
  withBroker(async ({ broker, connect, source, peer }) => {
    const kept = { clientid: "again", enableClientSession: true };
    const first = connect(kept);
    const before = await source({ datasource: "t", qos: 1 }, first);
    await eventually(() => broker.log.includes("Sending SUBACK to again"));
    for (const payload of ["1", "2"]) {
      await peer.publish([{ topic: "t", payload, qos: 1 }]);
      const batch = await read(before);
      assert.deepEqual(texts(batch), [payload]);
      if (payload === "1") batch.ack!();
    }
    await before.close();
    await first.close();
    const after = await source({ datasource: "t", qos: 1 }, connect(kept));
    assert.deepEqual(texts(await read(after)), ["2"]);
    await after.close();
  }));

test("mqtt finds what is wrong with a connection before it connects", () => {
  const { settings, check } = mqtt.connection!;
  const place = { path: "", where: "mqtt" };
  const cases: [Raw, RegExp][] = [
    [{ enableClientSession: true }, /E404.*clientid/],
    [{ enableClientSession: true, clientid: "" }, /E404.*clientid/],
    [{ server: "ssl://b:8883", rootCaPath: "/nowhere/ca.pem" }, /\/nowhere\/ca\.pem/],
    [{ server: "ssl://b:8883", certificationPath: "/nowhere/c.pem", privateKeyPath: "/nowhere/k.pem" }, /\/nowhere/],
    [{ server: "http://b:1" }, /E403.*broker URL/],
    [{ server: [] }, /E404.*server/],
    [{ protocolVersion: "6" }, /E403/],
    [{ keepAlive: "soon" }, /E403/],
    [{ keepAlive: "20h" }, /E403/],
    [{ password: "p" }, /E404.*username/],
    [{ server: "tcp://a:99999" }, /E403.*tcp:\/\/a:99999/],
    [{ server: "tcp://user:s3cret@a:99999" }, /E403.*"tcp:\/\/…@a:99999"/],
  ];
  for (const [raw, message] of cases) {
    assert.throws(() => check!(readSettings(settings, raw, place) as never), message, JSON.stringify(raw));
  }
  const fine = [
    {},
    { servers: ["tcp://a:1", "ssl://b:2"], clientId: "c" },
    { server: "wss://b:443/mqtt", protocolVersion: "4", keepAlive: "10s" },
    { password: "p", protocolVersion: "5" },
  ];
  for (const raw of fine) check!(readSettings(settings, raw, place) as never);
});

test("mqtt refuses topics and filters that cannot be meant", () => {
  const place = { path: "", where: "mqtt" };
  for (const topic of ["", "a/+", "#", "a\u0000b"]) {
    assert.throws(() => readSettings(mqtt.sink!.settings, { topic }, place), /E40\d/, topic);
  }
  for (const datasource of ["", " , ", "a/#/b", "a,b+/c", "$share/g"]) {
    assert.throws(() => readSettings(mqtt.source!.settings, { datasource }, place), /DATASOURCE/, datasource);
  }
  for (const datasource of ["a", "#", "+/b , c/#", "$share/g/a", "/", "$SYS/#"]) {
    readSettings(mqtt.source!.settings, { datasource }, place);
  }
});

test("a LazyConnection tells options that the client refuses as settings", async () => {
  const settings = readSettings(mqtt.connection!.settings, { password: "p" }, { path: "", where: "mqtt" });
  const context = { name: "test", clock: realClock, log: recordingLogger([]), status: () => {} };
  const lazy = new LazyConnection(settings as never, context);
  await assert.rejects(lazy.open(), /^DiagnosticError: E403: .*user name/);
  await lazy.close();
});

test("a LazyConnection closes whether or not it was ever connected", async () => {
  const settings = readSettings(mqtt.connection!.settings, { server: "tcp://127.0.0.1:1" }, {
    path: "",
    where: "mqtt",
  });
  const lazy = new LazyConnection(settings as never, {
    name: "test",
    clock: realClock,
    log: recordingLogger([]),
    status: () => {},
  });
  await lazy.close();
  assert.equal((await lazy.open()).status.state, "closed");
});
