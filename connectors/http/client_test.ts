import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { eventually } from "../../tests/eventually.ts";
import { startHttpServer } from "../../tests/http_server.ts";
import { HttpClient, type HttpClientOptions } from "./client.ts";
import { headerLine } from "./header_line.ts";
import { BadRequest, parseTarget, withoutSecrets } from "./target.ts";

const tls = { rejectUnauthorized: true, minVersion: "TLSv1.2" } as const;
const { signal } = new AbortController();

function clientWith(options: Partial<HttpClientOptions> = {}): HttpClient {
  return new HttpClient({
    ...{
      context: { clock: realClock },
      tls,
      timeoutMs: 5000,
      bodyLimit: { bytesMax: 1_000_000, beyond: "refuse" },
      requestsMax: 4,
    },
    ...options,
  });
}

function get(url: string, method = "GET", body?: string | Uint8Array) {
  return { method, target: parseTarget(url), headers: "", body };
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** A server that answers each piece that it reads with the next of `answers`; undefined is silence. */
async function scripted(answers: (string | undefined)[]): Promise<{ server: Server; url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", () => {
      const answer = answers.shift();
      if (answer === undefined) return;
      if (answer.startsWith("close:")) socket.end(answer.slice(6));
      else socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, sockets };
}

async function withScript(answers: (string | undefined)[], work: (url: string, sockets: Socket[]) => Promise<void>) {
  const { server, url, sockets } = await scripted(answers);
  try {
    await work(url, sockets);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

test("HttpClient sends one request after the other on one connection", async () => {
  const server = await startHttpServer(({ body }) => ({ body: `${body}!` }));
  const client = clientWith();
  for (let i = 0; i < 20; i++) {
    const body = i % 2 === 0 ? `ü${i}` : Buffer.from(`ü${i}`);
    const response = await client.send(get(`${server.url}/a?b=${i}`, "POST", body), signal);
    assert.deepEqual([response.status, textOf(response.body)], [200, `ü${i}!`]);
  }
  assert.equal(server.connections, 1);
  assert.deepEqual([server.requests[3]!.path, server.requests[3]!.method], ["/a?b=3", "POST"]);
  await client.close();
  await eventually(() => server.open === 0);
  await server.close();
});

test("HttpClient sends bodies of any size, and no length where there is nothing to be long", async () => {
  const server = await startHttpServer(({ bytes }) => ({ body: String(bytes.length) }));
  const client = clientWith();
  for (const size of [0, 1, 65_536, 65_537, 3_000_000]) {
    const response = await client.send(get(server.url, "PUT", Buffer.alloc(size, 97)), signal);
    assert.equal(textOf(response.body), String(size));
  }
  await client.send(get(server.url), signal);
  await client.send(get(server.url, "POST"), signal);
  assert.deepEqual(server.requests.slice(-2).map(({ headers }) => headers["content-length"]), [undefined, "0"]);
  await client.close();
  await server.close();
});

test("HttpClient has no more connections than it may, and keeps none when it is closed", async () => {
  const server = await startHttpServer(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return {};
  });
  const client = clientWith({ requestsMax: 3 });
  await Promise.all(Array.from({ length: 30 }, () => client.send(get(server.url), signal)));
  assert.equal(server.requests.length, 30);
  assert.equal(server.connections, 3);
  // One that gives up while it waits for its turn takes nobody else's.
  const abort = new AbortController();
  const all = Array.from({ length: 10 }, (_, i) => client.send(get(server.url), i % 2 === 0 ? abort.signal : signal));
  const reason = new Error("enough");
  abort.abort(reason);
  const results = await Promise.allSettled(all);
  for (const [i, result] of results.entries()) {
    if (i % 2 === 0) assert.equal((result as PromiseRejectedResult).reason, reason);
    else assert.equal(result.status, "fulfilled");
  }
  await client.close();
  await eventually(() => server.open === 0);
  await server.close();
});

test("HttpClient sends a request again on a new connection when the server has closed the kept one", async () => {
  const server = await startHttpServer();
  const client = clientWith();
  for (let i = 0; i < 5; i++) {
    await client.send(get(server.url, "POST", String(i)), signal);
    server.cut();
  }
  assert.deepEqual(server.bodies, ["0", "1", "2", "3", "4"]);
  await client.close();
  await server.close();
});

test("HttpClient uses a connection again only when the answer allows it", () =>
  withScript(
    [
      ...[
        "close:HTTP/1.0 200 OK\r\n\r\nhello",
        "close:HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
      ],
      ...[`${ok}surplus`, ok, ok],
    ],
    async (url, sockets) => {
      const client = clientWith();
      const bodies: string[] = [];
      for (let i = 0; i < 5; i++) bodies.push(textOf((await client.send(get(url), signal)).body));
      assert.deepEqual(bodies, ["hello", "ok", "ok", "ok", "ok"]);
      assert.equal(sockets.length, 4);
      await client.close();
    },
  ));

const refused: readonly [title: string, answer: string | undefined, message: RegExp][] = [
  ["nothing and closes", "close:", /has closed the connection without an answer/],
  ["half and closes", "close:HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", /in the middle of its answer/],
  ["garbage", "\x00\x01\x02\x03\x04\x05", /does not answer with HTTP/],
  ["too much", "HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n", /longer than 1000000 bytes/],
  ["nothing", undefined, /has not answered within 100 ms/],
  ["half", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", /has not answered within 100 ms/],
];

for (const [title, answer, message] of refused) {
  test(`HttpClient is disconnected from a server that answers ${title}, and works with the next answer`, () =>
    withScript([answer, ok], async (url, sockets) => {
      const client = clientWith({ timeoutMs: 100 });
      await assert.rejects(client.send(get(url), signal), (error) => {
        assert.ok(error instanceof Disconnected, String(error));
        return message.test(error.message);
      });
      const patient = clientWith();
      assert.equal((await patient.send(get(url), signal)).status, 200);
      await Promise.all([client.close(), patient.close()]);
      await eventually(() => sockets.every((socket) => socket.destroyed || socket.readableEnded));
    }));
}

test("HttpClient is disconnected from a server that is not there", async () => {
  const server = await startHttpServer();
  const { url } = server;
  await server.close();
  const client = clientWith();
  await assert.rejects(client.send(get(url), signal), (error) => {
    assert.ok(error instanceof Disconnected);
    return error.message.includes(url.slice(7));
  });
  await assert.rejects(client.reach(parseTarget(url)), Disconnected);
  await assert.rejects(client.send(get("http://no-such-host.invalid/"), signal), Disconnected);
  await client.close();
});

test("HttpClient gives up with the reason of its signal, also while it connects", () =>
  withScript([undefined], async (url) => {
    const client = clientWith();
    const reason = new Error("the rule stops");
    const abort = new AbortController();
    const waiting = client.send(get(url), abort.signal);
    setTimeout(() => abort.abort(reason), 20);
    await assert.rejects(waiting, (error) => error === reason);
    await assert.rejects(client.send(get(url), abort.signal), (error) => error === reason);
    const late = new AbortController();
    const connecting = client.send(get(url), late.signal);
    late.abort(reason);
    await assert.rejects(connecting, (error) => error === reason);
    await client.close();
  }));

test("HttpClient rejects what waits when it is closed", () =>
  withScript([undefined], async (url) => {
    const client = clientWith();
    const waiting = client.send(get(url), signal);
    waiting.catch(() => {});
    await realClock.sleep(20);
    await client.close();
    await assert.rejects(waiting, Disconnected);
    await assert.rejects(client.send(get(url), signal), Disconnected);
  }));

test("HttpClient finds out whether a server takes connections, and keeps none", async () => {
  const server = await startHttpServer();
  const client = clientWith();
  await client.reach(parseTarget(server.url));
  await eventually(() => server.connections === 1 && server.open === 0);
  assert.equal(server.requests.length, 0);
  await client.close();
  await server.close();
});

test("HttpClient keeps a connection to each of several servers, up to a number", async () => {
  const servers = await Promise.all(Array.from({ length: 34 }, () => startHttpServer()));
  const client = clientWith({ requestsMax: 1 });
  for (let round = 0; round < 3; round++) {
    for (const { url } of servers.slice(0, 20)) await client.send(get(url), signal);
  }
  assert.deepEqual(servers.slice(0, 20).map(({ connections }) => connections), new Array(20).fill(1));
  for (const { url } of servers) await client.send(get(url), signal);
  await eventually(() => servers.reduce((sum, { open }) => sum + open, 0) === 32);
  await client.close();
  await eventually(() => servers.every(({ open }) => open === 0));
  await Promise.all(servers.map((server) => server.close()));
});

test("HttpClient connects to no address that is refused, whatever name it has", async () => {
  const server = await startHttpServer();
  const asked: string[][] = [];
  const refusesAddress = (host: string, address: string) => {
    asked.push([host, address]);
    return host === "127.0.0.1" ? undefined : `${host} is private`;
  };
  const client = clientWith({ context: { clock: realClock, refusesAddress } });
  const named = server.url.replace("127.0.0.1", "localhost");
  await assert.rejects(client.send(get(named), signal), (error) => {
    assert.ok(error instanceof BadRequest);
    return error.message === "localhost is private";
  });
  await assert.rejects(client.reach(parseTarget(named)), BadRequest);
  assert.equal(server.connections, 0);
  assert.ok(asked.every(([host, address]) => host === "localhost" && /^(127\.|::1)/.test(address!)), String(asked));
  assert.equal((await client.send(get(server.url), signal)).status, 200);
  await client.close();
  await server.close();
});

test("HttpClient gives up in time also where it resolves names itself", () =>
  withScript([undefined, undefined], async (url) => {
    const client = clientWith({ context: { clock: realClock, refusesAddress: () => undefined }, timeoutMs: 100 });
    const named = url.replace("127.0.0.1", "localhost");
    await assert.rejects(client.send(get(named), signal), /has not answered within 100 ms/);
    const abort = new AbortController();
    const reason = new Error("enough");
    const waiting = client.send(get(named), abort.signal);
    abort.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await client.reach(parseTarget(named));
    await client.close();
  }));

test("HttpClient leaves no sockets behind in 1000 reconnects", async () => {
  const server = await startHttpServer(({ path }) => ({
    status: path === "/break" ? 0 : 200,
    headers: { connection: "close" },
  }));
  const client = clientWith();
  for (let i = 0; i < 1000; i++) {
    const isBroken = i % 3 === 0;
    const sent = client.send(get(`${server.url}${isBroken ? "/break" : "/"}`), signal);
    if (isBroken) await assert.rejects(sent, Disconnected);
    else await sent;
  }
  await eventually(() => server.open === 0);
  assert.equal(server.connections, 1000);
  await client.close();
  await server.close();
});

test("parseTarget() takes URLs apart, and refuses what is none of HTTP", () => {
  assert.deepEqual(parseTarget("https://u:p%40@Plant.local/a b?c=ü#d"), {
    secure: true,
    host: "plant.local",
    port: 443,
    origin: "https://plant.local",
    path: "/a%20b?c=%C3%BC",
    authorization: `Basic ${Buffer.from("u:p@").toString("base64")}`,
  });
  const { host, port, secure } = parseTarget("http://[::1]:8080");
  assert.deepEqual([host, port, secure], ["::1", 8080, false]);
  for (const bad of ["", "plant.local", "ftp://plant.local", "http://", "http://a:99999", "/path", "http://a b/"]) {
    assert.throws(() => parseTarget(bad), BadRequest, bad);
  }
});

test("withoutSecrets() shows neither passwords nor queries", () => {
  assert.equal(withoutSecrets("https://u:p@host/a?token=7\n&x"), "https://…@host/a?…");
});

test("headerLine() lets nothing break out of its line", () => {
  assert.equal(headerLine("X-A", "b: ü"), "X-A: b: ü\r\n");
  for (
    const [name, value] of [["A", "b\r\nC: d"], ["A", "b\n"], ["A", "\0"], ["A B", ""], ["", ""], ["A:", ""], [
      "A\r",
      "",
    ]]
  ) {
    assert.throws(() => headerLine(name!, value!), BadRequest);
  }
});
