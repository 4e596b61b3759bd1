import assert from "node:assert/strict";
import { connect, createServer as createTcpServer } from "node:net";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { conformance, realClock } from "../../src/connector/conformance.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { sleepWith } from "../../src/connector/sleep.ts";
import { newDataServer, withDataServer } from "../../tests/engine/data_server.ts";
import { type EngineFixture, withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { curl, CurlStream } from "../../tests/peers/curl.ts";
import { EventStreamPeer } from "../../tests/peers/event_stream_peer.ts";
import { addressOf } from "./address.ts";
import { sse } from "./mod.ts";
import { SseSource } from "./source.ts";

/** The data of the events in what curl has received. */
const dataOf = (text: string) => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
const idsOf = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);
const numbersOf = (texts: readonly string[]) => texts.map((text) => (JSON.parse(text) as { n: number }).n);

conformance(sse, {
  losesConnection: true,
  givesPositions: true,
  source: async () => {
    const peer = await EventStreamPeer.start();
    return {
      settings: () => ({ url: peer.url, datasource: "/events" }),
      send: (values) => {
        peer.greet("retry: 20\n\n");
        // In several parts, so that there are several batches to be cut off behind.
        for (let i = 0; i < values.length; i += 10) {
          peer.send(...values.slice(i, i + 10).map((n) => JSON.stringify({ n })));
        }
      },
      cut: async () => {
        await eventually(() => peer.asked.length > 0);
        peer.greet("retry: 20\n\n");
        peer.drop();
      },
      close: () => peer.kill(),
    };
  },
  sink: () => {
    const dataServer = newDataServer();
    const clients: CurlStream[] = [];
    const start = async () => {
      await eventually(() => dataServer.address !== undefined);
      const client = new CurlStream([`http://127.0.0.1:${dataServer.address!.port}/events`]);
      clients.push(client);
      await eventually(() => client.text.includes("retry:"));
    };
    let isStarted = false;
    return {
      dataServer,
      settings: { endpoint: "/events", noClients: "wait" },
      // The path is served once the sink is open.
      start: () => {
        if (!isStarted) start().catch(() => {});
        isStarted = true;
      },
      received: () => clients.flatMap(({ text }) => numbersOf(dataOf(text))),
      receivedIds: () => clients.flatMap(({ text }) => idsOf(text)),
      cut: async () => {
        await eventually(() => clients.length > 0);
        await clients[0]!.stop();
        await start();
      },
      close: async () => {
        await Promise.all(clients.map((client) => client.stop()));
        await dataServer.closed();
      },
    };
  },
});

test("sse: the address is made of url and DATASOURCE, and checked", () => {
  assert.equal(addressOf({ url: "http://h/a", datasource: "/b" }), "http://h/a/b");
  assert.equal(addressOf({ url: "http://h/", datasource: "/b" }), "http://h/b");
  assert.equal(addressOf({ url: "", datasource: "https://h/b" }), "https://h/b");
  assert.equal(addressOf({ url: "http://h/a" }), "http://h/a");
  const check = (raw: Record<string, unknown>) =>
    sse.source!.check!(readSettings(sse.source!.settings, raw, { path: "", where: "sse source" }), {});
  assert.throws(() => check({}), /E404/);
  assert.throws(() => check({ datasource: "/events" }), /E403: Cannot read "\/events"/);
  assert.throws(() => check({ url: "ftp://h/" }), /E403/);
  assert.throws(() => check({ url: "http://h/", rootCaPath: "/no/such/file" }), /E403/);
  assert.doesNotThrow(() => check({ url: "HTTP://h/" }));
});

const stream = (name: string, settings: Record<string, unknown>, path = "/events") =>
  `CREATE STREAM ${name} () WITH (DATASOURCE="${path}", FORMAT="json", TYPE="sse", ` +
  `EXTRA="${JSON.stringify(settings).replaceAll('"', '\\"')}")`;

const wireStream = 'CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")';

const rule = (id: string, sql: string, action: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, sql, actions: [action], ...more });

async function withPeer(work: (peer: EventStreamPeer, fixture: EngineFixture) => Promise<void>): Promise<void> {
  const peer = await EventStreamPeer.start();
  try {
    await withEngine((fixture) => work(peer, fixture));
  } finally {
    await peer.kill();
  }
}

