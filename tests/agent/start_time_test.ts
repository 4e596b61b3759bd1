import assert from "node:assert/strict";
import { createServer } from "node:net";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { command, withFolder } from "./agent.ts";

const isBinary = (process.env.WEIR_BINARY ?? "") !== "";
/** Generous: this machine may be busy. What is aimed at is 150 ms for the binary; from source, all is compiled first. */
const limitMs = isBinary ? 1000 : 10_000;

/** From the start of the process to the answer of GET /ping. */
async function startToPing(dataDir: string, port: number): Promise<number> {
  const [program, args] = command(["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", dataDir]);
  const started = performance.now();
  const child = spawn(program, args, { stdio: "ignore" });
  try {
    for (;;) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/ping`);
        await response.text();
        assert.equal(response.status, 200);
        return performance.now() - started;
      } catch {
        assert.ok(performance.now() - started < 30_000 && child.exitCode === null, "the agent did not start");
        await new Promise((done) => setTimeout(done, 1));
      }
    }
  } finally {
    const closed = once(child, "close");
    process.kill(child.pid!, "SIGKILL");
    await closed;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

test("the agent answers /ping soon after its start", () =>
  withFolder(async (folder) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) times.push(await startToPing(join(folder, "data"), await freePort()));
    times.sort((a, b) => a - b);
    const what = isBinary ? "binary" : "source";
    console.log(
      `start to /ping (${what}): median ${times[2]!.toFixed(0)} ms, all ${times.map((t) => t.toFixed(0)).join(", ")}`,
    );
    assert.ok(times[2]! < limitMs, `${times[2]} ms`);
  }));
