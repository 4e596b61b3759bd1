/**
 * The wall clock is set forward and back by a day, as after the flat battery of a gateway: windows, sources and lost
 * connections go on, nothing crashes, and nobody catches up a day of empty windows.
 *
 * Once with an engine whose clock the test holds, and once with an agent whose calls for the time libfaketime answers.
 */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Agent, withFolder } from "../agent/agent.ts";
import { withEngine } from "../engine/engine.ts";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { startMosquitto } from "../mosquitto.ts";
import { ledgersBalance } from "./ledger.ts";
import { NumberedPublisher } from "./numbered_publisher.ts";
import { NumberedSubscriber } from "./numbered_subscriber.ts";

const dayMs = 86_400_000;
const jumps = [dayMs, -dayMs, -dayMs, dayMs];

/** Statements over a stream `s` that give something every second or so, by their names. */
const statements = {
  plain: "SELECT a FROM s",
  tumbling: "SELECT count(*) AS c, window_end() AS at FROM s GROUP BY TUMBLINGWINDOW(ss, 1)",
  // Emits empty windows too, so that a day of them could be caught up.
  counting: "SELECT count(*) AS c, window_end() AS at FROM s GROUP BY TUMBLINGWINDOW(ms, 100)",
  hopping: "SELECT count(*) AS c, window_end() AS at FROM s GROUP BY HOPPINGWINDOW(ms, 1000, 500)",
  sliding: "SELECT count(*) AS c, window_end() AS at FROM s GROUP BY SLIDINGWINDOW(ms, 500, 500)",
  session: "SELECT count(*) AS c, window_end() AS at FROM s GROUP BY SESSIONWINDOW(ms, 500, 300)",
};

type Name = keyof typeof statements;
const names = Object.keys(statements) as Name[];

/** So many windows at most are handed on for a time that was leapt over; see `emptyWindowsMax`. */
const caughtUpMax = 1100;

test("windows and sources of an engine go on when its clock is set by a day", async () => {
  const clock = new HandClock(Date.UTC(2026, 0, 10, 12));
  await withEngine(async ({ engine, streams, configs, wire }) => {
    configs.putConfKey("source", "simulator", "steady", { data: [{ a: 1 }], interval: 50, loop: true });
    streams.execute('CREATE STREAM s (a BIGINT) WITH (TYPE="simulator", CONF_KEY="steady")');
    for (const name of names) {
      const sql = statements[name].replace("SELECT", `SELECT '${name}' AS name,`);
      const actions = [{ wire: {} }];
      await engine.rules.create(JSON.stringify({ id: name, sql, actions }));
    }
    const count = (name: Name) => wire.written.filter((text) => text.includes(`"${name}"`)).length;
    const counts = () => Object.fromEntries(names.map((name) => [name, count(name)])) as Record<Name, number>;
    /** Five seconds, as the rules see them. */
    const goOn = async () => {
      for (let i = 0; i < 100; i++) await clock.advance(50);
    };
    await goOn();
    for (const jump of jumps) {
      const before = counts();
      for (const name of names) assert.ok(before[name] > 0, `${name} gave nothing`);
      clock.jump(jump);
      const asked = performance.now();
      await clock.advance(60);
      await eventually(() => true);
      const tookMs = performance.now() - asked;
      const caughtUp = counts();
      await goOn();
      const after = counts();
      for (const name of names) {
        const more = caughtUp[name] - before[name];
        assert.ok(more <= caughtUpMax, `${name}: ${more} results for a jump of ${jump} ms`);
        // At least two of the five seconds, whatever was open when the clock was set.
        assert.ok(after[name] - caughtUp[name] >= 2, `${name} gave ${after[name] - caughtUp[name]} after ${jump} ms`);
      }
      console.log(`a jump of ${jump / dayMs} d took ${tookMs.toFixed(1)} ms of ${names.length} rules`);
      // A day of windows would take many times as long, also on a machine with little time for it.
      assert.ok(tookMs < 1000, `${tookMs} ms`);
    }
  }, { clock });
});

const libraries = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/faketime/libfaketime.so.1",
];
const library = libraries.find((path) => existsSync(path));
if (library === undefined) {
  console.warn("CLOCK JUMPS IN A REAL PROCESS NOT RUN: libfaketime is missing (apt-get install libfaketime)");
}

