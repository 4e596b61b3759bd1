/**
 * Rules over a real Redis server, as users write them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { startRedis } from "../peers/redis.ts";
import { withEngine } from "./engine.ts";

test("a rule joins messages of a channel with rows of keys, and keeps the result in keys", async () => {
  const server = await startRedis();
  try {
    await withEngine(async ({ engine, streams, configs }) => {
      configs.putConfKey("source", "redisSub", "plant", { address: server.address, channels: "plant.*" });
      configs.putConfKey("source", "redis", "local", { addr: server.address, db: "1" });
      server.cliLines([
        "SELECT 1",
        `SET pump-1 '{"id":"pump-1","maximum":80}'`,
        `SET pump-2 '{"id":"pump-2","maximum":40}'`,
      ]);
      streams.execute(
        'CREATE STREAM readings () WITH (TYPE="redisSub", CONF_KEY="plant", DATASOURCE="", FORMAT="json")',
      );
      streams.execute(
        'CREATE TABLE devices () WITH (TYPE="redis", DATASOURCE="1", CONF_KEY="local", KIND="lookup", KEY="id")',
      );
      await engine.rules.create(JSON.stringify({
        id: "hot",
        sql: "SELECT readings.id, temperature, devices.maximum AS most, meta(channel) AS channel " +
          "FROM readings INNER JOIN devices ON readings.id = devices.id WHERE temperature > devices.maximum",
        actions: [
          { redis: { addr: server.address, field: "id", sendSingle: true } },
          { redisPub: { address: server.address, channel: "alarms", sendSingle: true } },
        ],
      }));
      // Messages are for those who have subscribed.
      await eventually(() => server.cli("PUBSUB", "NUMPAT") === "1");
      const messages = [["pump-1", 50], ["pump-2", 50], ["pump-1", 90], ["pump-3", 99]].map(([id, temperature]) => {
        return `PUBLISH plant.hall '{"id":"${id}","temperature":${temperature}}'`;
      });
      server.cliLines(messages);
      await eventually(() => server.cli("EXISTS", "pump-1", "pump-2") === "2");
      assert.equal(server.cli("GET", "pump-1"), '{"channel":"plant.hall","id":"pump-1","most":80,"temperature":90}');
      assert.equal(server.cli("GET", "pump-2"), '{"channel":"plant.hall","id":"pump-2","most":40,"temperature":50}');
      assert.equal(server.cli("EXISTS", "pump-3"), "0");
      // The server dies and comes back; subscription, lookup and sink are made again.
      await server.process.kill();
      await server.process.start();
      await eventually(() => server.cli("PUBSUB", "NUMPAT") === "1");
      server.cliLines([messages[2]!.replace("90", "91")]);
      await eventually(() => server.cli("GET", "pump-1").includes('"temperature":91'));
    });
  } finally {
    await server.stop();
  }
});

test("a ping tells whether Redis answers, and lets in", async () => {
  const server = await startRedis({ lines: ["requirepass secret"] });
  try {
    await withEngine(async ({ engine }) => {
      const login = { addr: server.address, password: "secret" };
      await engine.reach("sink", "redis", { ...login, key: "k" });
      await engine.reach("lookup", "redis", login);
      await engine.reach("source", "redisSub", { ...login, channels: "a" });
      await engine.reach("sink", "redisPub", { ...login, channel: "a" });
      await assert.rejects(engine.reach("lookup", "redis", { addr: server.address }), /E708.*NOAUTH/);
    });
  } finally {
    await server.stop();
  }
});

test("a rule with qos 1 loses nothing when Redis dies and the agent is killed, and keeps the order", async () => {
  const server = await startRedis();
  try {
    await World.with(async (world) => {
      const { tape } = world;
      const numbers = () =>
        server.cli("LRANGE", "out", "0", "-1").split("\n").filter((line) => line !== "")
          .map((line) => (JSON.parse(line) as { n: number }).n).reverse();
      const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }));
      const action = { redis: { addr: server.address, key: "out", dataType: "list", sendSingle: true } };
      await world.define("SELECT n FROM s", { qos: 1 }, "r", [action]);
      tape.add(rows(0, 50), rows(50, 50));
      await eventually(() => numbers().length >= 20);
      await server.process.kill();
      tape.add(rows(100, 50));
      await eventually(() => tape.acknowledged[0] === 3);
      world.kill();
      await world.start();
      tape.add(rows(150, 50));
      await eventually(() => tape.acknowledged[1] === 4);
      await server.process.start();
      await eventually(() => numbers().at(-1) === 199);
      const got = numbers();
      assert.deepEqual([...new Set(got)], Array.from({ length: 200 }, (_, n) => n));
    });
  } finally {
    await server.stop();
  }
});
