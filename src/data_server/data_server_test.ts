import assert from "node:assert/strict";
import { makeCertificates } from "../../tests/peers/certificates.ts";
import { connect as connectTls } from "node:tls";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Buffer } from "node:buffer";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import * as zlib from "node:zlib";
import type { ConnectionState } from "../connector/context.ts";
import { realClock, recordingLogger } from "../connector/conformance.ts";
import type { RequestRoute } from "../connector/data_server.ts";
import { Refusal } from "../connector/data_server.ts";
import { eventually } from "../../tests/eventually.ts";
import { type DataServerOptions, HttpDataServer } from "./data_server.ts";

interface Fixture {
  readonly server: HttpDataServer;
  readonly url: string;
  readonly port: number;
  /** What has been posted to `/in`. */
  readonly bodies: string[];
  readonly end: () => void;
}

/** Answers with the length of the body. */
function echo(bodies: string[], kind: "POST" | "PUT" = "POST"): RequestRoute {
  return {
    kind,
    handle: async ({ body, response }) => {
      const bytes = await body();
      bodies.push(new TextDecoder().decode(bytes));
      response.end(String(bytes.length));
    },
  };
}

async function withServer(
  work: (fixture: Fixture) => Promise<void>,
  options: Partial<DataServerOptions> = {},
): Promise<void> {
  const server = new HttpDataServer({
    hostname: "127.0.0.1",
    port: 0,
    bodyBytesMax: 100_000,
    clock: realClock,
    log: recordingLogger([]),
    ...options,
  });
  const bodies: string[] = [];
  const end = server.serve("/in", echo(bodies), () => {});
  try {
    await eventually(() => server.address !== undefined);
    const { port } = server.address!;
    await work({ server, port, url: `http://127.0.0.1:${port}`, bodies, end });
  } finally {
    end();
  }
  // After a failure other paths may still be served.
  await server.closed();
}

/** Sends bytes and collects what comes until the other side closes, or `until` is found in it. */
async function exchange(port: number, bytes: string | Uint8Array, until?: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
  socket.on("error", () => {});
  socket.write(bytes);
  let closed = false;
  socket.on("close", () => closed = true);
  await eventually(() => closed || (until !== undefined && text.includes(until)));
  socket.destroy();
  return text;
}

