import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Source, Struct } from "../../src/connector/source.ts";
import { addressOf, connectionSettings, identityOf, LazyLine, serverOf } from "./connection.ts";
import { modbus } from "./mod.ts";
import { readRequest } from "./protocol/request.ts";
import { startDevice } from "./scripted_device.ts";
import { startSlave } from "../../tests/peers/modbus_slave.ts";

const tags = [{ name: "n", register: "holding", address: 1 }];

// A real slave shows the same value until somebody changes it; this device shows each of a list once.
conformance(modbus, {
  losesConnection: true,
  source: async () => {
    let left: readonly number[] = [];
    let last = 0;
    let waiting: [request: Uint8Array, socket: Socket][] = [];
    const answer = (request: Uint8Array, socket: Socket) => {
      const [next, ...rest] = left;
      left = rest;
      last = next ?? last;
      socket.write(Uint8Array.of(request[0]!, request[1]!, 0, 0, 0, 5, request[6]!, 3, 2, last >> 8, last & 255));
    };
    let sent = false;
    const device = await startDevice((bytes, socket) => {
      if (sent) answer(bytes, socket);
      else waiting.push([bytes, socket]);
    });
    return {
      connection: { server: `tcp://127.0.0.1:${device.port}`, timeout: 60_000 },
      settings: () => ({ tags, interval: 1, report: "change" }),
      send: (values) => {
        left = values;
        sent = true;
        for (const [request, socket] of waiting) answer(request, socket);
        waiting = [];
      },
      cut: () => Promise.resolve(device.cut()),
      close: () => device.close(),
    };
  },
  lookup: async () => {
    const kinds = new Map<number, string>();
    const device = await startDevice((bytes, socket) => {
      for (let at = 0; at < bytes.length; at += 12) {
        const request = bytes.subarray(at, at + 12);
        const text = new TextEncoder().encode((kinds.get(request[6]!) ?? "").padEnd(8, "\0"));
        socket.write(Uint8Array.of(request[0]!, request[1]!, 0, 0, 0, 11, request[6]!, 3, 8, ...text));
      }
    });
    return {
      connection: { server: `tcp://127.0.0.1:${device.port}`, timeout: 60_000 },
      settings: {
        units: [1, 2, 3],
        unitColumn: "id",
        tags: [{ name: "kind", register: "holding", address: 1, type: "string", length: 8 }],
      },
      fill: (rows) => {
        for (const { id, kind } of rows) kinds.set(Number(id), String(kind));
      },
      cut: () => Promise.resolve(device.cut()),
      close: () => device.close(),
    };
  },
  sink: async () => {
    const received: number[] = [];
    const device = await startDevice((bytes, socket) => {
      received.push(bytes[10]! << 8 | bytes[11]!);
      socket.write(bytes);
    });
    return {
      connection: { server: `tcp://127.0.0.1:${device.port}`, timeout: 60_000 },
      settings: { tags },
      received: () => received,
      cut: () => Promise.resolve(device.cut()),
      close: () => device.close(),
    };
  },
});

interface World {
  readonly line: LazyLine;
  readonly logged: LogFields[];
  source(settings: Record<string, unknown>): Promise<Source>;
  sink(settings: Record<string, unknown>): Promise<RowSink>;
}

async function withSlave(units: readonly number[], work: (world: World) => Promise<void>): Promise<void> {
  const slave = await startSlave({ units });
  const raw = { server: `tcp://127.0.0.1:${slave.port}`, timeout: "1s" };
  const connection = readSettings(connectionSettings, raw, { path: "", where: "modbus connection" });
  const line = new LazyLine(connection, { clock: realClock, status: () => {} });
  const logged: LogFields[] = [];
  const context = { name: "test", clock: realClock, log: recordingLogger(logged), status: () => {}, connection: line };
  const open = async (role: "source" | "sink", raw: Record<string, unknown>) => {
    const settings = readSettings(modbus[role]!.settings, raw, { path: "", where: `modbus ${role}` });
    modbus[role]!.check?.(settings, {});
    return await modbus[role]!.open(settings, context);
  };
  try {
    await work({
      line,
      logged,
      source: async (raw) => await open("source", raw) as Source,
      sink: async (raw) => await open("sink", raw) as RowSink,
    });
  } finally {
    await line.close();
    await slave.kill();
  }
}

