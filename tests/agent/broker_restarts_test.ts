import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type MqttClient } from "mqtt";
import { eventually } from "../eventually.ts";
import { startMosquitto } from "../mosquitto.ts";
import { withAgent } from "./agent.ts";
import { subscribed } from "./mosquitto_clients.ts";

const restarts = 10;
const restartEveryMs = 2000;

/** A persistent QoS 1 client of another implementation, which repeats what was not acknowledged. */
async function persistentClient(url: string, clientId: string): Promise<MqttClient> {
  const client = connect(url, { clientId, clean: false, reconnectPeriod: 100, connectTimeout: 5000, keepalive: 5 });
  client.on("error", () => {});
  await new Promise<void>((resolve) => client.on("connect", () => resolve()));
  return client;
}

/** mosquitto writes what it has acknowledged in the same round of its loop, or, when that takes long, shortly after. */
const savedAfterMs = 300;

/**
 * The broker goes away every two seconds: in order while all is in flow, and, every second time, killed. A killed
 * mosquitto may lose what it has acknowledged and not written yet, which no client can make good; so then nothing is
 * under way.
 */
test("a rule at QoS 1 loses nothing while its broker goes away ten times", async () => {
  const broker = await startMosquitto({
    persistence: true,
    lines: ["autosave_on_changes true", "autosave_interval 1", "max_queued_messages 0"],
  });
  const listener = await persistentClient(broker.url, "listener");
  const publisher = await persistentClient(broker.url, "publisher");
  try {
    const heard = new Map<number, number>();
    listener.on("message", (_topic, payload) => {
      const { n } = JSON.parse(payload.toString());
      heard.set(n, (heard.get(n) ?? 0) + 1);
    });
    await listener.subscribeAsync("out", { qos: 1 });
    await withAgent(async (agent) => {
      const session = { server: broker.url, qos: 1, clientid: "weir-in", enableClientSession: true };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/kept", session);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="kept")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "relay",
        sql: "SELECT n FROM demo",
        actions: [{ mqtt: { server: broker.url, topic: "out", qos: 1, sendSingle: true } }],
      });
      await subscribed(broker, "weir-in");

      let sent = 0;
      let acknowledged = 0;
      let flows = true;
      const publishing = setInterval(() => {
        if (!flows) return;
        publisher.publish("in", JSON.stringify({ n: sent++ }), { qos: 1 }, (error) => {
          if (!error) acknowledged++;
        });
      }, 5);
      try {
        for (let i = 0; i < restarts; i++) {
          await new Promise((resolve) => setTimeout(resolve, restartEveryMs * 0.75));
          if (i % 2 === 0) {
            await broker.halt();
          } else {
            flows = false;
            await eventually(() => acknowledged === sent && heard.size === sent, 60_000);
            await new Promise((resolve) => setTimeout(resolve, savedAfterMs));
            await broker.kill();
            flows = true;
          }
          const down = await agent.reaches(
            "relay",
            (s) => s.source_demo_0_connection_status !== 1 && s.sink_mqtt_0_0_connection_status !== 1,
          );
          assert.equal(down.status, "running");
          await new Promise((resolve) => setTimeout(resolve, restartEveryMs * 0.25));
          await broker.start();
          const up = await agent.reaches(
            "relay",
            (s) => s.source_demo_0_connection_status === 1 && s.sink_mqtt_0_0_connection_status === 1,
          );
          assert.ok(Number(up.source_demo_0_exceptions_total) > i, "each loss is an exception of the source");
          assert.ok(Number(up.sink_mqtt_0_0_exceptions_total) > i, "each loss is an exception of the sink");
          assert.notEqual(up.source_demo_0_connection_last_disconnected_message, "");
        }
      } finally {
        clearInterval(publishing);
      }
      const late = Date.now() + 60_000;
      while (acknowledged < sent || heard.size < sent) {
        const lost = Array.from({ length: sent }, (_, n) => n).filter((n) => !heard.has(n));
        assert.ok(
          Date.now() < late,
          `sent ${sent}, acknowledged ${acknowledged}, lost ${lost.length}: ${lost.slice(0, 20)}`,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const twice = [...heard.values()].filter((times) => times > 1).length;
      console.log(`${sent} messages over ${restarts} losses of the broker: none lost, ${twice} twice`);
      assert.equal((await agent.status("relay")).status, "running");
    });
  } finally {
    await publisher.endAsync(true);
    await listener.endAsync(true);
    await broker.stop();
  }
});
