/**
 * The configuration of a running agent, read again.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { Agent, command, weir, withFolder } from "./agent.ts";

const token = "a token of sixteen characters";

async function withConfigured(
  work: (
    agent: Agent,
    write: (yaml: string) => void,
    reload: (credential?: string) => Promise<Response>,
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const file = join(folder, "weir.yaml");
    const write = (yaml: string) => writeFileSync(file, yaml);
    write("sources: { simulator: { a: { data: [{ n: 1 }], interval: 10, loop: true } } }\n");
    const agent = await Agent.start({ dataDir: join(folder, "data"), args: ["--config", file] });
    try {
      await work(agent, write, (credential) => {
        const headers: Record<string, string> = credential === undefined
          ? {}
          : { Authorization: `Bearer ${credential}` };
        return fetch(`${agent.url}/api/v1/config/reload`, { method: "POST", headers });
      });
    } finally {
      await agent.end("SIGKILL");
    }
  });
}

test("a reload changes what can change, says what wants a restart, and changes nothing when anything is wrong", () =>
  withConfigured(async (agent, write, reload) => {
    const stream = 'CREATE STREAM s () WITH (TYPE="simulator", CONF_KEY="a")';
    await agent.expect(201, "POST", "/streams", { sql: stream });
    await agent.expect(201, "POST", "/rules", { id: "r", sql: "SELECT n FROM s", actions: [{ log: {} }] });
    await agent.reaches("r", ({ status }) => status === "running");

    write("log: { level: debug, levls: {} }\n");
    const wrong = await reload();
    assert.equal(wrong.status, 400);
    assert.match(await wrong.text(), /Unknown setting \\"log\.levls\\"/);
    assert.equal(JSON.parse(await agent.expect(200, "GET", "/api/v1/log/levels")).level, "info");

    write(`
log: { level: warn, levels: { rule.r: debug } }
timezone: Asia/Tokyo
cors: { allowOrigins: ["https://ui.example"] }
policies: [{ name: no log, principals: ["*"], deny: { write: [{ connector: log }] } }]
sources: { simulator: { a: { data: [{ n: 2 }], interval: 10, loop: true } } }
`);
    const done = await reload();
    assert.deepEqual(await done.json(), {
      now: ["log.level", "log.levels", "cors.allowOrigins", "policies"],
      later: ["sources"],
      restart: ["timezone"],
    });
    await agent.reaches("r", ({ status, message }) => status === "stopped by error" && /E709/.test(String(message)));
    const levels = JSON.parse(await agent.expect(200, "GET", "/api/v1/log/levels"));
    assert.deepEqual(levels, { level: "warn", modules: [{ module: "rule.r", level: "debug" }] });
    const page = await fetch(`${agent.url}/streams`, { headers: { Origin: "https://ui.example" } });
    assert.equal(page.status, 200);
    await page.body?.cancel();

    await agent.expect(201, "POST", "/rules", {
      id: "r2",
      sql: "SELECT n FROM s",
      actions: [{ memory: { topic: "t" } }],
    });
    await agent.expect(201, "POST", "/rules", { id: "r3", sql: "SELECT n FROM s WHERE n = 2", actions: [{ nop: {} }] });
    await agent.reaches("r3", (status) => Number(status.sink_nop_0_0_records_out_total) > 0);

    // What wanted a restart still does.
    const again = await weir(["config", "reload", "--server", agent.url]);
    assert.deepEqual([again.code, again.stdout], [0, "want a restart: timezone\n"]);

    write(`auth: { mode: required, adminToken: "${token}" }\n`);
    assert.equal((await reload()).status, 200);
    assert.equal((await fetch(`${agent.url}/streams`)).status, 401);
    assert.equal((await reload(token)).status, 200, "with the new token");
  }));

test("SIGHUP reads it again, and a mistake in it is told in the log", () =>
  withConfigured(async (agent, write) => {
    write("log: { level: debug }\n");
    process.kill(agent.pid, "SIGHUP");
    const level = async () => JSON.parse(await agent.expect(200, "GET", "/api/v1/log/levels")).level;
    await eventually(async () => await level() === "debug");
    write("log: { level: loud }\n");
    process.kill(agent.pid, "SIGHUP");
    await eventually(() => /not read again: it is as before.*log\.level/.test(agent.output().stderr));
    assert.equal(await level(), "debug");
    const { entries } = JSON.parse(await agent.expect(200, "GET", "/api/v1/audit?actor=machine%20SIGHUP"));
    const told = entries.map((
      { event }: { event: Record<string, string> },
    ) => [event.action, event.outcome, event.subject]);
    assert.deepEqual(told, [["reload", "failed", ""], ["reload", "done", "log.level, sources"]]);
  }));

const hasPython = (() => {
  try {
    execFileSync("python3", ["-c", "import pty"]);
    return true;
  } catch {
    return false;
  }
})();

/** Starts its arguments with a terminal of their own; SIGUSR1 closes it. Ends with their exit code, or minus a signal. */
const inTerminal = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGUSR1, lambda *_: os.close(terminal))
signal.signal(signal.SIGUSR2, lambda *_: os.kill(pid, signal.SIGHUP))
while True:
    try:
        sys.stdout.buffer.write(os.read(terminal, 4096)); sys.stdout.flush()
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
`;

test(
  "in a terminal SIGHUP reads it again, and the end of the terminal is the end of the agent",
  { skip: !hasPython },
  () =>
    withFolder(async (folder) => {
      const file = join(folder, "weir.yaml");
      writeFileSync(file, "log: { level: info }\n");
      const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "data"), "--config", file];
      const [program, all] = command(args);
      const child = spawn("python3", ["-c", inTerminal, program, ...all], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk) => output += String(chunk));
      const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
      await eventually(() => /ready on (\S+)/.test(output), 30_000);
      const [, url] = /ready on (\S+)/.exec(output)!;
      writeFileSync(file, "log: { level: debug }\n");
      process.kill(child.pid!, "SIGUSR2");
      await eventually(async () => {
        const answer = await fetch(`${url}/api/v1/log/levels`);
        return (await answer.json() as { level: string }).level === "debug";
      });
      process.kill(child.pid!, "SIGUSR1");
      assert.equal(await closed, 0);
    }),
);
