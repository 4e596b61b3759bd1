/**
 * An engine in memory, with its log as lines and the connector `wire`.
 *
 * ```ts ignore
 * await withEngine(async ({ engine, streams, wire }) => {
 *   streams.execute(wireStream);
 *   await engine.rules.create(wireRule("r", "SELECT a FROM s"));
 *   wire.send('{"a":1}');
 * });
 * ```
 * @module
 */
import { allConnectors } from "../all_connectors.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine, type Engine, type EngineOptions } from "../../src/runtime/engine.ts";
import { SchemaRegistry } from "../../src/runtime/schemas.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { assertAllBalanced } from "../ledger/balanced.ts";
import { Wire } from "./wire.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

export interface EngineFixture {
  readonly engine: Engine;
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
  readonly schemas: SchemaRegistry;
  readonly store: MemoryStore;
  readonly wire: Wire;
  /** The lines of the log without their times. */
  readonly log: string[];
}

/** Closes the engine at the end, and looks at the ledgers of its rules. */
export async function withEngine(
  work: (fixture: EngineFixture) => Promise<void>,
  options: Partial<EngineOptions> = {},
): Promise<void> {
  const wire = new Wire();
  const connectors = new ConnectorList([...allConnectors, wire.connector]);
  const store = new MemoryStore();
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const schemas = await SchemaRegistry.open(store);
  const streams = new StreamRegistry({ store, configs, schemas });
  const log: string[] = [];
  const engine = createEngine({
    connectors,
    store,
    streams,
    configs,
    schemas,
    config: { timezone: "UTC" },
    log: createLog({ level: "info", format: "logfmt", write: (line) => void log.push(line.slice(30).trimEnd()) }),
    ...options,
  });
  await engine.start();
  try {
    await work({ engine, streams, configs, schemas, store, wire, log });
    await assertAllBalanced(engine.rules);
  } finally {
    await engine.close();
  }
  // What a rule gives up when it stops is accounted for too.
  await assertAllBalanced(engine.rules);
}

/** A schemaless stream `s` over the wire. */
export const wireStream = 'CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="json", TYPE="wire")';

/** A rule whose results go over the wire. */
export function wireRule(id: string, sql: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ id, sql, actions: [{ wire: {} }], ...more });
}
