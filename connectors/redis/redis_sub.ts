/**
 * The connector `redisSub`: the messages of Redis channels.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { integer, list, refuseSetting, text } from "../../src/connector/settings.ts";
import { addressEntry, databaseEntry, serverEntries, serverOptions } from "./server_settings.ts";

/** Settings of the source. */
export const subSettings = v.strictObject({
  datasource: text({
    description: "Channels or patterns, separated by commas, where `channels` names none.",
    default: "",
  }),
  address: addressEntry("addr"),
  ...serverEntries,
  db: databaseEntry,
  channels: list(v.string(), {
    description: "Channels to read; one with `*`, `?` or `[` is a pattern. A message that fits several comes as often.",
    default: [],
  }),
  bufferLength: integer({
    description: "Messages that may wait to be read; beyond it no more is taken from the connection.",
    default: 1024,
    min: 1,
  }),
});

type SubSettings = v.InferOutput<typeof subSettings>;

function channelsOf({ channels, datasource }: SubSettings): string[] {
  const names = channels.length > 0 ? channels : datasource.split(",");
  return [...new Set(names.map((name) => name.trim()).filter((name) => name !== ""))];
}

export const redisSub = defineConnector({
  name: "redisSub",
  status: "stable",
  summary: "Receives the messages of Redis channels.",
  description:
    "Redis keeps no message for subscribers that are away: what is published while the connection is lost, or the rule " +
    "is stopped, is not received. A rule that is too slow makes weir stop reading from the connection; Redis then keeps " +
    "up to 32 MB (`client-output-buffer-limit pubsub`) and closes the connection beyond, which is logged, counted as a " +
    "lost connection, and mended. For messages that must not be lost use a broker that keeps them.",
  source: {
    summary: "Subscribes to channels and patterns.",
    delivery: "at-most-once",
    pings: true,
    emits: "payloads",
    meta: ["channel"],
    settings: subSettings,
    check(settings) {
      if (channelsOf(settings).length === 0) refuseSetting("channels", 'redisSub needs "channels" to read', "E404");
      serverOptions("address", settings.address, settings, settings.db);
    },
    open: async (settings, context) => {
      const server = serverOptions("address", settings.address, settings, settings.db);
      const [{ RedisClient }, { RedisSubSource }] = await Promise.all([
        import("./client.ts"),
        import("./sub_source.ts"),
      ]);
      const client = await RedisClient.open(server, context.clock);
      return await RedisSubSource.open(settings, channelsOf(settings), client, context);
    },
  },
  examples: [
    {
      title: "One channel, and all below another",
      role: "source",
      settings: { address: "redis:6379", channels: ["alerts", "plant.*"] },
    },
  ],
});