test("serve() listens with the first path, closes with the last, and listens again", async () => {
  const server = new HttpDataServer({
    hostname: "127.0.0.1",
    port: 0,
    bodyBytesMax: 1000,
    clock: realClock,
    log: recordingLogger([]),
  });
  assert.equal(server.address, undefined);
  for (let round = 0; round < 3; round++) {
    const states: ConnectionState[] = [];
    const one = server.serve("/a", echo([]), (state) => states.push(state));
    const two = server.serve("/b", echo([]), () => {});
    await eventually(() => server.address !== undefined);
    const port: number = server.address!.port;
    assert.equal((await fetch(`http://127.0.0.1:${port}/b`, { method: "POST", body: "x" })).status, 200);
    assert.deepEqual(states, ["disconnected", "connected"].slice(-states.length));
    one();
    one();
    const gone = await fetch(`http://127.0.0.1:${port}/a`, { method: "POST", body: "x" });
    assert.deepEqual([gone.status, await gone.json()], [404, { error: "nothing is served at /a" }]);
    two();
    await server.closed();
    assert.equal(server.address, undefined);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/b`, { method: "POST", body: "x" }));
    assert.equal(server.connections, 0);
  }
  // Given up and served again at once: the port is open again in the end.
  server.serve("/a", echo([]), () => {})();
  const end = server.serve("/a", echo([]), () => {});
  await eventually(() => server.address !== undefined);
  end();
  await server.closed();
});

test("serve() says why it cannot listen, and listens once the port is free", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const server = new HttpDataServer({
    hostname: "127.0.0.1",
    port,
    bodyBytesMax: 1000,
    clock: realClock,
    log: recordingLogger([]),
  });
  const states: string[] = [];
  const end = server.serve("/a", echo([]), (state, message) => states.push(`${state} ${message ?? ""}`));
  await eventually(() => states.length > 0);
  assert.match(states.at(-1)!, new RegExp(`^disconnected Cannot listen on 127.0.0.1:${port}: .*`));
  other.close();
  await eventually(() => states.at(-1) === "connected ");
  end();
  await server.closed();
});

test("serve() refuses a second one of the same kind at a path", () =>
  withServer(({ server }) => {
    assert.throws(() => server.serve("/in", echo([]), () => {}), /Cannot serve POST \/in: it is served already/);
    server.serve("/in", echo([], "PUT"), () => {})();
    return Promise.resolve();
  }));

test("requests that cannot be served are answered with the reason", () =>
  withServer(async ({ url, server }) => {
    const end = server.serve("/refuses", {
      kind: "GET",
      handle: () => {
        throw Refusal.later("come back", 7);
      },
    }, () => {});
    const end2 = server.serve("/breaks", { kind: "GET", handle: () => Promise.reject(new Error("secret")) }, () => {});
    const end3 = server.serve("/ws", { kind: "WebSocket", upgrade: () => {} }, () => {});
    const cases: [method: string, path: string, status: number, error: string, header?: [string, string]][] = [
      ["POST", "/", 404, "nothing is served at /"],
      ["POST", "/in/", 404, "nothing is served at /in/"],
      ["GET", "/in", 405, "GET is not served here", ["allow", "POST"]],
      ["DELETE", "/in?a=1", 405, "DELETE is not served here", ["allow", "POST"]],
      ["GET", "/ws", 426, "only WebSockets are served here", ["upgrade", "websocket"]],
      ["GET", "/refuses", 503, "come back", ["retry-after", "7"]],
      ["GET", "/breaks", 500, "internal error"],
    ];
    for (const [method, path, status, error, header] of cases) {
      const response = await fetch(url + path, { method });
      assert.deepEqual([response.status, await response.json()], [status, { error }], path);
      if (header !== undefined) assert.equal(response.headers.get(header[0]), header[1]);
    }
    end();
    end2();
    end3();
  }));

test("a path is found in every spelling, with and without a query", () =>
  withServer(async ({ server, url, port, bodies }) => {
    const end = server.serve("/straße/a b", echo(bodies), () => {});
    for (const path of ["/stra%C3%9Fe/a%20b", "/stra%c3%9fe/a%20b?x=1", "/x/../stra%C3%9Fe/./a%20b"]) {
      const response = await fetch(url + path, { method: "POST", body: "x" });
      assert.deepEqual([response.status, await response.text()], [200, "1"], path);
    }
    const whole = `POST http://any/in HTTP/1.1\r\nHost: any\r\nContent-Length: 2\r\n\r\nhi`;
    assert.match(await exchange(port, whole, "\r\n\r\n2"), /^HTTP\/1.1 200 /);
    end();
  }));

test("bodies in every encoding are taken, and bad ones refused", () =>
  withServer(async ({ url, bodies }) => {
    const text = '{"a":1}'.repeat(100);
    const pack: Record<string, (text: string) => Uint8Array> = {
      gzip: (text) => zlib.gzipSync(text),
      "x-gzip": (text) => zlib.gzipSync(text),
      deflate: (text) => zlib.deflateSync(text),
      br: (text) => zlib.brotliCompressSync(text),
      zstd: (text) => zlib.zstdCompressSync(text),
      identity: (text) => Buffer.from(text),
    };
    const send = (encoding: string, body: Uint8Array) =>
      fetch(`${url}/in`, {
        method: "POST",
        headers: { "Content-Encoding": encoding },
        body: new Uint8Array(body) as BodyInit,
      });
    for (const [encoding, packed] of Object.entries(pack)) {
      assert.equal((await send(encoding.toUpperCase(), packed(text))).status, 200, encoding);
      assert.equal(bodies.pop(), text);
    }
    assert.equal((await send("deflate, gzip", zlib.gzipSync(zlib.deflateSync(text)))).status, 200);
    assert.equal(bodies.pop(), text);

    const unknown = await send("rot13", Buffer.from(text));
    assert.equal(unknown.status, 415);
    assert.equal(unknown.headers.get("accept-encoding"), "gzip, deflate, br, zstd");
    assert.equal((await send("gzip, gzip, gzip", Buffer.from(text))).status, 415);
    for (const encoding of ["gzip", "deflate", "br", "zstd"]) {
      const garbage = await send(encoding, Buffer.from("this is not packed"));
      assert.equal(garbage.status, 400);
      assert.match((await garbage.json() as { error: string }).error, new RegExp(`^the body is no ${encoding}: `));
      const bomb = await send(encoding, pack[encoding]!("0".repeat(1_000_000)));
      assert.deepEqual([bomb.status, await bomb.json()], [413, {
        error: "the body is too large: at most 100000 bytes",
      }]);
    }
    assert.deepEqual(bodies, []);
  }));

