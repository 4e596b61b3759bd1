import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { conformance } from "../../src/connector/conformance.ts";

import { newDataServer, withDataServer } from "../../tests/engine/data_server.ts";
import { withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { makeCertificates } from "../../tests/peers/certificates.ts";
import { WebSocketPeer } from "../../tests/peers/web_socket_peer.ts";
import { websocket } from "./mod.ts";

/** weir as the client. */
conformance(websocket, {
  losesConnection: true,
  source: async () => {
    const peer = await WebSocketPeer.server();
    return {
      connection: { addr: `127.0.0.1:${peer.port}`, path: "/n" },
      settings: () => ({}),
      send: async (values) => {
        await eventually(() => peer.opened > peer.events.filter(({ closed }) => closed !== undefined).length);
        for (const n of values) peer.send(JSON.stringify({ n }));
      },
      cut: async () => {
        await eventually(() => peer.opened > 0);
        peer.drop();
      },
      close: () => peer.kill(),
    };
  },
  sink: async () => {
    const peer = await WebSocketPeer.server();
    return {
      connection: { addr: `127.0.0.1:${peer.port}`, path: "/n" },
      settings: {},
      received: () => peer.texts.map((text) => (JSON.parse(text) as { n: number }).n),
      cut: async () => {
        await eventually(() => peer.opened > 0);
        peer.drop();
      },
      close: () => peer.kill(),
    };
  },
});

/** weir as the server. */
conformance({ ...websocket, name: "websocket (server)" }, {
  losesConnection: true,
  source: () => {
    const dataServer = newDataServer();
    let client: WebSocketPeer | undefined;
    const connected = async () => {
      await eventually(() => dataServer.address !== undefined);
      if (client !== undefined && client.events.some(({ closed }) => closed !== undefined)) {
        await client.kill();
        client = undefined;
      }
      return client ??= await WebSocketPeer.client(`ws://127.0.0.1:${dataServer.address!.port}/n`);
    };
    return {
      dataServer,
      settings: () => ({ datasource: "/n" }),
      send: async (values) => {
        const peer = await connected();
        for (const n of values) peer.send(JSON.stringify({ n }));
      },
      cut: async () => (await connected()).drop(),
      close: async () => {
        await client?.kill();
        await dataServer.closed();
      },
    };
  },
  sink: () => {
    const dataServer = newDataServer();
    const clients: WebSocketPeer[] = [];
    const start = async () => {
      await eventually(() => dataServer.address !== undefined);
      clients.push(await WebSocketPeer.client(`ws://127.0.0.1:${dataServer.address!.port}/n`));
    };
    return {
      dataServer,
      connection: { path: "/n" },
      settings: { path: "/n", noClients: "wait" },
      start,
      received: () => clients.flatMap(({ texts }) => texts.map((text) => (JSON.parse(text) as { n: number }).n)),
      cut: async () => {
        clients[0]!.drop();
        await start();
      },
      close: async () => {
        await Promise.all(clients.map((client) => client.kill()));
        await dataServer.closed();
      },
    };
  },
});

const stream = (name: string, path: string, settings: Record<string, unknown> = {}, format = "json") =>
  `CREATE STREAM ${name} () WITH (DATASOURCE="${path}", FORMAT="${format}", TYPE="websocket", ` +
  `EXTRA="${JSON.stringify(settings).replaceAll('"', '\\"')}")`;

const rule = (id: string, sql: string, action: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, sql, actions: [action], ...more });

const numbers = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).n as number);

test("websocket: one path takes from clients and gives to all of them", () =>
  withDataServer(async ({ engine, streams, dataServer, url }) => {
    streams.execute(stream("s", "/both"));
    const action = { websocket: { path: "/both", sendSingle: true } };
    await engine.rules.create(rule("a", "SELECT n * 2 AS n FROM s WHERE n < 100", action));
    await eventually(() => dataServer.address !== undefined);
    const one = await WebSocketPeer.client(url("/both", "ws"));
    const two = await WebSocketPeer.client(url("/both", "ws"));
    one.send('{"n":1}');
    two.send('{"n":100}');
    two.sendBytes(new TextEncoder().encode('{"n":2}'));
    for (const peer of [one, two]) {
      await eventually(() => peer.texts.length === 2);
      assert.deepEqual(numbers(peer.texts).sort(), [2, 4]);
    }
    await engine.rules.stop("a");
    for (const peer of [one, two]) {
      await eventually(() => peer.events.at(-1)?.closed === 1001);
      await peer.kill();
    }
  }));