const signal = () => AbortSignal.timeout(30_000);

async function rowsOf(source: Source): Promise<readonly Struct[]> {
  const batch = await source.read(signal());
  assert.ok(batch.kind === "rows");
  return batch.rows;
}

test(
  "a source gives a row for each unit, a missing one with the reasons",
  () =>
    withSlave([1, 2], async ({ source }) => {
      const inverters = await source({
        // One cycle is enough.
        interval: "1h",
        units: [3, 1, 2],
        unitColumn: "device_id",
        tags: [
          { name: "voltage", register: "input", address: 30, scale: 0.1, unit: "V" },
          { name: "state", register: "coil", address: 3 },
          { name: "energy", register: "holding", address: 4, type: "uint32" },
        ],
      });
      const rows: Struct[] = [];
      while (rows.length < 3) rows.push(...await rowsOf(inverters));
      rows.sort((a, b) => Number(a.device_id) - Number(b.device_id));
      assert.deepEqual(rows[0], { device_id: 1n, voltage: 1103, state: true, energy: 10_004n * 65_536n + 10_005n });
      assert.deepEqual(rows[1], { device_id: 2n, voltage: 2103, state: true, energy: 20_004n * 65_536n + 20_005n });
      const { __quality: quality, ...values } = rows[2]!;
      assert.deepEqual(values, { device_id: 3n, voltage: null, state: null, energy: null });
      assert.deepEqual(Object.keys(quality as Struct), ["voltage", "state", "energy"]);
      assert.match(String((quality as Struct).voltage), /^unit 3 does not answer within 1000 ms$/);
      await inverters.close();
    }),
);

test("the metadata of a row has its unit, and the unit texts of its tags", () =>
  withSlave([1, 2], async ({ source }) => {
    const opened = await source({
      interval: "1h",
      units: [2, 1],
      tags: [
        { name: "voltage", register: "input", address: 30, unit: "V" },
        { name: "state", register: "coil", address: 3 },
      ],
    });
    const found: unknown[] = [];
    while (found.length < 2) {
      const batch = await opened.read(signal());
      assert.ok(batch.kind === "rows");
      found.push(...batch.rows.map((_, index) => batch.meta?.(index)));
    }
    assert.deepEqual(found, [2n, 1n].map((unitId) => ({ unitId, units: { voltage: "V" } })));
  }));

test(
  "the rows of a unit that answers go on while another does not",
  () =>
    withSlave([1], async ({ source }) => {
      const inverters = await source({
        interval: 50,
        units: [9, 1],
        unitColumn: "unit",
        tags: [{ name: "n", register: "holding", address: 1 }],
      });
      const rows: Struct[] = [];
      const missing = () => rows.filter(({ unit }) => unit === 9n).length;
      while (missing() < 25) rows.push(...await rowsOf(inverters));
      const good = rows.length - missing();
      assert.ok(good >= 10, `${good} rows of unit 1`);
      assert.ok(rows.every(({ unit, n }) => unit === 9n ? n === null : n === 10_001n));
      await inverters.close();
    }),
);

test(
  "a source finds the one tag that the device does not have",
  () =>
    withSlave([1], async ({ source, logged }) => {
      const opened = await source({
        interval: 1,
        maxGap: 50,
        tags: [195, 196, 197, 198, 199, 200].map((address) => ({ name: `r${address}`, register: "holding", address })),
      });
      for (let round = 0; round < 2; round++) {
        const [row] = await rowsOf(opened);
        assert.equal(row!.r195, 10_195n);
        assert.equal(row!.r199, 10_199n);
        assert.equal(row!.r200, null);
        assert.deepEqual(row!.__quality, { r200: "the device does not have such an address (exception 2)" });
      }
      assert.equal(logged.length, 2, "six in halves, then three in two and one; and never again");
    }),
);

test(
  "a source reports what has changed by more than its deadband",
  () =>
    withSlave([1], async ({ source, line }) => {
      const { writeRegisterRequest } = await import("./protocol/request.ts");
      const opened = await source({
        interval: 5,
        report: "change",
        tags: [{ name: "a", register: "holding", address: 0, deadband: 10 }, {
          name: "b",
          register: "holding",
          address: 1,
        }],
      });
      const master = await line.open();
      assert.deepEqual(await rowsOf(opened), [{ a: 10_000n, b: 10_001n }]);
      const next = rowsOf(opened);
      await master.send(1, writeRegisterRequest(0, 10_010));
      await master.send(1, writeRegisterRequest(1, 5));
      assert.deepEqual(await next, [{ a: 10_010n, b: 5n }]);
      const after = rowsOf(opened);
      await master.send(1, writeRegisterRequest(0, 10_021));
      assert.deepEqual(await after, [{ a: 10_021n, b: 5n }]);
    }),
);

