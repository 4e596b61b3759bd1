/**
 * The connector `sparkplug`: the data of Sparkplug B edge nodes and their devices, from an MQTT broker.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, list, refuseSetting, text } from "../../src/connector/settings.ts";
import { LazyConnection } from "../mqtt/connection.ts";
import { connectionSettings } from "../mqtt/mod.ts";
import { messageTypes, parseNodeFilter } from "./topic.ts";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: v.pipe(
    text({
      description:
        "What to read: `group`, `group/node` or `group/node/device`, each of them `+` for any. Everything without it.",
      default: "",
    }),
    v.check((text) => parseNodeFilter(text) !== undefined, "group, group/node or group/node/device"),
  ),
  messages: list(v.picklist(messageTypes), {
    description: "Types of messages that give rows. Births and deaths are heeded also when they give none.",
    default: ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"],
  }),
  rows: choice(["message", "metric"], {
    description: "`message`: a row for each message, its metrics in one column; `metric`: a row for each metric.",
    default: "message",
  }),
  rebirth: choice(["request", "never"], {
    description:
      "`request`: a node is asked for its birth (`Node Control/Rebirth`) when messages of it are missing, an " +
      "alias is not known, or data came before a birth.",
    default: "request",
  }),
  rebirthInterval: duration({ description: "Least time between two such requests to a node.", default: 10_000 }),
});

const prose =
  "Sparkplug B 2.2 and 3.0 (`spBv1.0/…`). A row has the columns `group_id`, `edge_node_id`, `device_id` (null for " +
  "the node itself), `message_type`, `timestamp` (Unix milliseconds), `seq`, `online` and `historical`.\n\n" +
  "With `rows: message`, `metrics` has the values by name, ``metrics->temperature`` or ``metrics->`Inputs/A` ``; `quality` " +
  "the reasons of those that are not good, by name, and `properties` the properties of metrics that have any. Historical " +
  "values stand in rows of their own, with their own `timestamp`. With `rows: metric`, there are `metric`, `value`, `type`, " +
  "`quality` (`good`, or why not) and `properties`.\n\n" +
  "Whole numbers are ints with their sign, and floats where they are too large for an int; a `DateTime` is a datetime, " +
  "a `DataSet` a list of rows, a `Template` a struct, and an array a list. What cannot be read is null, with the reason in " +
  "`quality`; a payload that cannot be read at all gives a row without metrics and the reason.\n\n" +
  "```sql\n" +
  "SELECT edge_node_id, device_id, metrics->temperature AS temperature FROM plant\n" +
  "  WHERE message_type = 'DDATA' AND metrics->temperature > 80 AND historical = false\n" +
  "```\n\n" +
  "An `NDEATH` gives a row for the node and one for each of its devices, with the quality `stale` for all their metrics. " +
  "The death of an earlier session (`bdSeq`) is left out. A `STATE` has the columns `host_id`, `online` and `timestamp`.\n\n" +
  "weir is no primary host: it publishes no `STATE`. There is no action that publishes as a node.";

export const sparkplug = defineConnector({
  name: "sparkplug",
  status: "experimental",
  summary: "Reads Sparkplug B messages of edge nodes and devices from an MQTT broker.",
  description: prose,
  connection: {
    summary: "One client at a broker, with the settings of `mqtt`.",
    settings: connectionSettings,
    identity: (settings) => (settings.clientid ?? "") === "" ? undefined : JSON.stringify(settings),
    check: (settings) => LazyConnection.check(settings),
    open: (settings, context) => new LazyConnection(settings, context),
  },
  source: {
    summary: "Gives what nodes and devices tell.",
    delivery: "at-most-once",
    emits: "rows",
    meta: ["topic"],
    settings: sourceSettings,
    check: ({ messages }) => {
      if (messages.length === 0) refuseSetting("messages", 'The setting "messages" names no type', "E404");
    },
    open: async (settings, { connection, clock, log }) => {
      const { SparkplugSource } = await import("./source.ts");
      return new SparkplugSource({
        connection: await connection.open(),
        filter: parseNodeFilter(settings.datasource)!,
        types: settings.messages,
        shape: settings.rows,
        rebirthPauseMs: settings.rebirth === "never" ? undefined : settings.rebirthInterval,
        clock,
        log,
      });
    },
  },
  examples: [
    {
      title: "A broker",
      role: "connection",
      settings: { server: "tcp://broker:1883", username: "weir", password: "secret" },
    },
    { title: "All devices of a plant", role: "source", settings: { datasource: "plant1" } },
    {
      title: "One metric a row, of one kind of device",
      role: "source",
      settings: { datasource: "plant1/+/press", rows: "metric", messages: ["DBIRTH", "DDATA"] },
    },
  ],
});