test("websocket: formats that are no text go out as binary frames, large ones whole", () =>
  withDataServer(async ({ engine, streams, dataServer, url }) => {
    streams.execute(stream("s", "/in", {}, "binary"));
    const action = { websocket: { path: "/out", format: "binary", sendSingle: true } };
    await engine.rules.create(rule("a", "SELECT self FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const sender = await WebSocketPeer.client(url("/in", "ws"));
    const receiver = await WebSocketPeer.client(url("/out", "ws"));
    for (const length of [1, 125, 126, 65_535, 65_536, 500_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7 % 256);
      const before = receiver.events.length;
      sender.sendBytes(bytes);
      await eventually(() => receiver.events.length > before);
      assert.equal(receiver.events.at(-1)!.bytes, Buffer.from(bytes).toString("base64"), `${length} bytes`);
    }
    await sender.kill();
    await receiver.kill();
  }));

test("websocket: with nobody connected messages are dropped and counted, or wait, as the rule promises", () =>
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")');
    const action = { websocket: { path: "/out", sendSingle: true } };
    await engine.rules.create(rule("drops", "SELECT n FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    wire.send('{"n":1}', '{"n":2}');
    await eventually(() => engine.rules.status("drops").sink_websocket_0_0_exceptions_total === 2);
    assert.match(
      String(engine.rules.status("drops").sink_websocket_0_0_last_exception),
      /no client is connected to \/out/,
    );
    await engine.rules.stop("drops");

    await engine.rules.create(rule("keeps", "SELECT n FROM s", action, { options: { qos: 1 } }));
    wire.send('{"n":3}');
    await eventually(() => engine.rules.status("keeps").source_s_0_records_out_total === 1);
    const client = await WebSocketPeer.client(url("/out", "ws"));
    wire.send('{"n":4}');
    await eventually(() => client.texts.length === 2);
    assert.deepEqual(numbers(client.texts), [3, 4]);
    await client.kill();
  }));

test("websocket: a client of another server brings what it sends, with headers, over TLS with certificates", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-websocket-"));
  const files = makeCertificates(folder);
  const peer = await WebSocketPeer.server({ cert: files.serverCert, key: files.serverKey, ca: files.ca });
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      const tls = {
        rootCaPath: files.ca,
        certificationPath: files.clientCert,
        privateKeyPath: files.clientKey,
      };
      const requestHeader = { "X-Gateway": ["one", "two"], Authorization: "Bearer t" };
      const settings = { addr: `localhost:${peer.port}`, scheme: "wss", requestHeader };
      streams.execute(stream("s", "/a", { ...settings, ...tls }));
      streams.execute(stream("wrong", "/b", { ...settings, ...tls, rootCaPath: files.otherCa }));
      streams.execute(stream("anonymous", "/c", { ...settings, rootCaPath: files.ca }));
      for (const id of ["s", "wrong", "anonymous"]) {
        await engine.rules.create(rule(id, `SELECT n FROM ${id}`, { wire: { sendSingle: true } }));
      }
      await eventually(() => peer.opened === 1);
      const { open, headers } = peer.events.find(({ open }) => open !== undefined)!;
      assert.equal(open, "/a");
      const sent = new Map(headers!.map(([name, value]) => [name.toLowerCase(), value]));
      assert.equal(sent.get("authorization"), "Bearer t");
      const gateways = headers!.filter(([name]) => name.toLowerCase() === "x-gateway").map(([, value]) => value);
      assert.deepEqual(gateways.join(", ").split(", "), ["one", "two"]);
      peer.send('{"n":1}');
      await eventually(() => wire.written.length === 1);
      for (const id of ["wrong", "anonymous"]) {
        await eventually(() => engine.rules.status(id)[`source_${id}_0_connection_status`] === -1);
        assert.match(
          String(engine.rules.status(id)[`source_${id}_0_connection_last_disconnected_message`] ?? ""),
          /wss:\/\/localhost/,
        );
      }
    });
  } finally {
    await peer.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("websocket: a named connection is one link for all who select it, in both directions", async () => {
  const peer = await WebSocketPeer.server();
  try {
    await withEngine(async ({ engine, configs, streams }) => {
      const settings = { addr: `127.0.0.1:${peer.port}`, path: "/line" };
      configs.createConnection({ id: "line", type: "websocket", settings });
      await engine.live.changed("line");
      await eventually(() => engine.live.status("line")?.state === "connected");
      const selected = { connectionSelector: "line" };
      for (const name of ["one", "two"]) {
        streams.execute(stream(name, "", selected));
        const action = { websocket: { ...selected, sendSingle: true } };
        await engine.rules.create(rule(name, `SELECT n + 1 AS n FROM ${name} WHERE n < 10`, action));
      }
      await eventually(() => engine.live.status("line")?.refCount === 4);
      peer.send('{"n":1}');
      await eventually(() => peer.texts.length === 2);
      assert.deepEqual([numbers(peer.texts), peer.opened], [[2, 2], 1]);
      await engine.rules.stop("one");
      peer.send('{"n":2}');
      await eventually(() => peer.texts.length === 3);
      await engine.rules.stop("two");
      assert.equal(engine.live.status("line")?.state, "connected");
      assert.equal(peer.opened, 1);
    });
    await eventually(() => peer.events.at(-1)?.closed === 1000);
  } finally {
    await peer.kill();
  }
});
