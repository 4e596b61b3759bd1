/**
 * The connector `redis`: rows in keys of a Redis server, written and looked up.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise } from "../../src/connector/declare.ts";
import { choice, duration, integer, refuseSetting, text } from "../../src/connector/settings.ts";
import { addressEntry, databaseEntry, serverEntries, serverOptions } from "./server_settings.ts";

const dataType = choice(["string", "list"], {
  description: "`string`: a key holds one row; `list`: a list of rows.",
  default: "string",
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject({
  datasource: integer({
    description: "Number of the database, as text.",
    default: 0,
    min: 0,
    max: 1_000_000,
    aliases: ["db"],
  }),
  addr: addressEntry("address"),
  ...serverEntries,
  dataType,
  key: text({
    description:
      "The KEY of the table: the column whose value is the key. Without it, a join is by one column, which is " +
      "the key.",
    default: "",
  }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  addr: addressEntry("address"),
  ...serverEntries,
  db: databaseEntry,
  keyType: choice(["single", "multiple"], {
    description: "`single`: a row is the value of one key, as JSON; `multiple`: each column is a key with its value.",
    default: "single",
  }),
  key: text({ description: "The key of all rows.", default: "", dynamic: true }),
  field: text({
    description: "The column that holds the key of a row. It wins over `key`.",
    default: "",
    aliases: ["keyField"],
  }),
  dataType: choice(["string", "list"], {
    description: "`string`: the value is set (SET); `list`: it becomes the first of a list (LPUSH).",
    default: "string",
  }),
  expiration: duration({
    description: "How long a key lives after a row was written to it; for ever when -1 or 0.",
    default: -1,
    min: -1,
  }),
  rowkindField: text({
    description:
      "The column that says what a row does: `insert`, `update` and `upsert` write it, `delete` deletes its " +
      "key (DEL), or takes the first of the list (LPOP). A row without the column is written; with another value it " +
      "fails.",
    default: "",
  }),
});

type SinkSettings = v.InferOutput<typeof sinkSettings>;

function sinkPromise({ dataType }: SinkSettings): DeliveryPromise {
  return dataType === "string"
    ? { level: "exactly-once" }
    : { level: "at-least-once", limit: "a list takes a row that is written again once more" };
}

export const redis = defineConnector({
  name: "redis",
  status: "stable",
  summary: "Writes rows to keys of a Redis server, and looks rows up by key.",
  description:
    "For Redis from version 2.6 on and servers that speak its protocol, over TCP, TLS (`rediss://`) and sockets of this " +
    "machine; not for Redis Cluster. Results that come together are written in one pipeline, in their order. A server " +
    "that is away, or does not let weir in, is tried again with growing pauses; one that loads its data, or is short of " +
    "memory or disk, after a second. A key that holds no list fails the rows for lists.\n\n" +
    "With `dataType: string`, writing a row again changes nothing, so a rule with `qos` 1 or 2 leaves the keys as if " +
    "each row had been written once. What Redis itself keeps over a restart is a matter of its configuration.",
  lookup: {
    summary:
      "Asks for the row, or the list of rows, of a key. They are JSON objects. The key is one column of the join, " +
      "as text; a row that lacks that column gets it, and other columns of the join are compared with those of the row.",
    opens: "with rule",
    pings: true,
    settings: lookupSettings,
    check: (settings) => void serverOptions("addr", settings.addr, settings, settings.datasource),
    open: async (settings, { clock }) => {
      const server = serverOptions("addr", settings.addr, settings, settings.datasource);
      const [{ RedisClient }, { RedisLookup }] = await Promise.all([import("./client.ts"), import("./lookup.ts")]);
      return new RedisLookup(settings, await RedisClient.open(server, clock));
    },
  },
  sink: {
    summary: "Writes each row to a key.",
    delivery: "exactly-once",
    promise: sinkPromise,
    pings: true,
    accepts: "rows",
    settings: sinkSettings,
    check(settings) {
      if (settings.keyType === "single" && settings.key === "" && settings.field === "") {
        refuseSetting("key", 'keyType "single" needs a "key", or a "field" with the column that holds it', "E404");
      }
      serverOptions("addr", settings.addr, settings, settings.db);
    },
    open: async (settings, { clock }) => {
      const server = serverOptions("addr", settings.addr, settings, settings.db);
      const [{ RedisClient }, { RedisSink }] = await Promise.all([import("./client.ts"), import("./sink.ts")]);
      return new RedisSink(settings, await RedisClient.open(server, clock));
    },
  },
  examples: [
    { title: "Devices by their id", role: "lookup", settings: { datasource: "0", addr: "redis:6379", key: "id" } },
    {
      title: "The last state of each device, for an hour",
      role: "sink",
      settings: { addr: "redis:6379", field: "device_id", expiration: "1h" },
    },
    {
      title: "A list for each line, over TLS",
      role: "sink",
      settings: {
        addr: "rediss://redis:6380",
        username: "weir",
        password: "secret",
        key: "line:{{.line}}",
        dataType: "list",
      },
    },
  ],
});
