import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import type { OpenContext, PayloadKind } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { MessageSettings, PayloadSink } from "../../src/connector/sink.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { eventually } from "../../tests/eventually.ts";
import { type Answering, type HttpTestServer, startHttpServer } from "../../tests/http_server.ts";
import { rest, sinkSettings } from "./mod.ts";
import { openRest } from "./sink.ts";

const json: PayloadKind = { format: "json", compression: "", encryption: "" };
const { signal } = new AbortController();

conformance(rest, {
  losesConnection: true,
  sink: async () => {
    const server = await startHttpServer();
    return {
      settings: { url: `${server.url}/in`, method: "POST" },
      received: () => server.bodies.map((body) => (JSON.parse(body) as { n: number }).n),
      receivedIds: () => server.requests.map(({ headers }) => String(headers["idempotency-key"])),
      cut: () => Promise.resolve(server.cut()),
      close: () => server.close(),
    };
  },
});

interface Bench {
  readonly server: HttpTestServer;
  readonly logged: LogFields[];
  /** Opens a sink; `url` is that of the server when none is given. */
  open(raw?: Record<string, unknown>, payloads?: PayloadKind): Promise<PayloadSink>;
}

async function withServer(answer: Answering | undefined, work: (bench: Bench) => Promise<void>): Promise<void> {
  const server = await startHttpServer(answer);
  const sinks: PayloadSink[] = [];
  const logged: LogFields[] = [];
  try {
    await work({
      server,
      logged,
      async open(raw = {}, payloads = json) {
        const settings = settingsOf({ url: server.url, method: "post", ...raw });
        const context = { name: "t", clock: realClock, log: recordingLogger(logged), status: () => {}, payloads };
        const sink = await openRest(settings, context as unknown as OpenContext);
        sinks.push(sink);
        return sink;
      },
    });
  } finally {
    await Promise.all(sinks.map((sink) => sink.close()));
    await server.close();
  }
}

function settingsOf(raw: Record<string, unknown>) {
  return readSettings(sinkSettings, raw, { path: "", where: "rest action" });
}

function check(raw: Record<string, unknown>, payloads = json): void {
  rest.sink!.check!(settingsOf({ url: "http://127.0.0.1:9/", ...raw }) as never, { payloads });
}

async function failures(writing: Promise<void>): Promise<Record<string, string>> {
  const error = await writing.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ItemsFailed, String(error));
  return Object.fromEntries(error.failed);
}

// ---------------------------------------------------------------- requests

const requests: readonly [title: string, raw: Record<string, unknown>, method: string, body: string, type?: string][] =
  [
    ["POST with JSON", { method: "POST" }, "POST", "{}", "application/json"],
    ["GET without body", { method: "get" }, "GET", ""],
    ["HEAD without body", { method: "HEAD" }, "HEAD", ""],
    ["GET with the body that was asked for", { method: "GET", bodyType: "text" }, "GET", "{}", "text/plain"],
    ["PUT with text", { method: "Put", bodyType: "text" }, "PUT", "{}", "text/plain"],
    ["PATCH with HTML", { method: "PATCH", bodyType: "html" }, "PATCH", "{}", "text/html"],
    ["DELETE with XML", { method: "delete", bodyType: "xml" }, "DELETE", "{}", "application/xml"],
    ["POST with JavaScript", { bodyType: "javascript" }, "POST", "{}", "application/javascript"],
    ["POST with bytes", { bodyType: "binary" }, "POST", "{}", "application/octet-stream"],
    ["POST without body", { bodyType: "none" }, "POST", ""],
    ["POST with a type of its own", { headers: { "content-TYPE": "a/b" } }, "POST", "{}", "a/b"],
  ];

for (const [title, raw, method, body, type] of requests) {
  test(`rest sends ${title}`, () =>
    withServer(undefined, async ({ server, open }) => {
      await (await open(raw)).write(["{}"], signal);
      const [request] = server.requests;
      assert.deepEqual([request!.method, request!.body], [method, body]);
      assert.equal(request!.headers["content-type"], type);
      assert.equal(request!.headers["user-agent"], "weir");
      assert.equal(request!.headers["idempotency-key"], undefined);
    }));
}

test("rest names the body after the format when nothing else is said", () =>
  withServer(undefined, async ({ server, open }) => {
    for (const format of ["json", "urlencoded", "delimited", "binary", "protobuf"]) {
      await (await open({}, { ...json, format })).write(["x"], signal);
    }
    assert.deepEqual(server.requests.map(({ headers }) => headers["content-type"]), [
      "application/json",
      "application/x-www-form-urlencoded",
      "text/plain",
      "application/octet-stream",
      "application/octet-stream",
    ]);
  }));

