/**
 * Rules that write to a real InfluxDB, as users write them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { startInflux } from "../peers/influxdb.ts";
import { withEngine } from "./engine.ts";

test("a rule writes means of windows, with tags of the row and the window's end as time", async () => {
  const server = await startInflux();
  try {
    await server.query("CREATE DATABASE plant");
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute(
        'CREATE STREAM s (hall STRING, t FLOAT, n BIGINT) WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")',
      );
      await engine.rules.create(JSON.stringify({
        id: "means",
        sql: "SELECT hall, avg(t) AS mean, sum(n) AS pieces, window_end() AS ts FROM s GROUP BY hall, COUNTWINDOW(4)",
        actions: [{
          influx: {
            addr: server.url,
            database: "plant",
            measurement: "machine",
            tags: { hall: "{{.hall}}", site: "north" },
            fields: ["mean", "pieces"],
            tsFieldName: "ts",
            sendSingle: true,
          },
        }],
      }));
      for (const [hall, t] of [["a", 20], ["b", 30], ["a", 22], ["b", 31]]) {
        wire.send(JSON.stringify({ hall, t, n: 1 }));
      }
      // The server shows the fields of a point one by one while it writes them.
      let got: Record<string, unknown>[] = [];
      await eventually(async () => {
        got = await server.query("SELECT * FROM machine", "plant");
        return got.length === 2 && got.every(({ mean, pieces }) => mean !== null && pieces !== null);
      });
      const rows = got.map(({ hall, site, mean, pieces }) => ({ hall, site, mean, pieces }));
      assert.deepEqual(rows.sort((a, b) => String(a.hall).localeCompare(String(b.hall))), [
        { hall: "a", site: "north", mean: 21, pieces: 2 },
        { hall: "b", site: "north", mean: 30.5, pieces: 2 },
      ]);
    });
  } finally {
    await server.stop();
  }
});

test("a ping tells whether InfluxDB answers", async () => {
  const server = await startInflux();
  try {
    await withEngine(async ({ engine }) => {
      await engine.reach("sink", "influx", { addr: server.url, database: "d", measurement: "m" });
      const settings = { addr: "127.0.0.1:1", org: "o", bucket: "b", measurement: "m" };
      await assert.rejects(engine.reach("sink", "influx2", settings), /E708/);
    });
  } finally {
    await server.stop();
  }
});

test("a rule with qos 1 and times of its rows gives each point once when InfluxDB dies and the agent is killed", async () => {
  const server = await startInflux();
  try {
    await server.query("CREATE DATABASE plant");
    await World.with(async (world) => {
      const { tape } = world;
      const count = async () => Number((await server.query("SELECT count(n) FROM m", "plant"))[0]?.count ?? 0);
      const rows = (from: number, count: number) => {
        return Array.from(
          { length: count },
          (_, i) => ({ n: BigInt(from + i), ts: BigInt(1_700_000_000_000 + from + i) }),
        );
      };
      const action = {
        influx: {
          addr: server.url,
          database: "plant",
          measurement: "m",
          tsFieldName: "ts",
          batchSize: 7,
          lingerInterval: 20,
        },
      };
      await world.define("SELECT n, ts FROM s", { qos: 1 }, "r", [action]);
      tape.add(rows(0, 50));
      while (await count() < 20) await new Promise((resolve) => setTimeout(resolve, 10));
      await server.process.kill();
      tape.add(rows(50, 50));
      await eventually(() => tape.acknowledged[0] === 2);
      world.kill();
      await world.start();
      tape.add(rows(100, 50));
      await eventually(() => tape.acknowledged[1] === 3);
      await server.process.start();
      await eventually(async () => await count() === 150, 20_000);
      const [sums] = await server.query("SELECT count(n), sum(n) FROM m", "plant");
      assert.deepEqual([sums!.count, sums!.sum], [150, 150 * 149 / 2]);
    });
  } finally {
    await server.stop();
  }
});
