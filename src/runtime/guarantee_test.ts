import assert from "node:assert/strict";
import { test } from "node:test";
import { withEngine } from "../../tests/engine/engine.ts";
import { limitsText } from "./guarantee.ts";

interface Expected {
  readonly level: string;
  readonly limitedBy: RegExp;
}

const mqttSession =
  'TYPE="mqtt", DATASOURCE="t", EXTRA=\'{"server":"tcp://127.0.0.1:1","clientid":"c","enableClientSession":true,"qos":QOS}\'';

const cases: [name: string, stream: string, action: object, options: object, expected: Expected][] = [
  ["qos 0", 'TYPE="file", DATASOURCE="f"', { nop: {} }, {}, {
    level: "at-most-once",
    limitedBy: /^rule: qos is 0: set it to 1 or 2$/,
  }],
  ["qos 1 of a file", 'TYPE="file", DATASOURCE="f"', { nop: {} }, { qos: 1 }, {
    level: "at-least-once",
    limitedBy: /^rule: qos is 1: set it to 2/,
  }],
  ["qos 2 of a shared file", 'TYPE="file", DATASOURCE="f", SHARED="true"', { nop: {} }, { qos: 2 }, {
    level: "at-least-once",
    limitedBy: /stream s: the stream is shared/,
  }],
  ["a subscription of QoS 0", mqttSession.replace("QOS", "0"), { nop: {} }, { qos: 1 }, {
    level: "at-most-once",
    limitedBy: /^stream s: the subscription has QoS 0/,
  }],
  ["a subscription of QoS 1", mqttSession.replace("QOS", "1"), { nop: {} }, { qos: 2 }, {
    level: "at-least-once",
    limitedBy: /stream s: /,
  }],
  [
    "a sink that may drop",
    mqttSession.replace("QOS", "1"),
    { file: { path: "out", onFull: "dropOldest" } },
    { qos: 1 },
    { level: "at-most-once", limitedBy: /^action 0_file: onFull is dropOldest/ },
  ],
  ["a simulator", 'TYPE="simulator"', { nop: {} }, { qos: 2 }, {
    level: "at-most-once",
    limitedBy: /^stream s: /,
  }],
];

for (const [name, stream, action, options, { level, limitedBy }] of cases) {
  test(`the guarantee of a rule: ${name}`, () =>
    withEngine(async ({ engine, streams }) => {
      streams.execute(`CREATE STREAM s () WITH (${stream})`);
      const rule = { id: "r", sql: "SELECT a FROM s", actions: [action], options, triggered: false };
      await engine.rules.create(JSON.stringify(rule));
      const { guarantee } = await engine.rules.explainTree("r");
      assert.equal(guarantee.level, level, JSON.stringify(guarantee));
      assert.match(limitsText(guarantee), limitedBy);
    }));
}

test("the guarantee of a rule: one that ends with the process", () =>
  withEngine(async ({ engine, streams }) => {
    streams.execute('CREATE STREAM s () WITH (TYPE="file", DATASOURCE="f")');
    const rule = { id: "r", sql: "SELECT a FROM s", actions: [{ nop: {} }], options: { qos: 2 }, temp: true };
    await engine.rules.create(JSON.stringify({ ...rule, triggered: false }));
    const { guarantee } = await engine.rules.explainTree("r");
    assert.deepEqual([guarantee.level, guarantee.survives], ["at-most-once", "nothing"]);
    assert.match(limitsText(guarantee), /^rule: temp is true/);
  }));
