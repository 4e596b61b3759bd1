/**
 * Connections that break at any byte: QoS 1 arrives at least once, QoS 2 exactly once.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { type MqttError, type ProtocolVersion, type Qos } from "./connection.ts";
import { startCuttingProxy } from "./cutting_proxy.ts";
import { openMqtt } from "./open_mqtt.ts";
import { PacketGenerator } from "../protocol/packet_generator.ts";
import { eventually } from "../../../tests/eventually.ts";
import { startMosquitto } from "../../../tests/mosquitto.ts";

const SEED = Number(process.env["WEIR_SEED"] ?? Math.floor(Math.random() * 0x7fffffff));
const TOTAL = 600;

/**
 * How often mosquitto began a message of QoS 2 anew that it had already released with PUBREL, by topic.
 *
 * Version 2.0.11 does so after some reconnects, as its log shows. No client can tell such a message from a new one.
 */
function begunAnew(log: string): Map<string, number> {
  const released = new Set<string>();
  const anew = new Map<string, number>();
  for (const line of log.split("\n")) {
    const release = /Sending PUBREL to reader \(m(\d+)/.exec(line);
    if (release !== null) released.add(release[1]!);
    const message = /Sending PUBLISH to reader \(d\d, q2, r0, m(\d+), '([^']*)'/.exec(line);
    if (message !== null && released.delete(message[1]!)) anew.set(message[2]!, (anew.get(message[2]!) ?? 0) + 1);
  }
  return anew;
}

/** Whose connections are cut; with QoS 2 one side at a time, since mosquitto 2.0.11 also loses messages with both. */
const cases: [qos: Qos, cut: "reader" | "writer" | "both"][] = [[1, "both"], [2, "reader"], [2, "writer"]];

for (const protocolVersion of ["3.1.1", "5"] as ProtocolVersion[]) {
  for (const [qos, cut] of cases) {
    test(`every message arrives ${qos === 1 ? "at least" : "exactly"} once though connections break, cut: ${cut}, MQTT ${protocolVersion}`, async () => {
      const generator = new PacketGenerator(SEED, 4);
      const broker = await startMosquitto({ lines: ["max_inflight_messages 2000", "max_queued_messages 0"] });
      const proxy = await startCuttingProxy(broker.port, () => generator.int(50, 2000));
      const common = {
        protocolVersion,
        session: "keep",
        sessionExpirySeconds: 600,
        reconnectMs: { min: 1, max: 10 },
        connectTimeoutMs: 1000,
      } as const;
      const reader = openMqtt({ ...common, clientId: "reader", servers: [cut === "writer" ? broker.url : proxy.url] });
      const writer = openMqtt({
        ...common,
        clientId: "writer",
        servers: [cut === "reader" ? broker.url : proxy.url],
        inflightMax: 50,
      });
      try {
        const heard = new Map<number, number>();
        const subscription = reader.subscribe({
          filters: [{ filter: "n/+", qos }],
          onBatch(batch) {
            for (const { topic, payload } of batch.messages) {
              const n = Number(Buffer.from(payload).toString());
              assert.equal(topic, `n/${n}`);
              heard.set(n, (heard.get(n) ?? 0) + 1);
            }
            if (generator.chance(0.5)) batch.ack();
            else setTimeout(() => batch.ack(), generator.int(0, 5));
          },
        });
        await subscription.subscribed();
        for (let n = 0; n < TOTAL;) {
          const size = Math.min(generator.int(1, 30), TOTAL - n);
          const messages = Array.from({ length: size }, (_, i) => ({ topic: `n/${n + i}`, payload: `${n + i}`, qos }));
          try {
            await writer.publish(messages);
            n += size;
          } catch (error) {
            // Refused before the first was sent: a call that was sent in part stays pending.
            assert.equal((error as MqttError).retryable, true);
            await writer.connected();
          }
        }
        proxy.heal();
        await eventually(() => heard.size === TOTAL);
        assert.ok(proxy.cuts > 1, `${proxy.cuts} cuts`);
        if (qos === 2) {
          await eventually(() => reader.counters.heldMessages === 0);
          const allowed = begunAnew(broker.log);
          const often = [...heard].filter(([n, times]) => times > 1 + (allowed.get(`n/${n}`) ?? 0));
          assert.deepEqual(often, [], `seed ${SEED}`);
        }
      } catch (error) {
        console.log(`seed ${SEED}`);
        throw error;
      } finally {
        await Promise.all([reader.close(), writer.close()]);
        await proxy.stop();
        await broker.stop();
      }
    });
  }
}
