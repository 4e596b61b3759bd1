import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { integer, list, text } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry, splitSettings } from "./configs.ts";

const file = {
  sources: {
    mqtt: {
      default: { server: "tcp://local:1883", qos: 1, password: "file secret" },
      plant: { server: "tcp://plant:1883", Topic: "x" },
    },
  },
  sinks: { mqtt: { slow: { qos: 2 } } },
  connections: { mqtt: { cloud: { server: "tcp://cloud:1883", password: "cloud secret" } } },
};
const types = { source: ["mqtt", "file"], sink: ["mqtt", "log"], connection: ["mqtt"] };

function registry(store = new MemoryStore()): ConfigRegistry {
  return new ConfigRegistry({ store, file, types });
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    return error.message;
  }
  assert.fail("expected a DiagnosticError");
}

test("resolve() takes the default group alone when nothing else is named", () => {
  const { settings, connection } = registry().resolve("source", "mqtt", { own: { datasource: "t/1" } });
  assert.deepEqual(settings, { server: "tcp://local:1883", qos: 1, password: "file secret", datasource: "t/1" });
  assert.equal(connection, undefined);
});

test("resolve() merges default, confKey, connection, EXTRA and own settings, without regard to case", () => {
  const { settings, connection } = registry().resolve("source", "mqtt", {
    confKey: "PLANT",
    extra: { connectionSelector: "mqtt.cloud", QOS: 2 },
    own: { topic: "own" },
  });
  assert.deepEqual(settings, { server: "tcp://cloud:1883", password: "cloud secret", QOS: 2, topic: "own" });
  assert.deepEqual(connection, { id: "cloud", settings: { server: "tcp://cloud:1883", password: "cloud secret" } });
});

test("resolve() of a sink reads resourceId and takes it out", () => {
  const { settings } = registry().resolve("sink", "mqtt", { own: { resourceId: "slow", topic: "t" } });
  assert.deepEqual(settings, { qos: 2, topic: "t" });
  assert.deepEqual(registry().resolve("sink", "log", { own: {} }).settings, {});
});

test("resolve() refuses unknown confKeys and connections with the nearest name", () => {
  assert.equal(
    refusal(() => registry().resolve("source", "mqtt", { confKey: "plnat" })),
    'E406: Unknown configuration key "plnat" of the source type "mqtt" (did you mean "plant"?)',
  );
  assert.equal(
    refusal(() => registry().resolve("sink", "mqtt", { own: { connectionSelector: "clout" } })),
    'E406: connection clout not existed (did you mean "cloud"?)',
  );
  assert.deepEqual(registry().resolve("source", "file", { confKey: "default" }).settings, {});
});

test("confKeys() lays what the API gave over the file and hides secrets", () => {
  const configs = registry();
  configs.putConfKey("source", "mqtt", "plant", { server: "tcp://other:1883", password: "s" });
  assert.deepEqual(configs.confKeys("source", "mqtt"), {
    default: { server: "tcp://local:1883", qos: 1, password: "******" },
    plant: { server: "tcp://other:1883", Topic: "x", password: "******" },
  });
  assert.equal(configs.deleteConfKey("source", "mqtt", "plant"), true);
  assert.equal(configs.deleteConfKey("source", "mqtt", "plant"), false);
  assert.deepEqual(configs.confKeys("source", "mqtt").plant, { server: "tcp://plant:1883", Topic: "x" });
});

test("putConfKey() keeps a hidden secret, whether it came from the API or the file", () => {
  const configs = registry();
  configs.putConfKey("source", "mqtt", "mine", { password: "first", qos: 0 });
  configs.putConfKey("source", "mqtt", "mine", { password: "******", qos: 1 });
  configs.putConfKey("source", "mqtt", "default", { password: "******", qos: 0 });
  assert.deepEqual(configs.resolve("source", "mqtt", { confKey: "mine" }).settings.password, "first");
  assert.deepEqual(configs.resolve("source", "mqtt", {}).settings, {
    server: "tcp://local:1883",
    password: "file secret",
    qos: 0,
  });
  assert.match(refusal(() => configs.putConfKey("source", "mqtt", "none", { password: "******" })), /^E403/);
});

test("putConfKey() replaces the API's version as a whole and survives a restart", () => {
  const store = new MemoryStore();
  registry(store).putConfKey("sink", "log", "k", { a: 1 });
  registry(store).putConfKey("sink", "log", "k", { b: 2 });
  assert.deepEqual(registry(store).confKeys("sink", "log"), { k: { b: 2 } });
});

test("putConfKey() refuses unknown types and bad names", () => {
  assert.equal(
    refusal(() => registry().putConfKey("source", "mqqt", "k", {})),
    'E405: Unknown source type "mqqt" (did you mean "mqtt"?)',
  );
  assert.match(refusal(() => registry().putConfKey("source", "mqtt", "a/b", {})), /^E704: .*invalid characters/);
});

test("connections are created, updated, listed and deleted", () => {
  const configs = registry();
  configs.createConnection({ id: "c1", type: "mqtt", settings: { server: "tcp://a", password: "p" } });
  assert.equal(
    refusal(() => configs.createConnection({ id: "c1", type: "mqtt", settings: {} })),
    "E702: connection c1 already been created",
  );
  configs.updateConnection({ id: "c1", type: "mqtt", settings: { server: "tcp://b", password: "******" } });
  assert.deepEqual(configs.connection("c1"), {
    id: "c1",
    type: "mqtt",
    settings: { server: "tcp://b", password: "p" },
  });
  assert.deepEqual(configs.connections().map((each) => each.id), ["c1", "cloud"]);
  assert.deepEqual(configs.resolve("sink", "mqtt", { own: { connectionSelector: "c1" } }).connection?.id, "c1");
  configs.deleteConnection("c1");
  assert.equal(refusal(() => configs.deleteConnection("c1")), "E701: connection c1 not existed");
  assert.match(refusal(() => configs.deleteConnection("cloud")), /^E705: .*configuration file/);
  assert.match(refusal(() => configs.createConnection({ id: "x", type: "nope", settings: {} })), /^E405/);
});

const connectionSchema = v.strictObject({
  servers: list(v.string(), { description: "Brokers.", aliases: ["server"] }),
  clientId: text({ description: "Client id.", optional: true }),
});
const sourceSchema = v.strictObject({
  datasource: text({ description: "Topic." }),
  qos: integer({ description: "Quality of service.", default: 0 }),
});

test("resolve() knows other spellings of a setting when it has the schemas", () => {
  const configs = new ConfigRegistry({
    store: new MemoryStore(),
    file,
    types,
    schemasOf: () => [sourceSchema, connectionSchema],
  });
  const { settings } = configs.resolve("source", "mqtt", { extra: { SERVERS: ["tcp://a"], password: "" } });
  assert.deepEqual(settings, { servers: ["tcp://a"], qos: 1, password: "" });
});

test("splitSettings() gives the connection its settings and the role the rest", () => {
  const settings = { server: "tcp://a", ClientId: "c", qos: 1, datasource: "t", unknown: true };
  assert.deepEqual(splitSettings(settings, sourceSchema, connectionSchema), {
    role: { qos: 1, datasource: "t", unknown: true },
    connection: { server: "tcp://a", ClientId: "c" },
  });
});
