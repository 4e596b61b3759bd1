/**
 * Brokers that are away, restart or fall silent, and links that stall, tear and trickle: a rule with `qos` 1 keeps what
 * cannot go out, loses nothing, keeps the order, and says how its connections are.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { Agent, withAgent, withFolder } from "../agent/agent.ts";
import { ledgersBalance } from "./ledger.ts";
import { relay, Scene } from "./scene.ts";
import { ChaosProxy } from "./tcp_proxy.ts";

const seed = Number(process.env.WEIR_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("results are kept while the broker of the sink is away, also over kills of the agent, and go out in order", () =>
  Scene.with((scene) =>
    withFolder(async (folder) => {
      const count = 3000;
      const dataDir = join(folder, "data");
      let agent = await Agent.start({ dataDir });
      try {
        await scene.define(agent);
        scene.publisher.send(100);
        await scene.allArrive(agent);
        await scene.output.halt();
        scene.publisher.send(count - 100);
        // The source is not held: the disk has room.
        await agent.reaches(relay, (s) => s.source_s_0_records_in_total === count);
        await scene.publisher.acknowledged();
        const away = await agent.reaches(relay, (s) => s.sink_mqtt_0_0_buffer_length === count - 100);
        assert.equal(away.status, "running");
        assert.equal(away.sink_mqtt_0_0_connection_status, -1);
        assert.notEqual(away.sink_mqtt_0_0_connection_last_disconnected_message, "");
        for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
          await agent.end(signal);
          agent = await Agent.start({ dataDir });
          await agent.reaches(relay, (s) => s.sink_mqtt_0_0_connection_status === -1);
        }
        assert.equal(scene.heard().length, 100);
        await scene.output.start();
        await scene.allArrive(agent);
        await agent.reaches(
          relay,
          (s) => s.sink_mqtt_0_0_connection_status === 1 && s.sink_mqtt_0_0_buffer_length === 0,
        );
        await ledgersBalance(agent, [relay]);
        assert.equal(await agent.end(), 0);
      } finally {
        await agent.end("SIGKILL");
      }
    })
  ));

test("brokers that are killed in turn lose nothing of a rule with an outbox", () =>
  Scene.with((scene) =>
    withAgent(async (agent) => {
      await scene.define(agent);
      scene.publisher.run(() => 1, 5);
      for (let i = 0; i < 4; i++) {
        await sleep(700);
        await scene.output.kill();
        if (i % 2 === 1) await scene.input.kill();
        const status = await agent.reaches(relay, (s) => s.sink_mqtt_0_0_connection_status !== 1);
        assert.equal(status.status, "running");
        await sleep(300);
        if (i % 2 === 1) await scene.input.start();
        await scene.output.start();
        await agent.reaches(
          relay,
          (s) => s.sink_mqtt_0_0_connection_status === 1 && s.source_s_0_connection_status === 1,
        );
      }
      scene.publisher.pause();
      await scene.allArrive(agent);
      await ledgersBalance(agent, [relay]);
      console.log(`${scene.publisher.sent} messages, ${scene.arrivals.length} arrivals`);
    })
  ));

for (const side of ["input", "output"] as const) {
  test(`an ${side} broker that falls silent for longer than the keep-alive is left, and found again`, () =>
    Scene.with((scene) =>
      withAgent(async (agent) => {
        await scene.define(agent, { connection: { keepAlive: "1s", connectTimeout: "1s" } });
        const name = side === "input" ? "source_s_0_connection" : "sink_mqtt_0_0_connection";
        scene.publisher.run(() => 1, 5);
        await sleep(500);
        scene[side].freeze();
        const lost = await agent.reaches(relay, (s) => s[`${name}_status`] !== 1, 20_000);
        assert.equal(lost.status, "running");
        assert.notEqual(lost[`${name}_last_disconnected_message`], "");
        await sleep(1000);
        scene[side].thaw();
        await agent.reaches(relay, (s) => s[`${name}_status`] === 1);
        await sleep(500);
        scene.publisher.pause();
        await scene.allArrive(agent);
        await ledgersBalance(agent, [relay]);
        console.log(`${scene.publisher.sent} messages, ${scene.arrivals.length} arrivals`);
      })
    ));
}

test(`links that stall, trickle, fall silent and tear lose nothing (seed ${seed})`, () =>
  Scene.with(async (scene) => {
    const random = new SeededRandom(seed);
    const chaos = { bytesMax: 8_000, lifeBytesMax: 16_000 };
    const toInput = await ChaosProxy.start(scene.input.port, random.uint32(), chaos);
    const toOutput = await ChaosProxy.start(scene.output.port, random.uint32(), chaos);
    try {
      await withAgent(async (agent) => {
        await scene.define(agent, {
          inputUrl: toInput.url,
          outputUrl: toOutput.url,
          connection: { keepAlive: "1s", connectTimeout: "1s" },
        });
        scene.publisher.run(() => random.below(8), 10);
        await sleep(8_000);
        scene.publisher.pause();
        toInput.calm();
        toOutput.calm();
        await scene.allArrive(agent);
        const status = await agent.reaches(
          relay,
          (s) => s.sink_mqtt_0_0_connection_status === 1 && s.source_s_0_connection_status === 1,
        );
        assert.equal(status.status, "running");
        await ledgersBalance(agent, [relay]);
        console.log(`${scene.publisher.sent} messages, ${scene.arrivals.length} arrivals, seed ${seed}`);
        console.log(`input: ${toInput.story}; output: ${toOutput.story}`);
      });
    } catch (error) {
      console.error(`seed ${seed}; input: ${toInput.story}; output: ${toOutput.story}`);
      throw error;
    } finally {
      await toInput.stop();
      await toOutput.stop();
    }
  }));
