import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { Disconnected, EndOfInput, ItemsFailed } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import type { Connector } from "../../src/connector/declare.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { eventually } from "../../tests/eventually.ts";
import { freePort } from "../../tests/peers/server_process.ts";
import { type OpcUaServer, type OpcUaServerOptions, startOpcUaServer } from "../../tests/peers/opcua.ts";
import { connectionSettings, OpcUaLink } from "./connection.ts";
import { opcua } from "./mod.ts";

const place = { path: "", where: "opcua" };
const signal = () => AbortSignal.timeout(30_000);
const node = (name: string, more: Record<string, unknown> = {}) => ({ name, nodeId: `ns=2;s=${name}`, ...more });
const nodes = [node("n")];

interface World {
  readonly link: OpcUaLink;
  readonly states: string[];
  readonly logged: LogFields[];
  source(raw: Record<string, unknown>): Promise<Source>;
  sink(raw: Record<string, unknown>): Promise<RowSink>;
}

async function withLink(raw: Record<string, unknown>, work: (world: World) => Promise<void>): Promise<void> {
  const states: string[] = [];
  const logged: LogFields[] = [];
  const status = (state: string) => void states.push(state);
  const context = { name: "test", clock: realClock, log: recordingLogger(logged), status };
  const settings = readSettings(connectionSettings, { timeout: "2s", keepAlive: "200ms", ...raw }, place);
  opcua.connection!.check!(settings);
  const link = new OpcUaLink(settings, context);
  const handles: { close(): Promise<void> }[] = [];
  const opened = async (role: "source" | "sink", raw: Record<string, unknown>) => {
    const settings = readSettings(opcua[role]!.settings, raw, place);
    opcua[role]!.check?.(settings, {});
    const handle = await opcua[role]!.open(settings, { ...context, connection: link });
    handles.push(handle);
    return handle;
  };
  try {
    await work({
      link,
      states,
      logged,
      source: async (raw) => await opened("source", raw) as Source,
      sink: async (raw) => await opened("sink", raw) as RowSink,
    });
  } finally {
    for (const handle of handles) await handle.close();
    await link.close();
  }
}

async function withServer(options: OpcUaServerOptions, work: (server: OpcUaServer) => Promise<void>): Promise<void> {
  const server = await startOpcUaServer(options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

let shared: Promise<OpcUaServer> | undefined;
after(async () => await (await shared)?.stop());

/** A server that takes a while to start serves all tests that do it no harm; its values are as at the start. */
async function freshServer(): Promise<OpcUaServer> {
  const server = await (shared ??= startOpcUaServer());
  await withLink({ server: server.url }, async ({ source, sink }) => {
    await (await sink({ nodes: [node("control")] })).write([[{ control: "reset" }]], signal());
    const polled = await source({ mode: "poll", interval: 10, nodes: [node("control")] });
    await rowOf(polled, ({ control }) => control === "");
  });
  return server;
}

async function withFresh(work: (server: OpcUaServer) => Promise<void>): Promise<void> {
  await work(await freshServer());
}

/** Reads rows until one is as wanted, and gives it. */
async function rowOf(source: Source, wanted: (row: Struct) => boolean): Promise<Struct> {
  const until = signal();
  while (true) {
    const batch = await source.read(until);
    assert.ok(batch.kind === "rows");
    const found = batch.rows.find(wanted);
    if (found !== undefined) return found;
  }
}

/** The server shows a value from the start, which the cases have not sent. */
function withoutFirst(connector: Connector): Connector {
  const { source } = connector;
  return {
    ...connector,
    source: {
      ...source!,
      open: async (settings, context) => {
        const opened = await source!.open(settings, context);
        const read = async (signal: AbortSignal) => {
          const batch = await opened.read(signal);
          assert.ok(batch.kind === "rows");
          return { ...batch, rows: batch.rows.filter(({ n }) => n !== -1n) };
        };
        return { read, close: () => opened.close() };
      },
    },
  };
}

// The values are written by a sink.
conformance(withoutFirst(opcua), {
  losesConnection: true,
  source: async () => {
    const server = await freshServer();
    const place = { path: "", where: "peer" };
    const context = { name: "peer", clock: realClock, log: recordingLogger([]), status: () => {} };
    const link = new OpcUaLink(readSettings(connectionSettings, { server: server.url }, place), context);
    return {
      connection: { server: server.url, timeout: "2s", keepAlive: "200ms" },
      settings: () => ({ nodes, interval: 20, queueSize: 1000, rows: "changed" }),
      send: async (values) => {
        const settings = readSettings(opcua.sink!.settings, { nodes: [node("n", { type: "Int64" })] }, place);
        const sink = await opcua.sink!.open(settings, { ...context, connection: link }) as RowSink;
        await sink.write(values.map((n) => [{ n }]), signal());
      },
      cut: async () => {
        await server.process.kill();
        await server.process.start();
      },
      close: () => link.close(),
    };
  },
});

test("values of every type are read, once and as they change", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source, states }) => {
      const names = [
        ...["sbyte", "byte", "i16", "u16", "i32", "u32", "i64", "u64", "float", "flag", "text"],
        ...["bytes", "when", "list", "local", "temperature"],
      ];
      const polled = await source({ mode: "poll", nodes: names.map((name) => node(name)), timestampColumn: "at" });
      const { at, ...row } = await rowOf(polled, () => true);
      assert.deepEqual(row, {
        sbyte: -8n,
        byte: 200n,
        i16: -1600n,
        u16: 65_000n,
        i32: -320_000n,
        u32: 4_000_000_000n,
        i64: -6_400_000_000_000n,
        u64: 18_446_744_073_709_551_615,
        float: 0.1,
        flag: true,
        text: "Zürich",
        bytes: Uint8Array.of(1, 255),
        when: new DateTime(Date.UTC(2026, 0, 2, 3, 4, 5), "UTC"),
        list: [1.5, 2.5],
        local: "pump",
        temperature: 20.5,
      });
      assert.ok(Math.abs(Number(at) - Date.now()) < 600_000, String(at));
      assert.deepEqual(states, ["connecting", "connected"]);
    })
  ));

