import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { Agent, withFolder } from "./agent.ts";
import { publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

const kills = 4;
const perKill = 2000;

test("messages of a kept session survive kills of the agent", async () => {
  const broker = await startMosquitto({ lines: ["max_queued_messages 0"] });
  const out = await Subscriber.start(broker, "out", ["-q", "1"]);
  try {
    await withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      let agent = await Agent.start({ dataDir });
      const session = { server: broker.url, qos: 1, clientid: "weir-in", enableClientSession: true };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", session);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="in")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "relay",
        sql: "SELECT n FROM demo",
        actions: [{ mqtt: { server: broker.url, topic: "out", qos: 1, sendSingle: true } }],
      });
      await subscribed(broker, "weir-in");
      const heard = () => new Set(out.lines.map((line) => JSON.parse(line).n as number));
      try {
        for (let i = 0; i < kills; i++) {
          const lines = Array.from({ length: perKill }, (_, n) => JSON.stringify({ n: i * perKill + n }));
          const publishing = publishLines(broker, "in", lines, ["-q", "1"]);
          // In the middle of its work, as far as one can tell.
          await out.get(out.lines.length + perKill / 4);
          await agent.end("SIGKILL");
          await publishing;
          agent = await Agent.start({ dataDir });
        }
        const late = Date.now() + 30_000;
        while (heard().size < kills * perKill) {
          assert.ok(Date.now() < late, `heard ${heard().size} of ${kills * perKill}\n${agent.output().stderr}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        console.log(`${kills * perKill} messages over ${kills} kills of the agent: ${out.lines.length} arrivals`);
      } finally {
        await agent.end("SIGKILL");
      }
    });
  } finally {
    await out.stop();
    await broker.stop();
  }
});
