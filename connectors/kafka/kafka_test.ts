import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, test } from "node:test";
import { Admin, Consumer, Producer } from "@platformatic/kafka";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import type { PayloadBatch, Source, Struct } from "../../src/connector/source.ts";
import { eventually } from "../../tests/eventually.ts";
import { kafkaIsMissing, type KafkaServer, startKafka } from "../../tests/peers/kafka.ts";
import { freePort } from "../../tests/peers/server_process.ts";
import type { KafkaConnection } from "./connection.ts";
import { kafka } from "./mod.ts";

/** One broker for all tests: it takes seconds to start. */
let running: Promise<KafkaServer> | undefined;
const server = () => running ??= startKafka();
after(async () => (await running)?.stop());

const skip = kafkaIsMissing;
const { signal } = new AbortController();
const soon = () => AbortSignal.timeout(30_000);
let topics = 0;

async function newTopic(partitions = 1, configs: readonly { name: string; value: string }[] = []): Promise<string> {
  const { broker } = await server();
  const name = `t${++topics}`;
  const admin = new Admin({ clientId: "test", bootstrapBrokers: [broker] });
  await admin.createTopics({ topics: [name], partitions, replicas: 1, configs: [...configs] });
  await admin.close();
  return name;
}

async function produce(topic: string, values: readonly string[], more: object = {}): Promise<void> {
  const { broker } = await server();
  const producer = new Producer({ clientId: "test", bootstrapBrokers: [broker] });
  const messages = values.map((value) => ({ topic, value: Buffer.from(value), partition: 0, ...more }));
  if (messages.length > 0) await producer.send({ messages, acks: -1 });
  await producer.close();
}

interface Written {
  readonly partition: number;
  readonly key: string | undefined;
  readonly value: string;
  readonly headers: Record<string, string>;
}

/** All messages of a topic, partition after partition. */
async function written(topic: string): Promise<Written[]> {
  const { broker } = await server();
  const consumer = new Consumer({ clientId: "test", groupId: "none", bootstrapBrokers: [broker] });
  consumer.topics.trackAll(topic);
  const all: Written[] = [];
  try {
    const found = (await consumer.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!;
    const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic)!;
    for (let partition = 0; partition < found.partitionsCount; partition++) {
      for (let next = 0n; next < ends[partition]!;) {
        const wanted = {
          partition,
          fetchOffset: next,
          partitionMaxBytes: 50_000_000,
          currentLeaderEpoch: -1,
          lastFetchedEpoch: -1,
        };
        const node = found.partitions[partition]!.leader;
        const response = await consumer.fetch({ node, topics: [{ topicId: found.id, partitions: [wanted] }] });
        for (const batch of response.responses[0]!.partitions[0]!.records ?? []) {
          for (const { key, value, headers } of batch.records) {
            all.push({
              partition,
              key: key?.toString(),
              value: String(value),
              headers: Object.fromEntries(headers.map(([name, text]) => [String(name), String(text)])),
            });
          }
          next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
        }
      }
    }
  } finally {
    await consumer.close(true);
  }
  return all;
}

conformance(
  kafka,
  kafkaIsMissing !== false ? {} : {
    losesConnection: true,
    givesPositions: true,
    source: async () => {
      const { broker, dropClients } = await server();
      const topic = await newTopic();
      return {
        connection: { brokers: broker, timeout: 5000 },
        settings: () => ({ datasource: topic }),
        send: async (values) => {
          for (let i = 0; i < values.length; i += 9) {
            await produce(topic, values.slice(i, i + 9).map((n) => JSON.stringify({ n })));
          }
        },
        cut: () => Promise.resolve(dropClients()),
        close: () => Promise.resolve(),
      };
    },
    sink: async () => {
      const { broker, dropClients } = await server();
      const topic = await newTopic();
      return {
        connection: { brokers: broker, timeout: 5000 },
        settings: { topic, requiredACKs: -1 },
        received: async () => (await written(topic)).map(({ value }) => (JSON.parse(value) as { n: number }).n),
        receivedIds: async () => (await written(topic)).map(({ headers }) => headers["weir-id"]!),
        cut: () => Promise.resolve(dropClients()),
        close: () => Promise.resolve(),
      };
    },
  },
);

interface Opened<Handle> {
  readonly handle: Handle;
  readonly logged: LogFields[];
  readonly states: string[];
}