test("sse: events of every kind arrive, with their metadata", () =>
  withPeer(async (peer, { engine, streams, wire }) => {
    streams.execute(stream("s", { url: peer.url, headers: { Authorization: "Bearer t" } }, "/moved"));
    const sql = "SELECT n, meta(event) AS event, meta(id) AS id FROM s";
    await engine.rules.create(rule("a", sql, { wire: { sendSingle: true } }));
    peer.send('{"n":1}');
    peer.sendRaw(': a comment\nevent: car\ndata: {"n":\ndata: 2}\n\ndata: no json\n\nid\ndata: {"n":"ä€😀"}\n\n');
    await eventually(() => wire.written.length === 3);
    assert.deepEqual(wire.written.map((text) => JSON.parse(text)), [
      { n: 1, event: "message", id: "1" },
      { n: 2, event: "car", id: "1" },
      { n: "ä€😀", event: "message", id: "" },
    ]);
    assert.deepEqual(peer.asked.map(({ path }) => path), ["/moved", "/events"]);
    const { headers } = peer.asked[1]!;
    assert.deepEqual([headers.accept, headers.authorization, headers["last-event-id"]], [
      "text/event-stream",
      "Bearer t",
      undefined,
    ]);
    assert.equal(engine.rules.status("a").source_s_0_connection_status, 1);
  }));

test("sse: a stream that breaks off goes on behind its last event, after the pause that the server wants", () =>
  withPeer(async (peer, { engine, streams, wire }) => {
    peer.greet("retry: 10\n\n");
    streams.execute(stream("s", { url: peer.url }));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    for (let n = 0; n < 100; n++) {
      peer.send(`{"n":${n}}`);
      if (n % 10 === 5) peer.drop();
      await realClock.sleep(3);
    }
    await eventually(() => wire.written.length === 100);
    assert.deepEqual(numbersOf(wire.written), Array.from({ length: 100 }, (_, n) => n));
    await eventually(() => peer.asked.length > 1);
    assert.match(peer.asked[1]!.headers["last-event-id"]!, /^\d+$/);
  }));

test("sse: a server that is absent, refuses or talks nonsense is tried again, and the reason is told", async () => {
  const peer = await EventStreamPeer.absent();
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      const paths = { wrong: /answers 401/, html: /no event stream/, garbage: /./, events: /./ };
      for (const path of Object.keys(paths)) {
        streams.execute(stream(path, { url: peer.url }, `/${path}`));
        await engine.rules.create(rule(path, `SELECT n FROM ${path}`, { wire: { sendSingle: true } }));
      }
      const lost = (path: string) => String(engine.rules.status(path)[`source_${path}_0_last_exception`]);
      for (const path of Object.keys(paths)) {
        await eventually(() => engine.rules.status(path)[`source_${path}_0_connection_status`] === -1);
        assert.match(lost(path), /^http:\/\/127/);
      }
      await peer.start();
      peer.send('{"n":1}');
      await eventually(() => wire.written.length === 1);
      for (const [path, reason] of Object.entries(paths)) await eventually(() => reason.test(lost(path)));
      await peer.kill();
      await eventually(() => engine.rules.status("events").source_events_0_connection_status !== 1);
    });
  } finally {
    await peer.kill();
  }
});

