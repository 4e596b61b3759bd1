/**
 * The connector `rest`: sends results to HTTP servers.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise } from "../../src/connector/declare.ts";
import { choice, flag, integer, list, stringMap, text } from "../../src/connector/settings.ts";
import { tlsEntries } from "../../src/connector/tls_settings.ts";
import { bodyTypes } from "../http/body.ts";
import { hasHeader } from "../http/header_line.ts";
import { oAuthSetting, timeoutSetting } from "../http/settings.ts";
import { checkRest, idHeader } from "./check.ts";

export const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"] as const;

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  url: text({ description: "Where requests go: `http://…` or `https://…`.", dynamic: true }),
  method: choice(methods, { description: "Method of the requests.", default: "GET", dynamic: true }),
  bodyType: choice(bodyTypes, {
    description:
      "What the body is called in `Content-Type`: `none` sends no body, `formdata` sends the payload as a file " +
      "in a form with several parts. Without it, `none` for GET and HEAD, else what fits the `format`: `json`, `form` for " +
      "`urlencoded`, `text` for `delimited`, `binary` for others.",
    optional: true,
    dynamic: true,
  }),
  headers: stringMap({
    description: "Headers of the requests. They win over those that weir makes.",
    default: {},
    dynamic: true,
  }),
  formData: stringMap({ description: "Further fields of a `formdata` body.", default: {}, dynamic: true }),
  fileFieldName: text({
    description: "Name of the part of a `formdata` body that holds the payload.",
    default: "uploadFile",
    dynamic: true,
  }),
  timeout: timeoutSetting,
  responseType: choice(["code", "body"], {
    description:
      "How a bad answer is told from a good one: by the status, or also by the number `code` in its JSON body, " +
      "which must be from 200 to 299.",
    default: "code",
  }),
  debugResp: flag({ description: "Writes each answer to the log.", default: false }),
  retryStatus: list(v.pipe(v.number(), v.integer(), v.minValue(300), v.maxValue(599)), {
    description:
      'Status codes that say "not now": the request is sent again, after the time of `Retry-After` or a second. ' +
      "With other bad ones, the message is refused for good.",
    default: [408, 425, 429, 502, 503, 504],
  }),
  parallelRequests: integer({
    description: "Requests under way at once. With 1, a message is sent when the one before is answered; with more, " +
      "messages may arrive in another order.",
    default: 1,
    min: 1,
    max: 64,
  }),
  oAuth: oAuthSetting,
  ...tlsEntries,
});

/** The receiver can tell repeats, as long as the action does not say itself what marks them. */
function promise({ headers }: { readonly headers: Readonly<Record<string, string>> }): DeliveryPromise {
  if (!hasHeader(headers, idHeader)) return { level: "exactly-once" };
  return { level: "at-least-once", limit: `the action sets the header ${idHeader} itself` };
}

export const rest = defineConnector({
  name: "rest",
  status: "stable",
  summary: "Sends results to HTTP servers.",
  description:
    "HTTP/1.1 with connections that are kept open, also over TLS. Each message is one request; with `batchSize`, " +
    "one of several rows. Requests of one action are sent one after the other, in order, unless `parallelRequests` says " +
    "otherwise.\n\n" +
    "A server that cannot be reached, breaks off or does not answer within `timeout` gets the same request again, for as " +
    "long as it takes, and so does one that answers with a `retryStatus`; meanwhile messages wait in the queue. Any other " +
    "status than 2xx refuses the message for good: in rules with `qos` 1 or 2 it becomes a dead letter, with the reason. " +
    "Redirects are followed where the request can be repeated as it is: 307 and 308, and all of them for GET and HEAD.\n\n" +
    "In rules with `qos` 1 or 2, each request carries the header `Idempotency-Key`. It is the same when the message is " +
    "sent again, also after a restart, and never that of another message. A request may arrive although its answer does " +
    "not: a receiver that must not take a message twice leaves out keys that it has seen. One that ignores the header gets " +
    "every message at least once.\n\n" +
    "With `oAuth`, headers may be templates over the fields of the token: `Bearer {{.access_token}}`. A header that the " +
    "token can fill in as a whole is filled in from it, any other from the data of the message. A token that the server " +
    "refuses with 401 is replaced once before the message counts as refused.\n\n" +
    "With `compression` `gzip`, `zstd` or `zlib`, requests say so in `Content-Encoding`. `network.privateAddresses` in " +
    "[weir.yaml](../config.md#settings) keeps requests out of private networks.",
  sink: {
    summary: "Sends each result as a request.",
    delivery: "exactly-once",
    promise,
    accepts: "payloads",
    messagesMax: 64,
    pings: true,
    settings: sinkSettings,
    check: checkRest,
    open: async (settings, context) => await (await import("./sink.ts")).openRest(settings, context),
  },
  examples: [
    {
      title: "Alerts to an application, in order",
      role: "sink",
      settings: { url: "http://app.local/alerts", method: "POST" },
    },
    {
      title: "A path for each device, with a token",
      role: "sink",
      settings: {
        url: "https://plant.example/devices/{{.device}}/readings",
        method: "PUT",
        headers: { Authorization: "Bearer {{.access_token}}" },
        oAuth: { access: { url: "https://plant.example/token", body: '{"user": "weir", "password": "…"}' } },
      },
    },
  ],
});