/** Opens a role with the settings of it and of its connection, as a user mixes them. */
async function open<Role extends "source" | "sink">(
  role: Role,
  raw: Record<string, unknown>,
  resume: Partial<OpenContext> = {},
): Promise<Opened<Role extends "source" ? Source : PayloadSink>> {
  const { connection, [role]: part } = kafka;
  const isOfConnection = (name: string) => Object.hasOwn(connection!.settings.entries, name);
  const pick = (wanted: boolean) =>
    Object.fromEntries(Object.entries(raw).filter(([name]) => isOfConnection(name) === wanted));
  const shared = readSettings(connection!.settings, pick(true), { path: "", where: "connection" });
  connection!.check!(shared);
  const settings = readSettings(part!.settings, pick(false), { path: "", where: role });
  part!.check?.(settings, {});
  const logged: LogFields[] = [];
  const states: string[] = [];
  const base = { name: `test ${role}`, clock: realClock, log: recordingLogger(logged) };
  const status = (state: string, message?: string) =>
    void states.push(message === undefined ? state : `${state}: ${message}`);
  const context = {
    ...base,
    status,
    connection: connection!.open(shared, { ...base, status }) as KafkaConnection,
    ...resume,
  };
  return { handle: await part!.open(settings, context as never) as never, logged, states };
}

/** Reads until there are so many rows; acknowledges what `acks` says. */
async function take(
  source: Source,
  count: number,
  acks: "all" | "none" = "all",
): Promise<{ texts: string[]; batches: PayloadBatch[] }> {
  const texts: string[] = [];
  const batches: PayloadBatch[] = [];
  while (texts.length < count) {
    const batch = await source.read(soon()) as PayloadBatch;
    batches.push(batch);
    texts.push(...batch.payloads.map((each) => new TextDecoder().decode(each as Uint8Array)));
    if (acks === "all") batch.ack?.();
  }
  return { texts, batches };
}

test("kafka source: metadata, all partitions, and messages without a value", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic(3);
  const { handle: source } = await open("source", { brokers: broker, datasource: topic, partition: -1 });
  await source.read(AbortSignal.timeout(600)).catch(() => {});
  const producer = new Producer({ clientId: "test", bootstrapBrokers: [broker] });
  await producer.send({
    messages: [0, 1, 2].map((partition) => ({
      topic,
      partition,
      key: Buffer.from(`k${partition}`),
      value: partition === 1 ? undefined : Buffer.from(`v${partition}`),
      headers: new Map([[Buffer.from("h"), Buffer.from("x")], [Buffer.from("__proto__"), Buffer.from("y")]]),
      timestamp: BigInt(1_700_000_000_000 + partition),
    })) as never,
    acks: -1,
  });
  await producer.close();
  const { texts, batches } = await take(source, 3);
  assert.deepEqual(texts.toSorted(), ["", "v0", "v2"]);
  const metas = batches.flatMap((batch) => batch.payloads.map((_, i) => batch.meta!(i)!));
  const second = metas.find(({ partition }) => partition === 1n)!;
  const { headers, ...rest } = second;
  assert.deepEqual(rest, { topic, partition: 1n, offset: 0n, key: "k1", timestamp: 1_700_000_000_001n });
  assert.deepEqual(Object.entries(headers as Struct), [["h", "x"], ["__proto__", "y"]]);
  await source.close();
});

test("kafka source: in a group, what was not acknowledged comes again, and what was does not", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic();
  await produce(topic, ["a", "b"]);
  const raw = { brokers: broker, datasource: topic, groupID: `g-${topic}` };
  const first = await open("source", raw);
  assert.deepEqual((await take(first.handle, 2)).texts, ["a", "b"]);
  await produce(topic, ["c"]);
  assert.deepEqual((await take(first.handle, 1, "none")).texts, ["c"]);
  await produce(topic, ["d"]);
  const { batches: [last] } = await take(first.handle, 1, "none");
  // A later batch that is done with says nothing of the one before it.
  last!.ack!();
  await first.handle.close();
  const second = await open("source", raw);
  assert.deepEqual((await take(second.handle, 2)).texts, ["c", "d"]);
  await second.handle.close();
  await produce(topic, ["e"]);
  const third = await open("source", raw);
  assert.deepEqual((await take(third.handle, 1)).texts, ["e"]);
  await third.handle.close();
});

