/**
 * The connector `redisPub`: results as messages of Redis channels.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise } from "../../src/connector/declare.ts";
import { text } from "../../src/connector/settings.ts";
import { addressEntry, databaseEntry, serverEntries, serverOptions } from "./server_settings.ts";

/** Settings of the sink. */
export const pubSettings = v.strictObject({
  address: addressEntry("addr"),
  ...serverEntries,
  db: databaseEntry,
  channel: text({ description: "Channel to publish on.", dynamic: true }),
});

const promise = (): DeliveryPromise => ({
  level: "at-most-once",
  limit: "Redis hands a message to those who are subscribed at that moment, and keeps it for nobody",
});

export const redisPub = defineConnector({
  name: "redisPub",
  status: "stable",
  summary: "Publishes results on Redis channels.",
  description:
    "Redis answers how many subscribers it has handed a message to, which may be none; that counts as sent. While the " +
    "server is away, results wait as for any action.",
  sink: {
    summary: "Publishes each result as a message.",
    delivery: "at-most-once",
    promise,
    pings: true,
    accepts: "payloads",
    settings: pubSettings,
    check: (settings) => void serverOptions("address", settings.address, settings, settings.db),
    open: async (settings, { clock }) => {
      const server = serverOptions("address", settings.address, settings, settings.db);
      const [{ RedisClient }, { RedisPubSink }] = await Promise.all([import("./client.ts"), import("./pub_sink.ts")]);
      return new RedisPubSink(settings, await RedisClient.open(server, clock));
    },
  },
  examples: [
    { title: "A channel", role: "sink", settings: { address: "redis:6379", channel: "alerts" } },
    { title: "A channel for each plant", role: "sink", settings: { channel: "alerts.{{.plant}}" } },
  ],
});
