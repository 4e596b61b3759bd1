import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { WebSocket as Client } from "ws";
import { realClock } from "../../src/connector/conformance.ts";

import { withDataServer } from "../../tests/engine/data_server.ts";
import { withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { WebSocketPeer } from "../../tests/peers/web_socket_peer.ts";

const stream = (name: string, path: string, settings: Record<string, unknown> = {}, format = "json") =>
  `CREATE STREAM ${name} () WITH (DATASOURCE="${path}", FORMAT="${format}", TYPE="websocket", ` +
  `EXTRA="${JSON.stringify(settings).replaceAll('"', '\\"')}")`;

const rule = (id: string, sql: string, action: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, sql, actions: [action], ...more });

const numbers = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).n as number);

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
    await withDataServer(async ({ engine, streams, dataServer, url }) => {
      streams.execute(stream("client", "/a", { addr: `127.0.0.1:${peer.port}`, pingInterval: 200 }));
      streams.execute(stream("server", "/b", { pingInterval: 200 }));
      await engine.rules.create(rule("client", "SELECT n FROM client", { nop: {} }));
      await engine.rules.create(rule("server", "SELECT n FROM server", { nop: {} }));
      await eventually(() => peer.opened === 1 && dataServer.address !== undefined);
      const visitor = await WebSocketPeer.client(url("/b", "ws"));
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
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(stream("s", "/in"));
    await engine.rules.create(
      rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }, { options: { bufferLength: 16 } }),
    );
    await eventually(() => dataServer.address !== undefined);
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const client = new Client(url("/in", "ws"));
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
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")');
    const action = { websocket: { path: "/out", sendSingle: true, sendTimeout: 2000 } };
    await engine.rules.create(rule("a", "SELECT n, filler FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const good = await WebSocketPeer.client(url("/out", "ws"));
    const deaf = await WebSocketPeer.client(url("/out", "ws"));
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
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
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
    const good = await WebSocketPeer.client(url("/in", "ws"));
    good.send('{"n":1}');
    await eventually(() => wire.written.length === 1);
    await good.kill();
    await eventually(() => dataServer.connections === 0);
  }));

test("websocket: a thousand clients come and go, and nothing is left of them", () =>
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(stream("s", "/in"));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    await eventually(() => dataServer.address !== undefined);
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, (_, i) =>
        new Promise<void>((resolve, reject) => {
          const client = new Client(url("/in", "ws"));
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

test("websocket: who waits for a link while one is being closed leaves the engine to others", async () => {
  const { WebSocketServer } = await import("ws");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  const sockets: Duplex[] = [];
  server.on("connection", (socket, request) => {
    sockets.push(request.socket);
    // The answer to its goodbye is not seen.
    socket.pause();
    socket.on("error", () => {});
  });
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address() as { port: number };
  const { ClientChannel } = await import("./client_channel.ts");
  const channel = new ClientChannel({
    url: `ws://127.0.0.1:${port}/`,
    headers: {},
    tls: { rejectUnauthorized: true, minVersion: "TLSv1.2" },
    pingMs: 10_000,
    clock: realClock,
    onState: () => {},
  });
  await eventually(() => channel.openLinks === 1);
  // A frame that says goodbye, and then nothing.
  sockets[0]!.write(Uint8Array.of(0x88, 0x02, 0x03, 0xe9));
  await eventually(() => channel.openLinks === 0);
  const waiting = channel.connected(new AbortController().signal);
  await realClock.sleep(20);
  assert.equal(channel.openLinks, 0);
  sockets[0]!.destroy();
  await waiting;
  assert.equal(channel.openLinks, 1);
  await channel.close();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});