test("sse: a server that does not answer is tried again", async () => {
  const sockets = new Set<unknown>();
  let asked = 0;
  const server = createTcpServer((socket) => {
    asked++;
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const states: string[] = [];
  const fast = { ...realClock, after: (ms: number, work: () => void) => realClock.after(ms / 100, work) };
  const source = new SseSource({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    headers: {},
    idleMs: 0,
    tls: { rejectUnauthorized: true, minVersion: "TLSv1.2" },
    keepsPosition: false,
    position: undefined,
    clock: { ...fast, sleep: sleepWith(fast.after) },
    onState: (state, message) => states.push(message ?? state),
  });
  await eventually(() => asked >= 3);
  assert.ok(states.some((state) => /no answer for 15000 ms/.test(state)), String(states));
  await source.close();
  await eventually(() => sockets.size === 0);
  server.close();
});

test("sse: the answer 204 ends the stream, and the rule with it", () =>
  withPeer(async (peer, { engine, streams }) => {
    streams.execute(stream("s", { url: peer.url }, "/end"));
    await engine.rules.create(rule("a", "SELECT n FROM s", { nop: {} }));
    await eventually(() => engine.rules.status("a").status === "stopped");
    assert.match(String(engine.rules.status("a").message), /done|no more events/);
  }));

test("sse: a frozen server is found out by its silence", () =>
  withPeer(async (peer, { engine, streams, wire }) => {
    peer.greet("retry: 50\n\n");
    streams.execute(stream("s", { url: peer.url, idleTimeout: 300 }));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    peer.send('{"n":1}');
    await eventually(() => wire.written.length === 1);
    peer.freeze();
    await eventually(() =>
      /nothing has come for 300 ms/.test(String(engine.rules.status("a").source_s_0_last_exception))
    );
    peer.thaw();
    peer.send('{"n":2}');
    await eventually(() => wire.written.length === 2);
  }));

test("sse: a rule with qos 1 goes on behind its last event after a stop", () =>
  withPeer(async (peer, { engine, streams, wire }) => {
    streams.execute(stream("s", { url: peer.url, resumes: true }));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }, { options: { qos: 1 } }));
    peer.send('{"n":1}', '{"n":2}');
    await eventually(() => wire.written.length === 2);
    await engine.rules.stop("a");
    peer.send('{"n":3}');
    await engine.rules.start("a");
    await eventually(() => wire.written.length === 3);
    assert.deepEqual(numbersOf(wire.written), [1, 2, 3]);
    assert.equal(peer.asked.at(-1)!.headers["last-event-id"], "2");
  }));

test("sse: a rule that cannot follow holds the server back, and nothing is lost", () =>
  withPeer(async (peer, { engine, streams, wire }) => {
    streams.execute(stream("s", { url: peer.url }));
    await engine.rules.create(rule("a", "SELECT n FROM s", { wire: { sendSingle: true } }));
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const filler = "x".repeat(5000);
    const total = 8000;
    for (let n = 0; n < total; n += 100) {
      peer.send(...Array.from({ length: 100 }, (_, i) => JSON.stringify({ n: n + i, filler })));
    }
    const read = () => engine.rules.status("a").source_s_0_records_in_total as number;
    let before = -1;
    await eventually(async () => {
      if (read() > 0 && read() === before) return true;
      before = read();
      await realClock.sleep(300);
      return false;
    });
    assert.ok(read() < total / 2, `${read()} events were read`);
    release.resolve();
    await eventually(() => wire.written.length === total, 30_000);
    assert.deepEqual(numbersOf(wire.written), Array.from({ length: total }, (_, n) => n));
  }));