test(
  "kafka source: members of a group share the partitions, and take over those of one that leaves",
  { skip },
  async () => {
    const { broker } = await server();
    const topic = await newTopic(2);
    const raw = { brokers: broker, datasource: topic, groupID: `g-${topic}` };
    const got: string[][] = [[], []];
    const abort = new AbortController();
    const members = await Promise.all([open("source", raw), open("source", raw)]);
    const reading = members.map(async ({ handle }, i) => {
      while (true) {
        const batch = await handle.read(abort.signal) as PayloadBatch;
        got[i]!.push(...batch.payloads.map((each) => new TextDecoder().decode(each as Uint8Array)));
        batch.ack!();
      }
    });
    for (const each of reading) each.catch(() => {});
    const deadline = Date.now() + 40_000;
    // Joining takes turns: messages go out until both have seen some.
    for (let n = 0; got.some((texts) => texts.length === 0) && Date.now() < deadline; n++) {
      for (const partition of [0, 1]) await produce(topic, [`${partition}/${n}`], { partition });
      await realClock.sleep(100);
    }
    assert.ok(got.every((texts) => texts.length > 0), JSON.stringify(got.map(({ length }) => length)));
    abort.abort(new Error("stop"));
    await Promise.allSettled(reading);
    await members[1]!.handle.close();
    for (const partition of [0, 1]) await produce(topic, [`last ${partition}`], { partition });
    const last: string[] = [];
    while (last.filter((text) => text.startsWith("last")).length < 2) {
      last.push(
        ...(await take(members[0]!.handle, 1)).texts,
      );
    }
    await members[0]!.handle.close();
  },
);

test("kafka source: begins where it is told, and says what is gone", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic();
  await produce(topic, ["a", "b", "c"]);
  const raw = { brokers: broker, datasource: topic };
  const earliest = await open("source", { ...raw, startOffset: "earliest" });
  assert.deepEqual((await take(earliest.handle, 3)).texts, ["a", "b", "c"]);
  await earliest.handle.close();
  // The first batch of a new rule says where it begins, so that what comes while it is away is not lost.
  const begun = await open("source", raw, { keepsPosition: true });
  const { position, payloads } = await begun.handle.read(soon()) as PayloadBatch;
  assert.deepEqual([payloads.length, position], [0, `{"topic":"${topic}","next":{"0":"3"}}`]);
  await begun.handle.close();
  await produce(topic, ["d"]);
  const resumed = await open("source", raw, { keepsPosition: true, position: position! });
  assert.deepEqual((await take(resumed.handle, 1)).texts, ["d"]);
  await resumed.handle.close();
  // A position beyond the end, as of a topic that was made anew.
  const beyond = await open("source", raw, { keepsPosition: true, position: `{"topic":"${topic}","next":{"0":"99"}}` });
  assert.deepEqual((await take(beyond.handle, 4)).texts, ["a", "b", "c", "d"]);
  assert.ok(beyond.logged.some(({ wanted, first }) => wanted === "99" && first === "0"));
  await beyond.handle.close();
});

test("kafka source: leaves out what transactions have taken back, and goes on behind it", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic();
  const producer = new Producer({
    clientId: "test",
    bootstrapBrokers: [broker],
    transactionalId: `tx-${topic}`,
    idempotent: true,
  });
  for (const [value, end] of [["taken back", "abort"], ["kept", "commit"], ["also taken back", "abort"]] as const) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic, value: Buffer.from(value) }] });
    await transaction[end]();
  }
  await producer.close();
  const raw = { brokers: broker, datasource: topic, startOffset: "earliest" };
  const first = await open("source", raw, { keepsPosition: true });
  await first.handle.read(soon());
  const { texts, batches } = await take(first.handle, 1);
  assert.deepEqual(texts, ["kept"]);
  await first.handle.close();
  await produce(topic, ["plain"]);
  const position = batches.at(-1)!.position!;
  const second = await open("source", raw, { keepsPosition: true, position });
  assert.deepEqual((await take(second.handle, 1)).texts, ["plain"]);
  await second.handle.close();
});

test("kafka source: takes no more while nobody reads", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic();
  const text = "x".repeat(1000);
  for (let i = 0; i < 5; i++) await produce(topic, Array.from({ length: 200 }, () => text));
  const { handle: source } = await open("source", {
    brokers: broker,
    datasource: topic,
    startOffset: "earliest",
    maxBytes: 50_000,
  });
  const first = await source.read(soon()) as PayloadBatch;
  assert.ok(first.payloads.length <= 200, String(first.payloads.length));
  await realClock.sleep(1000);
  let got = first.payloads.length;
  while (got < 1000) got += (await source.read(soon()) as PayloadBatch).payloads.length;
  assert.equal(got, 1000);
  await source.close();
});

