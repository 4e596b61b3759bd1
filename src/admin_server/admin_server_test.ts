import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { type Certificates, makeCertificates } from "../../tests/peers/certificates.ts";
import { ListenError } from "../platform/listen_error.ts";
import type { AdminHandler } from "./admin_handler.ts";
import { type AdminServer, type AdminServerOptions, serveAdmin } from "./admin_server.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-admin-server-"));
after(() => rmSync(folder, { recursive: true }));
let made: Certificates | undefined;
const certificates = (): Certificates => made ??= makeCertificates(folder);
const pem = (path: string) => readFileSync(path, "utf8");

async function withServer(
  handler: AdminHandler,
  run: (server: AdminServer, url: string) => Promise<void>,
  options: Partial<AdminServerOptions> = {},
): Promise<void> {
  const server = await serveAdmin({ hostname: "127.0.0.1", port: 0, maxBodyBytes: 1_000, ...options }, handler);
  try {
    await run(server, `http://127.0.0.1:${server.port}/`);
  } finally {
    await server.close(0);
  }
}

/** What comes until the other end closes, after `text` was sent. */
function raw(port: number, text: string, { half = false, until = "" } = {}): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
      if (half) socket.end(text, "latin1");
      else socket.write(text, "latin1");
    });
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      heard += chunk;
      if (until !== "" && heard.includes(until)) socket.destroy();
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => resolve(heard));
  });
}

const echo: AdminHandler = async (request, peer) => {
  const { pathname, search } = new URL(request.url);
  return new Response(`${request.method} ${pathname}${search} ${await request.text()} ${peer.address}`);
};

test("a request arrives whole, and its answer with its length", () =>
  withServer(echo, async (server, url) => {
    assert.notEqual(server.port, 0);
    assert.equal(server.hostname, "127.0.0.1");
    const response = await fetch(`${url}a%20b?c=d`, { method: "POST", body: "hällo" });
    assert.equal(await response.text(), "POST /a%20b?c=d hällo 127.0.0.1");
    assert.equal(response.headers.get("Content-Length"), "32");
    assert.equal((await fetch(url, { method: "HEAD" })).status, 200);
  }));

test("status, headers and an empty body arrive as they are", () =>
  withServer(() => {
    const headers = new Headers({ "X-A": "b" });
    headers.append("Set-Cookie", "a=1");
    headers.append("Set-Cookie", "b=2");
    return new Response(null, { status: 204, headers });
  }, async (_server, url) => {
    const response = await fetch(url);
    assert.equal(response.status, 204);
    assert.equal(response.headers.get("X-A"), "b");
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  }));

test("a body of many chunks arrives whole, also from a client that waits to be asked for it", () =>
  withServer(async (request) => new Response(String((await request.text()).length)), async ({ port }) => {
    const send = (headers: Record<string, string>, chunks: readonly string[]) =>
      new Promise<string>((resolve, reject) => {
        const request = httpRequest({ host: "127.0.0.1", port, method: "PUT", headers, agent: false }, (response) => {
          let text = "";
          response.on("data", (chunk) => text += chunk);
          response.on("end", () => resolve(`${response.statusCode} ${text}`));
        });
        request.on("error", reject);
        const write = () => {
          for (const chunk of chunks) request.write(chunk);
          request.end();
        };
        if (headers.Expect === undefined) write();
        else {
          request.on("continue", write);
          request.flushHeaders();
        }
      });
    assert.equal(await send({}, ["x".repeat(500), "y".repeat(500)]), "200 1000");
    assert.equal(await send({}, ["x".repeat(500), "y".repeat(501)]), "413 ");
    assert.equal(await send({ "Content-Length": "1001" }, ["x".repeat(1001)]), "413 ");
    assert.equal(await send({ Expect: "100-continue", "Content-Length": "5" }, ["hello"]), "200 5");
  }));