test("rest sends a form with fields and the payload as a file, as an independent parser reads it", () =>
  withServer(undefined, async ({ server, open }) => {
    const payload = new Uint8Array([0, 13, 10, 255, 45, 45]);
    const raw = { bodyType: "formdata", formData: { device: 'pump "7"', note: "ü\r\nx" }, fileFieldName: "reading" };
    await (await open(raw)).write([payload], signal);
    const [{ headers, bytes }] = server.requests as [(typeof server.requests)[0]];
    const form = await new Response(bytes as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": headers["content-type"]! },
    }).formData();
    assert.deepEqual([form.get("device"), form.get("note")], ['pump "7"', "ü\r\nx"]);
    assert.deepEqual(new Uint8Array(await (form.get("reading") as File).arrayBuffer()), payload);
  }));

test("rest sends the headers of the action always, and those of the message in their place", () =>
  withServer(undefined, async ({ server, open }) => {
    const headers = {
      "X-Site": "hall 3",
      "X-Device": "{{.device}}",
      Accept: "a/b",
      Host: "elsewhere",
      "Content-Length": "9",
    };
    const sink = await open({ headers });
    const own = (device: string): MessageSettings => ({ headers: { ...headers, "X-Device": device } });
    await sink.write(["{}", "{}"], signal, ["id-1", "id-2"], [own("a"), own("b")]);
    assert.deepEqual(server.requests.map(({ headers }) => [headers["x-site"], headers["x-device"], headers.accept]), [
      ["hall 3", "a", "a/b"],
      ["hall 3", "b", "a/b"],
    ]);
    assert.deepEqual(server.requests.map(({ headers }) => headers["idempotency-key"]), ["id-1", "id-2"]);
    assert.ok(
      server.requests.every(({ headers }) =>
        headers.host!.startsWith("127.0.0.1") && headers["content-length"] === "2"
      ),
    );
  }));

test("rest fills method, URL, body type and form of each message in, and refuses those that make no request", () =>
  withServer(undefined, async ({ server, open }) => {
    const { url } = server;
    const sink = await open({
      url: "{{.url}}",
      method: "{{.m}}",
      bodyType: "{{.t}}",
      headers: "{{.h}}",
      fileFieldName: "{{.f}}",
    });
    const good = { url: `${url}/a?b=ü`, method: "put", bodyType: "text", headers: '{"X-A": 7}', fileFieldName: "f" };
    const all: MessageSettings[] = [
      good,
      { ...good, url: "nowhere" },
      { ...good, method: "fetch" },
      { ...good, bodyType: "yaml" },
      { ...good, headers: "{" },
      { ...good, headers: '{"X-A": "a\\r\\nb"}' },
      { ...good, bodyType: "formdata", fileFieldName: "" },
      { ...good, method: "Delete" },
    ];
    assert.deepEqual(await failures(sink.write(all.map(() => "x"), signal, undefined, all)), {
      1: '"nowhere" is not a URL',
      2: '"fetch" is not a method',
      3: '"yaml" is not a body type',
      4: 'The template of "headers" makes no JSON object',
      5: 'The header "X-A" holds a control character, such as the end of a line',
      6: "A part of the form has no name",
    });
    assert.deepEqual(server.requests.map(({ method, path, headers }) => [method, path, headers["x-a"]]), [
      ["PUT", "/a?b=%C3%BC", "7"],
      ["DELETE", "/a?b=%C3%BC", "7"],
    ]);
  }));

test("rest says how the payload is compressed, unless it is encrypted", () =>
  withServer(undefined, async ({ server, open }) => {
    const gzipped = gzipSync('{"n":1}');
    await (await open({}, { ...json, compression: "gzip" })).write([gzipped], signal);
    await (await open({}, { ...json, compression: "zstd" })).write(["x"], signal);
    await (await open({}, { ...json, compression: "flate" })).write(["x"], signal);
    await (await open({}, { ...json, compression: "gzip", encryption: "aes" })).write(["x"], signal);
    await (await open({ bodyType: "none" }, { ...json, compression: "gzip" })).write(["x"], signal);
    const codings = server.requests.map(({ headers }) => headers["content-encoding"]);
    assert.deepEqual(codings, ["gzip", "zstd", undefined, undefined, undefined]);
    assert.deepEqual(Buffer.from(server.requests[0]!.bytes), gzipped);
  }));

