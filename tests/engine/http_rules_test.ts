/**
 * Rules that ask HTTP servers and send to them, as users write them.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { eventually } from "../eventually.ts";
import { type Answering, type HttpTestServer, startHttpServer } from "../http_server.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type EngineFixture, wireRule, wireStream, withEngine } from "./engine.ts";

interface HttpFixture extends EngineFixture {
  readonly server: HttpTestServer;
  /** Creates a rule over the wire that sends to the server. */
  send(action: Record<string, unknown>, more?: Record<string, unknown>): Promise<unknown>;
}

async function withHttp(
  answer: Answering | undefined,
  work: (fixture: HttpFixture) => Promise<void>,
  options: Partial<EngineOptions> = {},
): Promise<void> {
  const server = await startHttpServer(answer);
  try {
    await withEngine(async (fixture) => {
      fixture.streams.execute(wireStream);
      await work({
        ...fixture,
        server,
        send: (action, more = {}) => {
          const actions = [{ rest: { url: server.url, method: "post", ...action } }];
          return fixture.engine.rules.create(JSON.stringify({ id: "r", sql: "SELECT * FROM s", actions, ...more }));
        },
      });
    }, options);
  } finally {
    await server.close();
  }
}

test("a rule sends its results to a URL, with a body and headers made of each row, and a token", () =>
  withHttp(
    ({ path }) => ({ body: path === "/token" ? '{"access_token": "t7"}' : "" }),
    async ({ server, wire, send }) => {
      await send({
        url: `${server.url}/devices/{{.device}}/readings`,
        method: "{{.method}}",
        sendSingle: true,
        dataTemplate: '{"celsius": {{printf "%.1f" .t}}}',
        headers: {
          "Content-Type": "application/vnd.api+json",
          Authorization: "Bearer {{.access_token}}",
          "X-D": "{{.device}}",
        },
        oAuth: { access: { url: `${server.url}/token`, body: '{"grant_type": "password"}', expire: "3600" } },
      });
      wire.send('{"device": "pump-7", "t": 20.25, "method": "put"}', '{"device": "b/c", "t": 3, "method": "POST"}');
      await eventually(() => server.requests.length === 3);
      assert.deepEqual(
        server.requests.map((
          { method, path, body, headers },
        ) => [method, path, body, headers.authorization, headers["x-d"]]),
        [
          ["POST", "/token", '{"grant_type": "password"}', undefined, undefined],
          ["PUT", "/devices/pump-7/readings", '{"celsius": 20.2}', "Bearer t7", "pump-7"],
          ["POST", "/devices/b/c/readings", '{"celsius": 3.0}', "Bearer t7", "b/c"],
        ],
      );
      assert.equal(server.requests[1]!.headers["content-type"], "application/vnd.api+json");
    },
  ));

test("a rule sends batches, compressed once and said so", () =>
  withHttp(undefined, async ({ server, wire, send }) => {
    await send({ batchSize: 3, compression: "gzip" });
    wire.send(...[1, 2, 3, 4, 5, 6].map((n) => `{"n": ${n}}`));
    await eventually(() => server.requests.length === 2);
    assert.deepEqual(
      server.requests.map(({ bytes, headers }) => [
        gunzipSync(bytes).toString(),
        headers["content-encoding"],
        headers["content-type"],
      ]),
      [
        ['[{"n":1},{"n":2},{"n":3}]', "gzip", "application/json"],
        ['[{"n":4},{"n":5},{"n":6}]', "gzip", "application/json"],
      ],
    );
  }));

test("a rule with qos 1 loses nothing and keeps the order while its server is away, busy, or breaks off", () =>
  withHttp(undefined, async ({ server, wire, send, engine }) => {
    const faults = [503, 0, 200, 429, 0, 0, 200, 502, 408];
    const taken: string[] = [];
    let asked = 0;
    server.answer = ({ body }) => {
      // Every third request meets a fault.
      const status = ++asked % 3 === 0 ? faults.shift() ?? 200 : 200;
      if (status === 200) taken.push(body);
      return { status, headers: { "retry-after": "0" } };
    };
    await send({ sendSingle: true }, { options: { qos: 1 } });
    const rows = Array.from({ length: 300 }, (_, n) => `{"n":${n}}`);
    wire.send(...rows.slice(0, 100));
    await eventually(() => taken.length >= 50, 30_000);
    await server.close();
    wire.send(...rows.slice(100, 200));
    await eventually(() => engine.rules.status("r").sink_rest_0_0_connection_status !== 1, 30_000);
    await server.start();
    wire.send(...rows.slice(200));
    await eventually(() => taken.length >= 300, 30_000);
    const ids = new Map(server.requests.map(({ headers, body }) => [headers["idempotency-key"], body]));
    assert.deepEqual([...ids.values()], rows);
    // What was answered is not sent again; what was not, may have arrived.
    assert.deepEqual([...new Set(taken)], rows);
    assert.ok(taken.length <= 301, `${taken.length} taken`);
  }));

