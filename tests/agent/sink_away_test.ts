import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { Agent } from "./agent.ts";
import { publishLines, Subscriber } from "./mosquitto_clients.ts";

interface Bench {
  /** Where messages come from. */
  readonly source: Mosquitto;
  /** Where results go to; it keeps the session of `receiver` while it is away. */
  readonly target: Mosquitto;
  readonly receiver: Subscriber;
  agent: Agent;
  /** Ends the agent, and starts it again. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Publishes rows with the numbers from `from` up to `to`. */
  publish(from: number, to: number): Promise<void>;
}

async function withBench(
  action: Record<string, unknown>,
  work: (bench: Bench) => Promise<void>,
  options: Record<string, unknown> = {},
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "weir-away-"));
  const source = await startMosquitto({ lines: ["max_queued_messages 0"] });
  const target = await startMosquitto({ persistence: true, lines: ["max_queued_messages 0"] });
  const receiver = await Subscriber.start(target, "#", ["-q", "1", "-c", "-F", "%t %p"]);
  const bench: Bench = {
    ...{ source, target, receiver },
    agent: await Agent.start({ dataDir }),
    async restart(signal) {
      const code = await bench.agent.end(signal);
      if (signal === "SIGTERM") assert.equal(code, 0);
      bench.agent = await Agent.start({ dataDir });
      await bench.agent.reaches("away", (status) => status.source_demo_0_connection_status === 1);
    },
    publish: (from, to) =>
      publishLines(source, "in", Array.from({ length: to - from }, (_, i) => `{"n":${from + i}}`), ["-q", "1"]),
  };
  try {
    const server = source.url;
    await bench.agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", { server, qos: 1 });
    await bench.agent.expect(201, "POST", "/streams", {
      sql: 'CREATE STREAM demo () WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="in")',
    });
    const sink = { server: target.url, topic: "out", qos: 1, sendSingle: true, enableCache: true, ...action };
    await bench.agent.expect(201, "POST", "/rules", {
      id: "away",
      sql: "SELECT n FROM demo",
      actions: [{ mqtt: sink }],
      options,
    });
    await bench.agent.reaches(
      "away",
      (status) => status.source_demo_0_connection_status === 1 && status.sink_mqtt_0_0_connection_status === 1,
    );
    await work(bench);
  } finally {
    await bench.agent.remove();
    await receiver.stop();
    await Promise.all([source.stop(), target.stop()]);
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const lines = (topic: string, from: number, to: number, more = "") =>
  Array.from({ length: to - from }, (_, i) => `${topic} {"n":${from + i}${more}}`);

const small = { memoryCacheThreshold: 64, bufferPageSize: 32, maxDiskCache: 3200 };

test("what an action cannot send while its broker is away is sent in order when it is back, over restarts too", () =>
  withBench(small, async (bench) => {
    const { target, receiver, publish } = bench;
    const holds = (count: number) =>
      bench.agent.reaches("away", (status) => status.sink_mqtt_0_0_buffer_length === count);
    await publish(0, 50);
    assert.deepEqual(await receiver.get(50), lines("out", 0, 50));
    // What the broker has not confirmed yet would come again.
    await holds(0);
    await target.halt();
    await bench.agent.reaches("away", (status) => status.sink_mqtt_0_0_connection_status !== 1);
    await publish(50, 550);
    const away = await holds(500);
    assert.equal(away.op_mqtt_0_2_cache_0_buffer_length, 500);
    assert.equal(away.ledger_balanced, 1);
    await bench.restart("SIGTERM");
    await holds(500);
    // These are in memory, and go with the process.
    await publish(550, 600);
    await holds(550);
    await bench.restart("SIGKILL");
    await holds(500);
    await publish(600, 650);
    await target.start();
    const sent = [...lines("out", 0, 550), ...lines("out", 600, 650)];
    assert.deepEqual(await receiver.get(sent.length), sent);
    const back = await holds(0);
    assert.equal(back.ledger_balanced, 1);
  }));

test("what cannot be sent goes to another topic with a queue of its own", () =>
  withBench({
    ...small,
    resendAlterQueue: true,
    resendDestination: "late",
    resendIndicatorField: "resent",
  }, async ({ agent, target, receiver, publish }) => {
    await publish(0, 20);
    await receiver.get(20);
    await agent.reaches("away", (status) => status.sink_mqtt_0_0_buffer_length === 0);
    await target.halt();
    await agent.reaches("away", (status) => status.sink_mqtt_0_0_connection_status !== 1);
    await publish(20, 320);
    const away = await agent.reaches("away", (status) => status.op_mqtt_0_cache_0_buffer_length === 300);
    assert.deepEqual([away.sink_mqtt_0_0_buffer_length, away.sink_mqtt_0_resend_0_buffer_length], [0, 300]);
    assert.equal(away.ledger_balanced, 1);
    await target.start();
    await agent.reaches("away", (status) => status.sink_mqtt_0_0_connection_status === 1);
    await publish(320, 330);
    const all = await receiver.get(330);
    const of = (topic: string) => all.filter((line) => line.startsWith(`${topic} `));
    assert.deepEqual(of("out"), [...lines("out", 0, 20), ...lines("out", 320, 330)]);
    assert.deepEqual(of("late"), lines("late", 20, 320, ',"resent":true'));
    const back = await agent.reaches("away", (status) => status.op_mqtt_0_cache_0_buffer_length === 0);
    assert.equal(back.ledger_balanced, 1);
  }));

test("with qos 1, a kill takes nothing of what waits for its second sink", () =>
  withBench(
    { resendAlterQueue: true, resendDestination: "late" },
    async (bench) => {
      const { target, receiver, publish } = bench;
      const holds = (count: number) =>
        bench.agent.reaches("away", (status) => status.op_mqtt_0_cache_0_buffer_length === count);
      await publish(0, 20);
      await receiver.get(20);
      await bench.agent.reaches("away", (status) => status.sink_mqtt_0_0_buffer_length === 0);
      await target.halt();
      await bench.agent.reaches("away", (status) => status.sink_mqtt_0_0_connection_status !== 1);
      await publish(20, 220);
      await holds(200);
      await bench.restart("SIGKILL");
      await holds(200);
      await target.start();
      const all = await receiver.get(220);
      assert.deepEqual(all, [...lines("out", 0, 20), ...lines("late", 20, 220)]);
      assert.equal((await holds(0)).ledger_balanced, 1);
    },
    { qos: 1 },
  ));