test("rest takes an action's own Idempotency-Key for what it is, and promises less then", () =>
  withServer(undefined, async ({ server, open }) => {
    await (await open({ headers: { "idempotency-key": "mine" } })).write(["{}"], signal, ["id-1"]);
    assert.equal(server.requests[0]!.headers["idempotency-key"], "mine");
    const promised = (headers: Record<string, string>) =>
      rest.sink!.promise!(settingsOf({ url: "http://a", headers }) as never, undefined, {
        keepsPosition: false,
        sharesConnection: false,
      });
    assert.deepEqual(promised({}), { level: "exactly-once" });
    assert.equal(promised({ "idempotency-key": "mine" }).level, "at-least-once");
  }));

// ---------------------------------------------------------------- answers

test("rest refuses messages that the server refuses, with the reason and no secrets, and sends the others", () =>
  withServer(
    ({ body }) => body === "1" ? { status: 422, body: "n is  \n too small" } : body === "3" ? { status: 500 } : {},
    async ({ server, open }) => {
      const sink = await open({ url: `${server.url.replace("://", "://u:pw@")}/in?key=secret` });
      assert.deepEqual(await failures(sink.write(["0", "1", "2", "3"], signal)), {
        1: `POST ${server.url}/in?…: response code error: 422: n is too small`,
        3: `POST ${server.url}/in?…: response code error: 500`,
      });
      assert.deepEqual(server.bodies, ["0", "1", "2", "3"]);
      assert.equal(server.requests[0]!.headers.authorization, `Basic ${Buffer.from("u:pw").toString("base64")}`);
    },
  ));

test("rest goes on behind what is answered when the server is busy, and keeps what it has refused", () => {
  const statuses = [200, 400, 503, 429, 200, 408, 502, 200];
  const headers = { "retry-after": "7" };
  return withServer(() => {
    const status = statuses.shift()!;
    return { status, ...(status === 503 ? { headers } : {}) };
  }, async ({ server, open }) => {
    const sink = await open();
    const [batch, ids] = [["0", "1", "2", "3"], ["a", "b", "c", "d"]];
    const waits: number[] = [];
    let failed: ItemsFailed | undefined;
    for (let tries = 0; failed === undefined; tries++) {
      assert.ok(tries < 10);
      try {
        // Of messages with settings of their own the array is another one each time.
        await sink.write(tries % 2 === 0 ? batch : [...batch], signal, ids);
      } catch (error) {
        if (error instanceof RetryLater) waits.push(error.ms);
        else failed = error as ItemsFailed;
      }
    }
    assert.deepEqual(waits, [7000, 1000, 1000, 1000]);
    assert.deepEqual([...failed.failed.keys()], [1]);
    assert.deepEqual(server.bodies, ["0", "1", "2", "2", "2", "3", "3", "3"]);
    assert.deepEqual(server.requests.map(({ headers }) => headers["idempotency-key"]), [..."abcccddd"]);
  });
});

test("rest repeats with other statuses when the action says so", () =>
  withServer(() => ({ status: 500 }), async ({ open }) => {
    await assert.rejects((await open({ retryStatus: "500" })).write(["0"], signal), RetryLater);
    const many = await open({ retryStatus: [503] });
    assert.deepEqual(Object.keys(await failures(many.write(["0"], signal))), ["0"]);
  }));

test("rest goes on behind what is answered with its next sink, when the server broke off", () =>
  withServer(({ body }) => ({ status: body === "2" ? 0 : 200 }), async ({ server, open }) => {
    const batch = ["0", "1", "2", "3"];
    const first = await open();
    await assert.rejects(first.write(batch, signal), Disconnected);
    await first.close();
    // The kept connection may have been closed just then, so that the request went out once more on a new one.
    assert.deepEqual(server.bodies, ["0", "1", "2", "2"]);
    server.answer = () => ({});
    await (await open()).write(batch, signal);
    assert.deepEqual(server.bodies.slice(4), ["2", "3"]);
    // The same texts in another batch are other messages.
    await (await open()).write([...batch], signal);
    assert.deepEqual(server.bodies.slice(6), batch);
  }));

