import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocket as Client } from "ws";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import { HttpDataServer } from "../../src/data_server/data_server.ts";
import { type EngineFixture, withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { makeCertificates } from "../../tests/peers/certificates.ts";
import { WebSocketPeer } from "../../tests/peers/web_socket_peer.ts";
import { websocket } from "./mod.ts";

function newServer(): HttpDataServer {
  return new HttpDataServer({
    hostname: "127.0.0.1",
    port: 0,
    bodyBytesMax: 1_000_000,
    clock: realClock,
    log: recordingLogger([]),
  });
}

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
    const dataServer = newServer();
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
    const dataServer = newServer();
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

type Fixture = EngineFixture & { readonly dataServer: HttpDataServer; readonly url: (path: string) => string };

async function withSockets(work: (fixture: Fixture) => Promise<void>): Promise<void> {
  const dataServer = newServer();
  const url = (path: string) => `ws://127.0.0.1:${dataServer.address!.port}${path}`;
  await withEngine((fixture) => work({ ...fixture, dataServer, url }), { dataServer });
  await dataServer.closed();
  assert.deepEqual([dataServer.address, dataServer.connections], [undefined, 0]);
}

const stream = (name: string, path: string, settings: Record<string, unknown> = {}, format = "json") =>
  `CREATE STREAM ${name} () WITH (DATASOURCE="${path}", FORMAT="${format}", TYPE="websocket", ` +
  `EXTRA="${JSON.stringify(settings).replaceAll('"', '\\"')}")`;

const rule = (id: string, sql: string, action: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, sql, actions: [action], ...more });

const numbers = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).n as number);

