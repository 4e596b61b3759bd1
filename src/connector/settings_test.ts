import { toJsonSchema } from "@valibot/to-json-schema";
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import {
  choice,
  duration,
  dynamicNames,
  flag,
  ignored,
  integer,
  list,
  mergeSettings,
  readSettings,
  stringMap,
  text,
  unsupported,
} from "./settings.ts";

const schema = v.strictObject({
  server: text({ description: "Broker address.", aliases: ["servers"] }),
  topic: text({ description: "Topic." }),
  qos: choice([0, 1, 2], { description: "Quality of service.", default: 1 }),
  protocolVersion: choice(["3.1", "3.1.1", "4", "5"], { description: "Version.", default: "3.1.1" }),
  method: choice(["GET", "post"], { description: "Method.", optional: true }),
  port: integer({ description: "Port.", min: 1, max: 65535, default: 1883 }),
  retained: flag({ description: "Retain.", default: false }),
  interval: duration({ description: "Pause.", default: 1000 }),
  password: text({ description: "Password.", optional: true }),
  tags: list(v.string(), { description: "Tags.", default: [] }),
  ports: list(v.pipe(v.number(), v.integer()), { description: "Ports.", optional: true }),
  headers: stringMap({ description: "Headers.", optional: true }),
  data: list(v.record(v.string(), v.unknown()), { description: "Rows.", optional: true }),
  lookup: v.optional(v.strictObject({ cache: flag({ description: "Cache.", default: false }) })),
  runAsync: ignored("An option of eKuiper 1.x."),
  concurrency: ignored("Rows stay in order.", integer({ description: "Workers.", min: 0 })),
  compression: unsupported("Compression of payloads."),
});

const place = { path: "actions.0.mqtt", where: "mqtt action" };
const read = (raw: Record<string, unknown>) => readSettings(schema, raw, place);

function problemsOf(raw: Record<string, unknown>): DiagnosticError["diagnostics"] {
  try {
    read(raw);
  } catch (error) {
    assert.ok(error instanceof DiagnosticError);
    return error.diagnostics;
  }
  assert.fail("the settings were accepted");
}

test("readSettings() takes a bare number of a duration as seconds where the dialect does", () => {
  const ttl = v.strictObject({ ttl: duration({ description: "Age.", default: 7, bare: "seconds" }) });
  const ofTtl = (raw?: unknown) => readSettings(ttl, { ttl: raw }, place).ttl;
  assert.deepEqual([ofTtl(), ofTtl(60), ofTtl("60"), ofTtl(0.5), ofTtl("90ms"), ofTtl("1m")], [
    7,
    60_000,
    60_000,
    500,
    90,
    60_000,
  ]);
});

test("readSettings() fills in defaults and types its output", () => {
  const settings = read({ server: "tcp://b:1883", topic: "t" });
  const qos: 0 | 1 | 2 = settings.qos;
  const method: "GET" | "post" | undefined = settings.method;
  const interval: number = settings.interval;
  assert.deepEqual([qos, method, interval, settings.tags], [1, undefined, 1000, []]);
  assert.deepEqual(Object.keys(settings).sort(), [
    "interval",
    "port",
    "protocolVersion",
    "qos",
    "retained",
    "server",
    "tags",
    "topic",
  ]);
});

test("readSettings() drops ignored settings, and refuses values that have no sense", () => {
  assert.ok(!("concurrency" in read({ server: "tcp://b:1883", topic: "t", concurrency: "2" })));
  const [problem] = problemsOf({ server: "tcp://b:1883", topic: "t", concurrency: -1 });
  assert.equal(problem?.code, "E403");
  assert.equal(problem?.path, "actions.0.mqtt.concurrency");
});

test("readSettings() is lenient about spelling", () => {
  const settings = read({
    SERVERS: ["tcp://b:1883"].join(),
    Topic: 7,
    qos: "2",
    protocolversion: 5,
    method: "get",
    port: " 1884 ",
    retained: "True",
    interval: "1h30m",
    tags: "a, b,",
    ports: "1,2",
    headers: { n: 1, on: true },
    data: { a: 1 },
    lookup: { Cache: "true" },
    runAsync: { any: "thing" },
    compression: "",
    password: null,
  });
  assert.deepEqual(settings, {
    server: "tcp://b:1883",
    topic: "7",
    qos: 2,
    protocolVersion: "5",
    method: "GET",
    port: 1884,
    retained: true,
    interval: 5_400_000,
    tags: ["a", "b"],
    ports: [1, 2],
    headers: { n: "1", on: "true" },
    data: [{ a: 1 }],
    lookup: { cache: true },
  });
  assert.equal(read({ server: "s", topic: "t", interval: "250" }).interval, 250);
  assert.equal(read({ server: "s", topic: "t", interval: 250 }).interval, 250);
  assert.equal(read({ server: "s", topic: "t", interval: "1.5s" }).interval, 1500);
});