test("kafka sink: keys, headers, topics of templates, and bad ones among them", { skip }, async () => {
  const { broker } = await server();
  const [one, two] = [await newTopic(4), await newTopic()];
  const { handle: sink } = await open("sink", {
    brokers: broker,
    topic: one,
    headers: { site: "north" },
    requiredACKs: -1,
  });
  const settings = [
    { key: "foobar" },
    { topic: two, headers: '{"a":"1","n":2}' },
    { topic: "no topic" },
    { headers: "no JSON" },
    { key: "foobar" },
    {},
  ];
  const bytes = new Uint8Array([0, 255, 1]);
  await assert.rejects(
    sink.write(["v0", "v1", "v2", "v3", bytes, "v5"], signal, ["i0", "i1", "i2", "i3", "i4", "i5"], settings),
    (error) => {
      assert.ok(error instanceof ItemsFailed);
      assert.deepEqual([...error.failed], [
        [2, '"no topic" cannot be the name of a topic'],
        [3, "The template of the headers has made no JSON object"],
      ]);
      return true;
    },
  );
  await sink.close();
  const first = await written(one);
  // Kafka's own clients put "foobar" where its murmur2, -790332482, leads to.
  const keyed = first.filter(({ key }) => key === "foobar");
  assert.deepEqual(keyed.map(({ partition, headers }) => [partition, headers]), [
    [(-790332482 & 0x7fffffff) % 4, { "site": "north", "weir-id": "i0" }],
    [(-790332482 & 0x7fffffff) % 4, { "site": "north", "weir-id": "i4" }],
  ]);
  assert.equal(first.length, 3);
  assert.deepEqual((await written(two)).map(({ value, headers }) => [value, headers]), [["v1", {
    "a": "1",
    "n": "2",
    "weir-id": "i1",
  }]]);
});

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"]) {
  test(`kafka sink: 5,000 messages with compression ${compression}, read again`, { skip }, async () => {
    const { broker } = await server();
    const topic = await newTopic();
    const more = { requiredACKs: -1, idempotent: true, compression, batchBytes: 100_000 };
    const { handle: sink } = await open("sink", { brokers: broker, topic, ...more });
    const texts = Array.from({ length: 5000 }, (_, n) => `{"n":${n},"text":"some text that repeats"}`);
    await sink.write(texts, signal);
    await sink.close();
    const { handle: source } = await open("source", { brokers: broker, datasource: topic, startOffset: "earliest" });
    assert.deepEqual((await take(source, 5000)).texts, texts);
    await source.close();
  });
}

test("kafka sink: a message that the broker finds too large fails, those beside it do not", { skip }, async () => {
  const { broker } = await server();
  const topic = await newTopic(1, [{ name: "max.message.bytes", value: "10000" }]);
  const { handle: sink } = await open("sink", { brokers: broker, topic, requiredACKs: -1 });
  await assert.rejects(sink.write(["a", "b", "x".repeat(20_000), "c"], signal), (error) => {
    return error instanceof ItemsFailed && error.failed.size === 1 && /MESSAGE_TOO_LARGE/.test(error.failed.get(2)!);
  });
  await sink.close();
  assert.deepEqual((await written(topic)).map(({ value }) => value), ["a", "b", "c"]);
});

test("kafka: logins that are good, wrong and missing; TLS that is trusted, or not", { skip }, async () => {
  const { loginBroker, tlsBroker, certificates } = await server();
  const topic = await newTopic();
  const login = { brokers: loginBroker, saslUserName: "weir", password: "secret" };
  for (const saslAuthType of ["plain", "scram", "scram-sha-256"]) {
    const { handle: sink } = await open("sink", { ...login, saslAuthType, topic });
    await sink.write([saslAuthType], signal);
    await sink.close();
    await assert.rejects(open("sink", { ...login, saslAuthType, password: "wrong", topic }), (error) => {
      return error instanceof Disconnected && /authentication/i.test(error.message);
    });
  }
  await assert.rejects(
    open("source", { brokers: loginBroker, datasource: topic, maxAttempts: 1, timeout: 2000 }),
    Disconnected,
  );
  const { handle: sink } = await open("sink", { brokers: `ssl://${tlsBroker}`, rootCaPath: certificates.ca, topic });
  await sink.write(["tls"], signal);
  await sink.close();
  await assert.rejects(
    open("sink", { brokers: tlsBroker, rootCaPath: certificates.otherCa, topic, maxAttempts: 1 }),
    (error) => {
      return error instanceof Disconnected && /certificate|issuer/i.test(error.message);
    },
  );
  assert.deepEqual((await written(topic)).map(({ value }) => value), ["plain", "scram", "scram-sha-256", "tls"]);
});

