/**
 * Cases that every connector passes, against a real peer.
 *
 * A connector's test hands in its declaration and a harness that starts the peer; the cases play the engine.
 *
 * @example
 * ```ts
 * conformance(mqtt, {
 *   source: async () => {
 *     const broker = await startBroker();
 *     return {
 *       settings: () => ({ datasource: "t" }),
 *       connection: { server: broker.url },
 *       send: (values) => broker.publish("t", values.map((n) => JSON.stringify({ n }))),
 *       cut: () => broker.dropClients(),
 *       close: () => broker.close(),
 *     };
 *   },
 * });
 * ```
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { lookupCases, lookupLossCase, type LookupPeer } from "./conformance/lookup_cases.ts";
import { sinkCases, sinkLossCase, type SinkPeer } from "./conformance/sink_cases.ts";
import {
  noPositionCase,
  positionCases,
  sourceCases,
  sourceLossCase,
  type SourcePeer,
} from "./conformance/source_cases.ts";
import type { RawSettings } from "./conformance/world.ts";
import type { Connector, ConnectorExample, SettingsSchema } from "./declare.ts";
import { readSettings } from "./settings.ts";

/** For tests of connectors beyond these cases. */
export { realClock, recordingLogger } from "./conformance/world.ts";

/** Starts peers: a fresh one for each case. */
export interface ConformanceHarness {
  source?(): SourcePeer | Promise<SourcePeer>;
  lookup?(): LookupPeer | Promise<LookupPeer>;
  sink?(): SinkPeer | Promise<SinkPeer>;
  /**
   * True for a source that gives positions, with the settings of its peers: it must be possible to cut it off behind any
   * batch. Best when its rows come in several.
   */
  readonly givesPositions?: boolean;
  /** True for a connector whose connection can be lost: its peers must have `cut`. */
  readonly losesConnection?: boolean;
}

/** Registers the cases for one connector with `node:test`. A role without a harness gets only its settings checked. */
export function conformance(connector: Connector, harness: ConformanceHarness): void {
  settingsCases(connector);
  if (connector.source !== undefined && harness.source !== undefined) {
    sourceCases(connector, harness.source);
    if (harness.givesPositions === true) positionCases(connector, harness.source);
    else noPositionCase(connector, harness.source);
    if (harness.losesConnection === true) sourceLossCase(connector, harness.source);
  }
  if (connector.lookup !== undefined && harness.lookup !== undefined) {
    lookupCases(connector, harness.lookup);
    if (harness.losesConnection === true) lookupLossCase(connector, harness.lookup);
  }
  if (connector.sink !== undefined && harness.sink !== undefined) {
    sinkCases(connector, harness.sink);
    if (harness.losesConnection === true) sinkLossCase(connector, harness.sink);
  }
}

function settingsCases(connector: Connector): void {
  test(`${connector.name}: examples are accepted`, () => {
    for (const { title, role, settings } of connector.examples) {
      const schema = schemaOf(connector, role);
      // An example shows the settings of its role together with those of the connection.
      const own = role === "connection" ? settings : withoutConnection(connector, schema, settings);
      assert.doesNotThrow(() => readSettings(schema, own, { path: "", where: `${connector.name} ${role}` }), title);
    }
  });
  for (const role of ["source", "lookup", "sink", "connection"] as const) {
    if (connector[role] === undefined) continue;
    test(`${connector.name}: an unknown setting of the ${role} is refused with a suggestion`, () => {
      const schema = schemaOf(connector, role);
      const [known] = Object.keys(schema.entries);
      const wrong = `${known ?? "setting"}x`;
      assert.throws(() => readSettings(schema, { [wrong]: 1 }, { path: "p", where: role }), (error) => {
        assert.ok(error instanceof DiagnosticError);
        const found = error.diagnostics.find(({ code, path }) => code === "E402" && path === `p.${wrong}`);
        assert.ok(found, error.message);
        return known === undefined || found.hint?.includes("did you mean") === true;
      });
    });
  }
}

function schemaOf(connector: Connector, role: ConnectorExample["role"]): SettingsSchema {
  const schema = connector[role]?.settings;
  assert.ok(schema, `${connector.name} has no ${role}`);
  return schema;
}

function withoutConnection(connector: Connector, schema: SettingsSchema, settings: RawSettings): RawSettings {
  const shared = Object.keys(connector.connection?.settings.entries ?? {});
  return Object.fromEntries(Object.entries(settings).filter(([key]) => key in schema.entries || !shared.includes(key)));
}