test("a body that nobody reads does not keep its answer from a client that sends first", () =>
  withServer(() => new Response("no", { status: 401 }), async ({ port }) => {
    const text = await raw(port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n${"x".repeat(100_000)}`);
    assert.match(text, /^HTTP\/1\.1 413 [^]*Connection: close/i);
    const refused = await raw(port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n${"x".repeat(100)}`);
    assert.match(refused, /^HTTP\/1\.1 401 [^]*Connection: close[^]*no$/i);
  }, { limits: { lingerMs: 100 } }));

test("an answer that streams comes as it is made, and ends when the client goes", async () => {
  const cancelled = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  let sent = 0;
  const handler: AdminHandler = (request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(new TextEncoder().encode(`row ${sent++}\n`));
      },
      cancel: () => cancelled.resolve(),
    }, { highWaterMark: 0 });
    return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
  };
  await withServer(handler, async (server, url) => {
    const going = new AbortController();
    const response = await fetch(url, { signal: going.signal });
    const reader = response.body!.getReader();
    assert.match(new TextDecoder().decode((await reader.read()).value), /^row 0\n/);
    going.abort();
    await cancelled.promise;
    await aborted.promise;
    await eventually(() => server.connections === 0);
  });
});

test("a large answer arrives whole; one that its client does not read is given up", async () => {
  let sent = 0;
  const cancelled = Promise.withResolvers<void>();
  const handler: AdminHandler = (request) => {
    if (request.url.endsWith("/large")) return new Response("x".repeat(20_000_000));
    const chunk = new Uint8Array(100_000);
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += chunk.length;
          controller.enqueue(chunk);
        },
        cancel: () => cancelled.resolve(),
      }),
    );
  };
  await withServer(handler, async (server, url) => {
    assert.equal((await (await fetch(`${url}large`)).text()).length, 20_000_000);
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await cancelled.promise;
    assert.ok(sent < 50_000_000, `${sent} bytes for nobody`);
    socket.destroy();
    await eventually(() => server.connections <= 1);
  }, { limits: { stallMsMax: 300 } });
});

test("a request whose client goes is aborted while it is worked on", async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const handler: AdminHandler = (request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    started.resolve();
    return new Promise(() => {});
  };
  await withServer(handler, async (server) => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await started.promise;
    socket.destroy();
    await aborted.promise;
    await eventually(() => server.connections === 0);
  });
});

