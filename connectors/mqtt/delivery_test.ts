import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/connector/settings.ts";
import { mqtt } from "./mod.ts";

type Raw = Record<string, unknown>;
type Case = [settings: Raw, connection: Raw, level: string, limit?: RegExp];

const place = { path: "", where: "mqtt" };
const kept = { clientid: "gateway", enableClientSession: true };
const kept5 = { ...kept, protocolVersion: "5" };

const sources: Case[] = [
  [{ qos: 0 }, kept, "at-most-once", /set qos 1/],
  [{}, {}, "at-most-once", /enableClientSession/],
  [{ qos: 2 }, { clientid: "gateway" }, "at-most-once", /enableClientSession/],
  [{ qos: 2 }, { ...kept5, sessionExpiryIntervalSeconds: 0 }, "at-most-once", /sessionExpiryIntervalSeconds/],
  [{ qos: 1 }, kept, "at-least-once", /set qos 2/],
  [{ qos: 2 }, { ...kept, protocolVersion: "3.1" }, "at-least-once", /3\.1\.1/],
  [{ qos: 2 }, kept, "exactly-once"],
  [{ qos: 2 }, kept5, "exactly-once"],
];

const sinks: Case[] = [
  [{}, { protocolVersion: "5" }, "at-most-once", /set qos 1/],
  [{ qos: 1 }, {}, "at-least-once", /protocolVersion 5/],
  [{ qos: 2 }, kept, "at-least-once", /protocolVersion 5/],
  [{ qos: 1 }, { protocolVersion: "5" }, "exactly-once"],
  [{ qos: 2 }, { protocolVersion: "5" }, "exactly-once"],
];

for (
  const [name, role, required, cases] of [
    ["source", mqtt.source!, { datasource: "t" }, sources],
    ["sink", mqtt.sink!, { topic: "t" }, sinks],
  ] as const
) {
  test(`an mqtt ${name} promises what its settings allow`, () => {
    for (const [raw, rawConnection, level, limit] of cases) {
      const settings = readSettings(role.settings, { ...required, ...raw }, place);
      const connection = readSettings(mqtt.connection!.settings, rawConnection, place);
      const promise = role.promise!(settings as never, connection, { keepsPosition: true, sharesConnection: false });
      const what = JSON.stringify([raw, rawConnection, promise]);
      assert.equal(promise.level, level, what);
      if (limit === undefined) assert.equal(promise.limit, undefined, what);
      else assert.match(promise.limit!, limit, what);
    }
  });
}
