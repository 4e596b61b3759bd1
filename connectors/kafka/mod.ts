/**
 * The connector `kafka`: reads and writes topics of Apache Kafka.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise, type DeliveryUse } from "../../src/connector/declare.ts";
import {
  choice,
  duration,
  flag,
  ignored,
  integer,
  list,
  refuseSetting,
  stringMap,
  text,
} from "../../src/connector/settings.ts";
import { tlsEntries, tlsOptions } from "../../src/connector/tls_settings.ts";
import { KafkaConnection } from "./connection.ts";

const brokerPattern = /^((ssl|tls):\/\/)?(\[[^\s\]]+\]|[^\s:/@]+)(:\d{1,5})?$/i;

/** Settings of the connection to a cluster. */
export const connectionSettings = v.strictObject({
  brokers: list(v.pipe(v.string(), v.regex(brokerPattern, "a broker such as host:9092, or ssl://host:9093")), {
    description:
      "Brokers to ask for the others: `host:9092`, or `ssl://host:9093` for TLS, which settings of TLS turn on, " +
      "too.",
    default: ["127.0.0.1:9092"],
  }),
  saslAuthType: choice(["none", "plain", "scram", "scram-sha-256"], {
    description: "How to log in: `plain`, `scram` with SHA-512, or `scram-sha-256`.",
    default: "none",
  }),
  saslUserName: text({ description: "User name.", default: "" }),
  password: text({ description: "Password.", default: "", aliases: ["saslPassword"], secret: true }),
  timeout: duration({
    description: "Longest wait for a connection, and for an answer.",
    default: 10_000,
    min: 1,
    max: 600_000,
  }),
  ...tlsEntries,
});

/** What Kafka takes for a name. */
export const topicPattern = /^(?!\.\.?$)[a-zA-Z0-9._-]{1,249}$/;
const topicForm = "a topic of up to 249 letters, digits, dots, dashes and underscores";

/** Tries of one request, before the connection counts as lost and is made again. */
const maxAttempts = integer({
  description: "Tries of a request before the connection counts as lost, and is made again.",
  default: 3,
  min: 1,
  max: 100,
});

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: v.pipe(text({ description: "Topic to read." }), v.regex(topicPattern, topicForm)),
  groupID: text({
    description:
      "Consumer group: Kafka shares the partitions of the topic out to its members, and keeps how far they are.",
    default: "",
  }),
  partition: integer({
    description: "Partition to read without a group; -1 reads all.",
    default: 0,
    min: -1,
    max: 2_147_483_647,
  }),
  startOffset: choice(["earliest", "latest"], {
    description:
      "Where to begin where nothing is kept: with the oldest message, or with the next one. `earliest` with a " +
      "group, `latest` without, when absent.",
    optional: true,
  }),
  maxBytes: integer({
    description: "Bytes to take at once. A larger message is still taken, alone.",
    default: 1_000_000,
    min: 1,
    max: 1_000_000_000,
  }),
  maxAttempts,
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  topic: v.pipe(
    text({ description: "Topic to write to; made by the brokers where they allow it.", dynamic: true }),
    v.regex(topicPattern, topicForm),
  ),
  key: text({
    description: "Key of the messages: those with the same key go to the same partition, and stay in order. Messages " +
      "without a key go to one partition after the other.",
    default: "",
    dynamic: true,
  }),
  headers: stringMap({
    description: "Headers of the messages; or a template that makes a JSON object of them.",
    default: {},
    dynamic: true,
  }),
  requiredACKs: choice([-1, 0, 1], {
    description: "Who must have a message: -1 all brokers that keep copies, 1 the one that leads, 0 nobody.",
    default: 1,
  }),
  idempotent: flag({
    description: "Brokers leave out repeats of a request that was tried again; needs `requiredACKs` -1.",
    default: false,
  }),
  compression: choice(["", "none", "gzip", "snappy", "lz4", "zstd"], {
    description: "How messages are compressed; readers see nothing of it.",
    default: "",
  }),
  batchBytes: integer({
    description: "Bytes of messages in one request.",
    default: 1_048_576,
    min: 1,
    max: 1_000_000_000,
  }),
  batchSize: ignored("Messages that wait are sent together, whatever their number."),
  lingerInterval: ignored("A message is sent as soon as the request before is answered."),
  maxAttempts,
});

