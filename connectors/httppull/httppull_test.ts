import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { ConnectionState, LogFields } from "../../src/connector/context.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadBatch } from "../../src/connector/source.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { type Answering, type HttpTestServer, startHttpServer } from "../../tests/http_server.ts";
import { PullLookup } from "./lookup.ts";
import { httppull, lookupSettings, sourceSettings } from "./mod.ts";
import { urlOf } from "./request_settings.ts";
import { PullSource } from "./source.ts";

const { signal } = new AbortController();

/** A server of items behind one another: `/after/3` gives the next one behind 3. */
function itemServer(items: readonly number[]): Answering {
  return ({ path }) => {
    const next = items.find((n) => n > Number(path.split("/").at(-1)));
    return next === undefined ? { status: 204 } : { body: JSON.stringify({ n: next }) };
  };
}

const deviceRows = [{ id: 1, kind: "pump" }, { id: 2, kind: "valve" }, { id: 3, kind: "pump" }];

conformance(httppull, {
  losesConnection: true,
  givesPositions: true,
  source: async () => {
    const items: number[] = [];
    const server = await startHttpServer(itemServer(items));
    return {
      settings: () => ({
        url: `${server.url}/after/`,
        datasource: "{{.n}}",
        states: { n: -1 },
        interval: 1,
      }),
      send: (values) => {
        for (const n of values) if (!items.includes(n)) items.push(n);
      },
      cut: () => Promise.resolve(server.cut()),
      close: () => server.close(),
    };
  },
  lookup: async () => {
    let rows: object[] = [];
    // A service that finds by text, as they do, and so gives more than was asked for.
    const server = await startHttpServer(({ path }) => {
      const query = [...new URL(path, "http://a").searchParams];
      const fits = (row: object) =>
        query.every(([key, value]) => String((row as Record<string, unknown>)[key]) === value);
      return { body: JSON.stringify(rows.filter(fits)) };
    });
    return {
      settings: { url: server.url, datasource: "/devices" },
      fill: () => void (rows = deviceRows),
      cut: () => Promise.resolve(server.cut()),
      close: () => server.close(),
    };
  },
});

interface Bench {
  readonly server: HttpTestServer;
  readonly logged: LogFields[];
  readonly states: [ConnectionState, string | undefined][];
  open(raw?: Record<string, unknown>, resume?: Pick<OpenContext, "position" | "keepsPosition">): PullSource;
  lookup(raw?: Record<string, unknown>): PullLookup;
}

async function withServer(answer: Answering | undefined, work: (bench: Bench) => Promise<void>): Promise<void> {
  const server = await startHttpServer(answer);
  const opened: { close(): Promise<void> }[] = [];
  const logged: LogFields[] = [];
  const states: Bench["states"] = [];
  const context = {
    name: "t",
    clock: realClock,
    log: recordingLogger(logged),
    status: (state: ConnectionState, message?: string) => void states.push([state, message]),
  };
  try {
    await work({
      ...{ server, logged, states },
      open(raw = {}, resume = {}) {
        const settings = readSettings(sourceSettings, { url: server.url, interval: 1, ...raw }, {
          path: "",
          where: "source",
        });
        const source = new PullSource(settings, { ...context, ...resume } as unknown as OpenContext);
        opened.push(source);
        return source;
      },
      lookup(raw = {}) {
        const settings = readSettings(lookupSettings, { url: server.url, ...raw }, { path: "", where: "lookup" });
        const lookup = new PullLookup(settings, context);
        opened.push(lookup);
        return lookup;
      },
    });
  } finally {
    await Promise.all(opened.map((each) => each.close()));
    await server.close();
  }
}

function textOf({ payloads }: PayloadBatch): string {
  return payloads.map((payload) => new TextDecoder().decode(payload as Uint8Array)).join("|");
}

async function retried(reading: Promise<unknown>): Promise<RetryLater> {
  const error = await reading.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof RetryLater, String(error));
  return error;
}

// ---------------------------------------------------------------- requests