test("readSettings() reports every mistake with its place", () => {
  const problems = problemsOf({
    servr: "x",
    qos: 7,
    port: "70000",
    retained: "yes",
    interval: "10 parsecs",
    tags: [{}],
    lookup: { cash: true },
    compression: "gzip",
  });
  assert.deepEqual(
    problems.map((p) => [p.code, p.path, p.message, p.hint]).sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
    [
      [
        "E408",
        "actions.0.mqtt.compression",
        'Setting "compression" of the mqtt action is not supported by this version of weir',
        undefined,
      ],
      [
        "E403",
        "actions.0.mqtt.interval",
        'Bad value for setting "interval" of the mqtt action: found "10 parsecs", wanted a duration such as "10s", or milliseconds',
        undefined,
      ],
      [
        "E402",
        "actions.0.mqtt.lookup.cash",
        'Unknown setting "cash" of the "lookup" of the mqtt action',
        'did you mean "cache"?',
      ],
      [
        "E403",
        "actions.0.mqtt.port",
        'Bad value for setting "port" of the mqtt action: found 70000, wanted a whole number from 1 to 65535',
        undefined,
      ],
      [
        "E403",
        "actions.0.mqtt.qos",
        'Bad value for setting "qos" of the mqtt action: found 7, wanted 0, 1 or 2',
        undefined,
      ],
      [
        "E403",
        "actions.0.mqtt.retained",
        'Bad value for setting "retained" of the mqtt action: found "yes", wanted true or false',
        undefined,
      ],
      [
        "E404",
        "actions.0.mqtt.server",
        'The mqtt action needs the setting "server": a text that is not empty',
        undefined,
      ],
      ["E402", "actions.0.mqtt.servr", 'Unknown setting "servr" of the mqtt action', 'did you mean "server"?'],
      [
        "E403",
        "actions.0.mqtt.tags.0",
        'Bad value for setting "tags.0" of the mqtt action: found {}, wanted a text',
        undefined,
      ],
      [
        "E404",
        "actions.0.mqtt.topic",
        'The mqtt action needs the setting "topic": a text that is not empty',
        undefined,
      ],
    ],
  );
});

test("readSettings() refuses a setting given twice", () => {
  const [problem] = problemsOf({ server: "a", servers: "b", topic: "t" });
  assert.equal(problem?.message, 'Setting "server" of the mqtt action is given twice: as "server" and as "servers"');
});

test("readSettings() shows no secrets", () => {
  const messages = problemsOf({ server: ["mqtt://me:hunter2@b"], topic: "t", password: ["hunter2"] }).map((p) =>
    p.message
  );
  assert.equal(messages.length, 2);
  assert.ok(messages.every((message) => !message.includes("hunter2")), messages.join());
  assert.ok(
    problemsOf({ server: "s", topic: "t", headers: { Authorization: ["hunter2"] } })[0]?.message.includes("hidden"),
  );
});

test("readSettings() runs the checks of the whole object and their own words", () => {
  const both = v.pipe(
    v.strictObject({
      topic: v.pipe(text({ description: "T" }), v.check((topic) => !topic.includes("#"), "a topic without wildcards")),
      a: flag({ description: "A", default: false }),
      b: flag({ description: "B", default: false }),
    }),
    v.check((settings) => !(settings.a && settings.b), '"a" and "b" exclude each other'),
  );
  assert.throws(() => readSettings(both, { topic: "t", a: true, b: true }, place), /E403.*exclude each other/);
  assert.throws(() => readSettings(both, { topic: "#" }, place), /found "#", wanted a topic without wildcards/);
});

test("readSettings() takes no harm from odd keys", () => {
  const raw = JSON.parse('{"__proto__": {"server": "x"}, "constructor": 1}');
  assert.deepEqual(problemsOf(raw).map((p) => p.code), ["E402", "E402", "E404", "E404"]);
});

test("dynamic settings may hold templates, whatever their kind", () => {
  const dynamic = v.strictObject({
    method: choice(["get", "post"], { description: "Method.", default: "get", dynamic: true }),
    url: text({ description: "Where to.", dynamic: true }),
    qos: choice([0, 1], { description: "QoS.", default: 0 }),
  });
  assert.deepEqual(dynamicNames(dynamic), ["method", "url"]);
  assert.deepEqual(readSettings(dynamic, { method: "{{.m}}", url: "http://{{.host}}" }, place), {
    method: "{{.m}}",
    url: "http://{{.host}}",
    qos: 0,
  });
  assert.throws(() => readSettings(dynamic, { method: "put", url: "a" }, place), /E403.*found "put"/);
  assert.throws(() => readSettings(dynamic, { url: "a", qos: "{{.q}}" }, place), /E403.*setting "qos"/);
});

test("mergeSettings() lets later layers win in any spelling", () => {
  const merged = mergeSettings(schema, { server: "a", QOS: 0 }, undefined, { servers: "b", Topic: "t", odd: 1 });
  assert.deepEqual(merged, { server: "b", qos: 0, topic: "t", odd: 1 });
});

test("blocks keep descriptions, limits and defaults in their JSON schema", () => {
  const json = toJsonSchema(schema, { errorMode: "ignore" });
  const properties = json.properties as Record<string, Record<string, unknown>>;
  assert.deepEqual(properties.port, {
    type: "integer",
    minimum: 1,
    maximum: 65535,
    description: "Port.",
    default: 1883,
  });
  assert.deepEqual(properties.qos?.enum, [0, 1, 2]);
  assert.deepEqual(properties.tags, { type: "array", items: { type: "string" }, description: "Tags.", default: [] });
  assert.deepEqual(json.required, ["server", "topic"]);
});