test("rest looks at the code in the body when it shall", () => {
  const answers = ['{"code": 200}', '{"code": 400, "why": "full"}', "{}", "no", '[{"code": 201}, {"code": 299}]', ""];
  const bodies = [...answers];
  return withServer(() => ({ body: bodies.shift()! }), async ({ server, open }) => {
    const failed = await failures((await open({ responseType: "body" })).write(answers, signal));
    const at = `POST ${server.url}/: `;
    assert.deepEqual(failed, {
      1: `${at}the answer has the code 400: {"code": 400, "why": "full"}`,
      2: `${at}the answer has no number "code": {}`,
      3: `${at}the answer is no JSON with a "code": no`,
      5: `${at}the answer is no JSON with a "code"`,
    });
  });
});

test("rest follows redirects that repeat the request, and no others", () =>
  withServer(({ path, method }) => {
    if (path === "/end") return {};
    return { status: Number(path.slice(1)), headers: { location: method === "HEAD" ? "/end?x" : "end" } };
  }, async ({ server, open }) => {
    for (const status of [307, 308]) await (await open({ url: `${server.url}/${status}` })).write(["x"], signal);
    assert.deepEqual(server.requests.map(({ path, body }) => [path, body]), [
      ["/307", "x"],
      ["/end", "x"],
      ["/308", "x"],
      ["/end", "x"],
    ]);
    for (const status of [301, 302, 303]) {
      const sink = await open({ url: `${server.url}/${status}` });
      assert.deepEqual(Object.keys(await failures(sink.write(["x"], signal))), ["0"]);
    }
    server.requests.length = 0;
    await (await open({ url: `${server.url}/302`, method: "GET" })).write(["x"], signal);
    assert.deepEqual(server.requests.map(({ path }) => path), ["/302", "/end"]);
    server.answer = ({ path }) => ({ status: 307, headers: { location: path } });
    const circle = await failures((await open()).write(["x"], signal));
    assert.match(circle[0]!, /response code error: 307/);
  }));

test("rest gives a token to no other server that it is led to", async () => {
  const other = await startHttpServer();
  await withServer(() => ({ status: 307, headers: { location: `${other.url}/there` } }), async ({ open }) => {
    await (await open({ headers: { Authorization: "Bearer x", Cookie: "y", "X-Site": "z" } })).write(["1"], signal);
    const [{ headers, body }] = other.requests as [(typeof other.requests)[0]];
    assert.deepEqual([headers.authorization, headers.cookie, headers["x-site"], body], [
      undefined,
      undefined,
      "z",
      "1",
    ]);
  });
  await other.close();
});

test("rest takes an answer of any length for what its status says", () =>
  withServer(({ body }) => ({ status: body === "1" ? 400 : 200, body: "x".repeat(3_000_000) }), async ({ open }) => {
    const failed = await failures((await open()).write(["0", "1", "2"], signal));
    assert.deepEqual(Object.keys(failed), ["1"]);
    assert.match(failed[1]!, /response code error: 400: x{200}…$/);
  }));

test("rest writes answers to the log when it shall", () =>
  withServer(() => ({ status: 201, body: "made" }), async ({ server, open, logged }) => {
    await (await open({ debugResp: true })).write(["x"], signal);
    assert.deepEqual(logged, [{ request: `POST ${server.url}/`, status: 201, body: "made" }]);
  }));

// ---------------------------------------------------------------- order and pace

test("rest sends a message when the one before is answered, and several at once when it may", () => {
  let under = 0;
  let most = 0;
  return withServer(async () => {
    most = Math.max(most, ++under);
    await new Promise((resolve) => setTimeout(resolve, 5));
    under--;
    return {};
  }, async ({ server, open }) => {
    const batch = Array.from({ length: 12 }, (_, i) => String(i));
    await (await open()).write(batch, signal);
    assert.deepEqual([server.bodies, most], [batch, 1]);
    await (await open({ parallelRequests: 4 })).write([...batch], signal);
    assert.equal(most, 4);
    assert.deepEqual(server.bodies.slice(12).toSorted(), batch.toSorted());
  });
});

test("rest sends each message once more at most when some of several at once broke off", () =>
  withServer(undefined, async ({ server, open }) => {
    const batch = Array.from({ length: 20 }, (_, i) => String(i));
    let busy = 3;
    server.answer = ({ body }) => ({ status: Number(body) % 5 === 2 && busy-- > 0 ? 503 : 200 });
    const sink = await open({ parallelRequests: 4 });
    const answered = new Set<string>();
    for (let tries = 0;; tries++) {
      assert.ok(tries < 10);
      try {
        await sink.write(batch, signal);
        break;
      } catch (error) {
        assert.ok(error instanceof RetryLater);
      }
    }
    for (const body of server.bodies) answered.add(body);
    assert.equal(answered.size, 20);
    assert.equal(server.requests.length, 23);
  }));

