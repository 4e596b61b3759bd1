/**
 * The connector `sse`: event streams of HTTP (Server-Sent Events), read from other servers and given to clients.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { isPath, pathForm } from "../../src/connector/served_paths.ts";
import { choice, duration, flag, refuseSetting, stringMap, text } from "../../src/connector/settings.ts";
import { tlsEntries, tlsOptions } from "../../src/connector/tls_settings.ts";
import { SseConnection } from "./connection.ts";
import { addressOf, checkAddress } from "./address.ts";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: text({
    description: "The address of the event stream, or, with `url`, what is put behind that.",
    optional: true,
  }),
  url: text({ description: "The address, `http://` or `https://`, without what DATASOURCE says.", optional: true }),
  headers: stringMap({ description: "Headers of the request.", default: {} }),
  idleTimeout: duration({
    description: "How long nothing may come, not even a comment, before the stream is taken for lost; 0 is for ever.",
    default: 90_000,
  }),
  resumes: flag({
    description:
      "The server gives each event an id, and gives again what stands behind the one of `Last-Event-ID`. Rules " +
      "with `qos` 1 or 2 rely on it for their promise.",
    default: false,
  }),
  ...tlsEntries,
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  endpoint: v.pipe(
    text({ description: "The path on the data server, such as `/events`.", aliases: ["path", "datasource"] }),
    v.check(isPath, pathForm),
  ),
  noClients: choice(["drop", "wait"], {
    description:
      "What happens to a message while no client is connected. When absent, `drop`, and count, in rules with " +
      "`qos` 0, and `wait` in others.",
    optional: true,
  }),
  sendTimeout: duration({
    description: "How long the network may take for what is sent to a client, before it is cut off.",
    default: 5000,
    min: 1,
  }),
});

export const sse = defineConnector({
  name: "sse",
  status: "stable",
  summary: "Reads event streams of other servers (Server-Sent Events), and gives results to clients as one.",
  description:
    "A source asks for `text/event-stream`; the data of each event is a message, decoded with the stream's `FORMAT`. A " +
    "stream that is lost is asked for again, after the pause that the server has named with `retry:`, or growing ones from " +
    "1 to 30 seconds, and with the `Last-Event-ID`. Rules that keep positions go on behind the last event that they have " +
    "taken, also after a restart. The answer 204 ends the stream.\n\n" +
    "An action serves a path on [the data server](../config.md#settings): each result is an event with an `id:`, in rules " +
    "with `qos` 1 or 2 the same one when it is sent again. Every 15 seconds without an event a comment keeps the stream " +
    "alive. The last 1,000 events, of at most 1 MiB, are kept in memory for clients that come again with the " +
    "`Last-Event-ID` of one of them. Web pages of other origins need `cors.allowOrigins`.\n\n" +
    "A client that does not take what it is sent holds an action back for at most `sendTimeout` and is then cut off. The " +
    "protocol has no acknowledgement, so what is under way to a client that goes is lost.",
  connection: {
    summary: "The data server, for actions.",
    settings: v.strictObject({}),
    identity: () => undefined,
    open: (_settings, context) => new SseConnection(context),
  },
  source: {
    summary: "Reads an event stream.",
    delivery: "at-least-once",
    promise: ({ resumes }, _connection, { keepsPosition }) => {
      if (!resumes) return { level: "at-most-once", limit: "the server may not give events again: see resumes" };
      return keepsPosition
        ? { level: "at-least-once" }
        : { level: "at-most-once", limit: "the stream is shared: only one of a rule itself keeps positions" };
    },
    emits: "payloads",
    meta: ["event", "id"],
    settings: sourceSettings,
    check: (settings) => {
      checkAddress(settings);
      tlsOptions(settings as Parameters<typeof tlsOptions>[0]);
    },
    open: async (settings, context) => {
      const { SseSource } = await import("./source.ts");
      return new SseSource({
        url: addressOf(settings),
        headers: settings.headers,
        idleMs: settings.idleTimeout,
        tls: tlsOptions(settings as Parameters<typeof tlsOptions>[0]),
        keepsPosition: context.keepsPosition === true,
        position: context.position,
        clock: context.clock,
        onState: context.status,
      });
    },
  },
  sink: {
    summary: "Gives each result to all clients of a path, as an event.",
    delivery: "at-most-once",
    promise: () => ({ level: "at-most-once", limit: "an event stream has no acknowledgement" }),
    accepts: "payloads",
    settings: sinkSettings,
    check: (_settings, { payloads }) => {
      for (const name of ["compression", "encryption"] as const) {
        if ((payloads?.[name] ?? "") === "") continue;
        refuseSetting(name, `sse cannot send what "${name}" makes: event streams carry text only`);
      }
    },
    open: async (settings, context) => {
      const { SseSink } = await import("./sink.ts");
      return new SseSink(settings, await context.connection.acquire(settings.endpoint));
    },
  },
  examples: [
    {
      title: "Events of a service",
      role: "source",
      settings: { url: "https://service.example", datasource: "/events", headers: { Authorization: "Bearer secret" } },
    },
    { title: "Results for web pages", role: "sink", settings: { endpoint: "/events" } },
  ],
});
