/**
 * The codes of settings against the code: what `provokes` describes is refused with the code it stands beside, and the
 * place is named.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Code } from "../../src/diagnostics/codes.ts";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { withEngine } from "./engine.ts";

/** A stream `s`, the actions of a rule that reads it, and the path of the mistake. */
const provoked: readonly (readonly [Code, stream: string, action: Record<string, unknown>, path: string])[] = [
  ["E402", 'TYPE="simulator"', { mqtt: { topic: "t", brokerr: "x" } }, "actions.0.mqtt.brokerr"],
  ["E403", 'TYPE="simulator"', { mqtt: { topic: "t", qos: 7 } }, "actions.0.mqtt.qos"],
  ["E404", 'TYPE="simulator"', { mqtt: {} }, "actions.0.mqtt.topic"],
  ["E405", 'TYPE="mqttt"', { nop: {} }, "stream s"],
  ["E406", 'DATASOURCE="t", CONF_KEY="nosuch"', { nop: {} }, "stream s.CONF_KEY"],
  ["E406", 'TYPE="simulator"', { mqtt: { topic: "t", resourceId: "nosuch" } }, "actions.0.mqtt.resourceId"],
  [
    "E406",
    'TYPE="simulator"',
    { mqtt: { topic: "t", connectionSelector: "nosuch" } },
    "actions.0.mqtt.connectionSelector",
  ],
  ["E408", 'TYPE="simulator"', { mqtt: { topic: "t", format: "custom" } }, "actions.0.mqtt.format"],
  ["E409", 'TYPE="simulator"', { nop: { dataTemplate: "{{.a | uper}}" } }, "actions.0.nop.dataTemplate"],
];

for (const [code, options, action, path] of provoked) {
  test(`${code} names ${path}`, () =>
    withEngine(async ({ engine, streams }) => {
      streams.execute(`CREATE STREAM s () WITH (${options})`);
      const rule = JSON.stringify({ id: "r", sql: "SELECT a FROM s", actions: [action] });
      await assert.rejects(() => engine.rules.validate(rule), (error) => {
        assert.ok(error instanceof DiagnosticError);
        assert.deepEqual(error.diagnostics.map((d) => [d.code, d.path]), [[code, path]], error.message);
        return true;
      });
      return Promise.resolve();
    }));
}
