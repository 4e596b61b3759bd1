/**
 * The connector `coap`: reads and observes resources of devices, takes what devices write, and writes to resources.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, flag, refuseSetting, text } from "../../src/connector/settings.ts";
import { connectionSettings, LazyEndpoint } from "./connection.ts";
import { contentFormatForm, contentFormatOf } from "./content_format.ts";
import { BadUri, joinUri, parseUri } from "./uri.ts";

const sourceMethods = ["GET", "FETCH", "POST", "PUT"] as const;
const sinkMethods = ["POST", "PUT", "GET", "DELETE", "FETCH", "PATCH", "IPATCH"] as const;

const exchangeEntries = {
  confirmable: flag({
    description: "Requests are acknowledged, and sent again until they are. False sends them once.",
    default: true,
  }),
  timeout: duration({
    description: "Longest wait for a response that comes later than its acknowledgement.",
    default: 30_000,
    min: 10,
  }),
  accept: text({ description: `Content format to ask for: ${contentFormatForm}.`, optional: true }),
};

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  datasource: text({
    description:
      "Path of the resource: of the server behind the path of `uri`, or, in the mode `server`, the path that " +
      "devices write to. There `+` is any segment, and `#` at the end any number of them.",
    default: "",
  }),
  mode: choice(["observe", "poll", "server"], {
    description:
      "`observe`: the server tells changes; `poll`: it is asked at intervals; `server`: devices write with PUT " +
      "and POST to the endpoint, whose connection has `listen`.",
    default: "observe",
  }),
  uri: text({
    description: "Address of the server: `coap://host:5683/path?query`. Not in the mode `server`.",
    default: "",
  }),
  interval: duration({
    description: "Pause between two requests in the mode `poll`, and of a resource that cannot be observed.",
    default: 10_000,
    min: 1,
  }),
  refresh: duration({
    description: "Longest silence of an observed resource before the observation is asked for again. Without it, its " +
      "Max-Age says it.",
    optional: true,
    min: 1,
  }),
  method: choice(sourceMethods, { description: "Method of the requests in the mode `poll`.", default: "GET" }),
  body: text({ description: "Payload of requests with another method than GET.", default: "" }),
  contentFormat: text({ description: "Content format of `body`, like `accept`.", optional: true }),
  ...exchangeEntries,
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  uri: text({
    description: "Address of the resource: `coap://host:5683/path?query`, percent-encoded where needed.",
    dynamic: true,
  }),
  method: choice(sinkMethods, { description: "Method of the request.", default: "POST", dynamic: true }),
  contentFormat: text({
    description: `Content format of the messages: ${contentFormatForm}. Without it, that of the action's \`format\`.`,
    optional: true,
    dynamic: true,
  }),
  ...exchangeEntries,
});

type SourceSettings = v.InferOutput<typeof sourceSettings>;
type SinkSettings = v.InferOutput<typeof sinkSettings>;

/** Content formats of formats of weir. */
const formatsOfPayloads: Readonly<Record<string, string>> = {
  json: "application/json",
  cbor: "application/cbor",
  delimited: "text/plain",
};

function checkUri(uri: string): void {
  try {
    parseUri(uri);
  } catch (error) {
    if (!(error instanceof BadUri)) throw error;
    refuseSetting("uri", error.message, error.isUnsupported ? "E408" : "E403");
  }
}

function checkFormat(name: string, value: string | undefined): void {
  if (value === undefined || value === "" || value.includes("{{") || contentFormatOf(value) !== undefined) return;
  refuseSetting(name, `Bad "${name}" ${JSON.stringify(value)}: wanted ${contentFormatForm}`);
}

function checkSource({ mode, uri, datasource, method, accept, contentFormat, confirmable }: SourceSettings): void {
  checkFormat("accept", accept);
  checkFormat("contentFormat", contentFormat);
  if (mode === "server") {
    if (uri !== "") refuseSetting("uri", 'In the mode "server" devices write to weir: take "listen" instead of "uri"');
    const wild = datasource.replace(/^\/+|\/+$/g, "").split("/");
    const isBad = wild.some((part, index) => part.includes("#") && (part !== "#" || index < wild.length - 1));
    if (isBad) refuseSetting("datasource", `Bad path ${JSON.stringify(datasource)}: "#" stands alone at the end`);
    return;
  }
  if (uri === "") refuseSetting("uri", `The mode "${mode}" needs a "uri", such as coap://device:5683`, "E404");
  checkUri(joinUri(uri, datasource));
  if (mode === "observe" && method !== "GET") refuseSetting("method", `Only GET observes, not ${method}`);
  if (mode === "observe" && !confirmable) {
    refuseSetting("confirmable", 'An observation has to be acknowledged: take the mode "poll"');
  }
}

function checkSink({ uri, accept, contentFormat }: SinkSettings): void {
  checkFormat("accept", accept);
  checkFormat("contentFormat", contentFormat);
  if (!uri.includes("{{")) checkUri(uri);
  else if (/^coaps|^coap\+/i.test(uri)) checkUri("coaps://host");
}

