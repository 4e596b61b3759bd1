/**
 * `weir rule tap` and its route: somebody looks at the rows of a rule in an agent as a process, and the rule does not
 * notice.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { Agent, command, weir, withAgent, withFolder } from "./agent.ts";

async function numbers(agent: Agent, settings: object = { interval: 20 }): Promise<void> {
  const data = [{ n: 1, place: "hall" }, { n: 2, place: "yard" }, { n: 3, place: "hall" }];
  await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/numbers", { data, loop: true, ...settings });
  await agent.expect(201, "POST", "/streams", {
    sql: 'CREATE STREAM numbers () WITH (TYPE="simulator", CONF_KEY="numbers")',
  });
  await agent.expect(201, "POST", "/rules", {
    id: "hall",
    sql: "SELECT n * 10 AS tens FROM numbers WHERE place = 'hall'",
    actions: [{ nop: {} }],
  });
}

const tap = (agent: Agent, ...args: string[]) => weir(["rule", "tap", "hall", "--server", agent.url, ...args]);

test("the command prints results, or what a step or the stream gives, as JSON lines", () =>
  withAgent(async (agent) => {
    await numbers(agent);
    const results = await tap(agent, "--count", "3");
    assert.equal(results.code, 0, results.stderr);
    assert.match(results.stdout, /^(\{"tens":(10|30)\}\n){3}$/);
    const filtered = await tap(agent, "--count", "2", "--node", "op_2_filter");
    assert.match(filtered.stdout, /^(\{"n":[13],"place":"hall"\}\n){2}$/, filtered.stderr);
    const all = await tap(agent, "--count", "4", "--node", "numbers");
    assert.match(all.stdout, /"yard"/, all.stderr);
    assert.equal(all.stdout.split("\n").length, 5);

    const unknown = await tap(agent, "--node", "op_2_filtr");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no step "op_2_filtr"[\s\S]*did you mean "op_2_filter"/);
    const bad = await tap(agent, "--count", "0");
    assert.deepEqual([bad.code, bad.stdout], [2, ""]);
    await agent.expect(200, "POST", "/rules/hall/stop");
    const stopped = await tap(agent);
    assert.match(stopped.stderr, /does not run: it is stopped/);
    assert.equal((await agent.call("GET", "/api/v1/rules/nosuch/tap")).status, 404);
  }));

test("it ends after a time, with the rule, with a signal, and fails when fewer rows came than wanted", () =>
  withAgent(async (agent) => {
    await numbers(agent);
    await agent.expect(200, "PUT", "/rules/hall", {
      sql: "SELECT n FROM numbers WHERE place = 'nowhere'",
      actions: [{ nop: {} }],
    });
    assert.deepEqual(await tap(agent, "--seconds", "0.3"), { code: 0, stdout: "", stderr: "" });
    assert.equal((await tap(agent, "--seconds", "0.3", "--count", "1")).code, 1);

    await agent.expect(200, "PUT", "/rules/hall", { sql: "SELECT n FROM numbers", actions: [{ nop: {} }] });
    const [program, args] = command(["rule", "tap", "hall", "--server", agent.url]);
    const watch = () => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (chunk: Uint8Array) => stdout += new TextDecoder().decode(chunk));
      child.stderr.on("data", (chunk: Uint8Array) => stderr += new TextDecoder().decode(chunk));
      const exited = new Promise<number | null>((done) => child.on("close", done));
      return { pid: child.pid!, exited, stdout: () => stdout, stderr: () => stderr };
    };
    const interrupted = watch();
    await eventually(() => /"n":3/.test(interrupted.stdout()));
    process.kill(interrupted.pid, "SIGINT");
    assert.equal(await interrupted.exited, 0);
    const ended = watch();
    await eventually(() => /"n":3/.test(ended.stdout()));
    await agent.expect(200, "POST", "/rules/hall/stop");
    assert.equal(await ended.exited, 0);
    assert.match(ended.stderr(), /the rule has stopped/);
  }));

test("a listener that takes nothing loses rows and is told how many; the rule loses none", () =>
  withAgent(async (agent) => {
    await numbers(agent, { interval: 1 });
    await agent.expect(200, "PUT", "/rules/hall", {
      sql: "SELECT concat(place, '" + "x".repeat(20_000) + "') AS text FROM numbers",
      actions: [{ nop: {} }],
    });
    const { hostname, port } = new URL(agent.url);
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
    socket.write(`GET /api/v1/rules/hall/tap HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
    await eventually(() => /hallx/.test(text));
    socket.pause();
    const sent = async () => Number((await agent.status("hall")).sink_nop_0_0_records_out_total);
    const before = await sent();
    // Far more than lies between two processes.
    await agent.reaches("hall", (s) => Number(s.sink_nop_0_0_records_out_total) > before + 1500, 60_000);
    text = "";
    socket.resume();
    await eventually(() =>
      [...text.matchAll(/"count":(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0) > 100
    );
    socket.destroy();
  }));

test("an agent that somebody listens to stops as quickly as any, and a listener that is gone is let go", () =>
  withAgent(async (agent) => {
    await numbers(agent);
    const listen = (signal: AbortSignal) => fetch(`${agent.url}/api/v1/rules/hall/tap`, { signal });
    for (let i = 0; i < 20; i++) {
      const ending = new AbortController();
      // A listener counts until it is noticed that it is gone.
      let response = await listen(ending.signal);
      await eventually(async () => response.status === 200 || (response = await listen(ending.signal)).status === 200);
      await response.body!.getReader().read();
      ending.abort();
    }
    const response = await fetch(`${agent.url}/api/v1/rules/hall/tap`);
    const text = response.text();
    assert.equal(await agent.end(), 0);
    assert.match(await text, /event: end\ndata: \{"reason":"the agent stops"\}/);
  }));

test("an agent that asks who one is wants a credential here too", () => {
  const token = "a token of many characters";
  const environment = { WEIR__auth__mode: "required", WEIR__auth__adminToken: token };
  const authorized = { headers: { Authorization: `Bearer ${token}` } };
  return withFolder(async (dataDir) => {
    const agent = await Agent.start({ environment, dataDir });
    try {
      const refused = await tap(agent);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /the agent wants a credential/);
      const known = await tap(agent, "--token", token);
      assert.match(known.stderr, /Rule hall is not found/);
      assert.equal((await fetch(`${agent.url}/api/v1/rules/hall/tap`, authorized)).status, 404);
      await weir([
        "stream",
        "create",
        'CREATE STREAM s (n BIGINT) WITH (TYPE="memory", DATASOURCE="t")',
        "--server",
        agent.url,
        "--token",
        token,
      ]);
      const json = JSON.stringify({ id: "hall", sql: "SELECT n FROM s", actions: [{ nop: {} }] });
      const created = await weir(["rule", "create", json, "--server", agent.url, "--token", token]);
      assert.equal(created.code, 0, created.stderr);
      const listening = await tap(agent, "--token", token, "--seconds", "0.2");
      assert.deepEqual(listening, { code: 0, stdout: "", stderr: "" });
    } finally {
      await agent.remove();
    }
  });
});