test("websocket: one path takes from clients and gives to all of them", () =>
  withSockets(async ({ engine, streams, dataServer, url }) => {
    streams.execute(stream("s", "/both"));
    const action = { websocket: { path: "/both", sendSingle: true } };
    await engine.rules.create(rule("a", "SELECT n * 2 AS n FROM s WHERE n < 100", action));
    await eventually(() => dataServer.address !== undefined);
    const one = await WebSocketPeer.client(url("/both"));
    const two = await WebSocketPeer.client(url("/both"));
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
  withSockets(async ({ engine, streams, dataServer, url }) => {
    streams.execute(stream("s", "/in", {}, "binary"));
    const action = { websocket: { path: "/out", format: "binary", sendSingle: true } };
    await engine.rules.create(rule("a", "SELECT self FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const sender = await WebSocketPeer.client(url("/in"));
    const receiver = await WebSocketPeer.client(url("/out"));
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
  withSockets(async ({ engine, streams, wire, dataServer, url }) => {
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
    const client = await WebSocketPeer.client(url("/out"));
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

test("websocket: a server that is absent, refuses, dies or says goodbye is tried again", async () => {
  const peer = await WebSocketPeer.server(undefined, false);
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute(stream("s", "/a", { addr: `127.0.0.1:${peer.port}` }));
      await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
      const status = () => engine.rules.status("a").source_s_0_connection_status;
      await eventually(() => status() === -1);
      for (const [round, end] of [() => peer.kill(), () => peer.drop(), () => peer.closeLinks(1011)].entries()) {
        if (round < 2) await peer.start();
        await eventually(() => status() === 1);
        const before = wire.written.length;
        peer.send('{"n":1}');
        await eventually(() => wire.written.length > before);
        const lost = engine.rules.status("a").source_s_0_exceptions_total as number;
        await end();
        await eventually(() => (engine.rules.status("a").source_s_0_exceptions_total as number) > lost);
      }
      await eventually(() => status() === 1);
    });
  } finally {
    await peer.kill();
  }
});

test("websocket: a server that is silent, refuses or talks nonsense is no end, and the reason is told", async () => {
  const answers: [name: string, answer: string, reason: RegExp][] = [
    ["silent", "", /no sign of life|closed/],
    ["refuses", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", /answers 401/],
    ["plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", /answers 200/],
    ["nonsense", "what is it?\r\n\r\n", /./],
    [
      "wrong",
      "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
      /Accept/i,
    ],
  ];
  await withEngine(async ({ engine, streams }) => {
    const servers = await Promise.all(answers.map(async ([name, answer]) => {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        socket.on("error", () => {});
        socket.once("data", () => answer === "" ? undefined : socket.write(answer));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      streams.execute(stream(name, "/a", { addr: `127.0.0.1:${port}`, pingInterval: 150 }));
      await engine.rules.create(rule(name, `SELECT n FROM ${name}`, { nop: {} }));
      return { server, sockets };
    }));
    for (const [name, , reason] of answers) {
      const last = () => String(engine.rules.status(name)[`source_${name}_0_last_exception`]);
      await eventually(() => last().includes("ws://") && reason.test(last()));
    }
    for (const [name] of answers) await engine.rules.stop(name);
    for (const { server, sockets } of servers) {
      await eventually(() => sockets.size === 0);
      server.close();
    }
  });
});

test("websocket: a peer that is frozen is found out by pings, from both sides", async () => {
  const peer = await WebSocketPeer.server();
  try {
    await withSockets(async ({ engine, streams, dataServer, url }) => {
      streams.execute(stream("client", "/a", { addr: `127.0.0.1:${peer.port}`, pingInterval: 200 }));
      streams.execute(stream("server", "/b", { pingInterval: 200 }));
      await engine.rules.create(rule("client", "SELECT n FROM client", { nop: {} }));
      await engine.rules.create(rule("server", "SELECT n FROM server", { nop: {} }));
      await eventually(() => peer.opened === 1 && dataServer.address !== undefined);
      const visitor = await WebSocketPeer.client(url("/b"));
      await eventually(() => dataServer.connections === 1);
      // Nobody says anything for several intervals: both live on.
      await realClock.sleep(1000);
      assert.deepEqual([dataServer.connections, engine.rules.status("client").source_client_0_connection_status], [
        1,
        1,
      ]);
      peer.freeze();
      visitor.freeze();
      await eventually(() => dataServer.connections === 0);
      await eventually(() => engine.rules.status("client").source_client_0_connection_status !== 1);
      peer.thaw();
      visitor.thaw();
      await eventually(() => engine.rules.status("client").source_client_0_connection_status === 1);
      await visitor.kill();
    });
  } finally {
    await peer.kill();
  }
});

test("websocket: in a rule with qos 1 nothing is lost when the peer dies in between", async () => {
  const peer = await WebSocketPeer.server();
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")');
      const action = { websocket: { addr: `127.0.0.1:${peer.port}`, path: "/a", sendSingle: true, pingInterval: 500 } };
      await engine.rules.create(rule("a", "SELECT n FROM s", action, { options: { qos: 1 } }));
      let sent = 0;
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 50; i++) {
          wire.send(`{"n":${sent++}}`);
          if (i === 20) round === 1 ? peer.freeze() : peer.drop();
          await realClock.sleep(1);
        }
        if (round !== 1) continue;
        await peer.kill();
        await peer.start();
      }
      await eventually(() => new Set(numbers(peer.texts)).size === sent);
      assert.deepEqual([...new Set(numbers(peer.texts))], Array.from({ length: sent }, (_, n) => n), "in order");
    });
  } finally {
    await peer.kill();
  }
});

test("websocket: a rule that cannot follow holds its senders back, and nothing is lost", () =>
  withSockets(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(stream("s", "/in"));
    await engine.rules.create(
      rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }, { options: { bufferLength: 16 } }),
    );
    await eventually(() => dataServer.address !== undefined);
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const client = new Client(url("/in"));
    await new Promise((resolve) => client.on("open", resolve));
    const filler = "x".repeat(10_000);
    const total = 4000;
    for (let n = 0; n < total; n++) client.send(JSON.stringify({ n, filler }));
    const read = () => engine.rules.status("a").source_s_0_records_in_total as number;
    let before = -1;
    await eventually(async () => {
      if (read() === before) return true;
      before = read();
      await realClock.sleep(300);
      return false;
    });
    assert.ok(read() < total / 2, `${read()} messages were read`);
    release.resolve();
    await eventually(() => wire.written.length === total, 30_000);
    assert.deepEqual(numbers(wire.written), Array.from({ length: total }, (_, n) => n));
    client.close();
  }));