export const coap = defineConnector({
  name: "coap",
  status: "experimental",
  summary: "Observes and reads resources of CoAP devices, takes what they write, and writes to them.",
  description:
    "CoAP over UDP (RFC 7252) with observation (RFC 7641) and payloads of any size, block by block (RFC 7959). " +
    "`coaps://` (DTLS) and CoAP over TCP are not supported (E408).\n\n" +
    "In the mode `server`, weir listens and devices write to paths. A device gets 2.04 when the rules are done with its " +
    "message, which in rules with `qos` 1 or 2 means that all it did is on disk; 5.03 with Max-Age when too many are " +
    "under way, or when the rule stops before. Streams with the same connection settings share one port, each with its " +
    "paths. Anybody who reaches the port can write: without DTLS, CoAP knows no passwords.\n\n" +
    "The action waits for the response to each message. No acknowledgement after all tries: the message is tried " +
    "again for as long as it takes. 5.03 and 4.29 wait for Max-Age, 5.00, 5.02 and 5.04 for two seconds. Other codes of " +
    "4.xx and 5.xx refuse the message for good. Messages that are not confirmable are sent once, and nobody waits.",
  connection: {
    summary: "One endpoint: a UDP port.",
    settings: connectionSettings,
    // A port can be bound once. Those that only send have one each.
    identity: (settings) => settings.listen === undefined ? undefined : JSON.stringify(settings),
    open: (settings, context) => new LazyEndpoint(settings, context),
  },
  source: {
    summary: "Gives representations of a resource, or what devices write to a path.",
    delivery: "at-least-once",
    promise: ({ mode }) =>
      mode === "server"
        ? { level: "at-least-once" }
        : { level: "at-most-once", limit: "a resource shows its present state only" },
    emits: "payloads",
    meta: ["uri", "code", "from", "contentFormat", "path", "method", "query"],
    settings: sourceSettings,
    check: checkSource,
    reaches: ({ uri, datasource }) => ({ url: joinUri(uri, datasource) }),
    open: async (settings, { connection, clock, log }) => {
      if (settings.mode === "server") {
        if (!connection.listens) {
          refuseSetting("listen", 'The mode "server" needs the setting "listen", such as 0.0.0.0:5683', "E404");
        }
        const [{ ServerSource }, { server }] = await Promise.all([import("./server_source.ts"), connection.open()]);
        return new ServerSource(server!, settings.datasource);
      }
      const [{ ClientSource }, { optionNumbers, uintOption }] = await Promise.all([
        import("./client_source.ts"),
        import("./protocol/options.ts"),
      ]);
      const { accept, contentFormat, method, body } = settings;
      const hasBody = method !== "GET";
      const format = (number: number, text: string | undefined) => {
        const value = contentFormatOf(text ?? "");
        return value === undefined ? [] : [uintOption(number, value)];
      };
      return new ClientSource({
        connection,
        uri: joinUri(settings.uri, settings.datasource),
        method: { GET: 1, POST: 2, PUT: 3, FETCH: 5 }[method],
        options: [
          ...format(optionNumbers.accept, accept),
          ...(hasBody ? format(optionNumbers.contentFormat, contentFormat) : []),
        ],
        payload: new TextEncoder().encode(hasBody ? body : ""),
        observe: settings.mode === "observe",
        intervalMs: settings.interval,
        refreshMs: settings.refresh,
        confirmable: settings.confirmable,
        timeoutMs: settings.timeout,
        clock,
        log,
      });
    },
  },
  sink: {
    summary: "Sends each message to a resource.",
    delivery: "at-least-once",
    promise: ({ confirmable }) =>
      confirmable
        ? { level: "at-least-once" }
        : { level: "at-most-once", limit: "messages that are not confirmable are sent once" },
    accepts: "payloads",
    settings: sinkSettings,
    check: checkSink,
    open: async (settings, { connection, status, payloads }) => {
      const { CoapSink } = await import("./sink.ts");
      // There is no connection to wait for: whether the peer is there, the first message shows.
      status("connected");
      const isPlain = payloads === undefined || payloads.compression === "" && payloads.encryption === "";
      const own = isPlain ? formatsOfPayloads[payloads?.format ?? "json"] : undefined;
      return new CoapSink({
        connection,
        uri: settings.uri,
        method: settings.method,
        contentFormat: settings.contentFormat ?? own ?? "application/octet-stream",
        accept: settings.accept,
        confirmable: settings.confirmable,
        timeoutMs: settings.timeout,
      });
    },
  },
  examples: [
    { title: "An endpoint that devices write to", role: "connection", settings: { listen: "0.0.0.0:5683" } },
    {
      title: "A sensor that tells changes",
      role: "source",
      settings: { uri: "coap://192.168.1.40", datasource: "sensors/temperature" },
    },
    {
      title: "A meter that is asked once a minute",
      role: "source",
      settings: {
        mode: "poll",
        uri: "coap://meter.local:5683/power?unit=W",
        interval: "1m",
        accept: "application/json",
      },
    },
    {
      title: "What devices post to a path",
      role: "source",
      settings: { mode: "server", listen: "0.0.0.0:5683", datasource: "devices/+/telemetry" },
    },
    {
      title: "A valve, by its name",
      role: "sink",
      settings: { uri: "coap://valves.local/valves/{{ .name }}", method: "PUT" },
    },
  ],
});