test("tags with intervals of their own come in rows of their own", () =>
  withSlave([1], async ({ source }) => {
    const opened = await source({
      interval: 20,
      tags: [{ name: "fast", register: "holding", address: 0 }, {
        name: "slow",
        register: "holding",
        address: 1,
        interval: "1h",
      }],
    });
    assert.deepEqual(await rowsOf(opened), [{ fast: 10_000n }, { slow: 10_001n }]);
    assert.deepEqual(await rowsOf(opened), [{ fast: 10_000n }]);
  }));

test(
  "a sink writes values, bits and coils, and nothing of a row with a bad one",
  () =>
    withSlave([1, 2], async ({ sink, line }) => {
      const opened = await sink({
        verify: "read back",
        unitColumn: "unit",
        tags: [
          { name: "setpoint", register: "holding", address: 0, type: "int16", scale: 0.1, min: 5, max: 80 },
          { name: "limit", register: "holding", address: 1, type: "float32" },
          { name: "alarm", register: "holding", address: 3, type: "bit", bit: 15 },
          { name: "pump", register: "coil", address: 1 },
        ],
      });
      const master = await line.open();
      await opened.write([[{ unit: 2n, setpoint: 21.5, limit: 1.5, alarm: true, pump: true }]], signal());
      assert.deepEqual(await master.send(2, readRequest("holding", 0, 4)), [215, 0x3fc0, 0, 20_003 | 0x8000]);
      assert.deepEqual(await master.send(2, readRequest("coil", 0, 3)), [1, 1, 0]);
      assert.deepEqual(await master.send(1, readRequest("holding", 0, 1)), [10_000]);
      await opened.write([[{ unit: 1, alarm: 0n, other: 1 }]], signal());
      assert.deepEqual(await master.send(1, readRequest("holding", 3, 1)), [10_003], "what has no column stays");
      const rows = [
        [{ unit: 1n, setpoint: 81 }],
        [{ unit: 1n, setpoint: 20, limit: "high" }],
        [{ unit: 300n, pump: true }],
        [{ unit: 1n, setpoint: 30 }],
      ];
      await assert.rejects(opened.write(rows, signal()), (error) => {
        assert.ok(error instanceof ItemsFailed);
        assert.deepEqual([...error.failed], [
          [0, 'Cannot write 81 to "setpoint": wanted 5 to 80'],
          [1, 'Column "limit": Cannot write "high" as a float32: wanted a number in its range'],
          [2, 'Column "unit" must be a unit, a whole number from 0 to 255'],
        ]);
        return true;
      });
      assert.deepEqual(await master.send(1, readRequest("holding", 0, 1)), [300]);
    }),
);

test("a sink goes on with the row that failed, when the device answers again", async () => {
  const written: number[] = [];
  let busy = true;
  const device = await startDevice((bytes, socket) => {
    const value = bytes[11]!;
    if (value === 2 && busy) {
      busy = false;
      return void socket.write(Uint8Array.of(bytes[0]!, bytes[1]!, 0, 0, 0, 3, 1, 0x86, 6));
    }
    written.push(value);
    socket.write(bytes);
  });
  const raw = { server: `tcp://127.0.0.1:${device.port}` };
  const line = new LazyLine(readSettings(connectionSettings, raw, { path: "", where: "c" }), {
    clock: realClock,
    status: () => {},
  });
  try {
    const settings = readSettings(modbus.sink!.settings, { tags, rowInterval: 20 }, { path: "", where: "s" });
    const context = { name: "t", clock: realClock, log: recordingLogger([]), status: () => {}, connection: line };
    const sink = await modbus.sink!.open(settings, context) as RowSink;
    const batch = [[{ n: 1n }], [{ n: 2n }, { n: 3n }]];
    const begin = performance.now();
    await assert.rejects(sink.write(batch, signal()), RetryLater);
    await sink.write(batch, signal());
    assert.deepEqual(written, [1, 2, 3]);
    assert.ok(performance.now() - begin >= 55, "20 ms between rows, and before the one that is tried again");
  } finally {
    await line.close();
    await device.close();
  }
});

