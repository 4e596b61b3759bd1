/**
 * The connector `mqtt`: subscribes to and publishes on topics of an MQTT broker.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import {
  choice,
  duration,
  flag,
  ignored,
  integer,
  list,
  stringMap,
  text,
  unsupported,
} from "../../src/connector/settings.ts";
import { tlsEntries } from "../../src/connector/tls_settings.ts";
import { LazyConnection } from "./connection.ts";
import { sinkPromise, sourcePromise } from "./delivery.ts";
import { validateTopicFilter } from "./protocol/topic.ts";
import { isPublishTopic, wantedTopic } from "./publish_topic.ts";
import { topicFilters } from "./topic_filters.ts";

const serverPattern = /^(tcp|mqtt|ssl|tls|mqtts|ws|wss):\/\/[^\s/]+/i;

/** Settings of the connection to a broker. */
export const connectionSettings = v.strictObject({
  server: list(
    v.pipe(
      v.string(),
      v.regex(serverPattern, "a broker URL such as tcp://host:1883, ssl://host:8883, ws://host:8080/mqtt"),
    ),
    {
      description: "Broker URL, or several that are tried in order: `tcp://`, `ssl://`, `ws://` or `wss://`.",
      default: ["tcp://127.0.0.1:1883"],
      aliases: ["servers"],
    },
  ),
  protocolVersion: choice(["3.1", "3.1.1", "4", "5"], { description: "Version of the protocol.", default: "3.1.1" }),
  clientid: text({
    description: "Client identifier; a random one without it. Sources and actions with the same one, and all other " +
      "settings of the connection the same, share one client.",
    optional: true,
  }),
  username: text({ description: "User name.", optional: true }),
  password: text({ description: "Password.", optional: true, secret: true }),
  enableClientSession: flag({
    description: "The broker keeps subscriptions and unacknowledged messages while weir is away. Needs a `clientid`.",
    default: false,
  }),
  sessionExpiryIntervalSeconds: integer({
    description: "How long the broker keeps the session, in seconds; MQTT 5 only.",
    default: 60,
    min: 0,
    max: 4_294_967_295,
  }),
  keepAlive: duration({
    description: "Longest silence before the connection is probed.",
    default: 30_000,
    max: 65_535_000,
  }),
  connectTimeout: duration({ description: "Longest wait for a connection.", default: 10_000 }),
  clientStatePath: ignored("The broker keeps the session; weir keeps no file of its own."),
  ...tlsEntries,
});

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: v.pipe(
    text({ description: "Topic filter to read, or several separated by commas; `+` and `#` are wildcards." }),
    v.check(
      (text) => topicFilters(text).length > 0 && topicFilters(text).every((each) => !validateTopicFilter(each)),
      "a topic filter in DATASOURCE, such as sensors/+/temperature",
    ),
  ),
  qos: choice([0, 1, 2], { description: "Quality of service of the subscription.", default: 1 }),
  eofMessage: unsupported("A payload that ends the stream."),
  kubeedgeVersion: unsupported("Conversion of KubeEdge device messages."),
  kubeedgeModelFile: unsupported("Conversion of KubeEdge device messages."),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  topic: v.pipe(
    text({ description: "Topic to publish on.", dynamic: true }),
    v.check(isPublishTopic, wantedTopic),
  ),
  qos: choice([0, 1, 2], { description: "Quality of service of the messages.", default: 0 }),
  retained: flag({
    description: "The broker keeps the last message for later subscribers.",
    default: false,
    aliases: ["retain"],
  }),
  properties: stringMap({
    description: "User properties of each message; MQTT 5 only.",
    default: {},
    dynamic: true,
  }),
});

export const mqtt = defineConnector({
  name: "mqtt",
  status: "stable",
  summary: "Subscribes to and publishes on topics of an MQTT broker.",
  description:
    "MQTT 3.1, 3.1.1 and 5 over TCP, TLS and WebSocket. Messages of QoS 1 and 2 are acknowledged to the broker " +
    "only after the rules' actions have the results. A lost connection is made again by itself, with growing pauses up " +
    "to 10 seconds; meanwhile results wait in the action's queue and the source is held back.\n\n" +
    "In rules with `qos` 1 or 2, each message that is published with `protocolVersion` 5 carries the user property " +
    "`weir-id`. It is the same when the message is published again, also after a restart, and never that of another " +
    "message, so that receivers can leave out repeats.\n\n" +
    "A rule with `qos` 2 takes a message exactly once when it is published and subscribed with QoS 2 and the session is " +
    "kept: the rule keeps the identifiers of the messages that it has taken and that the broker may send again. When " +
    "the broker has lost the session, or another of several servers takes over, messages that were under way may come " +
    "twice; so they may for a source that joins a client which others use already.",
  connection: {
    summary: "One client at a broker.",
    settings: connectionSettings,
    // Each source and action is a client of its own, unless they select a named connection. But a broker knows a client
    // identifier once: two clients with the same one would throw each other out for ever.
    identity: (settings) => (settings.clientid ?? "") === "" ? undefined : JSON.stringify(settings),
    check: (settings) => LazyConnection.check(settings),
    open: (settings, context) => new LazyConnection(settings, context),
  },
  source: {
    summary: "Receives the messages of topics.",
    delivery: "exactly-once",
    promise: sourcePromise,
    emits: "payloads",
    meta: ["topic", "qos", "messageId", "properties"],
    settings: sourceSettings,
    reaches: ({ datasource }) => ({ topic: topicFilters(datasource) }),
    open: async (settings, context) => {
      const { connection } = context;
      const { MqttSource } = await import("./source.ts");
      const source = new MqttSource(settings, {
        connection: await connection.open(),
        keepsSession: connection.keepsSession,
        tellsSession: connection.tellsSession,
        keepsPosition: context.keepsPosition ?? false,
        position: context.position,
        clock: context.clock,
        log: context.log,
      });
      return connection.keepsSession ? connection.follow(source, topicFilters(settings.datasource)) : source;
    },
  },
  sink: {
    summary: "Publishes each result as a message.",
    delivery: "exactly-once",
    promise: sinkPromise,
    accepts: "payloads",
    settings: sinkSettings,
    open: async (settings, context) => {
      const { connection } = context;
      const { MqttSink } = await import("./sink.ts");
      return new MqttSink(settings, await connection.open(), connection.hasUserProperties);
    },
  },
  examples: [
    {
      title: "A broker with a password, over TLS",
      role: "connection",
      settings: { server: "ssl://broker:8883", username: "weir", password: "secret" },
    },
    {
      title: "Messages kept while weir is away",
      role: "connection",
      settings: { server: "tcp://broker:1883", clientid: "gateway-1", enableClientSession: true },
    },
    { title: "All temperatures", role: "source", settings: { datasource: "plant/+/temperature", qos: 1 } },
    { title: "Alerts that must arrive", role: "sink", settings: { topic: "alerts", qos: 1, retained: false } },
  ],
});