test(
  "an agent goes on when the clock of its machine is set by a day",
  { skip: library === undefined && "libfaketime is not installed" },
  async () => {
    const broker = await startMosquitto({ quiet: true, lines: ["max_queued_messages 0"] });
    const subscriber = await NumberedSubscriber.start(broker.url, "out/#");
    const publisher = await NumberedPublisher.start({
      url: broker.url,
      topics: [{ topic: "in", qos: 1 }],
      payload: (n) => JSON.stringify({ a: n }),
    });
    try {
      await withFolder(async (folder) => {
        const file = join(folder, "offset");
        writeFileSync(file, "+0\n");
        const environment = {
          LD_PRELOAD: library!,
          FAKETIME_TIMESTAMP_FILE: file,
          FAKETIME_NO_CACHE: "1",
          // Timers wait as long as before when people set the clock.
          FAKETIME_DONT_FAKE_MONOTONIC: "1",
          DONT_FAKE_MONOTONIC: "1",
        };
        const dataDir = join(folder, "data");
        const setClock = (days: number) => writeFileSync(file, `${days < 0 ? "-" : "+"}${Math.abs(days)}d\n`);
        let agent = await Agent.start({ dataDir, environment });
        try {
          // Such a short keep-alive is over many times within the test.
          const conf = { server: broker.url, qos: 1, clientid: "clock", enableClientSession: true, keepAlive: "1s" };
          await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/in", conf);
          await agent.expect(201, "POST", "/streams", {
            sql: 'CREATE STREAM s (a BIGINT) WITH (DATASOURCE="in", FORMAT="json", TYPE="mqtt", CONF_KEY="in", ' +
              'SHARED="true")',
          });
          for (const name of names) {
            const actions = [{ mqtt: { server: broker.url, topic: `out/${name}`, sendSingle: true, qos: 1 } }];
            // They keep their state, so that their clocks go on after a restart, too.
            const options = { qos: 1, checkpointInterval: "500ms" };
            await agent.expect(201, "POST", "/rules", { id: name, sql: statements[name], actions, options });
          }
          await eventually(() => broker.log.includes(" clock 1 in"), 30_000);
          publisher.run(() => 1, 20);
          const silent = (since: Record<string, number>) =>
            names.filter((name) => subscriber.on(`out/${name}`).length < since[name]! + 2);
          const counts = () => Object.fromEntries(names.map((name) => [name, subscriber.on(`out/${name}`).length]));
          const goOn = async (why: string) => {
            const since = counts();
            const late = Date.now() + 30_000;
            while (silent(since).length > 0) {
              assert.ok(Date.now() < late, `${why}: nothing more from ${silent(since)}\n${agent.output().stderr}`);
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
          };
          await goOn("at the start");
          let offset = 0;
          for (const jump of jumps) {
            const before = counts();
            offset += jump;
            setClock(offset / dayMs);
            const slowest = await slowestAnswer(agent, 1500);
            await goOn(`a jump of ${jump / dayMs} d`);
            for (const [name, count] of Object.entries(counts())) {
              assert.ok(count - before[name]! < caughtUpMax * 2, `${name}: ${count - before[name]!} results`);
            }
            for (const name of names) {
              const status = await agent.status(name);
              assert.equal(status.status, "running");
              assert.equal(status.source_s_0_connection_status, 1, JSON.stringify(status));
              assert.equal(status.source_s_0_exceptions_total, 0, JSON.stringify(status));
            }
            console.log(`a jump of ${jump / dayMs} d: slowest answer ${slowest.toFixed(0)} ms`);
          }
          for (const days of [-1, 1, 0]) {
            await agent.end("SIGKILL");
            setClock(days);
            agent = await Agent.start({ dataDir, environment });
            await goOn(`a restart at ${days} d`);
          }
          publisher.pause();
          await publisher.acknowledged();
          const heard = () => new Set(subscriber.on("out/plain").map(({ payload }) => payload)).size;
          await eventually(() => heard() === publisher.sent, 30_000);
          await ledgersBalance(agent, names);
          assert.equal(await agent.end(), 0);
        } finally {
          await agent.end("SIGKILL");
        }
      });
    } finally {
      await publisher.stop();
      await subscriber.stop();
      await broker.stop();
    }
  },
);

/** The longest time that the agent took to answer, in milliseconds: what holds up its event loop shows in it. */
async function slowestAnswer(agent: Agent, forMs: number): Promise<number> {
  let slowest = 0;
  for (const end = performance.now() + forMs; performance.now() < end;) {
    const asked = performance.now();
    await agent.expect(200, "GET", "/ping");
    slowest = Math.max(slowest, performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(slowest < 5000, `the agent took ${slowest} ms to answer, process ${process.pid}`);
  return slowest;
}