test("urlOf() puts URL and DATASOURCE together", () => {
  const cases: [url: string, datasource: string | undefined, joined: string][] = [
    ["http://a", undefined, "http://a"],
    ["http://a", "/b", "http://a/b"],
    ["http://a/", "/b", "http://a/b"],
    ["http://a", "b", "http://a/b"],
    ["http://a/b", "c", "http://a/b/c"],
    ["http://a", "?b=c", "http://a?b=c"],
    ["http://a/b?c=", "d", "http://a/b?c=d"],
  ];
  for (const [url, datasource, joined] of cases) {
    assert.equal(urlOf({ url, ...(datasource === undefined ? {} : { datasource }) }), joined);
  }
});

test("httppull asks with method, headers and body, and gives the answer as it is", () =>
  withServer(() => ({ body: '{"a":1}' }), async ({ server, open }) => {
    const raw = { datasource: "/in?x", method: "post", body: "{}", headers: { "X-Site": "hall 3", Accept: "a/b" } };
    assert.equal(textOf(await open(raw).read(signal)), '{"a":1}');
    const [{ method, path, body, headers }] = server.requests as [(typeof server.requests)[0]];
    assert.deepEqual([method, path, body], ["POST", "/in?x", "{}"]);
    const { "x-site": site, accept, "content-type": type, "accept-encoding": encoding } = headers;
    assert.deepEqual([site, accept, type, encoding], ["hall 3", "a/b", "application/json", "gzip"]);
    await open().read(signal);
    assert.equal(server.requests[1]!.headers["content-type"], undefined);
  }));

test("httppull asks at once, and then in each interval", () =>
  withServer(() => ({ body: "{}" }), async ({ server, open }) => {
    const source = open({ interval: 60 });
    const started = performance.now();
    for (let i = 0; i < 4; i++) await source.read(signal);
    const elapsed = performance.now() - started;
    assert.ok(elapsed >= 175, `${elapsed} ms`);
    assert.equal(server.requests.length, 4);
    // It asks nothing while nobody reads.
    await realClock.sleep(150);
    assert.equal(server.requests.length, 4);
  }));

test("httppull tells the times of its requests", () =>
  withServer(() => ({ body: "{}" }), async ({ server, open }) => {
    const before = Date.now();
    const source = open({ url: `${server.url}/?from={{.LastPullTime}}&to={{.PullTime}}` });
    for (let i = 0; i < 3; i++) await source.read(signal);
    const times = server.requests.map(({ path }) => path.match(/\d+/g)!.map(Number));
    assert.equal(times[0]![0], 0);
    assert.ok(times[0]![1]! >= before && times[0]![1]! <= Date.now());
    for (const i of [1, 2]) assert.equal(times[i]![0], times[i - 1]![1]);
  }));

test("httppull asks with the states of the answers before, in URL, headers and body", () =>
  withServer(undefined, async ({ server, open }) => {
    const bodies = ['{"next": 1700000000, "x": 1}', '[{"next": 7}, {"id": "b"}, 3]', "no JSON", "{}"];
    server.answer = () => ({ body: bodies.shift()! });
    const raw = {
      method: "PUT",
      headers: { "X-Id": "{{.id}}" },
      body: "{{.next}}-{{.id}}",
      states: { next: 0, id: "a" },
    };
    const source = open({ ...raw, url: `${server.url}/{{.next}}` });
    for (let i = 0; i < 4; i++) await source.read(signal);
    const asked = server.requests.map(({ path, headers, body }) => [path, headers["x-id"], body]);
    assert.deepEqual(asked, [
      ["/0", "a", "0-a"],
      ["/1700000000", "a", "1700000000-a"],
      ["/7", "b", "7-b"],
      ["/7", "b", "7-b"],
    ]);
  }));