test("what is written with the types of the nodes is told by a subscription", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source, sink }) => {
      const names = ["i16", "u64", "i64", "float", "flag", "text", "bytes", "when", "list", "temperature"];
      const subscribed = await source({ nodes: names.map((name) => node(name)), interval: 20 });
      await rowOf(subscribed, (row) => row.temperature === 20.5);
      const put = await sink({ nodes: names.map((name) => node(name)) });
      const row: Struct = {
        i16: 7,
        u64: 9_223_372_036_854_775_807n,
        i64: -5n,
        float: 2.5,
        flag: false,
        text: "x",
        bytes: Uint8Array.of(3),
        when: new DateTime(1_700_000_000_000, "UTC"),
        list: [1n, 2.25],
        temperature: 30n,
      };
      await put.write([[row]], signal());
      const found = await rowOf(subscribed, (row) => row.temperature === 30);
      assert.deepEqual(found, { ...row, i16: 7n, list: [1, 2.25], temperature: 30 });
    })
  ));

test("a bad value is null with its status, an uncertain one is given, and the others stay", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source, sink, logged }) => {
      const subscribed = await source({ nodes: [node("temperature"), node("missing"), node("n")], interval: 20 });
      const first = await rowOf(subscribed, (row) => row.temperature === 20.5 && row.n === -1n);
      assert.deepEqual(first.__quality, { missing: "BadNodeIdUnknown" });
      assert.ok(logged.some(({ column }) => column === "missing"));
      const control = await sink({ nodes: [node("control")] });
      await control.write([[{ control: "status temperature BadSensorFailure" }]], signal());
      const bad = await rowOf(subscribed, (row) => row.temperature === null);
      assert.deepEqual(bad, {
        temperature: null,
        missing: null,
        n: -1n,
        __quality: { temperature: "BadSensorFailure", missing: "BadNodeIdUnknown" },
      });
      await control.write([[{ control: "status temperature UncertainLastUsableValue" }]], signal());
      const uncertain = await rowOf(subscribed, (row) => row.temperature !== null);
      assert.deepEqual(
        [uncertain.temperature, uncertain.__quality],
        [20.5, { temperature: "UncertainLastUsableValue", missing: "BadNodeIdUnknown" }],
      );
    })
  ));

test("values that nobody reads stay with the server, and come when somebody does", () =>
  withFresh(({ url }) =>
    withLink({ server: url, timeout: "20s" }, async ({ source, sink }) => {
      const count = 15_000;
      const values = await source({ nodes: [node("n")], interval: 20, queueSize: 100_000, rows: "value" });
      await rowOf(values, (row) => row.value === -1n);
      const put = await sink({ nodes: [node("n")] });
      for (let n = 0; n < count; n += 500) {
        await put.write(Array.from({ length: 500 }, (_, i) => [{ n: n + i }]), signal());
        await realClock.sleep(10);
      }
      const first = await values.read(signal()) as RowBatch;
      const got = first.rows.map(({ value }) => Number(value));
      assert.ok(got.length < count, `${got.length} were waiting`);
      while (got.length < count) {
        got.push(...(await values.read(signal()) as RowBatch).rows.map(({ value }) => Number(value)));
      }
      assert.deepEqual(got, Array.from({ length: count }, (_, n) => n));
    })
  ));

