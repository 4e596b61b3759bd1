import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Agent, startAgent, temporaryDirectory, weir } from "./fixture.ts";

/** Runs `work` with an agent in a directory of its own, and stops it whatever happens. */
async function withAgent(
  work: (agent: Agent, directory: string) => Promise<void>,
  environment: Record<string, string> = {},
): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const agent = await startAgent(["--data-dir", join(path, "data")], environment);
    try {
      await work(agent, path);
    } finally {
      await agent.stop("SIGKILL");
    }
  } finally {
    cleanUp();
  }
}

test("serve says when it is ready, answers, and ends with 0 on SIGTERM", () =>
  withAgent(async (agent) => {
    assert.match(agent.output().stdout, /^weir \S+ ready on http:\/\/127\.0\.0\.1:[0-9]+\n$/);
    assert.equal((await fetch(`${agent.url}/ping`)).status, 200);
    assert.equal((await fetch(`${agent.url}/readyz`)).status, 200);
    const info = await (await fetch(agent.url)).json();
    assert.equal(info.version, "2.4.0");
    assert.match(info.memoryUsed, /^[1-9][0-9]+$/);
    assert.match(info.cpuUsage, /^[0-9]+\.[0-9]{2}%$/);
    const { code, signal } = await agent.stop();
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    assert.match(agent.output().stderr, /level=info msg=stopping signal=SIGTERM/);
  }));

test("a second signal ends the process at once", () =>
  withAgent(async (agent) => {
    const seen = Date.now();
    agent.stop();
    while (!agent.output().stderr.includes("stopping")) {
      assert.ok(Date.now() - seen < 10_000, "the first signal was not seen");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { code } = await agent.stop();
    assert.equal(code, 143);
    assert.ok(Date.now() - seen < 8_000, "it must not have waited for its engine");
  }, { WEIR_FIXTURE_CLOSE: "never" }));

test("POST /stop ends the agent like a signal", () =>
  withAgent(async (agent) => {
    assert.equal(await (await fetch(`${agent.url}/stop`, { method: "POST" })).text(), "stop success");
    assert.deepEqual(await agent.exited, { code: 0, signal: null });
  }));

test("streams survive a kill and a restart on the same directory", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const first = await startAgent(["--data-dir", path]);
    const sql = "CREATE STREAM demo () WITH ()";
    assert.equal((await weir(["stream", "create", sql, "--server", first.url])).code, 0);
    await first.stop("SIGKILL");
    const second = await startAgent([], { WEIR_DATA_DIR: path });
    assert.equal((await weir(["stream", "ls", "--json", "-s", second.url])).stdout.includes('"demo"'), true);
    assert.equal((await second.stop()).code, 0);
  } finally {
    cleanUp();
  }
});

test("a second agent on the same directory is refused", () =>
  withAgent(async (agent, directory) => {
    const second = await weir(["serve", "--data-dir", join(directory, "data"), "--listen", "127.0.0.1:0"]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`^E601: .* in use by process ${agent.process.pid}\n`));
  }));

test("an address in use is refused with advice, and the directory is free again", () =>
  withAgent(async (agent, directory) => {
    const data = join(directory, "other");
    const taken = await weir(["serve", "--data-dir", data, "--listen", new URL(agent.url).host]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /Cannot listen on .*another process uses this port/);
    const third = await startAgent(["--data-dir", data]);
    assert.equal((await third.stop()).code, 0);
  }));

test("a wrong configuration is shown with its place and ends with 1", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const file = join(path, "weir.yaml");
    writeFileSync(file, "log:\n  levle: info\n");
    const { code, stderr } = await weir(["serve", "--config", file]);
    assert.equal(code, 1);
    assert.ok(stderr.startsWith('weir: the configuration is wrong\nE402: Unknown setting "log.levle"\n'), stderr);
    assert.ok(stderr.includes(`${file}:2:3`), stderr);
    writeFileSync(file, "sources:\n  wire:\n    plant:\n      qso: 1\n  wier: { a: { b: 1 } }\n");
    const named = await weir(["serve", "--config", file]);
    assert.equal(named.code, 1);
    assert.ok(
      named.stderr.includes(`E402: Unknown setting "qso" of the wire source\n --> ${file}:4:7\n`),
      named.stderr,
    );
    assert.ok(named.stderr.includes(`E405: Unknown source type "wier"\n --> ${file}:5:3\n`), named.stderr);
    writeFileSync(file, "log: { level: warn }\nsink:\n  bufferPageSize: 500\n");
    const sink = await weir(["serve", "--config", file]);
    assert.equal(sink.code, 1);
    assert.ok(sink.stderr.includes("E403: invalid cache properties: memoryCacheThreshold 1024 is not a"), sink.stderr);
    assert.ok(sink.stderr.includes(` --> ${file}:2:1\n`), sink.stderr);
    const listen = await weir(["--listen", "nowhere"]);
    assert.equal(listen.code, 1);
    assert.match(listen.stderr, /expected HOST:PORT/);
  } finally {
    cleanUp();
  }
});

test("the log goes to stderr in the format that was asked for", () =>
  withAgent(async (agent) => {
    await agent.stop();
    const lines = agent.output().stderr.trim().split("\n");
    assert.equal(JSON.parse(lines.at(-1)!).msg, "stopping");
  }, { WEIR__log__format: "json" }));

test("a body beyond the limit is refused, whether or not it says its length", () =>
  withAgent(async (agent) => {
    const sql = JSON.stringify({ sql: "x".repeat(5000) });
    const chunked = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(new TextEncoder().encode(sql.slice(i * 1000, i * 1000 + 1000)));
        controller.close();
      },
    });
    for (const body of [sql, chunked]) {
      const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
      const response = await fetch(`${agent.url}/streams`, init);
      assert.equal(response.status, 413);
      await response.body?.cancel();
    }
  }, { WEIR__limits__requestBodyBytesMax: "2048" }));
