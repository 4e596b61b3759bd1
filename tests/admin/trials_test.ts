import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { trialMsMax, trialsMax } from "../../src/runtime/trial/trial_runs.ts";
import { TrialOutlet } from "../../src/runtime/trial/trial_outlet.ts";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { newDataServer, withDataServer } from "../engine/data_server.ts";
import { wireRule, wireStream, withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { admin, type Answer } from "./fixture.ts";

type Ask = (method: string, path: string, body?: unknown) => Promise<Answer>;

async function withTrials(work: (ask: Ask, url: (path: string) => string) => Promise<void>): Promise<void> {
  await withDataServer(async ({ engine, streams, dataServer, url }) => {
    streams.execute(wireStream);
    const { ask } = admin({ trials: { trials: engine.trials, port: () => dataServer.address!.port } });
    await work(ask, url);
    assert.deepEqual(engine.rules.list(), []);
  });
}

const mockSource = { s: { data: [{ a: 1 }], interval: 1, loop: true } };
const trial = { id: "t", sql: "SELECT a FROM s", mockSource };

test("POST /ruletest says what is wrong, and nothing is left of what is", async () => {
  await withTrials(async (ask, url) => {
    const refused: [body: unknown, error: number, message: RegExp][] = [
      ["{", 1000, /^Invalid body: Error decoding the trial run/],
      [{ sql: "SELECT 1 FROM s" }, 1000, /^id cannot be empty$/],
      [{ ...trial, id: "a/b" }, 1000, /^id 'a\/b' contains invalid characters/],
      [{ id: "t" }, 1000, /^Invalid body: "sql" is missing$/],
      [{ ...trial, mockSource: [] }, 1000, /^Invalid body: "mockSource" must be an object$/],
      [{ ...trial, sql: "SELEC a" }, 2001, /^fail to run rule t: /],
      [{ ...trial, sql: "SELECT a FROM nosuch" }, 2101, /^fail to run rule t: .*nosuch/],
      [{ ...trial, mockSource: { s: 1 } }, 2201, /must be an object such as/],
      [{ ...trial, mockSource: { s: { dat: [] } } }, 2201, /^fail to run rule t: .*"dat"/],
      [{ ...trial, mockSource: { other: { data: [] } } }, 2201, /which the statement does not read/],
      [{ ...trial, sinkProps: { topic: "t" } }, 2201, /^fail to run rule t: .*"topic"/],
      [{ ...trial, sinkProps: { enableCache: true } }, 2201, /keeps nothing/],
      [{ ...trial, sinkProps: { compression: "gzip" } }, 2201, /no compression/],
      [{ ...trial, sinkProps: { dataTemplate: "{{" } }, 2201, /^fail to run rule t: /],
    ];
    for (const [body, error, message] of refused) {
      const answer = await ask("POST", "/ruletest", body);
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.json().error, error, answer.text);
      assert.match(answer.json().message, message);
    }
    const start = await ask("POST", "/ruletest/t/start");
    assert.deepEqual([start.status, start.json().error], [400, 1000]);
    assert.match(start.json().message, /^start rule error: .*t is not found$/);
    assert.equal((await ask("DELETE", "/ruletest/nosuch")).text, "Test rule nosuch was stopped.");
    const made = await ask("POST", "/ruletest", { ID: "t", SQL: "SELECT a FROM s" });
    assert.deepEqual([made.status, made.json().id], [200, "t"]);
    assert.equal((await fetch(url("/test/T"))).status, 404);
    assert.equal((await fetch(url("/test/t"), { method: "POST" })).status, 405);
    // One that cannot run does not end the one before.
    assert.equal((await ask("POST", "/ruletest", { ...trial, sql: "SELEC" })).status, 400);
    assert.equal((await ask("POST", "/ruletest/t/start")).text, "Test rule t was started");
  });
});

