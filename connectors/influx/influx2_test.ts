/**
 * The only InfluxDB that Debian has is 1.6, and `/api/v2/write` came with 1.8: so the server of these tests is a small one
 * of our own, which records what it is sent and answers as the documents of version 2 say.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import { influx2 } from "./influx2.ts";

const { signal } = new AbortController();

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

class FakeInflux {
  readonly requests: { readonly path: string; readonly headers: IncomingMessage["headers"]; readonly body: string }[] =
    [];
  /** The lines of requests that were answered with 204. */
  readonly lines: string[] = [];
  answer: (body: string) => Answer | "close" | "garbage" = () => ({ status: 204 });
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk) => chunks.push(chunk as Uint8Array));
    request.on("end", () => {
      if (request.url === "/ping") return void response.writeHead(204).end();
      const body = new TextDecoder().decode(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
      this.requests.push({ path: request.url!, headers: request.headers, body });
      const answer = this.answer(body);
      if (answer === "close") return void request.socket.destroy();
      if (answer === "garbage") return void request.socket.end("\x00\x01 hello\r\n\r\n");
      if (answer.status === 204) this.lines.push(...body.split("\n"));
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body);
    });
  });

  static async start(): Promise<FakeInflux> {
    const fake = new FakeInflux();
    fake.#server.on("connection", (socket: Socket) => {
      fake.#sockets.add(socket);
      socket.on("close", () => fake.#sockets.delete(socket));
    });
    fake.#server.listen(0, "127.0.0.1");
    await once(fake.#server, "listening");
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const place = { token: "t0ken", org: "o & o", bucket: "b/1" };

conformance(influx2, {
  losesConnection: true,
  sink: async () => {
    const fake = await FakeInflux.start();
    return {
      settings: { addr: fake.url, ...place, measurement: "m" },
      received: () => fake.lines.map((line) => Number(/n=(\d+)/.exec(line)![1])),
      cut: () => fake.cut(),
      close: () => fake.close(),
    };
  },
});

async function withSink(
  raw: Record<string, unknown>,
  work: (fake: FakeInflux, sink: RowSink) => Promise<void>,
): Promise<void> {
  const fake = await FakeInflux.start();
  try {
    const settings = readSettings(influx2.sink!.settings, { addr: fake.url, ...place, ...raw }, {
      path: "",
      where: "sink",
    });
    influx2.sink!.check!(settings, {});
    const context = {
      name: "test",
      clock: realClock,
      log: recordingLogger([]),
      status: () => {},
      connection: undefined,
    };
    const sink = await influx2.sink!.open(settings, context as never) as RowSink;
    await work(fake, sink);
    await sink.close();
  } finally {
    await fake.close();
  }
}

test("influx2: says who writes, where, and in which unit", () =>
  withSink({ measurement: "m", tags: { hall: "1" }, tsFieldName: "ts", precision: "s" }, async (fake, sink) => {
    await sink.write([[{ v: 1n, ts: 1_700_000_000n }, { v: 2.5, ts: 1_700_000_001 }]], signal);
    assert.equal(fake.requests.length, 1);
    const [{ path, headers, body }] = fake.requests as [FakeInflux["requests"][0]];
    const url = new URL(path, "http://h");
    assert.equal(url.pathname, "/api/v2/write");
    assert.deepEqual(Object.fromEntries(url.searchParams), { org: "o & o", bucket: "b/1", precision: "s" });
    assert.equal(headers.authorization, "Token t0ken");
    assert.equal(body, "m,hall=1 v=1i 1700000000\nm,hall=1 v=2.5 1700000001");
  }));

test("influx2: lines of a template go out as they are", () =>
  withSink({ useLineProtocol: true, dataTemplate: "{{.}}", precision: "ns" }, async (fake, sink) => {
    await sink.write([[{}], [{}]], signal, undefined, [{ dataTemplate: "a b=1 5" }, { dataTemplate: "c d=2 6" }]);
    assert.equal(fake.requests[0]!.body, "a b=1 5\nc d=2 6");
    assert.match(fake.requests[0]!.path, /precision=ns/);
  }));

const error = (code: string, message: string) => JSON.stringify({ code, message });

test("influx2: lines that are refused are found, also where none of a request is written", () =>
  withSink({ measurement: "m", tsFieldName: "ts" }, async (fake, sink) => {
    fake.answer = (body) =>
      body.includes("v=13i")
        ? { status: 422, body: error("unprocessable entity", "failure writing points to database: partial write") }
        : { status: 204 };
    const batch = Array.from({ length: 20 }, (_, i) => [{ v: BigInt(i), ts: BigInt(i) }]);
    await assert.rejects(sink.write(batch, signal), (thrown) => {
      assert.ok(thrown instanceof ItemsFailed);
      assert.deepEqual([...thrown.failed.keys()], [13]);
      assert.match(thrown.failed.get(13)!, /has answered 422: failure writing points to database: partial write$/);
      return true;
    });
    assert.deepEqual(fake.lines.map((line) => Number(line.split(" ")[2])).sort((a, b) => a - b), [
      ...[...Array(20).keys()].filter((i) => i !== 13),
    ]);
  }));

test("influx2: a server that refuses everything is not asked for ever", () =>
  withSink({ measurement: "m" }, async (fake, sink) => {
    fake.answer = () => ({ status: 400, body: error("invalid", "no") });
    await assert.rejects(sink.write(Array.from({ length: 2000 }, () => [{ v: 1n }]), signal), (thrown) => {
      assert.ok(thrown instanceof ItemsFailed);
      assert.equal(thrown.failed.size, 2000);
      return [...thrown.failed.values()].some((reason) => /400: no \(one or more of \d+ messages\)$/.test(reason));
    });
    assert.ok(fake.requests.length <= 202, String(fake.requests.length));
  }));

test("influx2: what becomes of a message by the answer", () =>
  withSink({ measurement: "m", timeout: 2000 }, async (fake, sink) => {
    const write = () => sink.write([[{ v: 1n }]], signal);
    const cases: [answer: Answer | "close" | "garbage", check: (error: unknown) => boolean][] = [
      [{ status: 429, headers: { "retry-after": "7" }, body: error("too many requests", "slow down") }, (thrown) => {
        return thrown instanceof RetryLater && thrown.ms === 7000 && /429: slow down/.test(thrown.message);
      }],
      [{ status: 503 }, (thrown) => thrown instanceof RetryLater && thrown.ms === 1000],
      [
        { status: 500, body: "<html>no JSON</html>" },
        (thrown) => thrown instanceof RetryLater && /no JSON/.test(thrown.message),
      ],
      [{ status: 401, body: error("unauthorized", "unauthorized access") }, (thrown) => {
        return thrown instanceof Disconnected && /has answered 401: unauthorized access/.test(thrown.message);
      }],
      [{ status: 404, body: error("not found", 'bucket "b/1" not found') }, (thrown) => {
        return thrown instanceof Disconnected && /404: bucket "b\/1" not found/.test(thrown.message);
      }],
      [{ status: 413, body: error("request too large", "too large") }, (thrown) => thrown instanceof ItemsFailed],
      [{ status: 302, headers: { location: "http://elsewhere" } }, (thrown) => thrown instanceof Disconnected],
      ["close", (thrown) => thrown instanceof Disconnected],
      ["garbage", (thrown) => thrown instanceof Disconnected],
    ];
    for (const [answer, check] of cases) {
      fake.answer = () => answer;
      await assert.rejects(write(), (thrown) => check(thrown), JSON.stringify(answer));
    }
    fake.answer = () => ({ status: 204 });
    await write();
    assert.equal(fake.lines.length, 1);
  }));

test("influx2: 1,000 connections that break, then one that holds", () =>
  withSink({ measurement: "m" }, async (fake, sink) => {
    fake.answer = () => "close";
    for (let i = 0; i < 500; i++) {
      await assert.rejects(sink.write([[{ v: 1n }]], signal), (thrown) => thrown instanceof Disconnected);
    }
    fake.answer = () => ({ status: 204 });
    for (let i = 0; i < 500; i++) {
      await fake.cut();
      await sink.write([[{ v: 1n }]], signal).catch(() => sink.write([[{ v: 1n }]], signal));
    }
    assert.ok(fake.lines.length >= 500);
  }));

test("influx2: a token that would break out of its header is refused", () => {
  const raw = { ...place, measurement: "m", token: "a\r\nX: y" };
  const settings = readSettings(influx2.sink!.settings, raw, { path: "", where: "sink" });
  assert.throws(() => influx2.sink!.check!(settings, {}), /E403: A token holds no blanks and no line ends/);
});
