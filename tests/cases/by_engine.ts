/**
 * A case through a running engine: a rule with its sources, decoders and an action, and a clock moved by hand.
 * @module
 */
import assert from "node:assert/strict";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { RowError } from "../../src/diagnostics/row_error.ts";
import type { Clock, LogFields, Logger } from "../../src/connector/context.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import { type Case, timeText } from "../../src/rule_test/case_file.ts";
import { bytesOfPayload, createPayloadReader } from "../../src/rule_test/payload_reader.ts";
import { ruleToRun } from "../../src/rule_test/tested_rule.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine, type Engine } from "../../src/runtime/engine.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import type { StreamDefinition } from "../../src/runtime/stream_definition.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { newDatabase } from "../../src/store/failing_database_fixture.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { SqliteDelivery } from "../../src/store/sqlite_delivery.ts";
import { HandClock, settled } from "../hand_clock.ts";
import { CaseConnector } from "./case_connector.ts";
import { codesOf, drawsAtRandom, droppedTexts, errorText, type Observed } from "./observed.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** How long a rule may take to end with its sources, ms: a script that has to start first takes longest. */
const endDelayMsMax = 20_000;

/** What a message of a rule with qos takes until the sink has it. */
const turnsToSend = 4;

/** Why a case cannot run live; undefined when it can. */
export function whyNotByEngine(c: Case): string | undefined {
  return drawsAtRandom(c) ? "draws at random" : undefined;
}

/** Why a case cannot run with an agent that is killed; undefined when it can. */
export function whyNotKilled(c: Case): string | undefined {
  if (/\brule_start\b/i.test(JSON.stringify(c.rule))) return "asks when the rule has started";
  // The hand clock would go through all the timers of weeks.
  const last = c.rows.findLast((row) => row.time !== undefined)?.time ?? c.start;
  return last - c.start > 7 * 86_400_000 ? "takes too long" : whyNotByEngine(c);
}

/**
 * Runs the case as a rule; resolves when the rule has ended. With `kills` it is one of qos 2, and where the function is
 * true for a payload, by its number, the agent is killed behind it and started again.
 */
export async function byEngine(c: Case, kills?: (payload: number) => boolean): Promise<Observed> {
  try {
    return await new LiveCase(c, kills).run();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return { refused: codesOf(error.diagnostics.map(({ code }) => code)), results: [], errors: [], dropped: [] };
  }
}