test("a trial run reads a shared stream beside the rule of the same id, and leaves it alone when it ends", async () => {
  await withDataServer(async ({ engine, streams, wire, url }) => {
    streams.execute(wireStream.replace("WITH (", 'WITH (SHARED="true", '));
    await engine.rules.create(wireRule("t", "SELECT a FROM s"));
    const { ask } = admin({ trials: { trials: engine.trials, port: () => 1 } });
    await ask("POST", "/ruletest", { id: "t", sql: "SELECT a + 1 AS b FROM s" });
    const reader = (await fetch(url("/test/t"))).body!.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    const hears = async (text: string) => {
      while (!heard.includes(text)) {
        const { value, done } = await reader.read();
        assert.ok(!done, heard);
        heard += value;
      }
    };
    await hears(":");
    await ask("POST", "/ruletest/t/start");
    wire.send('{"a":1}');
    await hears('data: [{"b":2}]');
    wire.send("{");
    await hears('data: [{"error":');
    await ask("DELETE", "/ruletest/t");
    assert.deepEqual((await reader.read()).done, true);
    wire.send('{"a":5}');
    await eventually(() => engine.rules.status("t").sink_wire_0_0_records_out_total === 2);
    assert.deepEqual(engine.rules.list().map(({ id, status }) => [id, status]), [["t", "running"]]);
  });
});

test("there are only so many trial runs, and one that is not deleted ends after ten minutes", async () => {
  const clock = new HandClock();
  const dataServer = newDataServer();
  await withEngine(async ({ engine, streams }) => {
    streams.execute(wireStream);
    const { ask } = admin({ trials: { trials: engine.trials, port: () => 1 } });
    const slow = { s: { data: [{ a: 1 }], interval: "1m" } };
    for (let i = 0; i < trialsMax; i++) {
      assert.equal((await ask("POST", "/ruletest", { ...trial, id: `t${i}` })).status, 200);
    }
    const more = await ask("POST", "/ruletest", { ...trial, id: "more" });
    assert.deepEqual([more.status, more.json().error], [400, 1000]);
    assert.match(more.json().message, /There are 32 trial runs already$/);
    assert.equal((await ask("POST", "/ruletest", { ...trial, id: "t0", mockSource: slow })).status, 200);
    await ask("POST", "/ruletest/t0/start");
    await clock.advance(trialMsMax);
    assert.deepEqual(engine.trials.ids, []);
  }, { dataServer, clock });
  await dataServer.closed();
});

test("a trial run is refused where the data server cannot listen", async () => {
  const other = newDataServer();
  const end = other.serve("/x", { kind: "GET", handle() {} }, () => {});
  await eventually(() => other.address !== undefined);
  const dataServer = newDataServer(other.address!.port);
  await withEngine(async ({ engine, streams }) => {
    streams.execute(wireStream);
    const answer = await admin({ trials: { trials: engine.trials, port: () => 1 } }).ask("POST", "/ruletest", trial);
    assert.deepEqual([answer.status, answer.json().diagnostics[0].code], [400, "E708"]);
    assert.match(answer.json().message, /Cannot listen on/);
    assert.deepEqual(engine.trials.ids, []);
  }, { dataServer });
  await dataServer.closed();
  end();
  await other.closed();
});

async function deafListener(port: number, path: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, "data");
  socket.pause();
  return socket;
}

test("a listener that takes nothing is cut off, and holds the others up no longer", async () => {
  const dataServer = newDataServer();
  const logged: LogFields[] = [];
  const clock = new HandClock();
  const slow = new TrialOutlet({ path: "/test/s", clock, log: recordingLogger(logged) });
  const slowEnds = slow.routes.map((route) => dataServer.serve("/test/s", route, () => {}));
  await eventually(() => dataServer.address !== undefined);
  const stuck = await deafListener(dataServer.address!.port, "/test/s");
  await eventually(() => slow.listeners === 1);
  const sent = slow.send(["x".repeat(32 * 1024 * 1024)]);
  await clock.advance(5000);
  await sent;
  await eventually(() => slow.listeners === 0);
  assert.deepEqual(logged.map(({ waitedMs }) => waitedMs), [5000]);
  slow.close();
  for (const end of slowEnds) end();
  stuck.destroy();
  await dataServer.closed();
});