// ---------------------------------------------------------------- absence

test("rest is disconnected while its server is away, silent or broken, and writes when it is back", () =>
  withServer(undefined, async ({ server, open }) => {
    const sink = await open({ timeout: 200 });
    await sink.write(["0"], signal);
    await server.close();
    await assert.rejects(sink.write(["1"], signal), Disconnected);
    await assert.rejects(open(), Disconnected);
    await server.start();
    server.answer = () => new Promise(() => {});
    await assert.rejects(sink.write(["1"], signal), (error) => {
      assert.ok(error instanceof Disconnected);
      return /has not answered within 200 ms/.test(error.message);
    });
    server.answer = () => ({});
    await sink.write(["1"], signal);
    assert.equal(server.bodies.at(-1), "1");
  }));

test("rest leaves no sockets behind, however often it is opened, refused and broken off", () =>
  withServer(({ body }) => ({ status: body === "broken" ? 0 : 200 }), async ({ server, open }) => {
    for (let i = 0; i < 300; i++) {
      const sink = await open();
      await sink.write(["0"], signal);
      await assert.rejects(sink.write(["broken"], signal), Disconnected);
      await sink.close();
    }
    assert.ok(server.connections >= 900, `${server.connections} connections`);
    await eventually(() => server.open === 0);
    await server.close();
    for (let i = 0; i < 300; i++) await assert.rejects(open(), Disconnected);
    assert.equal(server.open, 0);
  }));

test("rest does not wait for a server whose URL comes with the messages", () =>
  withServer(undefined, async ({ server, open }) => {
    const { url } = server;
    await server.close();
    const sink = await open({ url: "{{.url}}" });
    await assert.rejects(sink.write(["1"], signal, undefined, [{ url }]), Disconnected);
  }));

// ---------------------------------------------------------------- tokens

const oAuth = {
  access: { url: "URL/token", body: '{"user": "u", "password": "p"}', expire: "{{.expires_in}}" },
  refresh: { url: "URL/refresh", headers: { "X-Refresh": "{{.data.refresh}}" }, body: '{"t": "{{.access_token}}"}' },
};

function withUrl<T>(settings: T, url: string): T {
  return JSON.parse(JSON.stringify(settings).replaceAll("URL", url)) as T;
}

test("rest fills the token into headers, refreshes it at half of its time, and fills in others from the message", () => {
  let issued = 0;
  let now = 1_000_000;
  return withServer(({ path }) => {
    if (path === "/in") return {};
    const token = `t${++issued}`;
    return {
      body: path === "/token"
        ? `{"access_token": "${token}", "expires_in": 1700000000, "data": {"refresh": "r${issued}"}}`
        : `{"access_token": "${token}"}`,
    };
  }, async ({ server }) => {
    const clock = { ...realClock, now: () => now };
    const headers = {
      Authorization: "Bearer {{.access_token}}",
      "X-Device": "{{.device}}",
      "X-Until": "{{.expires_in}}",
    };
    const settings = settingsOf({
      url: `${server.url}/in`,
      method: "POST",
      headers,
      oAuth: withUrl(oAuth, server.url),
    });
    const log = recordingLogger([]);
    const context = { name: "t", clock, log, status: () => {}, payloads: json } as unknown as OpenContext;
    const sink = await openRest(settings, context);
    // The engine fills in what it can: the token is not in the data.
    const own = { headers: { Authorization: "Bearer <no value>", "X-Device": "d7", "X-Until": "<no value>" } };
    const sent = () => sink.write(["{}"], signal, undefined, [own]);
    await sent();
    await sent();
    now += 850_000_000_001;
    await sent();
    await sink.close();
    const asked = server.requests.map(({ method, path, headers, body }) => {
      const { authorization, "x-device": device, "x-until": until, "x-refresh": refresh } = headers;
      return path === "/in" ? { authorization, device, until } : { method, path, body, refresh };
    });
    const first = { authorization: "Bearer t1", device: "d7", until: "1700000000" };
    assert.deepEqual(asked, [
      { method: "POST", path: "/token", body: oAuth.access.body, refresh: undefined },
      first,
      first,
      { method: "POST", path: "/refresh", body: '{"t": "t1"}', refresh: "r1" },
      { ...first, authorization: "Bearer t2" },
    ]);
    assert.equal(server.requests[0]!.headers["content-type"], "application/json");
  });
});