/** The CREATE statement with the connector of cases in place of its own, and otherwise as it was meant. */
function createStatement(definition: StreamDefinition): string {
  const { text, options, target, name, written } = definition;
  const head = text.replace(/\bWITH\s*\([^]*$/i, "");
  const kept = Object.entries(written).filter(([key]) => !["TYPE", "DATASOURCE", "CONF_KEY"].includes(key));
  const all: [string, string][] = [...kept, ["TYPE", "case"], ["DATASOURCE", name]];
  // How many rows a table keeps when nothing is said depends on its type.
  if (target === "table" && options.kind === "scan" && written.RETAIN_SIZE === undefined) {
    all.push(["RETAIN_SIZE", String(options.retainSize)]);
  }
  return `${head} WITH (${all.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ")})`;
}

interface Node {
  readonly type: string;
}

/** The rule with the connector of cases in place of its actions, or of the sources and sinks of its graph. */
function ruleWithConnector(json: string, kills: boolean): string {
  const { actions: _, ...read } = JSON.parse(json) as { actions?: unknown; graph?: { nodes: Record<string, Node> } };
  const { options } = read as { readonly options?: object };
  const rule = kills ? { ...read, options: { ...options, qos: 2 } } : read;
  if (rule.graph === undefined) return JSON.stringify({ ...rule, actions: [{ case: {} }] });
  const nodes = Object.entries(rule.graph.nodes).map(([name, node]) => {
    if (node.type === "operator") return [name, node];
    return [name, { ...node, nodeType: "case", ...(node.type === "sink" ? { props: {} } : {}) }];
  });
  return JSON.stringify({ ...rule, graph: { ...rule.graph, nodes: Object.fromEntries(nodes) } });
}

/** A clock that knows when what sleeps wakes up: `delay()` holds up a rule, and a case does not wait. */
class CaseClock implements Clock {
  readonly #hand: HandClock;
  readonly #wakeUps = new Set<{ readonly at: number }>();

  constructor(start: number) {
    this.#hand = new HandClock(start);
  }

  now(): number {
    return this.#hand.now();
  }

  after(ms: number, callback: () => void): () => void {
    return this.#hand.after(ms, callback);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const wakeUp = { at: this.now() + ms };
    this.#wakeUps.add(wakeUp);
    try {
      await this.#hand.sleep(ms, signal);
    } finally {
      this.#wakeUps.delete(wakeUp);
    }
  }

  /** Runs on to `time`, unless it is past, and until nobody sleeps. */
  async advanceTo(time: number): Promise<void> {
    await this.#hand.advance(Math.max(0, time - this.now()));
    while (this.#wakeUps.size > 0) {
      const first = Math.min(...[...this.#wakeUps].map(({ at }) => at));
      await this.#hand.advance(Math.max(0, first - this.now()));
    }
  }
}

/** The clock of one life of an agent: a dead one is called back by nobody. */
class LifeClock implements Clock {
  readonly #clock: Clock;
  #isDead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  after(ms: number, callback: () => void): () => void {
    return this.#clock.after(ms, () => void (this.#isDead || callback()));
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    if (this.#isDead) await new Promise(() => {});
  }

  kill(): void {
    this.#isDead = true;
  }
}

/** What goes on from life to life. */
interface Kept {
  readonly store: MemoryStore;
  readonly database: ReturnType<typeof newDatabase>;
}

class LiveCase {
  readonly #case: Case;
  readonly #kills: ((payload: number) => boolean) | undefined;
  readonly #catalog: CaseCatalog;
  readonly #clock: CaseClock;
  #connector: CaseConnector;
  #engine!: Engine;
  #streams!: StreamRegistry;
  /** Makes the life at hand a dead one. */
  #kill = () => {};
  readonly #dead: Engine[] = [];
  readonly #results: string[] = [];
  readonly #errors: string[] = [];
  readonly #dropped = new Map<string, number>();
  #ended = false;

  constructor(c: Case, kills?: (payload: number) => boolean) {
    this.#case = c;
    this.#kills = kills;
    this.#catalog = new CaseCatalog(c.streams);
    this.#clock = new CaseClock(c.start);
    this.#connector = new CaseConnector((message) => this.#written(message));
  }

  #written(message: string): void {
    const time = this.#ended ? "@end" : timeText(this.#case, this.#clock.now());
    this.#results.push(this.#case.timed ? `${time} ${message}` : message);
  }

  /** Errors and dropped rows are told by the log only. */
  #log(isDead: () => boolean): Logger {
    const warn = (message: string, { reason, count }: LogFields = {}) => {
      if (isDead()) return;
      const [, code, text] = /^(E5\d\d): ([^]*)$/.exec(String(reason)) ?? [];
      if (message === "A condition failed and counts as false") return;
      if (code !== undefined) this.#errors.push(errorText(code, text!));
      else if (message === "Rows were dropped") {
        this.#dropped.set(String(reason), (this.#dropped.get(String(reason)) ?? 0) + Number(count));
      } else throw new Error(`The engine warns of what nobody expects: ${message} ${reason}`);
    };
    const quiet = () => {};
    const log: Logger = { debug: quiet, info: quiet, warn, error: warn, with: () => log };
    return log;
  }

  async run(): Promise<Observed> {
    const { definition } = ruleToRun(this.#case);
    const store = new MemoryStore();
    const kept: Kept = { store, database: newDatabase() };
    const { state = {} } = this.#case.options as Record<string, Record<string, never>>;
    const states = new KeyedStates(store);
    for (const [key, value] of Object.entries(state)) states.put(key, JSON.stringify(value));
    await this.#live(kept);
    try {
      for (const each of this.#catalog.definitions.values()) this.#streams.execute(createStatement(each));
      const rule = ruleWithConnector(definition.json, this.#kills !== undefined);
      const [first] = (await this.#engine.rules.validate(rule)).sources;
      await this.#engine.rules.create(rule);
      await this.#play(first!, kept);
      // Scripts run in a thread of their own, which turns of this one do not wait for.
      const deadline = performance.now() + endDelayMsMax;
      while (this.#engine.rules.status(definition.id).status === "running") {
        if (performance.now() > deadline) throw new Error("The rule has not ended with its sources");
        await settled();
      }
      await settled();
      this.#assertBalanced();
    } finally {
      this.#kill();
      for (const engine of [...this.#dead, this.#engine]) await engine.close();
      kept.database.close();
    }
    return { refused: [], results: this.#results, errors: this.#errors, dropped: droppedTexts(this.#dropped) };
  }

  /** One life of the agent, until `#kill` is called. */
  async #live({ store, database }: Kept): Promise<void> {
    const { timezone } = ruleToRun(this.#case);
    const { properties = {} } = this.#case.options as Record<string, Record<string, never>>;
    const { connector } = this.#connector;
    const connectors = new ConnectorList([connector]);
    const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
    const clock = new LifeClock(this.#clock);
    const delivery = new SqliteDelivery({ database });
    let isDead = false;
    const own = this.#connector;
    this.#kill = () => {
      isDead = true;
      clock.kill();
      own.kill();
      delivery.close();
    };
    this.#streams = new StreamRegistry({ store, configs });
    this.#engine = createEngine({
      connectors,
      store,
      delivery,
      streams: this.#streams,
      configs,
      config: { timezone, properties, ignoreCase: this.#case.options.ignoreCase === true },
      log: this.#log(() => isDead),
      clock,
    });
    await this.#engine.start();
  }

  /** Results of a rule with qos are kept before they are sent. */
  async #sent(): Promise<void> {
    for (let turn = 0; this.#kills !== undefined && turn < turnsToSend; turn++) await settled();
  }

  #assertBalanced(): void {
    for (const { id } of this.#engine.rules.list()) {
      assert.deepEqual(this.#engine.rules.ledger(id).imbalances, [], "the ledger");
    }
  }

  /** The agent dies at a moment at which nothing is under way, and another one begins. */
  async #restart(kept: Kept): Promise<void> {
    this.#assertBalanced();
    this.#kill();
    this.#dead.push(this.#engine);
    this.#connector = new CaseConnector((message) => this.#written(message), this.#connector);
    await this.#live(kept);
    await settled();
  }

  /** @param first the first of FROM, to which rows without a name belong. */
  async #play(first: string, kept: Kept): Promise<void> {
    const { timezone } = ruleToRun(this.#case);
    let payloads = 0;
    await settled();
    for (const row of this.#case.rows) {
      if (row.time !== undefined) await this.#clock.advanceTo(row.time);
      if (row.payload === undefined) {
        await this.#sent();
        continue;
      }
      const stream = this.#catalog.definitions.get(row.source ?? first)!;
      if (stream.options.kind === "lookup") {
        const rows = createPayloadReader(stream, "all", timezone, () => 0)(row.payload);
        this.#connector.add(stream.name, rows.flatMap((each) => each instanceof RowError ? [] : [each]));
      } else if (this.#connector.isOpen(stream.name)) {
        this.#connector.give(stream.name, bytesOfPayload(stream, row.payload), row.meta);
      }
      await settled();
      await this.#clock.advanceTo(this.#clock.now());
      await this.#sent();
      // What is not acknowledged would have to be given again.
      if (this.#kills?.(payloads++) === true && this.#connector.underWay === 0) await this.#restart(kept);
    }
    this.#ended = true;
    this.#connector.end();
  }
}
