/**
 * The connector `websocket`: messages over WebSockets, as a client of another server or as a server itself.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { isPath, pathForm } from "../../src/connector/served_paths.ts";
import { choice, duration, text, unsupported } from "../../src/connector/settings.ts";
import { tlsEntries } from "../../src/connector/tls_settings.ts";
import { WebSocketConnection } from "./connection.ts";

function optionalPath(options: { readonly description: string; readonly aliases?: readonly string[] }) {
  return v.pipe(text({ ...options, default: "" }), v.check((path) => path === "" || isPath(path), pathForm));
}

/** Settings of the connection. */
export const connectionSettings = v.strictObject({
  addr: v.pipe(
    text({
      description: "The server to connect to, `host:port`. Without it weir is the server: on its data server.",
      default: "",
    }),
    v.check((addr) => addr === "" || URL.canParse(`ws://${addr}/`), "an address such as host:8080"),
  ),
  scheme: choice(["ws", "wss"], { description: "Of a client: `wss` for TLS.", default: "ws" }),
  path: optionalPath({ description: "The path, when sources and actions do not say it.", aliases: ["datasource"] }),
  requestHeader: v.optional(
    v.pipe(
      v.record(v.string(), v.union([v.string(), v.array(v.string())], "a text or a list of texts for each name")),
      v.description("Of a client: headers of its request, each with a value or a list of them."),
      v.metadata({ secret: true }),
    ),
    {},
  ),
  pingInterval: duration({
    description:
      "How long nothing may come before the other side is asked for a sign of life; when none comes for as " +
      "long again, the connection is given up.",
    default: 15_000,
    min: 100,
  }),
  ...tlsEntries,
});

const pathDescription = "The path, such as `/cars`. Sources and actions with the same one share its connections.";

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: optionalPath({ description: pathDescription }),
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  path: optionalPath({ description: pathDescription, aliases: ["datasource"] }),
  noClients: choice(["drop", "wait"], {
    description:
      "Of a server: what happens to a message while no client is connected. When absent, `drop`, and count, in " +
      "rules with `qos` 0, and `wait` in others.",
    optional: true,
  }),
  sendTimeout: duration({
    description: "Of a server: how long a client may take to receive what is sent, before it is cut off.",
    default: 5000,
    min: 1,
  }),
  checkConnection: unsupported("Refusing a rule while its peer is away."),
});

export const websocket = defineConnector({
  name: "websocket",
  status: "stable",
  summary: "Receives and sends messages over WebSockets.",
  description:
    "With `addr` weir connects to a server, again and again with growing pauses up to 10 seconds. Without it weir is the " +
    "server: clients connect to the path on [the data server](../config.md#settings), a source receives from all of " +
    "them, and an action sends to all of them; web pages of other origins need `cors.allowOrigins`. A source and an action with the same settings share a connection, in " +
    "both directions.\n\n" +
    "Text and binary frames are both received. Formats that are text are sent as text frames, others as binary ones.\n\n" +
    "- **A rule that cannot follow** holds its senders back: weir stops to read from the sockets of the path.\n" +
    "- **A link that is dead** without saying so is found by pings, within twice `pingInterval`.\n" +
    "- **A client that is too slow** for what it is sent holds an action back for at most `sendTimeout`; then it is cut " +
    "off, with the code 1013 where it still reads.\n" +
    "- **Nobody is connected**: see `noClients`. What is dropped is counted.\n\n" +
    "An action takes messages for sent when the peer, or at least one client of a server, has answered a ping that came " +
    "after them; otherwise it sends them again, in rules with `qos` 1 or 2 also after a restart. A source cannot promise " +
    "as much: the protocol has no acknowledgement, and what the peer sends while weir is away is lost.",
  connection: {
    summary: "A client, or the data server.",
    settings: connectionSettings,
    identity: (settings) => JSON.stringify(settings),
    check: (settings) => WebSocketConnection.check(settings),
    open: (settings, context) => new WebSocketConnection(settings, context),
  },
  source: {
    summary: "Receives messages.",
    delivery: "at-most-once",
    emits: "payloads",
    meta: [],
    settings: sourceSettings,
    open: async (settings, context) => {
      const { WebSocketSource } = await import("./source.ts");
      return new WebSocketSource(await context.connection.acquire(settings.datasource));
    },
  },
  sink: {
    summary: "Sends each result as a message.",
    delivery: "at-least-once",
    promise: ({ noClients }, connection) => {
      const { addr } = connection as v.InferOutput<typeof connectionSettings>;
      return noClients === "drop" && addr === ""
        ? { level: "at-most-once", limit: "messages are dropped while no client is connected: set noClients to wait" }
        : { level: "at-least-once" };
    },
    accepts: "payloads",
    settings: sinkSettings,
    open: async (settings, context) => {
      const { WebSocketSink } = await import("./sink.ts");
      return new WebSocketSink(settings, await context.connection.acquire(settings.path));
    },
  },
  examples: [
    {
      title: "A server with a password in a header, over TLS",
      role: "connection",
      settings: { addr: "cloud.example:443", scheme: "wss", requestHeader: { Authorization: ["Bearer secret"] } },
    },
    { title: "What clients of weir send", role: "source", settings: { datasource: "/cars" } },
    { title: "What another server sends", role: "source", settings: { addr: "camera:8080", datasource: "/events" } },
    { title: "Results for a web page", role: "sink", settings: { path: "/board" } },
  ],
});
