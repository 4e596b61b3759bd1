import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { conformance } from "../../src/connector/conformance.ts";
import type { DataExchange, DataServer } from "../../src/connector/data_server.ts";
import { readSettings } from "../../src/connector/settings.ts";
import { newDataServer, withDataServer } from "../../tests/engine/data_server.ts";
import { withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { curl } from "../../tests/peers/curl.ts";
import { connectionSettings, httppush } from "./mod.ts";

conformance(httppush, {
  losesConnection: true,
  source: () => {
    const dataServer = newDataServer();
    let client: Socket | undefined;
    const cut = () => {
      client?.destroy();
      client = undefined;
      return Promise.resolve();
    };
    return {
      dataServer,
      settings: () => ({ datasource: "/n" }),
      // All in one go on one connection: their order is that of the requests, and nothing waits for an answer.
      send: async (values) => {
        await eventually(() => dataServer.address !== undefined);
        client ??= connect(dataServer.address!.port, "127.0.0.1").on("error", () => {});
        client.resume();
        for (const n of values) {
          const body = JSON.stringify({ n });
          client.write(`POST /n HTTP/1.1\r\nHost: weir\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
      },
      cut,
      close: async () => {
        await cut();
        await dataServer.closed();
      },
    };
  },
});

test("httppush: settings without a path, or with something else in its place, are refused", () => {
  const read = (raw: Record<string, unknown>) =>
    readSettings(httppush.source!.settings, raw, { path: "", where: "httppush source" });
  for (const datasource of ["cars", "/cars?x", "/cars and more", "http://host/cars", "*"]) {
    assert.throws(() => read({ datasource }), /E403: .*a path that begins with "\/"/, datasource);
  }
  assert.throws(() => read({}), /E404/);
  const raw = { datasource: "/cars", METHOD: "put", bufferLength: "10", contentType: "application/json" };
  const { contentType: _, ...settings } = read(raw);
  assert.deepEqual(settings, {
    datasource: "/cars",
    method: "PUT",
    bufferLength: 10,
    answerTimeout: 10_000,
  });
  assert.deepEqual(readSettings(connectionSettings, {}, { path: "", where: "" }), { datasource: "", method: "POST" });
});

const stream = (name: string, path: string, more = "") =>
  `CREATE STREAM ${name} () WITH (DATASOURCE="${path}", FORMAT="json", TYPE="httppush"${more})`;

const wired = (id: string, from: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, sql: `SELECT * FROM ${from}`, actions: [{ wire: { sendSingle: true } }], ...more });

const post = (url: string, body: unknown) => fetch(url, { method: "POST", body: JSON.stringify(body) });

const numbers = (written: readonly string[]) => written.map((text) => JSON.parse(text).n as number);

test("httppush: what curl posts and puts, packed or not, arrives, and what is wrong is told", () =>
  withDataServer(async ({ engine, streams, wire, url, dataServer }) => {
    streams.execute(stream("cars", "/cars"));
    streams.execute(stream("orders", "/orders", ', EXTRA="{\\"method\\":\\"PUT\\"}"'));
    await engine.rules.create(wired("a", "cars"));
    await engine.rules.create(wired("b", "orders"));
    await eventually(() => dataServer.address !== undefined);
    const ok = { code: 0, status: 200, body: "ok", connections: 1 };
    const at = url("/cars");
    assert.deepEqual(await curl(["-d", '{"n":1}', at]), ok);
    assert.deepEqual(await curl(["-d", '[{"n":2},{"n":3}]', "-H", "Content-Type: application/json", at]), ok);
    const packed = gzipSync('{"n":4}');
    assert.deepEqual(await curl(["--data-binary", "@-", "-H", "Content-Encoding: gzip", at], packed), ok);
    // Standard input has no length: it comes in chunks.
    assert.deepEqual(await curl(["-T", "-", "-X", "POST", at], '{"n":5}'), ok);
    assert.deepEqual(await curl(["-X", "PUT", "-d", '{"n":6}', url("/orders?x=1")]), ok);
    const again = ["-d", '{"n":7}', at, at, at];
    assert.deepEqual(await curl(again), { ...ok, body: "okokok" });
    assert.deepEqual(await curl(["-d", "no json", at]), ok);
    assert.equal((await curl(["-X", "PUT", "-d", "{}", at])).status, 405);
    assert.equal((await curl(["-d", "{}", `${at}/more`])).status, 404);
    assert.equal((await curl([at])).status, 405);
    assert.equal((await curl(["-d", "{}", "-H", "Content-Encoding: gzip", at])).status, 400);
    await eventually(() => wire.written.length >= 9);
    assert.deepEqual(numbers(wire.written).sort(), [1, 2, 3, 4, 5, 6, 7, 7, 7]);
    const status = engine.rules.status("a");
    assert.equal(status.source_cars_0_records_in_total, 8);
    assert.equal(status.source_cars_0_connection_status, 1);
  }));

test("httppush: all rules on a path get everything, and the others go on when one stops", () =>
  withDataServer(async ({ engine, streams, wire, url, dataServer }) => {
    streams.execute(stream("one", "/n"));
    streams.execute(stream("two", "/n"));
    streams.execute(stream("common", "/n", ', SHARED="true"'));
    for (const [id, from] of [["a", "one"], ["b", "two"], ["c", "common"], ["d", "common"]]) {
      await engine.rules.create(wired(id!, from!));
    }
    await eventually(() => dataServer.address !== undefined);
    assert.equal((await post(url("/n"), { n: 1 })).status, 200);
    await eventually(() => wire.written.length === 4);
    await engine.rules.stop("a");
    assert.equal((await post(url("/n"), { n: 2 })).status, 200);
    await eventually(() => wire.written.length === 7);
    for (const id of ["b", "c", "d"]) await engine.rules.stop(id);
    await dataServer.closed();
    await engine.rules.start("d");
    await eventually(() => dataServer.address !== undefined);
    assert.equal((await post(url("/n"), { n: 3 })).status, 200);
    await eventually(() => wire.written.length === 8);
  }));

test("httppush: a path is served from the moment that its stream reads it", async () => {
  const answers: Promise<number>[] = [];
  let status = 0;
  const response = { writeHead: (code: number) => (status = code, { end: () => {} }) };
  const exchange = {
    request: { headers: {} },
    response,
    body: () => Promise.resolve(new TextEncoder().encode('{"n":1}')),
  };
  // Asks at once: sooner than any client can.
  const dataServer: DataServer = {
    serve: (_path, route) => {
      assert.ok(route.kind !== "WebSocket");
      answers.push(Promise.resolve().then(() => route.handle(exchange as unknown as DataExchange)).then(() => status));
      return () => {};
    },
  };
  await withEngine(async ({ engine, streams, wire }) => {
    streams.execute(stream("s", "/n"));
    await engine.rules.create(wired("a", "s"));
    await eventually(() => answers.length > 0);
    assert.deepEqual(await Promise.all(answers), [200]);
    await eventually(() => wire.written.length === 1);
  }, { dataServer });
});

test("httppush: a path ends with its last stream, also while others are read", () =>
  withDataServer(async ({ engine, streams, url, dataServer }) => {
    for (const id of ["a", "b"]) {
      streams.execute(stream(id, `/${id}`));
      await engine.rules.create(wired(id, id));
      await eventually(async () => dataServer.address !== undefined && (await post(url(`/${id}`), {})).status === 200);
    }
    await engine.rules.stop("a");
    assert.equal((await post(url("/a"), {})).status, 404);
    assert.equal((await post(url("/b"), {})).status, 200);
  }));

test("httppush: a rule that cannot follow refuses requests, and nothing that was taken is lost", () =>
  withDataServer(async ({ engine, streams, wire, url, dataServer }) => {
    const settings = JSON.stringify({ bufferLength: 20 }).replaceAll('"', '\\"');
    streams.execute(stream("s", "/n", `, EXTRA="${settings}"`));
    await engine.rules.create(wired("a", "s", { options: { bufferLength: 8 } }));
    await eventually(() => dataServer.address !== undefined);
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const taken: number[] = [];
    let refused: Response | undefined;
    for (let n = 0; refused === undefined; n++) {
      assert.ok(n < 5000, "the queue is bounded");
      const response = await post(url("/n"), { n });
      if (response.status === 200) taken.push(n);
      else refused = response;
    }
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
    assert.deepEqual(await refused.json(), { error: "the rule cannot follow" });
    release.resolve();
    await eventually(() => wire.written.length === taken.length);
    assert.deepEqual(numbers(wire.written), taken);
    assert.equal((await post(url("/n"), { n: -1 })).status, 200);
    await eventually(() => wire.written.length === taken.length + 1);
  }));

test("httppush: in a rule with qos 1 a request is answered when the rule keeps it, or told to come again", () =>
  withDataServer(async ({ engine, streams, wire, url, dataServer }) => {
    const settings = JSON.stringify({ answerTimeout: 300 }).replaceAll('"', '\\"');
    streams.execute(stream("s", "/n", `, EXTRA="${settings}"`));
    const cache = { memoryCacheThreshold: 2, bufferPageSize: 2, maxDiskCache: 2 };
    const rule = { options: { qos: 1 }, actions: [{ wire: { sendSingle: true, ...cache } }] };
    await engine.rules.create(wired("a", "s", rule));
    await eventually(() => dataServer.address !== undefined);
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const kept: number[] = [];
    let refused: Response | undefined;
    for (let n = 0; refused === undefined; n++) {
      assert.ok(n < 100, "what the rule keeps is bounded");
      const response = await post(url("/n"), { n });
      if (response.status === 200) kept.push(n);
      else refused = response;
    }
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
    assert.match((await refused.json() as { error: string }).error, /^the rule has not taken it in time/);
    assert.ok(kept.length > 0, "what the rule keeps was answered");
    release.resolve();
    await eventually(() => kept.every((n) => numbers(wire.written).includes(n)));
    // Many at once: each is answered, and each arrives.
    const before = wire.written.length;
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => post(url("/n"), { n: 1000 + n })));
    assert.ok(answers.every(({ status }) => status === 200));
    await eventually(() => wire.written.length >= before + 200);
    assert.equal(new Set(numbers(wire.written).filter((n) => n >= 1000)).size, 200);
  }));

test("httppush: requests that wait for a rule are answered when it stops", () =>
  withDataServer(async ({ engine, streams, wire, url, dataServer }) => {
    streams.execute(stream("s", "/n"));
    const cache = { memoryCacheThreshold: 2, bufferPageSize: 2, maxDiskCache: 2 };
    await engine.rules.create(wired("a", "s", { options: { qos: 1 }, actions: [{ wire: cache }] }));
    await eventually(() => dataServer.address !== undefined);
    const release = Promise.withResolvers<void>();
    wire.held = release.promise;
    const waiting = Array.from({ length: 20 }, (_, n) => post(url("/n"), { n }));
    const first = await Promise.race(waiting);
    assert.equal(first.status, 200);
    const stopped = engine.rules.stop("a");
    release.resolve();
    await stopped;
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    assert.ok(statuses.every((status) => status === 200 || status === 503), String(statuses));
  }));

test("httppush: a named connection serves its path without a rule, and says that nobody reads it", () =>
  withDataServer(async ({ engine, configs, streams, wire, url, dataServer }) => {
    configs.createConnection({ id: "door", type: "httppush", settings: { datasource: "/door" } });
    await engine.live.changed("door");
    await eventually(() => dataServer.address !== undefined);
    assert.equal(engine.live.status("door")?.state, "connected");
    const nobody = await post(url("/door"), { n: 1 });
    assert.deepEqual([nobody.status, await nobody.json()], [503, { error: "no rule reads this path now" }]);
    const selected = JSON.stringify({ connectionSelector: "door" }).replaceAll('"', '\\"');
    streams.execute(stream("s", "/door", `, EXTRA="${selected}"`));
    await engine.rules.create(wired("a", "s"));
    const late = Date.now() + 20_000;
    while ((await post(url("/door"), { n: 2 })).status !== 200) assert.ok(Date.now() < late, "a rule reads the path");
    await eventually(() => wire.written.length > 0);
  }));

test("httppush: a port that is taken is a status, and so is a missing data server", async () => {
  const other = newDataServer();
  const end = other.serve("/", { kind: "GET", handle: () => {} }, () => {});
  await eventually(() => other.address !== undefined);
  const dataServer = newDataServer(other.address!.port);
  for (const [options, reason] of [[{ dataServer }, /Cannot listen on/], [{}, /there is no data server/]] as const) {
    await withEngine(async ({ engine, streams }) => {
      streams.execute(stream("s", "/n"));
      await engine.rules.create(wired("a", "s"));
      await eventually(() => engine.rules.status("a").source_s_0_connection_status === -1);
      assert.match(String(engine.rules.status("a").source_s_0_last_exception), reason);
    }, options);
  }
  await dataServer.closed();
  end();
  await other.closed();
});