test("browsing finds the nodes with their types and values, and ends", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source }) => {
      const found: Struct[] = [];
      const browsed = await source({ mode: "browse" });
      await assert.rejects(async () => {
        while (true) found.push(...((await browsed.read(signal())) as RowBatch).rows);
      }, EndOfInput);
      assert.deepEqual(found.filter(({ node_id }) => node_id === "ns=2;s=i16"), [{
        node_id: "ns=2;s=i16",
        path: "Plant/i16",
        name: "i16",
        display_name: "i16",
        class: "Variable",
        data_type: "Int16",
        writable: true,
        value: -1600n,
        quality: "Good",
      }]);
      assert.equal(new Set(found.map(({ node_id }) => node_id)).size, found.length, "each once");
      assert.equal(found.find(({ path }) => path === "Plant")!.class, "Object");
      const shallow = await source({ mode: "browse", depth: 1 });
      const first = await shallow.read(signal()) as RowBatch;
      assert.ok(first.rows.every(({ path }) => !String(path).includes("/")));
      await assert.rejects(shallow.read(signal()), EndOfInput);
    })
  ));

test("deadbands hold small changes back, and rows of values say all of each", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source, sink }) => {
      const values = await source({ nodes: [node("temperature", { deadband: 1 })], interval: 20, rows: "value" });
      await rowOf(values, (row) => row.value === 20.5);
      const put = await sink({ nodes: [node("temperature")] });
      const seen: unknown[] = [];
      const reading = rowOf(values, (row) => seen.push(row.value) > 0 && row.value === 30);
      for (const temperature of [20.6, 20.9, 22, 22.5, 30]) {
        await put.write([[{ temperature }]], signal());
        await realClock.sleep(50);
      }
      const { timestamp, ...row } = await reading;
      assert.deepEqual(row, { name: "temperature", node_id: "ns=2;s=temperature", value: 30, quality: "Good" });
      assert.equal(typeof timestamp, "bigint");
      assert.deepEqual(seen, [22, 30]);
    })
  ));

test("rows that a node or its server does not take fail, and the others are written", () =>
  withFresh(({ url }) =>
    withLink({ server: url }, async ({ source, sink }) => {
      const missing = { name: "known", nodeId: "ns=2;s=missing", type: "Double" };
      const put = await sink({ nodes: [node("i16"), node("text"), missing, node("missing")] });
      const batch = [
        [{ i16: 1, text: "a" }],
        [{ i16: 40_000, text: "b" }],
        [{ known: 2 }],
        [{ i16: 1.5 }],
        [{ missing: 1 }],
        [{ text: 5n }],
        [{ i16: 2, other: 1 }],
      ];
      await assert.rejects(put.write(batch, signal()), (error) => {
        assert.ok(error instanceof ItemsFailed);
        assert.deepEqual(Object.fromEntries(error.failed), {
          1: 'Column "i16": 40000 is no Int16',
          2: 'Column "known": BadNodeIdUnknown',
          3: 'Column "i16": 1.5 is no Int16',
          4: 'Column "missing": ns=2;s=missing: BadNodeIdUnknown',
          5: 'Column "text": 5 is no String',
        });
        return true;
      });
      const polled = await source({ mode: "poll", nodes: [node("i16"), node("text")] });
      assert.deepEqual(await rowOf(polled, () => true), { i16: 2n, text: "a" });
      // A type that the settings name is not asked for, and may be wrong.
      const wrong = await sink({ nodes: [node("i16", { type: "Double" })] });
      await assert.rejects(wrong.write([[{ i16: 1 }]], signal()), (error) =>
        error instanceof ItemsFailed && /BadTypeMismatch/.test(error.failed.get(0)!));
    })
  ));

test("a server that dies, freezes or is not there is Disconnected, and all users of a session share the next one", () =>
  withServer({}, (server) =>
    withLink({ server: server.url, timeout: "1s" }, async ({ link, source, states }) => {
      const raw = { nodes: [node("n")], interval: 20 };
      const [one, two] = await Promise.all([source(raw), source(raw)]);
      await rowOf(one!, () => true);
      await rowOf(two!, () => true);
      const before = await link.open();
      assert.equal(await link.open(), before);
      await server.process.kill();
      await assert.rejects(one!.read(signal()), Disconnected);
      await assert.rejects(two!.read(signal()), Disconnected);
      assert.equal(states.at(-1), "disconnected");
      await assert.rejects(link.open(), (error) => error instanceof Disconnected && /ECONNREFUSED/.test(error.message));
      await server.process.start();
      const [again, other] = await Promise.all([link.open(), link.open()]);
      assert.equal(again, other);
      assert.notEqual(again, before);
      const three = await source(raw);
      await rowOf(three, () => true);
      server.process.freeze();
      await assert.rejects(three.read(signal()), (error) => error instanceof Disconnected);
      // It takes connections, and says nothing.
      await assert.rejects(link.open(), Disconnected);
      server.process.thaw();
      await rowOf(await source(raw), () => true);
    })));

