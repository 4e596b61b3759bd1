/**
 * Kills at random moments lose nothing and change no result.
 *
 * A publisher sends numbered messages to a broker, weir reads them through kept sessions and runs four rules on each of
 * three lanes, and is killed again and again (`WEIR_KILL_ROUNDS`, 20 without it; `WEIR_KILL_SEED` repeats the moments).
 * At the end the results of each rule, as they came over MQTT and into a file, are compared with those of an unbroken
 * run.
 *
 * What each lane promises is limited by its source. An MQTT message of QoS 1 may come again after a kill: the protocol
 * gives its receiver no means to tell the repeat from the first. So this lane is held to "each at least once". A file
 * whose position is kept with the state, and MQTT of QoS 2, give each message once.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { Agent, withFolder } from "../agent/agent.ts";
import { eventually } from "../eventually.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { drawRounds, killRounds } from "./kill_rounds.ts";
import { ledgersBalance } from "./ledger.ts";
import { NumberedPublisher } from "./numbered_publisher.ts";
import {
  closingPayload,
  expectedOf,
  faultOf,
  isEventTime,
  payloadOf,
  type Promised,
  type Received,
  type RuleKind,
  ruleKinds,
  statementOf,
} from "./numbered_rules.ts";
import { NumberedSubscriber } from "./numbered_subscriber.ts";

const rounds = Number(process.env.WEIR_KILL_ROUNDS ?? 20);
const seed = Number(process.env.WEIR_KILL_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** All counts of messages are multiples of it: the lengths of windows divide it. */
const chunk = 20;
const publishEveryMs = 10;
/** The file is longer than what is read in the rounds, so that each of them breaks something. */
const fileRowsPerRound = 60;
const fileRowEveryMs = 2;
/** More than so many messages do not wait for the slowest reader, or a busy machine would wait for it at the end. */
const behindMax = 1500;
/** Rounds with a pause between two snapshots see some of them, and some of the log. */
const checkpointInterval = "700ms";

interface Lane {
  readonly name: string;
  readonly source: { readonly type: "mqtt"; readonly qos: 1 | 2 } | { readonly type: "file" };
  readonly ruleQos: 1 | 2;
  /** Settings of the MQTT action. */
  readonly sink: Readonly<Record<string, unknown>>;
  readonly promised: { readonly mqtt: Promised; readonly file: Promised };
}

const lanes: readonly Lane[] = [
  {
    name: "least",
    source: { type: "mqtt", qos: 1 },
    ruleQos: 1,
    sink: { qos: 1 },
    promised: { mqtt: "each at least once", file: "each at least once" },
  },
  {
    name: "once",
    source: { type: "mqtt", qos: 2 },
    ruleQos: 2,
    sink: { qos: 2, protocolVersion: "5" },
    promised: { mqtt: "exactly once by id", file: "state exactly once" },
  },
  {
    name: "filed",
    source: { type: "file" },
    ruleQos: 2,
    sink: { qos: 1, protocolVersion: "5" },
    promised: { mqtt: "exactly once by id", file: "state exactly once" },
  },
];

/** A rule, and where its results are. */
interface Subject {
  readonly id: string;
  readonly lane: Lane;
  readonly kind: RuleKind;
  readonly topic: string;
  readonly path: string;
}

function subjectsIn(folder: string): Subject[] {
  return lanes.flatMap((lane) =>
    ruleKinds.map((kind) => {
      const id = `${lane.name}_${kind}`;
      return { id, lane, kind, topic: `out/${id}`, path: join(folder, `${id}.ndjson`) };
    })
  );
}

async function define(agent: Agent, broker: Mosquitto, subjects: readonly Subject[], file: string): Promise<void> {
  for (const { id, lane, kind, topic, path } of subjects) {
    const { source } = lane;
    const confKey = source.type === "mqtt"
      ? { server: broker.url, qos: source.qos, clientid: `in-${id}`, enableClientSession: true }
      : { fileType: "lines", sendInterval: fileRowEveryMs };
    const datasource = source.type === "mqtt" ? topicOf(lane) : file;
    await agent.expect(200, "PUT", `/metadata/sources/${source.type}/confKeys/${id}`, confKey);
    await agent.expect(201, "POST", "/streams", {
      sql: `CREATE STREAM ${id} (n BIGINT, ts BIGINT) WITH (DATASOURCE="${datasource}", FORMAT="json", ` +
        `TYPE="${source.type}", CONF_KEY="${id}", TIMESTAMP="ts")`,
    });
    await agent.expect(201, "POST", "/rules", {
      id,
      sql: statementOf(kind, id),
      actions: [
        { mqtt: { server: broker.url, topic, sendSingle: true, ...lane.sink } },
        { file: { path, sendSingle: true, rollingCount: 0 } },
      ],
      options: { qos: lane.ruleQos, isEventTime: isEventTime(kind), checkpointInterval },
    });
    if (source.type === "mqtt") await eventually(() => broker.log.includes(` in-${id} ${source.qos} `), 30_000);
  }
}