test("httppull keeps states, times and the last answer in its position", () =>
  withServer(undefined, async ({ server, open, logged }) => {
    const url = `${server.url}/{{.n}}?{{.LastPullTime}}`;
    const raw = { url, incremental: true, states: { n: 0, added: 5 } };
    server.answer = () => ({ body: '{"n": 3}' });
    const { position } = await open(raw, { keepsPosition: true }).read(signal);
    assert.match(position!, /^{"states":{"n":3,"added":5},"pulledAt":\d+,"hash":"[0-9a-f]{32}"}$/);
    assert.equal((await open(raw).read(signal)).position, undefined);
    server.requests.length = 0;
    // The same answer again is not news after a restart either.
    const next = open(raw, { keepsPosition: true, position: position! }).read(signal);
    while (server.requests.length < 3) await realClock.sleep(1);
    server.answer = () => ({ body: '{"n": 4}' });
    assert.equal(textOf(await next), '{"n": 4}');
    assert.match(server.requests[0]!.path, /^\/3\?1\d{12}$/);
    // As people set it.
    await open(raw, { keepsPosition: true, position: '{"n": 9}' }).read(signal);
    assert.equal(server.requests.at(-1)!.path, "/9?0");
    for (const bad of ["", "7", "[]", '{"states": 1, "pulledAt": 1}', '{"states": {}, "pulledAt": 1.5}']) {
      logged.length = 0;
      await open(raw, { keepsPosition: true, position: bad }).read(signal);
      assert.equal(server.requests.at(-1)!.path, "/0?0");
      assert.deepEqual(logged, [{ position: bad }]);
    }
  }));

test("httppull leaves out an answer that equals the one before when it shall, and empty ones always", () =>
  withServer(undefined, async ({ server, open }) => {
    const bodies = ["1", "1", "", "1", "2", "2", "1"];
    server.answer = () => ({ body: bodies.shift()! });
    const source = open({ incremental: true });
    const got: string[] = [];
    while (bodies.length > 0) got.push(textOf(await source.read(signal)));
    assert.deepEqual(got, ["1", "1", "2", "1"]);
  }));

test("httppull sends no request whose template lacks a value", () =>
  withServer(undefined, async ({ server, open }) => {
    assert.match((await retried(open({ url: `${server.url}/{{.nope}}` }).read(signal))).message, /"url" needs a value/);
    const raw = { headers: { A: "{{.nope}}" } };
    assert.match((await retried(open(raw).read(signal))).message, /"headers.A" needs a value/);
    assert.equal(server.requests.length, 0);
  }));

// ---------------------------------------------------------------- answers

const packed: readonly [coding: string, bytes: Uint8Array][] = [
  ["gzip", gzipSync("{}")],
  ["deflate", deflateSync("{}")],
  ["deflate", deflateRawSync("{}")],
  ["br", brotliCompressSync("{}")],
  ["zstd", zstdCompressSync("{}")],
  ["identity", new TextEncoder().encode("{}")],
  ["deflate, GZIP", gzipSync(deflateSync("{}"))],
];

for (const [coding, body] of packed) {
  test(`httppull reads an answer in ${coding} (${body[0]})`, () =>
    withServer(() => ({ headers: { "content-encoding": coding }, body }), async ({ open }) => {
      assert.equal(textOf(await open({ compression: "zstd" }).read(signal)), "{}");
    }));
}

test("httppull asks again for an answer that cannot be decompressed", () =>
  withServer(() => ({ headers: { "content-encoding": "gzip" }, body: "{}" }), async ({ server, open }) => {
    assert.match((await retried(open().read(signal))).message, /cannot be decompressed/);
    server.answer = () => ({ headers: { "content-encoding": "rot13" }, body: "{}" });
    assert.match((await retried(open().read(signal))).message, /"rot13", which is not known/);
    server.answer = () => ({
      headers: { "content-encoding": "gzip" },
      body: gzipSync(new Uint8Array(65 * 1024 * 1024)),
    });
    assert.match((await retried(open().read(signal))).message, /cannot be decompressed/);
  }));