test("a user without the right password is Disconnected with the reason", () =>
  withServer({ users: { anna: "right" } }, async ({ url }) => {
    await withLink({ server: url, username: "anna", password: "wrong" }, async ({ link }) => {
      await assert.rejects(
        link.open(),
        (error) => error instanceof Disconnected && /Bad(User|Identity)/.test(error.message),
      );
    });
    await withLink({ server: url, username: "anna", password: "right" }, async ({ source }) => {
      assert.deepEqual(
        await rowOf(await source({ mode: "poll", nodes }), () => true),
        { n: -1n },
      );
    });
  }));

test("messages are signed and encrypted with a server that is trusted, and with no other", () =>
  withServer({ secured: true }, async ({ url, certificates }) => {
    const { serverCert, clientCert, clientKey, otherCert } = certificates!;
    const own = { server: url, certificationPath: clientCert, privateKeyPath: clientKey };
    for (const securityMode of ["Sign", "SignAndEncrypt"]) {
      await withLink({ ...own, securityMode, rootCaPath: serverCert }, async ({ source, logged }) => {
        const row = await rowOf(await source({ nodes, interval: 20 }), () => true);
        assert.deepEqual(row, { n: -1n }, JSON.stringify(logged));
      });
    }
    await withLink({ ...own, securityMode: "Sign", rootCaPath: otherCert }, async ({ link }) => {
      await assert.rejects(link.open(), (error) => error instanceof Disconnected && /ertificate/.test(error.message));
    });
    await withLink({ ...own, securityMode: "Sign", insecureSkipVerify: true }, async ({ link }) => {
      assert.equal((await link.open()).loss, undefined);
    });
    await withLink({ server: url }, async ({ link }) => {
      await assert.rejects(link.open(), Disconnected);
    });
  }));

test("a peer that speaks something else is Disconnected", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 100000\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  try {
    await withLink({ server: `opc.tcp://127.0.0.1:${port}` }, async ({ link }) => {
      for (let i = 0; i < 3; i++) await assert.rejects(link.open(), Disconnected);
    });
  } finally {
    server.close();
    await once(server, "close");
  }
});

test("settings that can never work are refused", () => {
  const refused = (
    role: "source" | "sink" | "connection",
    raw: Record<string, unknown>,
    code: string,
    message: RegExp,
  ) =>
    assert.throws(() => {
      const settings = readSettings(opcua[role]!.settings, raw, place);
      opcua[role]!.check?.(settings as never, {});
    }, (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      assert.equal(error.diagnostics[0]!.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  refused("connection", { server: "http://a" }, "E403", /opc\.tcp/);
  refused("connection", { server: "opc.tcp://a", securityMode: "sign" }, "E404", /needs a client certificate/);
  refused("connection", { server: "opc.tcp://a", password: "x" }, "E404", /username/);
  refused("source", { nodes: [] }, "E404", /needs "nodes"/);
  refused("source", { nodes, mode: "browse" }, "E403", /leave out "nodes"/);
  refused("source", { mode: "browse", root: "Objects" }, "E403", /ns=2;s=/);
  refused("sink", { nodes: [] }, "E403", /at least one node/);
  refused("source", { nodes: [{ name: "a", nodeId: "temperature" }] }, "E403", /ns=2;s=/);
  refused("source", { nodes: [{ name: "a", nodeId: "ns=2;i=x" }] }, "E403", /ns=2;s=/);
  refused("source", { nodes: [node("a"), node("a")] }, "E403", /name of its own/);
  refused("source", { nodes: [node("__quality")] }, "E403", /qualities/);
  refused("source", { nodes: [node("a", { deadband: 1 })], mode: "poll" }, "E403", /subscribe/);
  refused("sink", { nodes: [node("a", { type: "Text" })] }, "E403", /Int16/);
});

test("sessions that come and go leave no sockets behind", () =>
  withFresh(async ({ url }) => {
    const open = () => readdirSync("/proc/self/fd").length;
    await withLink({ server: url }, async ({ link }) => void await link.open());
    const before = open();
    for (let i = 0; i < 50; i++) {
      await withLink({ server: url }, async ({ source }) => {
        await rowOf(await source({ nodes, interval: 20 }), () => true);
      });
    }
    await eventually(() => open() <= before + 2);
    const nobody = await freePort();
    for (let i = 0; i < 100; i++) {
      await withLink({ server: `opc.tcp://127.0.0.1:${nobody}` }, async ({ link }) => {
        await assert.rejects(link.open(), Disconnected);
      });
    }
    await eventually(() => open() <= before + 2);
  }));
