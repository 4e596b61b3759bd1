/**
 * An engine whose connector, clock and store a test holds in its hands.
 *
 * ```ts ignore
 * await withProbes(async ({ create, probe, clock }) => {
 *   await create("r", "SELECT a FROM own");
 *   await settled();
 *   probe.give("own", '{"a":1}');
 * });
 * ```
 * @module
 */
import { recordingLogger } from "../src/connector/conformance.ts";
import type { LogFields } from "../src/connector/context.ts";
import { ConfigRegistry } from "../src/runtime/configs.ts";
import { connectorConfigs } from "../src/runtime/connector_configs.ts";
import { createEngine, type Engine, type EngineOptions } from "../src/runtime/engine.ts";
import { StreamRegistry } from "../src/runtime/streams.ts";
import { MemoryDelivery } from "../src/store/memory_delivery.ts";
import { MemoryStore } from "../src/store/memory.ts";
import { HandClock } from "./hand_clock.ts";
import { Probe } from "./probe_connector.ts";
import { ConnectorList } from "../src/connector/connector_list.ts";

export interface ProbeWorld {
  readonly probe: Probe;
  readonly clock: HandClock;
  readonly store: MemoryStore;
  readonly delivery: MemoryDelivery;
  readonly engine: Engine;
  readonly streams: StreamRegistry;
  readonly logged: LogFields[];
  /** Creates a rule whose result goes to the probe of its id. */
  create(id: string, sql: string, more?: Record<string, unknown>): Promise<string>;
}

export interface ProbeWorldOptions {
  readonly store?: MemoryStore;
  readonly delivery?: MemoryDelivery;
  /** Unix milliseconds at which the clock stands first. */
  readonly now?: number;
  readonly config?: Partial<EngineOptions["config"]>;
}

/** The engine is not started, and knows no streams. */
export function probeWorld(options: ProbeWorldOptions = {}): ProbeWorld {
  const { store = new MemoryStore(), delivery = new MemoryDelivery() } = options;
  const probe = new Probe();
  const clock = new HandClock(options.now);
  const connectors = new ConnectorList([probe.connector]);
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  const logged: LogFields[] = [];
  const log = recordingLogger(logged);
  const config = { timezone: "UTC", ...options.config };
  const engine = createEngine({ connectors, store, delivery, streams, configs, config, log, clock });
  return {
    probe,
    clock,
    store,
    delivery,
    engine,
    streams,
    logged,
    create: (id, sql, more) => engine.rules.create(probeRule(id, sql, more)),
  };
}

/** The JSON of a rule whose result goes to the probe of its id. */
export function probeRule(id: string, sql: string, more: Record<string, unknown> = {}): string {
  const actions = [{ probe: { to: id, sendSingle: true } }];
  return JSON.stringify({ id, sql, actions, ...more });
}

/** Runs `work` with a started engine that has the streams `own` and `shared`, and closes it at the end. */
export async function withProbes(
  work: (world: ProbeWorld) => Promise<void>,
  options?: ProbeWorldOptions,
): Promise<void> {
  const all = probeWorld(options);
  all.streams.execute('CREATE STREAM own () WITH (TYPE="probe", DATASOURCE="own", FORMAT="json")');
  all.streams.execute('CREATE STREAM shared () WITH (TYPE="probe", DATASOURCE="shared", FORMAT="json", SHARED="true")');
  await all.engine.start();
  try {
    await work(all);
  } finally {
    const closing = all.engine.close();
    await all.clock.advance(60_000);
    await closing;
  }
}