type SourceSettings = v.InferOutput<typeof sourceSettings>;
type SinkSettings = v.InferOutput<typeof sinkSettings>;

function sourcePromise({ groupID }: SourceSettings, _connection: unknown, use: DeliveryUse): DeliveryPromise {
  if (groupID !== "") {
    return {
      level: "at-least-once",
      limit: "the group is told how far it is after the results are kept; without groupID, the rule keeps it itself",
    };
  }
  return use.keepsPosition
    ? { level: "exactly-once" }
    : { level: "at-most-once", limit: "several rules may read the stream, and nobody keeps how far they are" };
}

function sinkPromise({ requiredACKs }: SinkSettings): DeliveryPromise {
  switch (requiredACKs) {
    case -1:
      return { level: "exactly-once" };
    case 0:
      return { level: "at-most-once", limit: "requiredACKs is 0: no broker says that it has a message" };
    default:
      return {
        level: "at-least-once",
        limit: "requiredACKs is 1: a broker may break down for good with messages that no other one has",
      };
  }
}

export const kafka = defineConnector({
  name: "kafka",
  status: "experimental",
  summary: "Reads and writes topics of Apache Kafka.",
  description:
    "Over TCP and TLS, with SASL. Experimental: it is proved against brokers of version 4.2, also in a cluster of three whose " +
    "nodes die in turn, but only on machines that have Kafka, which those of our CI have not.\n\n" +
    "Without a group, a rule with `qos` 1 or 2 keeps itself how far it has read, and takes each message exactly once. With " +
    "a group, offsets are committed after the results are kept: a message that was under way when the agent died, or " +
    "when partitions were shared out anew, comes again. Messages of transactions that were aborted are left out. When " +
    "messages that were not read yet have been deleted, reading goes on with the oldest one there is, and the log says " +
    "so.\n\n" +
    "In rules with `qos` 1 or 2, each message that is written carries the header `weir-id`. It is the same when the " +
    "message is written again, also after a restart, and never that of another message, so that readers can leave out " +
    "repeats. Keys choose partitions as those of Kafka's own clients do.",
  connection: {
    summary: "How to reach a cluster. Each source and action makes connections of its own.",
    settings: connectionSettings,
    identity: () => undefined,
    check(settings) {
      if (settings.brokers.length === 0) refuseSetting("brokers", 'kafka needs "brokers", such as host:9092', "E404");
      if (settings.saslAuthType !== "none" && settings.saslUserName === "") {
        refuseSetting("saslUserName", `saslAuthType "${settings.saslAuthType}" needs a "saslUserName"`, "E404");
      }
      tlsOptions(settings);
    },
    open: (settings, context) => new KafkaConnection(settings, context),
  },
  source: {
    summary: "Receives the messages of a topic. One without a value is an empty payload.",
    delivery: "exactly-once",
    promise: sourcePromise,
    emits: "payloads",
    meta: ["topic", "partition", "offset", "key", "timestamp", "headers"],
    settings: sourceSettings,
    reaches: ({ datasource }) => ({ topic: datasource }),
    open: async (settings, context) => {
      const { KafkaSource } = await import("./source.ts");
      return await KafkaSource.open(settings, context);
    },
  },
  sink: {
    summary: "Writes each result as a message.",
    delivery: "exactly-once",
    promise: sinkPromise,
    accepts: "payloads",
    settings: sinkSettings,
    check({ idempotent, requiredACKs }) {
      if (idempotent && requiredACKs !== -1) refuseSetting("requiredACKs", "idempotent needs requiredACKs -1");
    },
    open: async (settings, context) => {
      const { KafkaSink } = await import("./sink.ts");
      return await KafkaSink.open(settings, context);
    },
  },
  examples: [
    {
      title: "A cluster with a login",
      role: "connection",
      settings: {
        brokers: ["ssl://kafka-1:9093", "ssl://kafka-2:9093"],
        saslAuthType: "scram",
        saslUserName: "weir",
        password: "secret",
      },
    },
    {
      title: "A topic that several agents share",
      role: "source",
      settings: { brokers: "kafka:9092", datasource: "readings", groupID: "gateways" },
    },
    {
      title: "Messages in order for each machine",
      role: "sink",
      settings: { brokers: "kafka:9092", topic: "alerts", key: "{{.machine}}", requiredACKs: -1, compression: "zstd" },
    },
  ],
});