test("rest replaces a token that the server refuses, once for each message", () => {
  let issued = 0;
  let good = 2;
  return withServer(({ path, headers }) => {
    if (path === "/token") return { body: `{"access_token": "${++issued}"}` };
    return { status: Number(headers.authorization) >= good ? 200 : 401 };
  }, async ({ server, open }) => {
    const raw = { url: `${server.url}/in`, headers: { Authorization: "{{.access_token}}" } };
    const sink = await open({ ...raw, oAuth: { access: { url: `${server.url}/token` } } });
    await sink.write(["a"], signal);
    assert.deepEqual(server.requests.map(({ path }) => path), ["/token", "/in", "/token", "/in"]);
    good = 99;
    assert.match((await failures(sink.write(["b"], signal)))[0]!, /response code error: 401/);
    assert.equal(issued, 3);
  });
});

test("rest keeps messages while there is no token to be had, and tells nothing of what it sent", () =>
  withServer(({ path }) => path === "/token" ? { status: 403, body: "p is wrong" } : {}, async ({ server, open }) => {
    const raw = { headers: { Authorization: "{{.access_token}}" }, oAuth: withUrl(oAuth, server.url) };
    const sink = await open(raw);
    await assert.rejects(sink.write(["a"], signal), (error) => {
      assert.ok(error instanceof Disconnected);
      return error.message === `No token from POST ${server.url}/token: response code error: 403`;
    });
    for (const body of ["", "[]", "no JSON"]) {
      server.answer = () => ({ body });
      await assert.rejects(sink.write(["a"], signal), /its answer is no JSON object/);
    }
    assert.ok(server.requests.every(({ path }) => path === "/token"));
  }));

// ---------------------------------------------------------------- settings

const wrong: readonly [raw: Record<string, unknown>, message: RegExp, payloads?: PayloadKind][] = [
  [{ url: "plant.local/in" }, /url.*not a URL|"plant.local\/in" is not a URL/],
  [{ url: "ftp://plant.local" }, /not a URL of http or https/],
  [{ method: "FETCH" }, /wanted GET, POST, PUT, DELETE, PATCH or HEAD/],
  [{ bodyType: "yaml" }, /wanted none, text, json/],
  [{ headers: { "a b": "c" } }, /"a b" cannot be the name of a header/],
  [{ headers: { a: "b\r\nc: d" } }, /control character/],
  [{ bodyType: "json" }, /needs the format "json", not "delimited"/, { ...json, format: "delimited" }],
  [{ bodyType: "form" }, /needs the format "urlencoded", not "json"/],
  [{ oAuth: { access: { url: "x" } } }, /"x" is not a URL/],
  [{ oAuth: { access: {} } }, /E404.*"url"/],
  [{ oAuth: { access: { url: "http://a", expire: "{{" } } }, /E409/],
  [{ oAuth: { access: { url: "http://a" } }, headers: { a: "{{nope}}" } }, /E409/],
  [{ rootCaPath: "/no/such/file" }, /no such file/],
  [{ timeout: 0 }, /timeout/],
  [{ retryStatus: [200] }, /retryStatus/],
];

for (const [raw, message, payloads] of wrong) {
  test(`rest refuses ${JSON.stringify(raw)} with the rule`, () => {
    assert.throws(() => check(raw, payloads), (error) => {
      assert.ok(error instanceof DiagnosticError, String(error));
      return message.test(error.diagnostics.map((each) => `${each.code} ${each.path} ${each.message}`).join("\n"));
    });
  });
}

test("rest stops with a rule whose server it may not connect to", () =>
  withServer(undefined, async ({ server }) => {
    const settings = settingsOf({ url: server.url });
    const refusesAddress = () => "it is private";
    const context = {
      name: "t",
      clock: realClock,
      log: recordingLogger([]),
      status: () => {},
      payloads: json,
      refusesAddress,
    };
    await assert.rejects(openRest(settings, context as unknown as OpenContext), (error) => {
      assert.ok(error instanceof DiagnosticError);
      return error.message.includes("it is private");
    });
    const open = await openRest(settingsOf({ url: "{{.url}}", method: "POST" }), context as unknown as OpenContext);
    const failed = await failures(open.write(["a"], signal, undefined, [{ url: server.url }]));
    assert.deepEqual(failed, { 0: "it is private" });
    await open.close();
    await eventually(() => server.connections === 0);
  }));
