/**
 * A rule that reads a device which is absent at first, falls silent, and dies.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wireRule, withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { startSlave } from "../../tests/peers/modbus_slave.ts";
import { startDevice } from "./scripted_device.ts";

const deadlineMs = 30_000;

test("a rule reads on after each fault of its device", async () => {
  const slave = await startSlave();
  try {
    await slave.kill();
    await withEngine(async ({ engine, streams, configs, wire }) => {
      configs.putConfKey("source", "modbus", "plc", {
        server: `tcp://127.0.0.1:${slave.port}`,
        timeout: "200ms",
        longestRest: "200ms",
        interval: "50ms",
        tags: [{ name: "n", register: "holding", address: 5 }],
      });
      streams.execute('CREATE STREAM plc () WITH (TYPE="modbus", CONF_KEY="plc")');
      await engine.rules.create(wireRule("r", "SELECT n FROM plc WHERE n > 0"));
      const more = async (fault: string) => {
        const before = wire.written.length;
        try {
          await eventually(() => wire.written.length > before + 3, deadlineMs);
        } catch (error) {
          throw new Error(`no rows after: ${fault}`, { cause: error });
        }
      };
      await new Promise((done) => setTimeout(done, 300));
      assert.equal(wire.written.length, 0);
      await slave.start();
      await more("absent at the start");
      slave.freeze();
      await new Promise((done) => setTimeout(done, 700));
      slave.thaw();
      await more("silence on an open connection");
      await slave.kill();
      await new Promise((done) => setTimeout(done, 300));
      await slave.start();
      await more("its end");
      assert.ok(wire.written.every((text) => text === '[{"n":10005}]'), "every row is that of the register");
    });
  } finally {
    await slave.kill();
  }
});

test("a device that speaks another protocol takes down neither its rule nor another", async () => {
  const web = await startDevice((_bytes, socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const slave = await startSlave();
  try {
    await withEngine(async ({ engine, streams, configs, wire, log }) => {
      for (const [name, port] of [["bad", web.port], ["good", slave.port]] as const) {
        configs.putConfKey("source", "modbus", name, {
          server: `tcp://127.0.0.1:${port}`,
          interval: "20ms",
          tags: [{ name: "n", register: "holding", address: 5 }],
        });
        streams.execute(`CREATE STREAM ${name} () WITH (TYPE="modbus", CONF_KEY="${name}")`);
        await engine.rules.create(wireRule(name, `SELECT n FROM ${name}`));
      }
      await eventually(() => wire.written.length > 20, deadlineMs);
      await eventually(() => log.some((line) => line.includes("does not speak Modbus TCP")), deadlineMs);
      assert.equal(engine.rules.status("bad").status, "running");
    });
  } finally {
    await web.close();
    await slave.kill();
  }
});
