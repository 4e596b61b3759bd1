/**
 * An agent's data directory, tape and engine, that can be killed and started again.
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectors as entries } from "../../connectors/mod.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine, type Engine } from "../../src/runtime/engine.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { type OpenedStore, openStore } from "../../src/store/sqlite.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { assertAllBalanced } from "../ledger/balanced.ts";
import { Tape } from "./tape.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

export class World {
  readonly tape = new Tape();
  readonly log: string[] = [];
  readonly #directory: string;
  readonly #dead: Engine[] = [];
  #opened!: OpenedStore;
  #life = { ended: false };
  engine!: Engine;
  streams!: StreamRegistry;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async with(work: (world: World) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), "weir-durable-"));
    const world = new World(directory);
    try {
      await world.start();
      await work(world);
      await assertAllBalanced(world.engine.rules);
    } finally {
      await world.engine.close();
      world.#opened.delivery.close();
      world.#opened.store.close();
      for (const engine of world.#dead) await engine.close().catch(() => {});
      await rm(directory, { recursive: true });
    }
  }

  get delivery(): OpenedStore["delivery"] {
    return this.#opened.delivery;
  }

  async start(): Promise<void> {
    this.#opened = openStore(this.#directory);
    const { store, delivery } = this.#opened;
    const life = { ended: false };
    this.#life = life;
    const connectors = new ConnectorList([...entries, this.tape.connector(() => !life.ended)]);
    const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
    this.streams = new StreamRegistry({ store, configs });
    this.engine = createEngine({
      connectors,
      store,
      delivery,
      streams: this.streams,
      configs,
      config: { timezone: "UTC" },
      log: createLog({
        level: "debug",
        format: "logfmt",
        write: (line) => void this.log.push(line.slice(30).trimEnd()),
      }),
    });
    await this.engine.start();
  }

  /** As a kill: from now on the old engine changes nothing any more, neither in the store nor at the sink. */
  kill(): void {
    this.#life.ended = true;
    this.#dead.push(this.engine);
    this.#opened.delivery.close();
    this.#opened.store.close();
  }

  /** A stop as by SIGTERM. */
  async stop(): Promise<void> {
    await this.engine.close();
    await assertAllBalanced(this.engine.rules);
    this.kill();
    this.#dead.pop();
  }

  define(sql: string, options: object, id = "r", actions: object[] = [{ tape: {} }]): Promise<string> {
    if (this.streams.get("s") === undefined) {
      this.streams.execute('CREATE STREAM s () WITH (DATASOURCE="t", TYPE="tape")');
    }
    return this.engine.rules.create(JSON.stringify({ id, sql, actions, options }));
  }
}
