import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { Lookup } from "../../src/connector/lookup.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { wireRule, wireStream, withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { connectionSettings, LazyLine } from "./connection.ts";
import { modbus } from "./mod.ts";
import { NoAnswer } from "./protocol/failure.ts";
import { type ScriptedDevice, startDevice } from "./scripted_device.ts";
import { type Slave, startSlave } from "../../tests/peers/modbus_slave.ts";

const { signal } = new AbortController();

async function withLookup(
  raw: Record<string, unknown>,
  work: (lookup: Lookup, slave: Slave) => Promise<void>,
  units: readonly number[] = [1, 2],
): Promise<void> {
  const slave = await startSlave({ units });
  const server = { server: `tcp://127.0.0.1:${slave.port}`, timeout: "1s" };
  const line = new LazyLine(readSettings(connectionSettings, server, { path: "", where: "connection" }), {
    clock: realClock,
    status: () => {},
  });
  try {
    const settings = readSettings(modbus.lookup!.settings, raw, { path: "", where: "lookup" });
    modbus.lookup!.check?.(settings, {});
    const context = { name: "t", clock: realClock, log: recordingLogger([]), status: () => {}, connection: line };
    const lookup = await modbus.lookup!.open(settings, context);
    await work(lookup, slave);
    await lookup.close();
  } finally {
    await line.close();
    await slave.kill();
  }
}

const plant = [
  { name: "voltage", register: "input", address: 30, scale: 0.1, unit: "V" },
  { name: "run", register: "coil", address: 3 },
  { name: "absent", register: "holding", address: 300 },
];

test("a table without unitColumn has a row for each tag", () =>
  withLookup({ tags: plant }, async (lookup) => {
    const rest = { unitId: 1n, quality: "good" };
    assert.deepEqual(await lookup.find(["name"], ["voltage"], "all", signal), [
      { name: "voltage", value: 1103, unit: "V", ...rest },
    ]);
    assert.deepEqual(await lookup.find(["name"], ["run"], ["value"], signal), [
      { name: "run", value: true, unit: "", ...rest },
    ]);
    assert.deepEqual(await lookup.find(["name"], ["other"], "all", signal), []);
    assert.deepEqual(await lookup.find(["name"], ["absent"], "all", signal), [{
      name: "absent",
      value: null,
      unit: "",
      unitId: 1n,
      quality: "the device does not have such an address (exception 2)",
    }]);
    const found = await lookup.find(["value"], [true], "all", signal);
    assert.deepEqual(found.map(({ name }) => name), ["run"]);
    assert.deepEqual(await lookup.find(["unit", "value"], ["V", 1104], "all", signal), []);
  }));

test("a table of tags has those of every unit", () =>
  withLookup({ tags: [plant[0]], units: [1, 2] }, async (lookup) => {
    const found = await lookup.find(["name", "unitId"], ["voltage", 2], "all", signal);
    assert.deepEqual(found, [{ name: "voltage", value: 2103, unit: "V", unitId: 2n, quality: "good" }]);
    assert.equal((await lookup.find(["name"], ["voltage"], "all", signal)).length, 2);
  }));

test("a table with unitColumn has a row for each unit, and reads only the columns that are asked for", () =>
  withLookup({ tags: plant, unitColumn: "device_id" }, async (lookup) => {
    assert.deepEqual(await lookup.find(["device_id"], [2n], ["voltage", "run"], signal), [
      { device_id: 2n, voltage: 2103, run: true },
    ]);
    assert.deepEqual(await lookup.find(["device_id"], [1], "all", signal), [{
      device_id: 1n,
      voltage: 1103,
      run: true,
      absent: null,
      __quality: { absent: "the device does not have such an address (exception 2)" },
    }]);
    for (const nobody of ["1", 300n, -1n, 1.5, true]) {
      assert.deepEqual(await lookup.find(["device_id"], [nobody], "all", signal), []);
    }
    await assert.rejects(lookup.find(["run"], [true], "all", signal) as Promise<unknown>, {
      message: 'without "units", the table can only be joined by the column "device_id"',
    });
  }));

test("a unit that does not answer fails the question, and a slave that is gone is a lost connection", () =>
  withLookup({ tags: plant, unitColumn: "u", units: [1, 9] }, async (lookup, slave) => {
    await assert.rejects(lookup.find(["u"], [9n], ["run"], signal) as Promise<unknown>, NoAnswer);
    assert.equal((await lookup.find(["u"], [1n], ["run"], signal)).length, 1);
    await slave.kill();
    await assert.rejects(lookup.find(["u"], [1n], ["run"], signal) as Promise<unknown>, Disconnected);
  }, [1]));

/** Counts what it is asked for; each register has its own address. */
async function startCounter(): Promise<ScriptedDevice & { readonly asked: number[] }> {
  const asked: number[] = [];
  const device = await startDevice((bytes, socket) => {
    asked.push(bytes[9]!);
    socket.write(Uint8Array.of(bytes[0]!, bytes[1]!, 0, 0, 0, 5, bytes[6]!, bytes[7]!, 2, bytes[8]!, bytes[9]!));
  });
  return Object.assign(device, { asked });
}

test("a rule joins a stream with tags of a device, and the cache of the table spares the device", async () => {
  const device = await startCounter();
  try {
    await withEngine(async ({ engine, streams, configs, wire }) => {
      configs.putConfKey("source", "modbus", "plc", {
        server: `tcp://127.0.0.1:${device.port}`,
        tags: [
          { name: "pressure", register: "holding", address: 40, unit: "bar" },
          { name: "level", register: "holding", address: 41 },
        ],
        lookup: { cache: true, cacheTtl: 600 },
      });
      streams.execute(wireStream);
      streams.execute('CREATE TABLE plc () WITH (TYPE="modbus", KIND="lookup", KEY="name", CONF_KEY="plc")');
      const sql = "SELECT s.n, plc.value, plc.unit FROM s INNER JOIN plc ON s.tag = plc.name";
      await engine.rules.create(wireRule("r", sql));
      wire.send(
        '{"n":1,"tag":"pressure"}',
        '{"n":2,"tag":"level"}',
        '{"n":3,"tag":"none"}',
        '{"n":4,"tag":"pressure"}',
      );
      const results = () => wire.written.flatMap((text) => JSON.parse(text));
      await eventually(() => results().length === 3);
      assert.deepEqual(results(), [
        { n: 1, value: 40, unit: "bar" },
        { n: 2, value: 41, unit: "" },
        { n: 4, value: 40, unit: "bar" },
      ]);
      assert.deepEqual(device.asked, [40, 41], "one request for each tag");
    });
  } finally {
    await device.close();
  }
});
