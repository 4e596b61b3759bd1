/**
 * The client against a scripted broker: order, loss, refusal and nonsense.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { MqttClient } from "./client.ts";
import { type MessageBatch, MqttError, type MqttOptions, type MqttStatus } from "./connection.ts";
import { type FakeBroker, type FakePeer, message, politely, startFakeBroker } from "./fake_broker.ts";
import { openMqtt } from "./open_mqtt.ts";
import { type Packet, PacketType } from "../protocol/packet.ts";
import { Reason } from "../protocol/reason.ts";
import { eventually } from "../../../tests/eventually.ts";

const RECONNECT = { min: 10, max: 40 };

async function withBroker(
  onPacket: (peer: FakePeer, packet: Packet) => void,
  options: Partial<MqttOptions>,
  run: (broker: FakeBroker, client: MqttClient) => Promise<void>,
  onConnection?: (peer: FakePeer) => void,
): Promise<void> {
  const broker = await startFakeBroker(onPacket, onConnection);
  const client = openMqtt({ servers: [broker.url], reconnectMs: RECONNECT, ...options }) as MqttClient;
  try {
    await run(broker, client);
  } finally {
    await client.close();
    await broker.stop();
  }
}

async function failure(promise: Promise<unknown>): Promise<MqttError> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof MqttError, `no MqttError but ${error}`);
  return error;
}

const ackIds = (peer: FakePeer): number[] => peer.of(PacketType.PUBACK).map(({ packetId }) => packetId);

test("PUBACKs leave in order of arrival, in one write a read, whatever the order of ack()", () =>
  withBroker(politely, {}, async (broker, client) => {
    const batches: MessageBatch[] = [];
    const others: MessageBatch[] = [];
    const first = client.subscribe({ filters: [{ filter: "a/#", qos: 1 }], onBatch: (batch) => batches.push(batch) });
    const second = client.subscribe({ filters: [{ filter: "a/b", qos: 1 }], onBatch: (batch) => others.push(batch) });
    await Promise.all([first.subscribed(), second.subscribed()]);
    const peer = broker.last;
    peer.send(message("a/a", 1, 11), message("a/b", 1, 12), message("a/c", 1, 13));
    await eventually(() => batches.length === 1 && others.length === 1);
    assert.deepEqual(batches[0]!.messages.map(({ topic }) => topic), ["a/a", "a/b", "a/c"]);
    assert.deepEqual(others[0]!.messages.map(({ packetId }) => packetId), [12]);
    peer.send(message("a/x", 1, 5));
    await eventually(() => batches.length === 2);
    batches[1]!.ack();
    batches[0]!.ack();
    batches[0]!.ack();
    await client.publish([{ topic: "sync", payload: "", qos: 1 }]);
    assert.deepEqual(ackIds(peer), []);
    const { reads } = peer;
    others[0]!.ack();
    await eventually(() => ackIds(peer).length === 4);
    assert.deepEqual(ackIds(peer), [11, 12, 13, 5]);
    assert.equal(peer.reads, reads + 1);
    assert.equal(client.counters.heldMessages, 0);
  }));

test("ack() of an earlier connection is dropped, and the broker's second delivery is acknowledged", () =>
  withBroker(
    (peer, packet) => politely(peer, packet, true),
    { session: "keep", clientId: "c" },
    async (broker, client) => {
      const batches: MessageBatch[] = [];
      const subscription = client.subscribe({
        filters: [{ filter: "a", qos: 1 }],
        onBatch: (batch) => batches.push(batch),
      });
      await subscription.subscribed();
      broker.last.send(message("a", 1, 1));
      await eventually(() => batches.length === 1);
      broker.last.socket.destroy();
      await eventually(() => broker.peers.length === 2 && client.status.state === "connected");
      batches[0]!.ack();
      assert.equal(client.counters.heldMessages, 0);
      broker.last.send(message("a", 1, 1, "x", true));
      await eventually(() => batches.length === 2);
      assert.equal(batches[1]!.messages[0]!.dup, true);
      batches[1]!.ack();
      await eventually(() => ackIds(broker.last).length === 1);
      assert.equal(broker.last.of(PacketType.SUBSCRIBE).length, 0, "session was there, nothing to subscribe again");
    },
  ));

test("a session whose CONNACK was lost may be a new one: the client subscribes again", () => {
  let connects = 0;
  return withBroker(
    (peer, packet) => {
      if (packet.type === PacketType.CONNECT && ++connects === 2) return void peer.socket.destroy();
      politely(peer, packet, connects > 1);
    },
    { session: "keep", clientId: "c" },
    async (broker, client) => {
      const subscription = client.subscribe({ filters: [{ filter: "a", qos: 1 }], onBatch: (batch) => batch.ack() });
      await subscription.subscribed();
      broker.last.socket.destroy();
      await eventually(() => broker.peers.length === 3 && broker.last.of(PacketType.SUBSCRIBE).length === 1);
    },
  );
});

test("QoS 2 message is delivered once across a reconnect, PUBREC only after ack()", () =>
  withBroker(
    (peer, packet) => politely(peer, packet, true),
    { session: "keep", clientId: "c" },
    async (broker, client) => {
      const batches: MessageBatch[] = [];
      const subscription = client.subscribe({
        filters: [{ filter: "a", qos: 2 }],
        onBatch: (batch) => batches.push(batch),
      });
      await subscription.subscribed();
      broker.last.send(message("a", 2, 1));
      await eventually(() => batches.length === 1);
      broker.last.socket.destroy();
      await eventually(() => broker.peers.length === 2 && client.status.state === "connected");
      const peer = broker.last;
      peer.send(message("a", 2, 1, "x", true));
      await client.publish([{ topic: "sync", payload: "", qos: 1 }]);
      assert.equal(peer.of(PacketType.PUBREC).length, 0);
      batches[0]!.ack();
      await eventually(() => peer.of(PacketType.PUBREC).length === 1);
      peer.send(message("a", 2, 1, "x", true));
      await eventually(() => peer.of(PacketType.PUBREC).length === 2);
      peer.send({ type: PacketType.PUBREL, packetId: 1, reasonCode: 0 });
      await eventually(() => peer.of(PacketType.PUBCOMP).length === 1);
      assert.equal(batches.length, 1);
      assert.equal(client.counters.duplicates, 2);
      peer.send(message("a", 2, 1, "new"));
      await eventually(() => batches.length === 2);
    },
  ));

for (const sessionPresent of [true, false]) {
  test(`publish() in flight at a loss is sent again${sessionPresent ? " with DUP" : ""}, session present: ${sessionPresent}`, () => {
    let silent = true;
    return withBroker(
      (peer, packet) => {
        if (!silent || packet.type !== PacketType.PUBLISH) politely(peer, packet, sessionPresent);
        // The second message gets as far as PUBREC.
        else if (packet.qos === 2) politely(peer, packet);
      },
      { session: "keep", clientId: "c" },
      async (broker, client) => {
        await client.connected();
        const first = broker.last;
        const done = client.publish([
          { topic: "a", payload: "1", qos: 1 },
          { topic: "b", payload: "2", qos: 2 },
          { topic: "c", payload: "3" },
        ]);
        await eventually(() => first.of(PacketType.PUBLISH).length === 3 && first.of(PacketType.PUBREL).length === 1);
        silent = false;
        first.socket.destroy();
        await done;
        const again = broker.last.of(PacketType.PUBLISH);
        assert.deepEqual(again[0]?.packetId, first.of(PacketType.PUBLISH)[0]!.packetId);
        assert.ok(again.every(({ dup }) => dup === sessionPresent));
      },
    );
  });
}

test("publish() is refused as retryable when not connected, and what was not sent at a loss is given back", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type === PacketType.CONNECT) politely(peer, packet);
    },
    { inflightMax: 1 },
    async (broker, client) => {
      const early = await failure(client.publish([{ topic: "a", payload: "" }]));
      assert.equal(early.retryable, true);
      await client.connected();
      const sent = client.publish([{ topic: "a", payload: "", qos: 1 }]);
      const waiting = failure(client.publish([{ topic: "b", payload: "", qos: 1 }]));
      await eventually(() => broker.last.of(PacketType.PUBLISH).length === 1);
      broker.last.socket.destroy();
      assert.equal((await waiting).retryable, true);
      await eventually(() => broker.peers.length === 2 && broker.last.of(PacketType.PUBLISH).length === 1);
      broker.last.send({
        type: PacketType.PUBACK,
        packetId: broker.last.of(PacketType.PUBLISH)[0]!.packetId,
        reasonCode: 0,
      });
      await sent;
    },
  ));

test("publish() keeps to the broker's receive maximum and to the order of messages", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type !== PacketType.CONNECT) return;
      peer.level = 5;
      peer.send({ type: PacketType.CONNACK, sessionPresent: false, code: 0, properties: { receiveMaximum: 3 } });
    },
    { protocolVersion: "5" },
    async (broker, client) => {
      await client.connected();
      const messages = Array.from({ length: 10 }, (_, i) => ({ topic: "a", payload: `${i}`, qos: 1 as const }));
      const done = client.publish(messages);
      const peer = broker.last;
      for (let acked = 0; acked < 10; acked++) {
        await eventually(() => peer.of(PacketType.PUBLISH).length === Math.min(10, acked + 3));
        const { packetId } = peer.of(PacketType.PUBLISH)[acked]!;
        peer.send({ type: PacketType.PUBACK, packetId, reasonCode: 0 });
      }
      await done;
      const order = peer.of(PacketType.PUBLISH).map(({ payload }) => Buffer.from(payload).toString());
      assert.deepEqual(order, messages.map(({ payload }) => payload));
    },
  ));

test("publish() has no more than 20 messages of QoS 2 under way where the broker does not say how many it takes", () => {
  let holds = true;
  return withBroker(
    (peer, packet) => {
      if (!holds || packet.type !== PacketType.PUBLISH) politely(peer, packet);
    },
    {},
    async (broker, client) => {
      await client.connected();
      const done = client.publish(Array.from({ length: 50 }, () => ({ topic: "a", payload: "", qos: 2 as const })));
      const peer = broker.last;
      await eventually(() => peer.of(PacketType.PUBLISH).length === 20);
      assert.equal(client.counters.inflight, 20);
      holds = false;
      for (const packet of peer.of(PacketType.PUBLISH)) politely(peer, packet);
      await done;
      assert.equal(peer.of(PacketType.PUBLISH).length, 50);
    },
  );
});

test("publish() says which messages were refused, and why", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type === PacketType.CONNECT) {
        const properties = { maximumPacketSize: 200, retainAvailable: 0, maximumQos: 1 };
        peer.send({ type: PacketType.CONNACK, sessionPresent: false, code: 0, properties });
      } else if (packet.type === PacketType.PUBLISH) {
        assert.ok(packet.qos < 2);
        const reasonCode = packet.topic === "forbidden" ? Reason.NOT_AUTHORIZED : Reason.NO_MATCHING_SUBSCRIBERS;
        peer.send({ type: PacketType.PUBACK, packetId: packet.packetId, reasonCode });
      }
    },
    { protocolVersion: "5" },
    async (_broker, client) => {
      await client.connected();
      const error = await failure(client.publish([
        { topic: "fine", payload: "", qos: 2 },
        { topic: "forbidden", payload: "", qos: 1 },
        { topic: "a/#", payload: "", qos: 1 },
        { topic: "fine", payload: "x".repeat(300), qos: 1 },
        { topic: "fine", payload: "", retain: true },
        { topic: "fine", payload: "", qos: 1, properties: { reasonString: "misplaced" } },
      ]));
      assert.equal(error.retryable, false);
      assert.deepEqual(error.failures?.map(({ index, reasonCode }) => [index, reasonCode]).sort(), [
        [1, Reason.NOT_AUTHORIZED],
        [2, Reason.TOPIC_NAME_INVALID],
        [3, Reason.PACKET_TOO_LARGE],
        [4, Reason.RETAIN_NOT_SUPPORTED],
        [5, Reason.MALFORMED_PACKET],
      ]);
      assert.equal(client.counters.inflight, 0);
    },
  ));

test("publish() gives up at its time-out and at an abort, and keeps no more than it may", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type === PacketType.CONNECT) politely(peer, packet);
    },
    { publishTimeoutMs: 60, inflightMax: 1, queuedMax: 2 },
    async (_broker, client) => {
      await client.connected();
      const one = { topic: "a", payload: "", qos: 1 as const };
      const late = failure(client.publish([one]));
      const abort = new AbortController();
      const aborted = client.publish([one], abort.signal).then(() => undefined, (reason) => reason);
      const third = failure(client.publish([one]));
      assert.match((await failure(client.publish([one]))).message, /wait to be sent already/);
      abort.abort(new Error("enough"));
      assert.equal((await aborted).message, "enough");
      assert.match((await late).message, /within 60 ms/);
      assert.equal((await late).retryable, true);
      await third;
    },
  ));

test("subscribe() reports a refused filter, and asks again", () => {
  let refusals = 0;
  return withBroker(
    (peer, packet) => {
      if (packet.type !== PacketType.SUBSCRIBE || refusals > 0) return politely(peer, packet);
      refusals++;
      peer.send({ type: PacketType.SUBACK, packetId: packet.packetId, codes: [0x80, 0] });
    },
    {},
    async (_broker, client) => {
      const errors: [number | undefined, string][] = [];
      const subscription = client.subscribe({
        filters: [{ filter: "secret", qos: 1 }, { filter: "open", qos: 1 }],
        onBatch: (batch) => batch.ack(),
        onError: (error, filter) => errors.push([error.reasonCode, filter]),
      });
      await subscription.subscribed();
      assert.deepEqual(errors, [[0x80, "secret"]]);
      assert.throws(() => client.subscribe({ filters: [{ filter: "a/#/b", qos: 0 }], onBatch() {} }), {
        name: "MqttError",
        retryable: false,
      });
    },
  );
});

const nonsense: [name: string, onConnection: (peer: FakePeer) => void][] = [
  ["closes at once", (peer) => peer.socket.destroy()],
  ["sends garbage", (peer) => void peer.socket.write("SSH-2.0-OpenSSH_9.2\r\n")],
  ["sends half a packet and closes", (peer) => void peer.socket.end(Uint8Array.of(0x20, 2, 0))],
  ["sends a message before CONNACK", (peer) => void peer.socket.write(Uint8Array.of(0x30, 3, 0, 1, 97))],
  ["announces a giant packet", (peer) => void peer.socket.write(Uint8Array.of(0x20, 0xff, 0xff, 0xff, 0x7f, 0, 0))],
  ["says nothing", () => {}],
];

for (const [name, onConnection] of nonsense) {
  test(`client tries again when the broker ${name}`, () => {
    const states: MqttStatus[] = [];
    const options = { connectTimeoutMs: 100, onStatus: (status: MqttStatus) => void states.push(status) };
    return withBroker(() => {}, options, async (broker) => {
      await eventually(() => broker.peers.length >= 3);
      const lost = states.filter(({ state }) => state === "disconnected");
      assert.ok(lost.length >= 2 && lost.every(({ error, retryAt }) => error!.retryable && retryAt !== undefined));
      assert.ok(!states.some(({ state }) => state === "connected"));
    }, onConnection);
  });
}

test("client drops a connection that turns to nonsense, having handed out what came before", () =>
  withBroker(politely, { protocolVersion: "5" }, async (broker, client) => {
    const topics: string[] = [];
    const subscription = client.subscribe({
      filters: [{ filter: "#", qos: 0 }],
      onBatch: (batch) => void topics.push(...batch.messages.map(({ topic }) => topic)),
    });
    await subscription.subscribed();
    const peer = broker.last;
    peer.send(message("good", 0, 0));
    peer.socket.write(Uint8Array.of(0xff, 0xff));
    await eventually(() => broker.peers.length === 2 && client.status.state === "connected");
    assert.deepEqual(topics, ["good"]);
    assert.equal(peer.of(PacketType.DISCONNECT)[0]?.reasonCode, Reason.MALFORMED_PACKET);
  }));

const refusals: [level: "3.1.1" | "5", code: number, retryable: boolean][] = [
  ["3.1.1", 1, false],
  ["3.1.1", 3, true],
  ["3.1.1", 4, false],
  ["3.1.1", 5, false],
  ["5", Reason.BAD_USER_NAME_OR_PASSWORD, false],
  ["5", 0x89, true],
];

for (const [protocolVersion, code, retryable] of refusals) {
  test(`client ${retryable ? "soon" : "slowly"} tries again after CONNACK ${code} of MQTT ${protocolVersion}`, () =>
    withBroker(
      (peer, packet) => {
        if (packet.type === PacketType.CONNECT) peer.send({ type: PacketType.CONNACK, sessionPresent: false, code });
      },
      { protocolVersion, reconnectMs: { min: 1, max: 100_000 } },
      async (_broker, client) => {
        await eventually(() => client.status.state === "disconnected");
        const { error, retryAt, since } = client.status;
        assert.equal(error!.retryable, retryable);
        assert.equal(retryAt! - since > 10_000, !retryable);
      },
    ));
}

test("client takes the next server at once, and the first again after a loss", async () => {
  const broken = await startFakeBroker(() => {}, (peer) => peer.socket.destroy());
  const servers = [broken.url];
  try {
    await withBroker(politely, { reconnectMs: { min: 100_000, max: 100_000 } }, async (good) => {
      const client = openMqtt({ servers: [...servers, good.url], reconnectMs: { min: 20, max: 40 } });
      try {
        await client.connected();
        assert.equal(client.status.server, good.url);
        const before = broken.peers.length;
        good.last.socket.destroy();
        await eventually(() => broken.peers.length > before);
        await client.connected();
      } finally {
        await client.close();
      }
    });
  } finally {
    await broken.stop();
  }
});

test("messages of a kept session wait for a subscription that comes late", () =>
  withBroker(
    (peer, packet) => {
      politely(peer, packet, true);
      if (packet.type === PacketType.CONNECT) peer.send(message("a/1", 1, 1), message("b", 1, 2), message("a/2", 2, 3));
    },
    { session: "keep", clientId: "c" },
    async (broker, client) => {
      await eventually(() => client.counters.heldMessages === 3);
      const topics: string[] = [];
      client.subscribe({
        filters: [{ filter: "a/#", qos: 2 }],
        onBatch(batch) {
          topics.push(...batch.messages.map(({ topic }) => topic));
          batch.ack();
        },
      });
      await eventually(() => topics.length === 2);
      assert.deepEqual(ackIds(broker.last), []);
      client.subscribe({ filters: [{ filter: "b", qos: 1 }], onBatch: (batch) => batch.ack() });
      await eventually(() => ackIds(broker.last).length === 2 && broker.last.of(PacketType.PUBREC).length === 1);
      assert.equal(client.counters.heldMessages, 0);
    },
  ));

test("a kept session is left as it is by detach: what comes after is not acknowledged", () =>
  withBroker((peer, packet) => politely(peer, packet), { session: "keep", clientId: "c" }, async (broker, client) => {
    const held: MessageBatch[] = [];
    const onBatch = (batch: MessageBatch): void => void held.push(batch);
    const kept = client.subscribe({ filters: [{ filter: "a", qos: 1 }], onBatch });
    const dropped = client.subscribe({ filters: [{ filter: "b", qos: 1 }], onBatch });
    await Promise.all([kept.subscribed(), dropped.subscribed()]);
    const peer = broker.last;
    await dropped.close();
    peer.send(message("b", 1, 1));
    await eventually(() => ackIds(peer).length === 1);
    await kept.close("detach");
    peer.send(message("a", 1, 2));
    await client.publish([{ topic: "sync", payload: "", qos: 1 }]);
    await client.close();
    await eventually(() => peer.closed);
    assert.deepEqual(ackIds(peer), [1]);
    assert.deepEqual(peer.of(PacketType.UNSUBSCRIBE).map(({ filters }) => filters), [["b"]]);
    assert.equal(held.length, 0);
  }));

for (const next of ["another subscription", "nobody"]) {
  test(`what a subscription that leaves a kept session has not acknowledged goes to ${next}`, () =>
    withBroker((peer, packet) => politely(peer, packet), { session: "keep", clientId: "c" }, async (broker, client) => {
      const first: MessageBatch[] = [];
      const filters = [{ filter: "a", qos: 1 as const }];
      const leaving = client.subscribe({ filters, onBatch: (batch) => first.push(batch) });
      const other = client.subscribe({ filters: [{ filter: "b", qos: 1 }], onBatch: (batch) => batch.ack() });
      await Promise.all([leaving.subscribed(), other.subscribed()]);
      const peer = broker.last;
      peer.send(message("a", 1, 1), message("a", 0, 0));
      await eventually(() => first.length === 1);
      peer.send(message("a", 1, 2));
      await eventually(() => first.length === 2);
      await leaving.close("detach");
      // It may have been done with a part of it all the same.
      first[1]!.ack();
      peer.send(message("b", 1, 3));
      await client.publish([{ topic: "sync", payload: "", qos: 1 }]);
      assert.deepEqual(ackIds(peer), []);
      const second: number[] = [];
      const coming = client.subscribe({
        filters,
        onBatch(batch) {
          second.push(...batch.messages.map(({ packetId }) => packetId));
          if (next !== "nobody") batch.ack();
        },
      });
      await eventually(() => second.length > 0);
      if (next === "nobody") await coming.close("unsubscribe");
      await eventually(() => ackIds(peer).length === 3);
      assert.deepEqual(ackIds(peer), [1, 2, 3]);
      assert.deepEqual(second, [1]);
      assert.equal(client.counters.heldMessages, 0);
    }));
}

test("messages of a clean session that nobody wants are acknowledged and counted", () =>
  withBroker(politely, {}, async (broker, client) => {
    await client.connected();
    broker.last.send(message("a", 1, 1), message("a", 0, 0));
    await eventually(() => ackIds(broker.last).length === 1);
    assert.equal(client.counters.unclaimed, 2);
  }));

test("a subscriber that throws is told so, and the others go on", () =>
  withBroker(politely, {}, async (broker, client) => {
    const errors: string[] = [];
    const bad = client.subscribe({
      filters: [{ filter: "a", qos: 0 }],
      onBatch() {
        throw new Error("boom");
      },
      onError: (error) => errors.push(error.message),
    });
    let good = 0;
    const other = client.subscribe({ filters: [{ filter: "a", qos: 0 }], onBatch: () => good++ });
    await Promise.all([bad.subscribed(), other.subscribed()]);
    broker.last.send(message("a", 0, 0));
    await eventually(() => good === 1);
    assert.match(errors[0]!, /boom/);
  }));

test("closing the last user of a filter unsubscribes, and lets go of what it holds", () =>
  withBroker(politely, {}, async (broker, client) => {
    const held: MessageBatch[] = [];
    const one = client.subscribe({ filters: [{ filter: "a", qos: 1 }], onBatch: (batch) => held.push(batch) });
    const two = client.subscribe({ filters: [{ filter: "a", qos: 1 }], onBatch: (batch) => batch.ack() });
    await Promise.all([one.subscribed(), two.subscribed()]);
    assert.equal(broker.last.of(PacketType.SUBSCRIBE).length, 1);
    broker.last.send(message("a", 1, 1));
    await eventually(() => held.length === 1);
    await one.close();
    await eventually(() => ackIds(broker.last).length === 1);
    await client.publish([{ topic: "sync", payload: "", qos: 1 }]);
    assert.equal(broker.last.of(PacketType.UNSUBSCRIBE).length, 0);
    await two.close();
    await eventually(() => broker.last.of(PacketType.UNSUBSCRIBE).length === 1);
  }));

test("a filter gives way to a wider one, and comes back after it", () =>
  withBroker(politely, {}, async (broker, client) => {
    const onBatch = (batch: MessageBatch): void => batch.ack();
    const narrow = client.subscribe({ filters: [{ filter: "a/b", qos: 2 }], onBatch });
    await narrow.subscribed();
    const wide = client.subscribe({ filters: [{ filter: "a/+", qos: 0 }], onBatch });
    await wide.subscribed();
    const peer = broker.last;
    await eventually(() => peer.of(PacketType.UNSUBSCRIBE).length === 1);
    assert.deepEqual(peer.of(PacketType.SUBSCRIBE)[1]!.filters, [{ filter: "a/+", qos: 2 }]);
    await narrow.subscribed();
    await wide.close();
    await eventually(() => peer.of(PacketType.UNSUBSCRIBE).length === 2);
    assert.deepEqual(peer.of(PacketType.UNSUBSCRIBE).map(({ filters }) => filters), [["a/b"], ["a/+"]]);
    assert.deepEqual(peer.of(PacketType.SUBSCRIBE)[2]!.filters, [{ filter: "a/b", qos: 2 }]);
    await narrow.subscribed();
  }));

test("reading stops above the held limit and resumes when released", () =>
  withBroker(politely, { heldMessagesMax: 100 }, async (broker, client) => {
    const held: MessageBatch[] = [];
    const subscription = client.subscribe({ filters: [{ filter: "a", qos: 0 }], onBatch: (batch) => held.push(batch) });
    await subscription.subscribed();
    const peer = broker.last;
    const payload = "x".repeat(10_000);
    const total = 3000;
    for (let i = 0; i < total; i++) peer.send(message("a", 0, 0, payload));
    await eventually(() => client.counters.paused);
    const { received } = client.counters;
    assert.ok(received < 400, `${received} messages were read with a limit of 100`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(client.counters.received, received, "reading goes on while paused");
    const release = setInterval(() => {
      for (const batch of held.splice(0)) batch.ack();
    }, 1);
    try {
      await eventually(() => client.counters.received === total);
    } finally {
      clearInterval(release);
    }
    assert.equal(client.counters.droppedOverLimit, 0);
  }));

test("an acknowledgement behind unread messages is still found", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type !== PacketType.PUBLISH) return politely(peer, packet);
      for (let i = 0; i < 2000; i++) peer.send(message("a", 0, 0, "x".repeat(100)));
      politely(peer, packet);
    },
    { heldMessagesMax: 100 },
    async (broker, client) => {
      const held: MessageBatch[] = [];
      const subscription = client.subscribe({
        filters: [{ filter: "a", qos: 0 }],
        onBatch: (batch) => held.push(batch),
      });
      await subscription.subscribed();
      for (let i = 0; i < 1000; i++) broker.last.send(message("a", 0, 0));
      await eventually(() => client.counters.paused);
      await client.publish([{ topic: "b", payload: "", qos: 1 }]);
      assert.ok(client.counters.droppedOverLimit > 0);
      await eventually(() => client.counters.paused);
    },
  ));

test("the server's keep alive and client identifier are taken up", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type !== PacketType.CONNECT) return politely(peer, packet);
      const properties = { serverKeepAlive: 1, assignedClientIdentifier: "given" };
      peer.send({ type: PacketType.CONNACK, sessionPresent: false, code: 0, properties });
    },
    { protocolVersion: "5", clientId: "", keepAliveSeconds: 1000 },
    async (broker, client) => {
      await client.connected();
      await eventually(() => broker.last.of(PacketType.PINGREQ).length >= 2);
      broker.last.socket.destroy();
      await eventually(() => broker.peers.length === 2 && broker.last.of(PacketType.CONNECT).length === 1);
      assert.equal(broker.last.of(PacketType.CONNECT)[0]!.clientId, "given");
    },
  ));

test("close() says DISCONNECT, refuses what is pending, and may be repeated", () =>
  withBroker(
    (peer, packet) => {
      if (packet.type !== PacketType.PUBLISH) politely(peer, packet);
    },
    {},
    async (broker, client) => {
      await client.connected();
      const pending = failure(client.publish([{ topic: "a", payload: "", qos: 1 }]));
      await Promise.all([client.close(), client.close()]);
      assert.equal((await pending).retryable, true);
      assert.equal(client.status.state, "closed");
      await eventually(() => broker.last.closed);
      assert.equal(broker.last.of(PacketType.DISCONNECT).length, 1);
      await failure(client.publish([{ topic: "a", payload: "" }]));
      await failure(client.connected());
      assert.throws(() => client.subscribe({ filters: [], onBatch() {} }), { name: "MqttError" });
    },
  ));

const badOptions: [name: string, options: Partial<MqttOptions>][] = [
  ["no server", { servers: [] }],
  ["an unknown scheme", { servers: ["http://localhost"] }],
  ["a password alone", { password: "x" }],
  ["a kept session of nobody", { session: "keep", clientId: "" }],
  ["a will on a wildcard", { will: { topic: "#", payload: "" } }],
  ["no room", { heldMessagesMax: 0 }],
];

for (const [name, options] of badOptions) {
  test(`openMqtt() refuses ${name}`, () => {
    assert.throws(() => openMqtt({ servers: ["tcp://127.0.0.1:1"], ...options }), {
      name: "MqttError",
      retryable: false,
    });
  });
}