test("httppull gives no rows of a bad answer, says why, and asks again at its time", () =>
  withServer(() => ({ status: 500, body: "on fire" }), async ({ server, open, logged, states }) => {
    const source = open({ interval: 50, states: { n: 1 } });
    const { message, ms } = await retried(source.read(signal));
    assert.equal(message, `GET ${server.url}/: response code error: 500: on fire`);
    assert.ok(ms <= 50, `${ms} ms`);
    await retried(source.read(signal));
    server.answer = () => ({ body: "{}" });
    assert.equal(textOf(await source.read(signal)), "{}");
    assert.deepEqual(logged, [{ reason: message }, { reason: message }, {}]);
    assert.ok(states.every(([state]) => state === "connected"));
    server.answer = () => ({ status: 429, headers: { "retry-after": "60" } });
    const busy = await retried(source.read(signal));
    assert.ok(busy.ms > 59_000 && busy.ms <= 60_000, `${busy.ms} ms`);
  }));

test("httppull looks at the code in the body when it shall", () =>
  withServer(undefined, async ({ server, open }) => {
    const source = open({ responseType: "body" });
    for (
      const [body, message] of [['{"code": 404}', /the code 404/], ['[{"code":200},{}]', /no number "code"/]] as const
    ) {
      server.answer = () => ({ body });
      assert.match((await retried(source.read(signal))).message, message);
    }
    server.answer = () => ({ body: '[{"code":200},{"code":299}]' });
    assert.equal(textOf(await source.read(signal)), '[{"code":200},{"code":299}]');
  }));

test("httppull keeps its states while the server is away, silent or broken, and tells its connection", () =>
  withServer(() => ({ body: '{"n": 5}' }), async ({ server, open, states }) => {
    const source = open({ url: `${server.url}/{{.n}}`, states: { n: 0 }, timeout: 100, interval: "1h" });
    await source.read(signal);
    const hurried = open({ url: `${server.url}/{{.n}}`, states: { n: 0 }, timeout: 100 });
    await hurried.read(signal);
    await server.close();
    states.length = 0;
    const { message, ms } = await retried(hurried.read(signal));
    assert.deepEqual(states, [["disconnected", message]]);
    assert.ok(ms <= 1);
    await server.start();
    server.answer = () => new Promise(() => {});
    assert.match((await retried(hurried.read(signal))).message, /has not answered within 100 ms/);
    server.answer = () => ({ status: 0 });
    assert.match((await retried(hurried.read(signal))).message, /closed the connection|reset/);
    server.answer = () => ({ body: "{}" });
    await hurried.read(signal);
    assert.equal(server.requests.at(-1)!.path, "/5");
    assert.deepEqual(states.at(-1), ["connected", undefined]);
  }));

test("httppull asks a server that is away after ten seconds at the latest", () =>
  withServer(undefined, async ({ server, open }) => {
    await server.close();
    const { ms } = await retried(open({ interval: "1h" }).read(signal));
    assert.ok(ms > 9_000 && ms <= 10_000, `${ms} ms`);
  }));

test("httppull fills tokens in, and replaces one that is refused", () => {
  let issued = 0;
  return withServer(({ path, headers, method, body }) => {
    if (path === "/token") return { body: `{"data": {"token": "${method} ${body} ${++issued}"}}` };
    return { status: String(headers["x-token"]).endsWith("2") ? 200 : 401, body: "{}" };
  }, async ({ server, open }) => {
    const oAuth = { access: { url: `${server.url}/token`, body: "a=b" } };
    const source = open({
      headers: { "X-Token": "{{.data.token}}" },
      body: "{{.data.token}}",
      bodyType: "text",
      oAuth,
    });
    await source.read(signal);
    assert.deepEqual(server.requests.map(({ path }) => path), ["/token", "/", "/token", "/"]);
    const { headers, body } = server.requests.at(-1)!;
    assert.deepEqual([headers["x-token"], body], ["POST a=b 2", "POST a=b 2"]);
    assert.equal(server.requests[0]!.headers["content-type"], "application/x-www-form-urlencoded");
    server.answer = () => ({ status: 503 });
    assert.match((await retried(open({ oAuth }).read(signal))).message, /No token from POST .*503/);
  });
});

// ---------------------------------------------------------------- promises and settings

