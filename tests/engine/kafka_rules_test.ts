/**
 * Rules over a real Kafka, as users write them. They run where there is one: see tests/peers/kafka.ts.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, test } from "node:test";
import { Admin, Consumer, Producer } from "@platformatic/kafka";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { kafkaIsMissing, type KafkaServer, startKafka } from "../peers/kafka.ts";
import { withEngine } from "./engine.ts";

let running: Promise<KafkaServer> | undefined;
const server = () => running ??= startKafka();
after(async () => (await running)?.stop());

const skip = kafkaIsMissing;

async function createTopics(...names: readonly string[]): Promise<void> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: [(await server()).broker] });
  await admin.createTopics({ topics: [...names], partitions: 1, replicas: 1 });
  await admin.close();
}

async function produce(topic: string, values: readonly string[]): Promise<void> {
  const producer = new Producer({ clientId: "test", bootstrapBrokers: [(await server()).broker], retries: 20 });
  await producer.send({ messages: values.map((value) => ({ topic, value: Buffer.from(value) })), acks: -1 });
  await producer.close();
}

/** What arrives at a topic, from its beginning on, with the ids. */
async function collect(
  topic: string,
): Promise<{ readonly got: [id: string | undefined, text: string][]; stop(): Promise<void> }> {
  const consumer = new Consumer({
    clientId: "test",
    groupId: `test-${topic}`,
    bootstrapBrokers: [(await server()).broker],
    retries: 40,
  });
  const stream = await consumer.consume({ topics: [topic], mode: "earliest", maxWaitTime: 200 });
  const got: [string | undefined, string][] = [];
  stream.on("data", ({ value, headers }) => {
    const id = [...headers].find(([name]) => String(name) === "weir-id")?.[1];
    got.push([id === undefined ? undefined : String(id), String(value)]);
  });
  stream.on("error", () => {});
  consumer.on("error", () => {});
  return { got, stop: () => consumer.close(true).catch(() => {}) };
}

test("a rule reads a topic, filters, and writes to the topic and key that the row says", { skip }, async () => {
  const { broker } = await server();
  await createTopics("readings", "hot-a", "hot-b");
  await withEngine(async ({ engine, streams, configs }) => {
    configs.putConfKey("source", "kafka", "plant", { brokers: broker, groupID: "weir" });
    streams.execute(
      'CREATE STREAM readings () WITH (TYPE="kafka", DATASOURCE="readings", CONF_KEY="plant", FORMAT="json")',
    );
    await engine.rules.create(JSON.stringify({
      id: "hot",
      sql: "SELECT hall, t, meta(topic) AS topic, meta(offset) AS place FROM readings WHERE t > 50",
      actions: [{ kafka: { brokers: broker, topic: "hot-{{.hall}}", key: "{{.hall}}", sendSingle: true } }],
    }));
    await produce("readings", [["a", 60], ["a", 40], ["b", 70]].map(([hall, t]) => JSON.stringify({ hall, t })));
    const [a, b] = [await collect("hot-a"), await collect("hot-b")];
    await eventually(() => a.got.length > 0 && b.got.length > 0, 30_000);
    assert.deepEqual(a.got, [[undefined, '{"hall":"a","place":0,"t":60,"topic":"readings"}']]);
    assert.deepEqual(b.got, [[undefined, '{"hall":"b","place":2,"t":70,"topic":"readings"}']]);
    await a.stop();
    await b.stop();
  });
});

test("a ping tells whether a cluster answers, and lets in", { skip }, async () => {
  const { broker, loginBroker } = await server();
  await withEngine(async ({ engine }) => {
    await engine.reach("sink", "kafka", { brokers: broker });
    await engine.reach("source", "kafka", { brokers: broker });
    const login = { brokers: loginBroker, saslAuthType: "scram", saslUserName: "weir" };
    await engine.reach("sink", "kafka", { ...login, password: "secret" });
    await assert.rejects(engine.reach("sink", "kafka", { ...login, password: "wrong" }), /E708.*authentication/i);
    await assert.rejects(engine.reach("sink", "kafka", { brokers: "127.0.0.1:1" }), /E708.*ECONNREFUSED/);
  });
});

test("a rule with qos 2 between two topics gives each message once by its id, whoever dies", { skip }, async () => {
  const { broker, process } = await server();
  await createTopics("in", "out");
  const out = await collect("out");
  await World.with(async (world) => {
    world.streams.execute(
      'CREATE STREAM numbers () WITH (TYPE="kafka", DATASOURCE="in", FORMAT="json", ' +
        `EXTRA="{\\"brokers\\":\\"${broker}\\",\\"startOffset\\":\\"earliest\\"}")`,
    );
    const action = { kafka: { brokers: broker, topic: "out", requiredACKs: -1, sendSingle: true } };
    await world.define("SELECT n FROM numbers", { qos: 2 }, "r", [action]);
    const numbers = (from: number) => Array.from({ length: 50 }, (_, i) => `{"n":${from + i}}`);
    const distinct = () => new Set(out.got.map(([id]) => id)).size;
    await produce("in", numbers(0));
    await eventually(() => distinct() >= 50, 30_000);
    await process.kill();
    world.kill();
    await world.start();
    await process.start();
    await produce("in", numbers(50));
    await eventually(() => distinct() >= 100, 40_000);
    // The agent alone, while messages are under way.
    await produce("in", numbers(100));
    world.kill();
    await world.start();
    await produce("in", numbers(150));
    await eventually(() => distinct() >= 200, 40_000);
    const once = new Map(out.got.map(([id, text]) => [id, text]));
    const got = [...once.values()].map((text) => (JSON.parse(text) as { n: number }).n);
    assert.deepEqual(got, Array.from({ length: 200 }, (_, n) => n));
  });
  await out.stop();
});