test("kafka: a topic that is not there, and a partition that it does not have", { skip }, async () => {
  const { broker } = await server();
  await assert.rejects(open("source", { brokers: broker, datasource: "nowhere", maxAttempts: 1 }), (error) => {
    return error instanceof Disconnected && /nowhere|topic/.test(error.message);
  });
  const topic = await newTopic(2);
  await assert.rejects(open("source", { brokers: broker, datasource: topic, partition: 2 }), (error) => {
    return error instanceof Disconnected && /has 2 partitions, and no partition 2/.test(error.message);
  });
});

test("kafka: a broker that is away", async () => {
  const brokers = `127.0.0.1:${await freePort()}`;
  for (const [role, raw] of [["sink", { topic: "t" }], ["source", { datasource: "t" }]] as const) {
    await assert.rejects(open(role, { brokers, maxAttempts: 1, timeout: 2000, ...raw }), (error) => {
      return error instanceof Disconnected &&
        /Kafka at 127.0.0.1:\d+: .*(ECONNREFUSED|refused|connect)/i.test(error.message);
    });
  }
});

test("kafka: a broker that freezes counts as lost, and is found again", { skip }, async () => {
  const { broker, process } = await server();
  const topic = await newTopic();
  const raw = { brokers: broker, timeout: 1000, maxAttempts: 1 };
  const { handle: sink, states } = await open("sink", { ...raw, topic });
  const { handle: source } = await open("source", { ...raw, datasource: topic });
  await source.read(AbortSignal.timeout(600)).catch(() => {});
  process.freeze();
  try {
    await assert.rejects(sink.write(["a"], signal), (error) => error instanceof Disconnected);
    await assert.rejects(source.read(soon()), (error) => error instanceof Disconnected);
    assert.ok(states.some((state) => state.startsWith("disconnected: Kafka at")), states.join());
    await sink.close();
    await source.close();
  } finally {
    process.thaw();
  }
  const { handle: again } = await open("sink", { ...raw, timeout: 10_000, topic });
  await again.write(["b"], signal);
  await again.close();
  assert.ok((await written(topic)).some(({ value }) => value === "b"));
});

test(
  "kafka: 200 connections that break leave nothing behind, and lose nothing that was acknowledged",
  { skip },
  async () => {
    const { broker, dropClients, connections } = await server();
    const topic = await newTopic();
    // The transactional producer of a test above leaves some of its own.
    const before = connections();
    const acknowledged: string[] = [];
    for (let i = 0; i < 100; i++) {
      try {
        const { handle: sink } = await open("sink", { brokers: broker, topic, maxAttempts: 1, requiredACKs: -1 });
        if (i % 3 === 0) dropClients();
        await sink.write([String(i)], signal).then(
          () => acknowledged.push(String(i)),
          (error) => assert.ok(error instanceof Disconnected),
        );
        await sink.close();
        const { handle: source } = await open("source", { brokers: broker, datasource: topic, maxAttempts: 1 });
        if (i % 3 === 1) dropClients();
        await source.close();
      } catch (error) {
        if (!(error instanceof Disconnected)) throw error;
      }
    }
    await eventually(() => connections() <= before);
    const all = new Set((await written(topic)).map(({ value }) => value));
    assert.ok(acknowledged.length > 50 && acknowledged.every((text) => all.has(text)));
  },
);

test("kafka: settings that can never work", async () => {
  for (
    const [role, raw, message] of [
      ["sink", { topic: "a b" }, /E403: Bad value for setting "topic".*wanted a topic of up to 249/],
      ["sink", { topic: "t", idempotent: true }, /E403: idempotent needs requiredACKs -1/],
      ["sink", { topic: "t", saslAuthType: "plain" }, /E404: saslAuthType "plain" needs a "saslUserName"/],
      ["sink", { topic: "t", brokers: "http://h" }, /E403: Bad value for setting "brokers/],
      ["source", { datasource: "t", partition: -2 }, /E403: Bad value for setting "partition"/],
      ["source", { datasource: ".." }, /E403: Bad value for setting "datasource"/],
    ] as const
  ) {
    await assert.rejects(open(role, raw), message);
  }
});