test("requests that come at once are answered one after the other, in order; too many end the connection", () => {
  let running = 0;
  let together = 0;
  const handler: AdminHandler = async (request) => {
    together = Math.max(together, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    return new Response(new URL(request.url).pathname);
  };
  return withServer(handler, async ({ port }) => {
    const asked = (count: number) =>
      Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
    const text = await raw(port, asked(5), { until: "/4" });
    assert.deepEqual(text.match(/\/\d$|\/\d(?=HTTP)/g), ["/0", "/1", "/2", "/3", "/4"]);
    assert.equal(together, 1);
    await raw(port, asked(500));
  });
});

test("who sends slowly, or nothing, does not stay", () =>
  withServer(echo, async (server) => {
    const { port } = server;
    const head = raw(port, "POST / HTTP/1.1\r\nHo");
    const silent = raw(port, "");
    const body = raw(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab");
    const idle = raw(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert.match(await head, /^HTTP\/1.1 408 /);
    assert.equal(await silent, "");
    assert.doesNotMatch(await body, /^HTTP\/1.1 200/);
    assert.match(await idle, /^HTTP\/1.1 200 /);
    await eventually(() => server.connections === 0);
  }, { limits: { headMsMax: 200, bodyMsMax: 300, idleMsMax: 200 } }));

test("a connection that speaks again after a rest has the time of a head for it, not of a rest", () =>
  withServer(echo, async (server) => {
    const begin = performance.now();
    const text = await raw(server.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    assert.match(text, /^HTTP\/1.1 200 /);
    assert.ok(performance.now() - begin < 20_000);
  }, { limits: { headMsMax: 200, idleMsMax: 200 } }));

test("garbage and endless heads are refused", () =>
  withServer(echo, async (server, url) => {
    const { port } = server;
    assert.match(await raw(port, "\x16\x03\x01 not http\r\n\r\n"), /^HTTP\/1.1 400 /);
    assert.match(await raw(port, `GET / HTTP/1.1\r\nX: ${"y".repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 /);
    const bad = [
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
      "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
      "GET nonsense HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ];
    for (const text of bad) assert.match(await raw(port, text), /^(HTTP\/1.1 400 |$)/, text);
    assert.match(await raw(port, "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /^HTTP\/1.1 501 /);
    const upgrade = "GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert.match(await raw(port, upgrade, { until: "GET /u" }), /^HTTP\/1.1 200 /);
    assert.match(
      await raw(port, "GET http://a/whole HTTP/1.1\r\nHost: a\r\n\r\n", { until: "/whole" }),
      /^HTTP\/1.1 200 /,
    );
    await raw(port, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", { half: true });
    assert.equal((await fetch(url)).status, 200);
    await eventually(() => server.connections <= 1);
  }));

test("a client that ends its half after the request is answered, or has gone", () =>
  withServer(echo, async ({ port }) => {
    assert.match(
      await raw(port, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n", { half: true }),
      /^(HTTP\/1.1 200 [^]*\/half|$)/,
    );
  }));

/** Sockets that say nothing. */
async function silentSockets(port: number, count: number, host = "127.0.0.1"): Promise<Socket[]> {
  return await Promise.all(Array.from({ length: count }, () =>
    new Promise<Socket>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: host }, () => resolve(socket));
      socket.on("error", () => resolve(socket));
      // What ends is heard by reading only.
      socket.resume();
    })));
}

test("when all places are taken, the one that has been silent for the longest time makes room", () =>
  withServer(echo, async (server, url) => {
    const sockets = await silentSockets(server.port, 30);
    try {
      await eventually(() => server.connections === 8);
      await eventually(() => sockets.filter(({ destroyed }) => destroyed).length >= 22);
      assert.equal((await fetch(url)).status, 200);
      assert.ok(server.connections <= 8);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await eventually(() => server.connections <= 1);
  }, { limits: { connectionsMax: 8, connectionsOfOneMax: 8 } }));

test("one address cannot take the places of others, nor those of requests that are being answered", async () => {
  const release = Promise.withResolvers<void>();
  const handler: AdminHandler = async (request) => {
    if (request.url.endsWith("/slow")) await release.promise;
    return new Response(request.url);
  };
  await withServer(handler, async (server, url) => {
    const quiet = await silentSockets(server.port, 2, "127.0.0.2");
    const slow = [1, 2].map(() => fetch(`${url}slow`).then((response) => response.status));
    const many = await silentSockets(server.port, 40, "127.0.0.3");
    try {
      await eventually(() => many.filter(({ destroyed }) => destroyed).length >= 36);
      assert.deepEqual(quiet.map(({ destroyed }) => destroyed), [false, false]);
      release.resolve();
      assert.deepEqual(await Promise.all(slow), [200, 200]);
    } finally {
      for (const socket of [...quiet, ...many]) socket.destroy();
    }
  }, { limits: { connectionsMax: 8, connectionsOfOneMax: 6 } });
});

test("an address or certificate that cannot be used is told", async () => {
  await withServer(echo, async ({ port }) => {
    const again = serveAdmin({ hostname: "127.0.0.1", port, maxBodyBytes: 1 }, echo);
    await assert.rejects(again, (error: unknown) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, "EADDRINUSE");
      return true;
    });
  });
  const nowhere = serveAdmin({ hostname: "192.0.2.1", port: 0, maxBodyBytes: 1 }, echo);
  await assert.rejects(nowhere, /Cannot listen on "192\.0\.2\.1:0": this machine has no such address/);
  const tls = { cert: "not a certificate", key: "not a key" };
  const serving = serveAdmin({ hostname: "127.0.0.1", port: 0, maxBodyBytes: 1, tls }, echo);
  await assert.rejects(serving, /Cannot listen on "127\.0\.0\.1:0": .+; check the TLS certificate and key/);
});

test("an error of the handler is a bare 500", () =>
  withServer(() => Promise.reject(new Error("secret")), async (_server, url) => {
    const response = await fetch(url);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret/);
  }));

test("close() lets a running request end, and not others begin", async () => {
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const handler: AdminHandler = async () => {
    started.resolve();
    await release.promise;
    return new Response("done");
  };
  await withServer(handler, async (server, url) => {
    const [idle] = await silentSockets(server.port, 1);
    const answer = fetch(url).then((response) => response.text());
    await started.promise;
    const closed = server.close(10_000);
    await eventually(() => idle!.destroyed);
    release.resolve();
    assert.equal(await answer, "done");
    await closed;
    await assert.rejects(fetch(url));
  });
});

test("close() cuts a request off after the grace period", async () => {
  const started = Promise.withResolvers<void>();
  await withServer(() => (started.resolve(), new Promise<Response>(() => {})), async (server, url) => {
    const answer = fetch(url).then(() => "answered", () => "cut off");
    await started.promise;
    await server.close(50);
    assert.equal(await answer, "cut off");
  });
});

interface ClientOptions {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

function getHttps(port: number, options: ClientOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: "127.0.0.1", port, agent: false, ...options }, (response) => {
      let text = "";
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
    request.end();
  });
}

test("with TLS a client's certificate is asked for, and shown to the handler", async () => {
  const { ca, serverCert, serverKey, clientCert, clientKey } = certificates();
  const tls = { cert: pem(serverCert), key: pem(serverKey) };
  const client = { ca: pem(ca), cert: pem(clientCert), key: pem(clientKey) };
  const tell: AdminHandler = (_request, { certificate }) =>
    new Response(`${certificate?.commonNames} ${certificate?.fingerprint.length}`);
  await withServer(tell, async ({ port }) => {
    assert.equal(await getHttps(port, client), "undefined undefined", "not asked for");
    assert.equal(await getHttps(port, { ca: client.ca }), "undefined undefined");
  }, { tls });
  await withServer(tell, async (server) => {
    assert.equal(await getHttps(server.port, client), "weir test client 64");
    await assert.rejects(getHttps(server.port, { ca: client.ca }));
    await eventually(() => server.connections === 0);
  }, { tls: { ...tls, ca: pem(ca) } });
});

test("handshakes that never end do not stay, nor keep others out", async () => {
  const { ca, serverCert, serverKey } = certificates();
  const tls = { cert: pem(serverCert), key: pem(serverKey) };
  await withServer(echo, async (server) => {
    const sockets = await silentSockets(server.port, 30);
    await eventually(() => server.connections === 8);
    assert.match(await getHttps(server.port, { ca: pem(ca) }), /^GET \//);
    await eventually(() => server.connections === 0);
    await eventually(() => sockets.every(({ destroyed }) => destroyed));
  }, { tls, limits: { connectionsMax: 8, connectionsOfOneMax: 8, headMsMax: 1_000 } });
});

test("another certificate is taken while it runs; a wrong one is not", async () => {
  const { ca, serverCert, serverKey, clientCert, clientKey } = certificates();
  const tls = { cert: pem(serverCert), key: pem(serverKey) };
  await withServer(echo, async (server) => {
    await getHttps(server.port, { ca: pem(ca) });
    assert.throws(() => server.setTls({ cert: "no", key: "no" }), /no certificate/);
    await getHttps(server.port, { ca: pem(ca) });
    // It is no server's and for no name: the client refuses it.
    server.setTls({ cert: pem(clientCert), key: pem(clientKey) });
    await assert.rejects(getHttps(server.port, { ca: pem(ca) }));
    server.setTls(tls);
    await getHttps(server.port, { ca: pem(ca) });
  }, { tls });
});