test("sse: a thousand losses leave one socket", async () => {
  let streams = 0;
  const sockets = new Set<unknown>();
  const server = createServer((_request, response) => {
    streams++;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`retry: 0\nid: ${streams}\ndata: ${streams}\n\n`, () => {
      if (streams < 1000) response.destroy();
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const source = new SseSource({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    headers: {},
    idleMs: 0,
    tls: { rejectUnauthorized: true, minVersion: "TLSv1.2" },
    keepsPosition: false,
    position: undefined,
    clock: realClock,
    onState: () => {},
  });
  const signal = AbortSignal.timeout(30_000);
  while (streams < 1000) await source.read(signal);
  await eventually(() => sockets.size === 1);
  await source.close();
  await eventually(() => sockets.size === 0);
  server.close();
});

test("sse: all clients get the results, and those that come again what they have missed", () =>
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(wireStream);
    await engine.rules.create(rule("a", "SELECT n FROM s", { sse: { path: "/events", sendSingle: true } }));
    await eventually(() => dataServer.address !== undefined);
    const head = await fetch(url("/events"), { signal: AbortSignal.timeout(20_000) });
    assert.equal(head.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(head.headers.get("cache-control"), "no-cache");
    await head.body!.cancel();
    assert.equal((await curl(["-d", "x", url("/events")])).status, 405);

    const one = new CurlStream([url("/events")]);
    const two = new CurlStream([url("/events")]);
    await eventually(() => one.text.includes("retry:") && two.text.includes("retry:"));
    wire.send('{"n":1}', '{"n":"a\\nb"}');
    for (const client of [one, two]) {
      await eventually(() => dataOf(client.text).length === 2);
      assert.deepEqual(dataOf(client.text), ['{"n":1}', '{"n":"a\\nb"}']);
    }
    const ids = idsOf(one.text);
    assert.equal(new Set(ids).size, 2);
    await one.stop();
    await two.stop();
    await eventually(() => dataServer.connections === 0);

    wire.send('{"n":2}');
    const status = () => engine.rules.status("a");
    await eventually(() => status().sink_sse_0_0_exceptions_total === 1);
    assert.match(String(status().sink_sse_0_0_last_exception), /no client is connected to \/events/);
    const back = new CurlStream(["-H", `Last-Event-ID: ${ids[0]}`, url("/events")]);
    const fresh = new CurlStream(["-H", "Last-Event-ID: unknown", url("/events")]);
    await eventually(() => dataOf(back.text).length === 2 && fresh.text.includes("retry:"));
    wire.send('{"n":3}');
    await eventually(() => dataOf(back.text).length === 3 && dataOf(fresh.text).length === 1);
    assert.deepEqual(dataOf(back.text), ['{"n":"a\\nb"}', '{"n":2}', '{"n":3}']);
    await engine.rules.stop("a");
    await back.stop();
    await fresh.stop();
  }));

test("sse: in a rule with qos 1 results wait for a client, and keep their ids when they are sent again", () =>
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(wireStream);
    const action = { sse: { endpoint: "/events", sendSingle: true } };
    await engine.rules.create(rule("a", "SELECT n FROM s", action, { options: { qos: 1 } }));
    await eventually(() => dataServer.address !== undefined);
    wire.send('{"n":1}', '{"n":2}');
    await eventually(() => engine.rules.status("a").source_s_0_records_out_total === 2);
    const client = new CurlStream([url("/events")]);
    await eventually(() => dataOf(client.text).length === 2);
    await client.stop();
    assert.equal(new Set(idsOf(client.text)).size, 2);
  }));

test("sse: a client that does not read is cut off, and the others get everything", () =>
  withDataServer(async ({ engine, streams, wire, dataServer, url }) => {
    streams.execute(wireStream);
    const action = { sse: { endpoint: "/events", sendSingle: true, sendTimeout: 1500 } };
    await engine.rules.create(rule("a", "SELECT n, filler FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const good = new CurlStream([url("/events")]);
    const deaf = connect(dataServer.address!.port, "127.0.0.1");
    deaf.on("error", () => {});
    deaf.pause();
    deaf.write("GET /events HTTP/1.1\r\nHost: weir\r\n\r\n");
    await eventually(() => dataServer.connections === 2 && good.text.includes("retry:"));
    await realClock.sleep(100);
    const filler = "x".repeat(100_000);
    const total = 300;
    for (let n = 0; n < total; n++) wire.send(JSON.stringify({ n, filler }));
    await eventually(() => dataServer.connections === 1, 30_000);
    wire.send('{"n":-1,"filler":""}');
    // Looking into so much text again and again would keep curl waiting.
    await eventually(() => good.text.length > total * filler.length, 30_000);
    await realClock.sleep(200);
    assert.equal(dataOf(good.text).length, total + 1);
    await good.stop();
    deaf.destroy();
  }));

test("sse: a rule that would send anything but text is refused", () =>
  withDataServer(async ({ engine, streams }) => {
    streams.execute(wireStream);
    const action = { sse: { endpoint: "/events", compression: "gzip" } };
    await assert.rejects(engine.rules.create(rule("a", "SELECT n FROM s", action)), /E403: sse cannot send/);
  }));

test("sse: payloads that are no text fail alone", () =>
  withDataServer(async ({ engine, streams, dataServer, url, wire }) => {
    streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="binary", TYPE="wire")');
    const action = { sse: { endpoint: "/events", sendSingle: true, format: "binary" } };
    await engine.rules.create(rule("a", "SELECT self FROM s", action));
    await eventually(() => dataServer.address !== undefined);
    const client = new CurlStream([url("/events")]);
    await eventually(() => client.text.includes("retry:"));
    wire.sendBytes(Uint8Array.of(0xff, 0xfe), new TextEncoder().encode("text"));
    await eventually(() => dataOf(client.text).length === 1);
    assert.deepEqual(dataOf(client.text), ["text"]);
    assert.match(String(engine.rules.status("a").sink_sse_0_0_last_exception), /is no text/);
    await client.stop();
  }));