test("websocket: a client that does not read is cut off, and the others get everything", () =>
  withSockets(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")');
    const action = { websocket: { path: "/out", sendSingle: true, sendTimeout: 2000 } };
    await engine.rules.create(rule("a", "SELECT n, filler FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const good = await WebSocketPeer.client(url("/out"));
    const deaf = await WebSocketPeer.client(url("/out"));
    deaf.deafen();
    await eventually(() => dataServer.connections === 2);
    const filler = "x".repeat(100_000);
    const total = 300;
    for (let n = 0; n < total; n++) wire.send(JSON.stringify({ n, filler }));
    await eventually(() => good.texts.length === total, 30_000);
    assert.deepEqual(numbers(good.texts), Array.from({ length: total }, (_, n) => n));
    await eventually(() => dataServer.connections === 1);
    await good.kill();
    await deaf.kill();
  }));

test("websocket: garbage, lying frames and messages that are too large end a link, not the server", () =>
  withSockets(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(stream("s", "/in"));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    await eventually(() => dataServer.address !== undefined);
    const upgrade = "GET /in HTTP/1.1\r\nHost: weir\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const bad: readonly (readonly number[])[] = [
      [0x81, 0x05, 1, 2, 3, 4, 5],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
      [0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4],
      [0x89, 0xfe, 0, 200, 1, 2, 3, 4],
      [0x80, 0x80, 1, 2, 3, 4],
      [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28],
    ];
    for (const bytes of bad) {
      const socket = connect(dataServer.address!.port, "127.0.0.1");
      let closed = false;
      socket.on("error", () => {});
      socket.on("close", () => closed = true);
      socket.resume();
      socket.write(upgrade);
      socket.write(Uint8Array.from(bytes));
      await eventually(() => closed);
    }
    const bare = upgrade.replace("Sec-WebSocket-Key", "X-Key");
    const socket = connect(dataServer.address!.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => answer += String(chunk));
    socket.write(bare);
    await eventually(() => answer.startsWith("HTTP/1.1 400 "));
    socket.destroy();
    const good = await WebSocketPeer.client(url("/in"));
    good.send('{"n":1}');
    await eventually(() => wire.written.length === 1);
    await good.kill();
    await eventually(() => dataServer.connections === 0);
  }));

test("websocket: a thousand clients come and go, and nothing is left of them", () =>
  withSockets(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(stream("s", "/in"));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    await eventually(() => dataServer.address !== undefined);
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, (_, i) =>
        new Promise<void>((resolve, reject) => {
          const client = new Client(url("/in"));
          client.on("error", reject);
          client.on("close", () => resolve());
          client.on("open", () => {
            client.send(`{"n":${round * 50 + i}}`);
            if (i % 2 === 0) client.close();
            else client.send("", () => client.terminate());
          });
        })));
    }
    await eventually(() => dataServer.connections === 0);
    await eventually(() => new Set(numbers(wire.written)).size === 1000);
  }));

test("websocket: a thousand losses of a server leave one socket", async () => {
  const { WebSocketServer } = await import("ws");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  let links = 0;
  server.on("connection", (socket) => {
    links++;
    socket.on("error", () => {});
    if (links < 1000) socket.terminate();
  });
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address() as { port: number };
  const { ClientChannel } = await import("./client_channel.ts");
  const channel = new ClientChannel({
    url: `ws://127.0.0.1:${port}/`,
    headers: {},
    tls: { rejectUnauthorized: true, minVersion: "TLSv1.2" },
    pingMs: 10_000,
    // A clock whose pauses are short.
    clock: { ...realClock, sleep: (_ms, signal) => realClock.sleep(0, signal) },
    onState: () => {},
  });
  await eventually(() => links === 1000 && channel.openLinks === 1, 30_000);
  assert.equal(server.clients.size, 1);
  await channel.close();
  await eventually(() => server.clients.size === 0);
  await new Promise((resolve) => server.close(resolve));
});
