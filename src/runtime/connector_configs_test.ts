import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type ClosableConnection, defineConnector, type SettingsSchema } from "../connector/declare.ts";
import { integer, list, text } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { connectorConfigs } from "./connector_configs.ts";
import { ConnectorList } from "../connector/connector_list.ts";

const wireSettings = v.strictObject({ servers: list(v.string(), { description: "Peers.", aliases: ["server"] }) });
const wireSourceSettings = v.strictObject({
  datasource: text({ description: "Topic." }),
  qos: integer({ description: "Quality of service.", default: 0, max: 2 }),
});

const wire = defineConnector<typeof wireSourceSettings, SettingsSchema, typeof wireSettings, ClosableConnection>({
  name: "wire",
  status: "stable",
  summary: "A connector with every role.",
  connection: {
    summary: "The wire.",
    settings: wireSettings,
    identity: () => undefined,
    open: () => ({ close: () => Promise.resolve() }),
  },
  source: {
    summary: "Reads.",
    delivery: "at-most-once",
    emits: "payloads",
    meta: [],
    settings: wireSourceSettings,
    open: () => Promise.reject(new Error("not opened in this test")),
  },
  examples: [],
});

function registry(): ConfigRegistry {
  return new ConfigRegistry({
    store: new MemoryStore(),
    file: { sources: { wire: { default: { server: "a:1" } } } },
    ...connectorConfigs(new ConnectorList([wire])),
  });
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

test("a confKey may be incomplete, but not wrong", () => {
  const configs = registry();
  configs.putConfKey("source", "wire", "k", { QOS: "1", connectionSelector: "c", useInt64ForWholeNumber: true });
  assert.match(
    refusal(() => configs.putConfKey("source", "wire", "k", { qso: 1, qos: 7 })),
    /^E402: Unknown setting "qso" of the wire source \(did you mean "qos"\?\); E403: .*qos/,
  );
  assert.match(refusal(() => configs.putConfKey("sink", "wire", "k", {})), /^E405/);
});

test("a connection must be complete", () => {
  const configs = registry();
  assert.match(refusal(() => configs.createConnection({ id: "c", type: "wire", settings: {} })), /^E404/);
  configs.createConnection({ id: "c", type: "wire", settings: { server: "b:1" } });
  const { settings } = configs.resolve("source", "wire", { own: { connectionSelector: "c" } });
  assert.deepEqual(settings, { servers: "b:1" });
});
