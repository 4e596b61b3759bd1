import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { ListenError } from "./listen_error.ts";
import { loadPlatform } from "./mod.ts";
import type { HttpServer, Platform, RequestHandler, ServeOptions } from "./platform.ts";

const platform: Platform = await loadPlatform();

async function withServer(
  handler: RequestHandler,
  run: (server: HttpServer, url: string) => Promise<void>,
  options: Partial<ServeOptions> = {},
): Promise<void> {
  const server = await platform.serve({ hostname: "127.0.0.1", port: 0, maxBodyBytes: 1_000, ...options }, handler);
  try {
    await run(server, `http://127.0.0.1:${server.port}/`);
  } finally {
    await server.close(0);
  }
}

test("loadPlatform() names the engine and the machine", () => {
  assert.equal(platform.engine.name, process.versions.bun === undefined ? "deno" : "bun");
  assert.match(platform.engine.version, /^\d+\.\d+\.\d+/);
  assert.equal(platform.target, `${process.platform}-${process.arch}`);
  assert.equal(platform.compiled, false);
});

test("serve() answers on the port it reports and tells who asks", async () => {
  await withServer(
    async (request, peer) => new Response(`${await request.text()} ${peer.address}`),
    async (server, url) => {
      assert.notEqual(server.port, 0);
      assert.equal(server.hostname, "127.0.0.1");
      const response = await fetch(url, { method: "POST", body: "hello" });
      assert.equal(await response.text(), "hello 127.0.0.1");
    },
  );
});

test("serve() names the address and a way out when the port is taken", async () => {
  await withServer(() => new Response(), async (server) => {
    const again = platform.serve({ hostname: "127.0.0.1", port: server.port, maxBodyBytes: 1 }, () => new Response());
    await assert.rejects(again, (error: unknown) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, "EADDRINUSE");
      assert.match(error.message, new RegExp(`"127.0.0.1:${server.port}".+another process.+--listen`));
      return true;
    });
  });
});

test("serve() refuses an address the machine does not have", async () => {
  // 192.0.2.0/24 is reserved for documentation.
  const serving = platform.serve({ hostname: "192.0.2.1", port: 0, maxBodyBytes: 1 }, () => new Response());
  await assert.rejects(serving, /Cannot listen on "192\.0\.2\.1:0": this machine has no such address/);
});

test("serve() answers 413 to a declared body over the limit", async () => {
  await withServer(async (request) => new Response(await request.text()), async (_server, url) => {
    const small = await fetch(url, { method: "POST", body: "x".repeat(1_000) });
    assert.equal((await small.text()).length, 1_000);
    const large = await fetch(url, { method: "POST", body: "x".repeat(1_001) });
    assert.equal(large.status, 413);
  });
});

/** POSTs without a Content-Length, which `fetch` does not do on every engine. */
function postChunked(port: number, chunks: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
    for (const chunk of chunks) request.write(chunk);
    request.end();
  });
}

test("serve() answers 413 to a chunked body over the limit, whatever the handler answers", async () => {
  const handler: RequestHandler = async (request) => {
    try {
      return new Response(await request.text());
    } catch {
      return new Response("unreadable", { status: 400 });
    }
  };
  await withServer(handler, async (server) => {
    assert.equal(await postChunked(server.port, ["x".repeat(500), "x".repeat(500)]), 200);
    assert.equal(await postChunked(server.port, ["x".repeat(500), "x".repeat(501)]), 413);
  });
});

test("serve() turns an error of the handler into a bare 500", async () => {
  await withServer(() => Promise.reject(new Error("secret")), async (_server, url) => {
    const response = await fetch(url);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret/);
  });
});

test("close() lets a running request end", async () => {
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const handler: RequestHandler = async () => {
    started.resolve();
    await release.promise;
    return new Response("done");
  };
  await withServer(handler, async (server, url) => {
    const answer = fetch(url).then((response) => response.text());
    await started.promise;
    const closed = server.close(10_000);
    release.resolve();
    assert.equal(await answer, "done");
    await closed;
    await assert.rejects(fetch(url));
  });
});

test("close() cuts a request off after the grace period", async () => {
  const started = Promise.withResolvers<void>();
  const never = new Promise<Response>(() => {});
  await withServer(() => (started.resolve(), never), async (server, url) => {
    const answer = fetch(url).then((response) => response.status, () => 503);
    await started.promise;
    const begin = performance.now();
    await server.close(50);
    assert.ok(performance.now() - begin < 5_000);
    assert.equal(await answer, 503);
  });
});

test("close() without a grace period never throws, whatever requests are doing", async () => {
  for (let i = 0; i < 60; i++) {
    const server = await platform.serve({ hostname: "127.0.0.1", port: 0, maxBodyBytes: 10 }, async () => {
      await new Promise((resolve) => setTimeout(resolve, i % 4));
      return new Response("done");
    });
    const asked = fetch(`http://127.0.0.1:${server.port}/`).then((response) => response.text()).catch(() => {});
    if (i % 3 > 0) await new Promise((resolve) => setTimeout(resolve, i % 5));
    await server.close(0);
    await asked;
  }
});

test("close() does not wait for idle connections", async () => {
  await withServer(() => new Response("hello"), async (server) => {
    const socket = connect(server.port, "127.0.0.1");
    const ended = Promise.withResolvers<void>();
    const greeted = Promise.withResolvers<void>();
    socket.on("data", () => greeted.resolve());
    socket.on("close", () => ended.resolve());
    socket.on("error", () => ended.resolve());
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    await greeted.promise;
    const begin = performance.now();
    await server.close(10_000);
    await ended.promise;
    assert.ok(performance.now() - begin < 5_000);
  });
});

test("memory() reports a peak at or above the present", () => {
  const { residentBytes, residentPeakBytes } = platform.memory();
  assert.ok(residentBytes > 5_000_000);
  assert.ok(residentPeakBytes >= residentBytes);
});

test("trimMemory() gives memory back on Bun on Linux and says why elsewhere", () => {
  const result = platform.trimMemory();
  if (platform.engine.name === "bun" && process.platform === "linux") {
    assert.ok("trimmedBytes" in result, JSON.stringify(result));
    // A fresh Bun has touched more than 10 MB of itself; half of that is proof enough.
    assert.ok(result.trimmedBytes > 5_000_000, String(result.trimmedBytes));
    assert.equal([3, 1, 2].toSorted().join(), "1,2,3");
    assert.ok("trimmedBytes" in platform.trimMemory());
  } else {
    assert.ok("skipped" in result && result.skipped.length > 0);
  }
});

test("onTerminate() hears SIGTERM until told to stop", async () => {
  // SIGINT goes the same way, but `deno test` takes it as the wish to end the test run.
  const heard: string[] = [];
  const stop = platform.onTerminate((signal) => heard.push(signal));
  // A second listener keeps the default action, the end of this process, away after the first has stopped.
  let calls = 0;
  const guard = platform.onTerminate(() => void calls++);
  // Deno does not count a signal listener as a reason to go on, so this waits by polling.
  const callsReach = async (count: number) => {
    const deadline = Date.now() + 10_000;
    while (calls < count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(calls, count);
  };
  process.kill(process.pid, "SIGTERM");
  await callsReach(1);
  assert.deepEqual(heard, ["SIGTERM"]);
  stop();
  process.kill(process.pid, "SIGTERM");
  await callsReach(2);
  guard();
  assert.deepEqual(heard, ["SIGTERM"]);
});