test("a body that is too large gets 413, whether it says so before or not", () =>
  withServer(async ({ url, port, bodies }) => {
    const large = "x".repeat(100_001);
    assert.equal((await fetch(`${url}/in`, { method: "POST", body: large })).status, 413);
    const chunked = `POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n${large}\r\n0\r\n\r\n`;
    assert.match(await exchange(port, chunked, '"}'), /^HTTP\/1.1 413 /);
    // Who asks first is told before it sends anything.
    const asking = "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n";
    assert.match(await exchange(port, asking, '"}'), /^HTTP\/1.1 413 /);
    assert.equal((await fetch(`${url}/in`, { method: "POST", body: large.slice(1) })).status, 200);
    assert.equal(bodies.length, 1);
  }));

test("a client that asks before it sends is told to go on", () =>
  withServer(async ({ port, bodies }) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
    socket.write("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    await eventually(() => text.startsWith("HTTP/1.1 100 Continue\r\n\r\n"));
    socket.write("hello");
    await eventually(() => text.includes("HTTP/1.1 200 "));
    assert.deepEqual(bodies, ["hello"]);
    socket.destroy();
  }));

test("requests of one connection are answered in order, also when they come at once", () =>
  withServer(async ({ port, bodies }) => {
    const request = (n: number) => `POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: ${n}\r\n\r\n${"x".repeat(n)}`;
    const chunked = "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    const last = "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const text = await exchange(port, request(3) + request(1) + chunked + request(2) + last);
    assert.deepEqual(bodies, ["xxx", "x", "abcd", "xx", ""]);
    assert.deepEqual([...text.matchAll(/\r\n\r\n(?:1\r\n)?(\d)/g)].map(([, n]) => n), ["3", "1", "4", "2", "0"]);
  }));

test("all bodies together are bounded: beyond it a request is to come later", () =>
  withServer(async ({ url, server }) => {
    const release = Promise.withResolvers<void>();
    const end = server.serve("/slow", {
      kind: "POST",
      handle: async ({ body, response }) => {
        await body();
        await release.promise;
        response.end();
      },
    }, () => {});
    const held = fetch(`${url}/slow`, { method: "POST", body: "x".repeat(90_000) });
    let refused: Response;
    do {
      refused = await fetch(`${url}/in`, { method: "POST", body: "x".repeat(20_000) });
    } while (refused.status === 200);
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
    assert.deepEqual(await refused.json(), { error: "too much data at a time" });
    release.resolve();
    assert.equal((await held).status, 200);
    assert.equal((await fetch(`${url}/in`, { method: "POST", body: "x".repeat(90_000) })).status, 200);
    end();
  }, { limits: { heldBytesMax: 100_000 } }));