/** A sink on a device that keeps what it was sent: function codes and values. */
async function withSink(
  settings: Record<string, unknown>,
  script: (bytes: Uint8Array, socket: Socket) => void,
  work: (sink: RowSink) => Promise<void>,
): Promise<void> {
  const device = await startDevice(script);
  const raw = { server: `tcp://127.0.0.1:${device.port}` };
  const line = new LazyLine(readSettings(connectionSettings, raw, { path: "", where: "c" }), {
    clock: realClock,
    status: () => {},
  });
  try {
    const checked = readSettings(modbus.sink!.settings, settings, { path: "", where: "s" });
    const context = { name: "t", clock: realClock, log: recordingLogger([]), status: () => {}, connection: line };
    await work(await modbus.sink!.open(checked, context) as RowSink);
  } finally {
    await line.close();
    await device.close();
  }
}

test("a sink that reads back fails a row whose value the device has not taken", () =>
  withSink({ tags, verify: "read back" }, (bytes, socket) => {
    // Writes are repeated, as if they had been done; reads give 7.
    const read = Uint8Array.of(bytes[0]!, bytes[1]!, 0, 0, 0, 5, 1, 3, 2, 0, 7);
    socket.write(bytes[7] === 3 ? read : bytes);
  }, async (sink) => {
    await sink.write([[{ n: 7n }]], signal());
    await assert.rejects(sink.write([[{ n: 7n }], [{ n: 8n }]], signal()), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed], [[1, "holding 1 is 7 after 8 was written"]]);
      return true;
    });
  }));

test("a row that a device answers with another value is tried again some times, then it fails", () => {
  let asked = 0;
  return withSink({ tags }, (bytes, socket) => {
    asked++;
    // It takes 80 at most, and says what it has set.
    socket.write(bytes.with(11, Math.min(bytes[11]!, 80)));
  }, async (sink) => {
    const batch = [[{ n: 81n }], [{ n: 79n }]];
    for (let i = 1; i < 5; i++) await assert.rejects(sink.write(batch, signal()), RetryLater);
    await assert.rejects(sink.write(batch, signal()), (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed], [[0, "the answer repeats another address or value than was written"]]);
      return true;
    });
    assert.equal(asked, 6, "five times the first row, then the second");
  });
});

for (const [functions, expected] of [["single and multiple", [5, 6, 16]], ["multiple", [15, 16, 16]]] as const) {
  test(`a sink writes with functions ${functions}`, async () => {
    const codes: number[] = [];
    const pair = [
      { name: "coil", register: "coil", address: 1 },
      { name: "one", register: "holding", address: 1 },
      { name: "two", register: "holding", address: 10, type: "uint32" },
    ];
    await withSink({ tags: pair, functions }, (bytes, socket) => {
      codes.push(bytes[7]!);
      socket.write(Uint8Array.of(...bytes.subarray(0, 5), 6, ...bytes.subarray(6, 12)));
    }, async (sink) => {
      await sink.write([[{ coil: true, one: 1n, two: 2n }]], signal());
      assert.deepEqual(codes, expected);
    });
  });
}

const refused: readonly [role: "source" | "lookup" | "sink", settings: Record<string, unknown>, message: RegExp][] = [
  ["source", { tags: [{ ...tags[0], unitId: 3 }], units: [1, 2] }, /A tag cannot name a unit beside "units"/],
  ["source", { tags, units: [1, 1] }, /A unit is named twice/],
  ["lookup", { tags, unitColumn: "n" }, /The column "n" is that of the unit or the qualities/],
  ["lookup", { tags: [{ ...tags[0], unitId: 3 }], unitColumn: "u" }, /A tag cannot name a unit beside "unitColumn"/],
  ["lookup", { tags: [{ ...tags[0], unitId: 3 }], units: [1, 2] }, /A tag cannot name a unit beside "units"/],
  ["source", { tags, unitColumn: "n" }, /The column "n" is that of the unit or the qualities/],
  ["sink", { tags: [{ ...tags[0], register: "input" }] }, /Tag "n" cannot be written: wanted register coil or holding/],
];