test("httppull promises what its requests can keep", () => {
  const promised = (raw: Record<string, unknown>, keepsPosition = true) =>
    httppull.source!.promise!(
      readSettings(sourceSettings, raw, { path: "", where: "" }) as never,
      undefined,
      { keepsPosition, sharesConnection: false },
    );
  assert.equal(promised({}).level, "at-most-once");
  assert.equal(promised({ url: "http://a/{{.n}}", states: { n: 0 } }).level, "exactly-once");
  assert.equal(promised({ url: "http://a", body: "{{.LastPullTime}}", method: "POST" }).level, "exactly-once");
  assert.equal(promised({ url: "http://a/{{.n}}", states: { n: 0 } }, false).level, "at-most-once");
  assert.equal(promised({ url: "http://a/", states: { n: 0 } }).level, "at-most-once");
});

for (
  const [raw, message] of [
    [{ url: "nowhere" }, /"nowhere" is not a URL/],
    [{ url: "http://a/{{" }, /E409/],
    [{ body: "{{nope}}", method: "POST" }, /E409/],
    [{ headers: { "a:": "b" } }, /cannot be the name of a header/],
    [{ method: "HEAD" }, /wanted GET, POST, PUT, DELETE or PATCH/],
    [{ interval: 0 }, /interval/],
    [{ compression: "rar" }, /wanted "", gzip, zlib, flate or zstd/],
    [{ oAuth: { access: { url: "http://a" }, refresh: { url: "b" } } }, /"b" is not a URL/],
    [{ certificationPath: "/a" }, /E40[34]/],
  ] as const
) {
  test(`httppull refuses ${JSON.stringify(raw)}`, () => {
    assert.throws(() => {
      const settings = readSettings(sourceSettings, raw as Record<string, unknown>, { path: "", where: "source" });
      httppull.source!.check!(settings as never, {});
    }, (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      return message.test(error.diagnostics.map((each) => `${each.code} ${each.path} ${each.message}`).join("\n"));
    });
  });
}

// ---------------------------------------------------------------- lookups

test("httppull looks up by the columns of the key, in the URL or where templates put them", () =>
  withServer(() => ({ body: '{"name": "pump"}' }), async ({ server, lookup }) => {
    const find = (raw: Record<string, unknown>) => lookup(raw).find(["id", "site"], [7n, "a b/ü"], "all", signal);
    assert.deepEqual(await find({ datasource: "/devices" }), [{ name: "pump" }]);
    await find({ url: `${server.url}/devices?x=1` });
    await find({ url: `${server.url}/{{urlquery .site}}/{{.id}}` });
    await find({ method: "POST", body: '{"id": {{.id}}}', headers: { "X-Site": "{{.site}}" } });
    assert.deepEqual(server.requests.map(({ path }) => path), [
      "/devices?id=7&site=a%20b%2F%C3%BC",
      "/devices?x=1&id=7&site=a%20b%2F%C3%BC",
      "/a+b%2F%C3%BC/7",
      "/",
    ]);
    assert.deepEqual([server.requests[3]!.body], ['{"id": 7}']);
  }));

test("httppull finds the objects of the answer, and none where there are none", () =>
  withServer(undefined, async ({ server, lookup }) => {
    const table = lookup();
    const find = async (answer: Record<string, unknown>) => {
      server.answer = () => answer;
      return await table.find(["id"], [1n], "all", signal);
    };
    assert.deepEqual(await find({ body: '[{"id":1,"a":1},{"a":2},{"id":2},{"id":null},{"id":"1"},3]' }), [{
      id: 1,
      a: 1,
    }, { a: 2 }]);
    assert.deepEqual(await find({ status: 404, body: "no such device" }), []);
    assert.deepEqual(await find({ status: 204 }), []);
    assert.deepEqual(await find({ body: "7" }), []);
    await assert.rejects(find({ body: "<html>" }), /The answer is no JSON/);
    await assert.rejects(find({ status: 500 }), /response code error: 500/);
    await assert.rejects(find({ status: 0 }), Disconnected);
  }));