test("who sends slowly, or nothing, does not stay", () =>
  withServer(async ({ port, server }) => {
    const head = exchange(port, "POST /in HTTP/1.1\r\nHo");
    const body = exchange(port, "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab");
    const idle = exchange(port, "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert.match(await head, /^HTTP\/1.1 408 /);
    assert.match(await body, /^(HTTP\/1.1 40[08] |$)/);
    assert.match(await idle, /^HTTP\/1.1 200 /);
    await eventually(() => server.connections === 0);
  }, { limits: { headMsMax: 300, requestMsMax: 600, idleMsMax: 300 } }));

test("garbage and endless heads are refused", () =>
  withServer(async ({ port, url, server }) => {
    assert.match(await exchange(port, "\x16\x03\x01 not http\r\n\r\n"), /^HTTP\/1.1 400 /);
    assert.match(await exchange(port, `POST /in HTTP/1.1\r\nX: ${"y".repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 /);
    const conflicting = "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    assert.match(await exchange(port, conflicting), /^HTTP\/1.1 400 /);
    const upgrade = "GET /in HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert.match(await exchange(port, upgrade), /^HTTP\/1.1 400 [^]*no WebSockets are served here/);
    assert.match(await exchange(port, upgrade.replace("/in", "/no")), /^HTTP\/1.1 404 [^]*nothing is served at \/no/);
    assert.equal((await fetch(`${url}/in`, { method: "POST", body: "ok" })).status, 200);
    await eventually(() => server.connections <= 1);
  }));

test("connections beyond the limit are closed, and taken again when others have gone", () =>
  withServer(async ({ port, server }) => {
    const sockets: Socket[] = [];
    const open = async () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      sockets.push(socket);
      return socket;
    };
    for (let i = 0; i < 5; i++) await open();
    await eventually(() => server.connections === 5);
    const beyond = await open();
    await once(beyond, "close");
    sockets[0]!.destroy();
    await eventually(() => server.connections === 4);
    const request = "POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na";
    assert.match(await exchange(port, request, "\r\n\r\n1"), /^HTTP\/1.1 200 /);
    for (const socket of sockets) socket.destroy();
  }, { limits: { connectionsMax: 5 } }));

test("a thousand clients that go away in the middle of a request leave nothing behind", () =>
  withServer(async ({ port, server, url, bodies }) => {
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, async () => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        await once(socket, "connect");
        socket.write("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\nabc");
        await new Promise((resolve) => setTimeout(resolve, 1));
        socket.destroy();
      }));
    }
    await eventually(() => server.connections === 0);
    assert.equal((await fetch(`${url}/in`, { method: "POST", body: "x".repeat(90_000) })).status, 200);
    assert.equal(bodies.length, 1);
  }, { limits: { heldBytesMax: 100_000 } }));

test("web pages of the named origins may call, and their own; others are refused", () =>
  withServer(async ({ server, url, port, bodies }) => {
    const origin = "https://board.example";
    const headers = { Origin: origin, "Access-Control-Request-Headers": "content-type" };
    const preflight = await fetch(`${url}/in`, { method: "OPTIONS", headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
    assert.equal(preflight.headers.get("access-control-allow-methods"), "POST");
    const upgraded: unknown[] = [];
    const upgrade = (_request: unknown, socket: { end(text: string): void }) => {
      upgraded.push(1);
      socket.end("HTTP/1.1 101 Yes\r\n\r\n");
    };
    const end = server.serve("/ws", { kind: "WebSocket", upgrade }, () => {});
    const cases: [origin: string, isTaken: boolean, allowed: boolean][] = [
      [origin, true, true],
      [`http://127.0.0.1:${port}`, true, false],
      ["file://", true, false],
      ["https://evil.example", false, false],
      ["null", false, false],
    ];
    for (const [origin, isTaken, allowed] of cases) {
      const head = `Host: 127.0.0.1:${port}\r\nOrigin: ${origin}\r\n`;
      const post = await exchange(
        port,
        `POST /in HTTP/1.1\r\n${head}Content-Length: 1\r\nConnection: close\r\n\r\nx`,
      );
      assert.match(
        post,
        isTaken ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 403 [^]*may not call: see cors.allowOrigins/,
        origin,
      );
      assert.equal(/access-control-allow-origin/i.test(post), allowed, origin);
      const socket = await exchange(
        port,
        `GET /ws HTTP/1.1\r\n${head}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
      );
      assert.match(socket, isTaken ? /^HTTP\/1.1 101 / : /^HTTP\/1.1 403 /, origin);
    }
    assert.deepEqual([bodies.length, upgraded.length], [3, 3]);
    end();
  }, { allowOrigins: ["https://board.example"] }));

test("closing lets a request that is under way end", () =>
  withServer(async ({ url, server, end }) => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const endSlow = server.serve("/slow", {
      kind: "POST",
      handle: async ({ body, response }) => {
        await body();
        arrived.resolve();
        await release.promise;
        response.end("done");
      },
    }, () => {});
    const answer = fetch(`${url}/slow`, { method: "POST", body: "x" });
    await arrived.promise;
    end();
    endSlow();
    release.resolve();
    assert.equal(await (await answer).text(), "done");
    await server.closed();
  }));

/** The common name of what listens there. */
function serverName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("another certificate is taken while paths are served", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-data-server-"));
  try {
    const { serverCert, serverKey, clientCert, clientKey } = makeCertificates(folder);
    const read = (cert: string, key: string) => ({ cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") });
    await withServer(async ({ server }) => {
      assert.equal(await serverName(server.address!.port), "weir test server");
      const states: string[] = [];
      const end = server.serve("/told", { kind: "GET", handle() {} }, (state) => states.push(state));
      server.renew(read(clientCert, clientKey));
      await eventually(() => states.length === 2);
      assert.deepEqual(states, ["connected", "connected"]);
      assert.equal(await serverName(server.address!.port), "weir test client");
      end();
    }, { tls: read(serverCert, serverKey) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
