import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { type Agent, withAgent } from "./agent.ts";
import { publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

const count = 30_000;

/** Bytes; undefined where the system does not tell. */
async function residentBytes(agent: Agent): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const status = await readFile(`/proc/${agent.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

test("a sink that cannot write holds the source, and nothing is lost", async () => {
  const input = await startMosquitto({ lines: ["max_queued_messages 0", "max_inflight_messages 0"] });
  const output = await startMosquitto({ persistence: true, lines: ["max_queued_messages 0"] });
  try {
    await withAgent(async (agent) => {
      const session = { server: input.url, qos: 1, clientid: "weir-in", enableClientSession: true };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", session);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="in")',
      });
      const sink = { server: output.url, topic: "out", qos: 1, sendSingle: true, bufferLength: 500 };
      await agent.expect(201, "POST", "/rules", { id: "r", sql: "SELECT n FROM demo", actions: [{ mqtt: sink }] });
      await subscribed(input, "weir-in");
      await agent.reaches("r", (s) => s.sink_mqtt_0_0_connection_status === 1);
      await output.kill();
      await agent.reaches("r", (s) => s.sink_mqtt_0_0_connection_status === -1);
      const before = await residentBytes(agent);

      const pad = "x".repeat(1000);
      const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ n, pad }));
      await publishLines(input, "in", lines, ["-q", "1"]);
      const held = await agent.reaches("r", (s) => Number(s.sink_mqtt_0_0_buffer_length) >= 500);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const still = await agent.status("r");
      assert.equal(still.source_demo_0_records_in_total, held.source_demo_0_records_in_total, "the source is held");
      assert.ok(Number(still.source_demo_0_records_in_total) < count / 4, "most messages are left to the broker");
      assert.equal(still.status, "running");
      const grown = before === undefined ? 0 : (await residentBytes(agent))! - before;
      console.log(`held at ${still.source_demo_0_records_in_total} of ${count} messages, ${grown >> 10} KiB more`);
      assert.ok(grown < 40 * 1024 * 1024, `${grown} bytes more`);

      await output.start();
      const out = await Subscriber.start(output, "out", ["-q", "1"]);
      try {
        const got = await out.get(count);
        const heard = new Set(got.map((line) => JSON.parse(line).n));
        assert.equal(heard.size, count);
      } finally {
        await out.stop();
      }
      await agent.reaches("r", (s) => s.sink_mqtt_0_0_buffer_length === 0);
    });
  } finally {
    await input.stop();
    await output.stop();
  }
});
