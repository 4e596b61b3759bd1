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
 * Whose connections are cut. With QoS 2 it is one side at a time: cut on both, mosquitto 2.0.11 sends messages anew that
 * it has already released with PUBREL, as its own log shows.
 */
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
          filters: [{ filter: "n", qos }],
          onBatch(batch) {
            for (const { payload } of batch.messages) {
              const n = Number(Buffer.from(payload).toString());
              heard.set(n, (heard.get(n) ?? 0) + 1);
            }
            if (generator.chance(0.5)) batch.ack();
            else setTimeout(() => batch.ack(), generator.int(0, 5));
          },
        });
        await subscription.subscribed();
        for (let n = 0; n < TOTAL;) {
          const size = Math.min(generator.int(1, 30), TOTAL - n);
          const messages = Array.from({ length: size }, (_, i) => ({ topic: "n", payload: `${n + i}`, qos }));
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
          assert.deepEqual([...heard].filter(([, times]) => times > 1), [], `seed ${SEED}`);
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
