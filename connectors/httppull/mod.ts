/**
 * The connector `httppull`: asks HTTP servers for rows, again and again or by key.
 * @module
 */
import * as v from "valibot";
import { defineConnector, type DeliveryPromise, type DeliveryUse } from "../../src/connector/declare.ts";
import { choice, duration, flag, stringMap, text } from "../../src/connector/settings.ts";
import { tlsEntries } from "../../src/connector/tls_settings.ts";
import { bodyTypes } from "../http/body.ts";
import { oAuthSetting, timeoutSetting } from "../http/settings.ts";
import { checkPull } from "./check.ts";

/** What source and lookup have in common. */
const requestEntries = {
  datasource: text({ description: "What is appended to `url`, such as a path.", optional: true }),
  url: text({
    description: "Where requests go: `http://…` or `https://…`; a [template](../templates.md).",
    default: "http://localhost",
  }),
  method: choice(["GET", "POST", "PUT", "DELETE", "PATCH"], { description: "Method of the requests.", default: "GET" }),
  timeout: timeoutSetting,
  body: text({ description: "Body of the requests; a template.", default: "" }),
  bodyType: choice(bodyTypes, {
    description:
      "What the body is called in `Content-Type`; `none` sends none. Without it, `none` for GET, else `json`.",
    optional: true,
  }),
  headers: stringMap({ description: "Headers of the requests; templates.", default: {} }),
  responseType: choice(["code", "body"], {
    description:
      "How a bad answer is told from a good one: by the status, or also by the number `code` in its JSON body, " +
      "or in each object of it, which must be from 200 to 299.",
    default: "code",
  }),
  compression: choice(["", "gzip", "zlib", "flate", "zstd"], {
    description:
      "The compression to ask the server for, `gzip` when it is empty. Answers are decompressed by what their " +
      "`Content-Encoding` says, whatever was asked for.",
    default: "",
  }),
  oAuth: oAuthSetting,
  ...tlsEntries,
};

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  ...requestEntries,
  interval: duration({ description: "Time from one request to the next.", default: 10_000, min: 1 }),
  incremental: flag({ description: "True: an answer that equals the one before gives no rows.", default: false }),
  states: v.optional(
    v.pipe(
      v.record(v.string(), v.unknown()),
      v.description(
        "Names with the values that they have at first, for templates: `{{.cursor}}`. Each answer that has a member " +
          "of such a name replaces the value. A rule with `qos` 1 or 2 keeps them.",
      ),
    ),
    {},
  ),
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject(requestEntries);

/**
 * With states, or the time of the last request, an answer that was not taken is asked for again; without them a server
 * gives what it has now.
 */
function promise(
  settings: v.InferOutput<typeof sourceSettings>,
  _connection: unknown,
  { keepsPosition }: DeliveryUse,
): DeliveryPromise {
  const { url, datasource = "", body, headers, states } = settings;
  const texts = [url, datasource, body, ...Object.values(headers)];
  const goesOn = [...Object.keys(states), "LastPullTime"].some((name) =>
    texts.some((text) => text.includes(`.${name}`))
  );
  if (!goesOn) return { level: "at-most-once", limit: "the request does not say what it has had: it names no state" };
  return keepsPosition
    ? { level: "exactly-once" }
    : { level: "at-most-once", limit: "the states of a stream that several rules may read are not kept" };
}

export const httppull = defineConnector({
  name: "httppull",
  status: "stable",
  summary: "Asks HTTP servers for rows: again and again as a source, by key as a lookup table.",
  description:
    "HTTP/1.1, also over TLS. An answer is decoded with the FORMAT of the stream: of `json`, an object is a row " +
    "and an array of objects several. A bad answer, or none, gives no rows: it counts as an exception, and the next " +
    "request comes at its time, after that of `Retry-After`, or after 10 seconds where the interval is longer and nothing " +
    "answered. Redirects of GET are followed, of other methods 307 and 308.\n\n" +
    "Templates of `url`, `body` and `headers` see the `states`, `PullTime` and `LastPullTime` (when this request and the last " +
    "good one were sent, in milliseconds; 0 at first), and the fields of the `oAuth` token. A request whose templates " +
    "lack a value is not sent.\n\n" +
    "A rule with `qos` 1 or 2 keeps states and times together with what it did with the answer, so that it goes on " +
    "where it was after a restart, and nothing comes twice or not at all as far as the server answers the same question " +
    'alike. `PUT /rules/{id}/reset_state` sets them: `{"position": {"cursor": 5}}`.\n\n' +
    "`network.privateAddresses` in [weir.yaml](../config.md#settings) keeps requests out of private networks.",
  source: {
    summary: "Sends a request each `interval`, the first one at once.",
    delivery: "exactly-once",
    promise,
    emits: "payloads",
    meta: [],
    settings: sourceSettings,
    check: checkPull,
    reaches: ({ url, datasource = "" }) => ({ url: url + datasource }),
    open: async (settings, context) => new (await import("./source.ts")).PullSource(settings, context),
  },
  lookup: {
    summary:
      "Sends a request for each key that rules ask for. Templates of `url`, `body` and `headers` see the columns of the " +
      "key: `http://erp/devices/{{urlquery .id}}`; without any in `url` and `body`, the columns are appended to the URL: " +
      "`?id=7`. The objects of a JSON answer are the rows; those with another key in the columns of the key do not " +
      "count. There are none in the status 404 and in an empty answer; any other status than 2xx fails the row that " +
      "asked. FORMAT has no effect.",
    opens: "with rule",
    settings: lookupSettings,
    check: checkPull,
    open: async (settings, context) => new (await import("./lookup.ts")).PullLookup(settings, context),
  },
  examples: [
    {
      title: "The state of a device, when it has changed",
      role: "source",
      settings: { datasource: "/state", url: "http://192.168.1.20", interval: "1s", incremental: true },
    },
    {
      title: "All events, page by page",
      role: "source",
      settings: { url: "https://mes.example/events?after={{.cursor}}", interval: "5s", states: { cursor: 0 } },
    },
    {
      title: "What has come since the last request",
      role: "source",
      settings: { url: "http://historian/points?start={{.LastPullTime}}&end={{.PullTime}}", interval: "1m" },
    },
    { title: "Data of a device", role: "lookup", settings: { url: "http://erp/devices/{{urlquery .id}}" } },
  ],
});