function isPlainMqtt({ lane, kind }: Subject): boolean {
  return lane.source.type === "mqtt" && kind === "plain";
}

function topicOf(lane: Lane): string {
  return `in/${lane.name}`;
}

/** The lines of a file. A kill tears lines apart, which are no results. */
function readResults(path: string): Received[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((payload) => ({ payload, id: undefined }));
}

/** Runs everything with so many kills, and compares. */
async function check(kills: number): Promise<void> {
  const broker = await startMosquitto({ quiet: true, lines: ["max_queued_messages 0", "max_inflight_messages 200"] });
  const subscriber = await NumberedSubscriber.start(broker.url, "out/#");
  const publisher = await NumberedPublisher.start({
    url: broker.url,
    topics: lanes.flatMap((lane) =>
      lane.source.type === "mqtt" ? [{ topic: topicOf(lane), qos: lane.source.qos }] : []
    ),
    payload: payloadOf,
  });
  try {
    await withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      const file = join(folder, "input.ndjson");
      const subjects = subjectsIn(folder);
      const fileRows = Math.max(1, kills) * fileRowsPerRound;
      const lines = Array.from({ length: fileRows }, (_, n) => payloadOf(n));
      writeFileSync(file, [...lines, closingPayload(fileRows)].map((line) => `${line}\n`).join(""));

      let agent = await Agent.start({ dataDir });
      const random = new SeededRandom(seed + 2);
      try {
        await define(agent, broker, subjects, file);
        const slowest = () => Math.min(...subjects.filter(isPlainMqtt).map(({ topic }) => subscriber.on(topic).length));
        publisher.run(() => publisher.sent - slowest() < behindMax ? random.below(5) : 0, publishEveryMs);
        await new Promise((resolve) => setTimeout(resolve, 500));
        if (kills > 0) {
          await agent.end("SIGKILL");
          await killRounds({ dataDir, seed, count: kills });
          agent = await Agent.start({ dataDir });
        }
        publisher.pause();
        while (publisher.sent % chunk !== 0) publisher.send();
        const sent = publisher.sent;
        publisher.publish(closingPayload(sent));
        await publisher.acknowledged();
        const asked = performance.now();
        const faults = await settle(() => faultsOf(subjects, subscriber, { sent, fileRows }));
        const arrivals = subjects.reduce((sum, { topic }) => sum + subscriber.on(topic).length, 0);
        const wanted = subjects.reduce((sum, subject) => sum + expectedFor(subject, { sent, fileRows }).length, 0);
        const seconds = ((performance.now() - asked) / 1000).toFixed(1);
        console.log(
          `${kills} kills, seed ${seed}: ${sent} messages, ${wanted} results, ${arrivals} arrivals over MQTT, ` +
            `all there after ${seconds} s`,
        );
        if (faults.length > 0) console.error(agent.output().stderr.slice(-5000));
        assert.deepEqual(faults, [], `seed ${seed}, rounds ${JSON.stringify(drawRounds(seed, kills))}`);
        await ledgersBalance(agent, subjects.map(({ id }) => id));
        assert.equal(await agent.end(), 0, agent.output().stderr.slice(-3000));
      } finally {
        await agent.end("SIGKILL");
      }
    });
  } finally {
    await publisher.stop();
    await subscriber.stop();
    await broker.stop();
  }
}

interface Input {
  readonly sent: number;
  readonly fileRows: number;
}

function expectedFor({ lane, kind }: Subject, { sent, fileRows }: Input): string[] {
  return lane.source.type === "file" ? expectedOf(kind, fileRows, true) : expectedOf(kind, sent, false);
}

function faultsOf(subjects: readonly Subject[], subscriber: NumberedSubscriber, input: Input): string[] {
  return subjects.flatMap((subject) => {
    const { id, kind, lane: { promised }, topic, path } = subject;
    const expected = expectedFor(subject, input);
    const results = { mqtt: subscriber.on(topic), file: readResults(path) };
    return (["mqtt", "file"] as const).flatMap((sink) => {
      const fault = faultOf(kind, promised[sink], results[sink], expected);
      return fault === undefined ? [] : [`${id} to ${sink} (${promised[sink]}): ${fault}`];
    });
  });
}

/** Asks again until nothing is wrong any more, or nothing has changed for long. */
async function settle(faults: () => string[]): Promise<string[]> {
  let last = faults();
  let changed = Date.now();
  while (last.length > 0 && Date.now() - changed < 15_000) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const now = faults();
    if (now.join() !== last.join()) changed = Date.now();
    last = now;
  }
  return last;
}

test("an unbroken run gives what it should", () => check(0));

test(
  `${rounds} kills at random moments lose nothing and change no result`,
  { timeout: 60_000 + rounds * 10_000 },
  () => check(rounds),
);