test("what a server refuses becomes a dead letter with its reason, and the others arrive", () =>
  withHttp(({ body }) => ({ status: body.includes("2") ? 422 : 200, body: "too large" }), async (fixture) => {
    const { server, wire, send, engine } = fixture;
    await send({ sendSingle: true }, { options: { qos: 1 } });
    wire.send('{"n":1}', '{"n":2}', '{"n":3}');
    await eventually(() => server.requests.length === 3 && engine.deadLetters.list("r", {}).letters.length === 1);
    const [letter] = engine.deadLetters.list("r", {}).letters;
    assert.match(JSON.stringify(letter), /POST http:\/\/127.0.0.1:\d+\/: response code error: 422: too large/);
  }));

test("with resendAlterQueue, what could not be sent comes behind what can", () =>
  withHttp(undefined, async ({ server, wire, send, engine }) => {
    await send({ sendSingle: true, enableCache: true, resendAlterQueue: true });
    wire.send('{"n":1}');
    await eventually(() => server.requests.length === 1);
    await server.close();
    wire.send('{"n":2}');
    await eventually(() => engine.rules.status("r").sink_rest_0_resend_0_buffer_length === 1);
    await server.start();
    await eventually(() => server.requests.length >= 2, 30_000);
    wire.send('{"n":3}');
    await eventually(() => server.requests.length >= 3);
    assert.deepEqual(new Set(server.bodies), new Set(['{"n":1}', '{"n":2}', '{"n":3}']));
  }));

test("a stream asks a server page by page, and a rule joins its rows with those of another server", () =>
  withHttp(({ path }) => {
    const url = new URL(path, "http://a");
    if (url.pathname === "/events") {
      const cursor = Number(url.searchParams.get("after"));
      if (cursor >= 6) return { status: 204 };
      return {
        body: JSON.stringify([{ cursor: cursor + 1, device: cursor + 1 }, { cursor: cursor + 2, device: cursor + 2 }]),
      };
    }
    const id = Number(url.searchParams.get("id"));
    return id % 2 === 0 ? { status: 404 } : { body: JSON.stringify([{ id, name: `pump ${id}` }]) };
  }, async ({ server, streams, configs, engine, wire }) => {
    configs.putConfKey("source", "httppull", "events", {
      url: `${server.url}/events?after={{.cursor}}`,
      states: { cursor: 0 },
      interval: "5ms",
    });
    configs.putConfKey("source", "httppull", "devices", { url: server.url });
    streams.execute('CREATE STREAM events () WITH (TYPE="httppull", FORMAT="json", CONF_KEY="events")');
    streams.execute(
      'CREATE TABLE devices () WITH (TYPE="httppull", KIND="lookup", DATASOURCE="/devices", KEY="id", CONF_KEY="devices")',
    );
    const sql =
      "SELECT events.device AS device, devices.name AS name FROM events LEFT JOIN devices ON events.device = devices.id";
    await engine.rules.create(wireRule("r", sql));
    await eventually(() => wire.written.length === 6);
    assert.deepEqual(wire.written.map((text) => JSON.parse(text)[0]), [
      { device: 1, name: "pump 1" },
      { device: 2 },
      { device: 3, name: "pump 3" },
      { device: 4 },
      { device: 5, name: "pump 5" },
      { device: 6 },
    ]);
  }));

test("a server of an action can be tried out beforehand, without a request", () =>
  withHttp(undefined, async ({ server, engine }) => {
    const { url } = server;
    await engine.reach("sink", "rest", { url: `${url}/in` });
    assert.equal(server.requests.length, 0);
    await server.close();
    await assert.rejects(engine.reach("sink", "rest", { url }), /E708.*found error when connecting/);
  }));

test("an agent that refuses private networks asks and sends nothing there, whoever makes the URL", () =>
  withHttp(undefined, async ({ server, engine, streams, configs, wire, send, log }) => {
    await send({});
    await eventually(() => String(engine.rules.status("r").message).includes("network.privateAddresses"));
    await engine.rules.delete("r");
    await send({ url: "{{.url}}", sendSingle: true }, { options: { qos: 1 } });
    wire.send(`{"url": "${server.url}"}`, `{"url": "${server.url.replace("127.0.0.1", "localhost")}"}`);
    await eventually(() => engine.deadLetters.list("r", {}).letters.length === 2);
    configs.putConfKey("source", "httppull", "a", { url: server.url, interval: 10 });
    streams.execute('CREATE STREAM a () WITH (TYPE="httppull", FORMAT="json", CONF_KEY="a")');
    await engine.rules.create(wireRule("p", "SELECT * FROM a"));
    await eventually(() => log.some((line) => line.includes("is in a private network") && line.includes("stream=a")));
    assert.equal(server.connections, 0);
  }, { config: { timezone: "UTC", network: { privateAddresses: "refuse", allow: ["10.0.0.0/8"] } } }));