for (const [role, raw, message] of refused) {
  test(`modbus ${role} settings are refused: ${message.source}`, () => {
    const settings = readSettings(modbus[role]!.settings, raw, { path: "", where: role });
    assert.throws(() => modbus[role]!.check?.(settings, {}), { name: "DiagnosticError", message });
  });
}

test("a sink writes to all units of an RTU line at once, but no bits, and verifies nothing", async () => {
  const slave = await startSlave({ units: [1, 2], framing: "rtu" });
  const raw = { server: `rtu+tcp://127.0.0.1:${slave.port}`, broadcastPause: 10 };
  const line = new LazyLine(readSettings(connectionSettings, raw, { path: "", where: "c" }), {
    clock: realClock,
    status: () => {},
  });
  try {
    const tags = [
      { name: "limit", register: "holding", address: 3, unitId: 0 },
      { name: "alarm", register: "holding", address: 4, unitId: 0, type: "bit", bit: 1 },
    ];
    const settings = readSettings(modbus.sink!.settings, { tags, verify: "read back" }, { path: "", where: "s" });
    const context = { name: "t", clock: realClock, log: recordingLogger([]), status: () => {}, connection: line };
    const sink = await modbus.sink!.open(settings, context) as RowSink;
    await sink.write([[{ limit: 55n }]], signal());
    const master = await line.open();
    for (const unit of [1, 2]) assert.deepEqual(await master.send(unit, readRequest("holding", 3, 1)), [55]);
    await assert.rejects(sink.write([[{ alarm: true }]], signal()), {
      name: "ItemsFailed",
      message: "Bit 1 of holding 4 cannot be written to all units at once",
    });
  } finally {
    await line.close();
    await slave.kill();
  }
});

const read = (raw: Record<string, unknown>) => readSettings(connectionSettings, raw, { path: "", where: "c" });

test("serverOf() takes the keys of KubeEdge too, and spelling makes no other line", () => {
  assert.equal(serverOf(read({ ip: "10.0.0.7" })), "tcp://10.0.0.7:502");
  assert.equal(serverOf(read({ ip: "fe80::1", port: "1502" })), "tcp://[fe80::1]:1502");
  assert.equal(serverOf(read({ serialPort: "/dev/ttyS1", baudRate: "19200", parity: "even" })), "/dev/ttyS1");
  assert.equal(identityOf(read({ ip: "plc", port: 502 })), identityOf(read({ server: "tcp://plc:502" })));
  assert.equal(identityOf(read({ server: "tcp://plc" })), identityOf(read({ server: "tcp://plc:502" })));
  assert.notEqual(identityOf(read({ ip: "plc" })), identityOf(read({ ip: "plc", timeoutMs: 800 })));
});

const wrongServers: readonly [raw: Record<string, unknown>, message: RegExp][] = [
  [{}, /"server" is missing/],
  [{ server: "tcp://a", ip: "a" }, /Only one of "server", "ip" and "serialPort"/],
  [{ server: "tcp://a", port: 5 }, /A "port" goes with an "ip"/],
  [{ ip: "a b" }, /Bad host "a b"/],
  [{ serialPort: "COM1" }, /Bad serial port "COM1": wanted a device file/],
  [{ server: "plc:502" }, /"server".*found "plc:502", wanted tcp:\/\/host:port/],
];

for (const [raw, message] of wrongServers) {
  test(`a connection ${JSON.stringify(raw)} is refused`, () => {
    assert.throws(() => serverOf(read(raw)), { name: "DiagnosticError", message });
  });
}

test("a source takes all the keys of a device of KubeEdge", () => {
  const settings = readSettings(modbus.source!.settings, {
    slaveID: "3",
    tags: [{ name: "temp", register: "HoldingRegister", offset: 12, limit: 1, scale: 0.1, isSwap: true }],
  }, { path: "", where: "source" }) as { readonly unitId: number };
  assert.equal(settings.unitId, 3);
});

test("addressOf() reads servers, also with IPv6", () => {
  assert.deepEqual(addressOf("tcp://plc"), { host: "plc", port: 502 });
  assert.deepEqual(addressOf("rtu+tcp://10.0.0.7:4001"), { host: "10.0.0.7", port: 4001 });
  assert.deepEqual(addressOf("tcp://[fe80::1]:1502"), { host: "fe80::1", port: 1502 });
});
