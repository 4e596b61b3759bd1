/**
 * The connector `httppush`: takes what others send over HTTP.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { isPath, pathForm } from "../../src/connector/served_paths.ts";
import { choice, duration, ignored, integer, text } from "../../src/connector/settings.ts";
import { PushConnection } from "./connection.ts";
import { PushSource } from "./source.ts";

const methods = ["POST", "PUT"] as const;

const methodSetting = choice(methods, { description: "Method of the requests.", default: "POST" });

/** Settings of a named connection, which serves a path also while no rule reads it. */
export const connectionSettings = v.strictObject({
  datasource: v.pipe(
    text({
      description: "A path to serve also while no rule reads it; requests are then answered with 503.",
      default: "",
    }),
    v.check((path) => path === "" || isPath(path), pathForm),
  ),
  method: methodSetting,
});

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: v.pipe(
    text({ description: "The path on the data server, such as `/cars`." }),
    v.check(isPath, `${pathForm}, in DATASOURCE`),
  ),
  method: methodSetting,
  bufferLength: integer({
    description: "Requests that may wait for the rule. Further ones are answered with 503.",
    default: 1024,
    min: 1,
    max: 1_000_000,
  }),
  answerTimeout: duration({
    description:
      "In a rule with `qos` 1 or 2: how long a request may wait for the rule before it is answered with 503.",
    default: 10_000,
    min: 1,
  }),
  contentType: ignored("The stream's FORMAT says what a body is."),
});

export const httppush = defineConnector({
  name: "httppush",
  status: "stable",
  summary: "Takes what others send over HTTP.",
  description:
    "Requests come to the data server, by default on port 10081; see [the configuration](../config.md#settings). The body " +
    "of a request is one message, decoded with the stream's `FORMAT`; `Content-Encoding` may be `gzip`, `deflate`, `br` " +
    "or `zstd`. Several streams may read the same path: each gets every request.\n\n" +
    "| answer | when |\n| --- | --- |\n" +
    "| 200 `ok` | The message is queued; in a rule with `qos` 1 or 2, the rule has it for good. |\n" +
    "| 503 with `Retry-After` | A rule cannot follow, or did not take the message within `answerTimeout`: send it " +
    "again. |\n" +
    "| 404, 405 | No stream reads the path, or not with this method. |\n" +
    "| 400, 413, 415 | The body is cut off, larger than `limits.requestBodyBytesMax`, or encoded in another way. |\n\n" +
    "With `qos` 1 or 2, a client that sends again whatever was not answered with 200 loses nothing, even when weir is " +
    "killed meanwhile; a message may then come twice. A stream with `SHARED` answers as soon as a message is queued.",
  connection: {
    summary: "The data server.",
    settings: connectionSettings,
    // One for each path: it is served as long as somebody uses the connection.
    identity: ({ datasource, method }) => `${method} ${datasource}`,
    open: (settings, context) => new PushConnection(settings, context),
  },
  source: {
    summary: "Takes the requests for a path.",
    delivery: "at-least-once",
    promise: (_settings, _connection, { keepsPosition }) =>
      keepsPosition
        ? { level: "at-least-once" }
        : { level: "at-most-once", limit: "the stream is shared, so requests are answered before rules have them" },
    emits: "payloads",
    meta: ["traceparent"],
    settings: sourceSettings,
    // In the turn in which its connection begins to serve the path: a request would find nobody who reads it.
    open: (settings, context) =>
      new PushSource(settings, {
        lease: context.connection.acquire(settings.datasource, settings.method),
        answersLate: context.keepsPosition === true,
        clock: context.clock,
        log: context.log,
      }),
  },
  examples: [
    { title: "Counts of cameras", role: "source", settings: { datasource: "/cars" } },
    { title: "Documents that are put", role: "source", settings: { datasource: "/orders", method: "PUT" } },
    { title: "A path that is always served", role: "connection", settings: { datasource: "/cars", method: "POST" } },
  ],
});
