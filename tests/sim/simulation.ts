/**
 * A simulation: one seed drives rules, what their streams bring, failures of sources, sinks and disk, and the moments
 * at which the agent is killed. What came out is compared with a run that nothing interrupted.
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { LogFields, Logger } from "../../src/connector/context.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine, type Engine } from "../../src/runtime/engine.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { newDatabase } from "../../src/store/failing_database_fixture.ts";
import type { DeliveryStore } from "../../src/store/delivery_store.ts";
import type { SqlStatement } from "../../src/store/delivery_sql.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { MemoryDelivery } from "../../src/store/memory_delivery.ts";
import { SqliteDelivery } from "../../src/store/sqlite_delivery.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { findProblems } from "./find_problems.ts";
import { History } from "./history.ts";
import { Life } from "./life.ts";
import { Receivers } from "./receivers.ts";
import { type Deed, drawScenario, type Scenario, simStart, stormMs } from "./scenario.ts";
import { Scheduler } from "./scheduler.ts";
import { simConnectors } from "./sim_connectors.ts";
import { rollBack, SimDatabase } from "./sim_database.ts";
import { SimStream } from "./streams.ts";
import { onVirtualPlatform } from "./virtual_platform.ts";
import { Weather } from "./weather.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

/** What became of a seed. */
export interface SimOutcome {
  readonly seed: number;
  /** One for each promise that was not kept; none when all is well. */
  readonly problems: readonly string[];
  /** What happened, oldest first. */
  readonly trace: readonly string[];
  /** What was drawn, for people. */
  readonly about: string;
  readonly kills: number;
  readonly messages: number;
}

/** Behind the storm nothing fails any more, and for so long the agent may catch up, milliseconds. */
const calmMs = 60_700;
/** A deed that fails is done again in so many milliseconds. */
const againMs = 700;

export async function simulate(seed: number): Promise<SimOutcome> {
  const simulation = new Simulation(seed);
  let problems: readonly string[];
  try {
    problems = await simulation.run();
  } catch (error) {
    problems = [error instanceof Error ? error.stack ?? error.message : String(error)];
  }
  const { scheduler, receivers, scenario, kills } = simulation;
  const about = scenario.rules.map(({ id, json, power, kind }) => `${id} (${power}, ${kind.name}): ${json(1, 0)}`);
  return {
    seed,
    problems,
    trace: scheduler.trace,
    about: about.join("\n"),
    kills,
    messages: receivers.received.length,
  };
}

/** The agent of one life. */
interface Agent {
  readonly life: Life;
  readonly engine: Engine;
  readonly delivery: DeliveryStore;
}

class Simulation {
  readonly scheduler: Scheduler;
  readonly scenario: Scenario;
  readonly receivers: Receivers;
  kills = 0;
  readonly #random: SeededRandom;
  readonly #weather: Weather;
  readonly #streams = new Map<string, SimStream>();
  readonly #store = new MemoryStore();
  readonly #database: DatabaseSync = newDatabase();
  readonly #statements = new Map<string, SqlStatement>();
  readonly #history: History;
  readonly #killsMax: number;
  /** Nothing is kept beyond a life, of which there is one. */
  readonly #forgets: boolean;
  readonly #touchesMax: number;
  readonly #lateMsMax: number;
  readonly #problems = new Set<string>();
  #incarnations = 0;
  #agent: Agent | undefined;
  /** What is to be done with each rule, in its order; the first is under way when it is due. */
  readonly #deeds = new Map<string, { readonly at: number; readonly deed: Deed }[]>();
  readonly #doing = new Set<string>();
  #isEnding = false;

  constructor(seed: number) {
    this.#random = new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
    this.scheduler = new Scheduler(this.#random, simStart);
    this.#weather = new Weather(this.#random);
    this.receivers = new Receivers(this.#weather);
    this.#history = new History(() => this.scheduler.now, (rule) => this.#storedVariant(rule));
    this.scenario = drawScenario(this.#random);
    for (const { name, power } of this.scenario.definitions) {
      if (power !== "lookup") this.#streams.set(name, new SimStream(name, power, this.#weather, this.#history));
    }
    this.#killsMax = this.#random.pick([0, 1, 2, 5, 12]);
    this.#forgets = this.#killsMax === 0 && this.#random.below(2) === 0;
    this.#touchesMax = this.#random.pick([20, 100, 400, 1500]);
    this.#lateMsMax = this.#random.pick([0, 0, 25]);
  }

  async run(): Promise<readonly string[]> {
    const { scheduler } = this;
    const slowOneIn = this.#random.pick([0, 0, 5, 25, 150]);
    try {
      return await onVirtualPlatform({
        random: this.#random,
        slowOneIn,
        turn: (run) => void this.#agent?.life.after(0, "turn", run),
      }, async () => {
        this.#defineAll();
        this.#plan();
        this.#live();
        await scheduler.runUntil(simStart + stormMs + 5000, () => this.#look());
        this.#calm();
        await scheduler.runUntil(simStart + stormMs + 5000 + calmMs, () => this.#look());
        this.#look(true);
        const agent = this.#agent!;
        for (const [rule, deeds] of this.#deeds) {
          if (deeds.length > 0) this.#problems.add(`${rule}: ${deeds[0]!.deed.kind} never comes to an end`);
        }
        if (this.#problems.size > 0) return [...this.#problems];
        const found = findProblems({
          scenario: this.scenario,
          engine: agent.engine,
          delivery: agent.delivery,
          history: this.#history,
          receivers: this.receivers,
          weather: this.#weather,
          streams: this.#streams,
          now: scheduler.now,
        });
        return [...found, ...await this.#close(agent)];
      });
    } finally {
      this.#agent?.life.kill("the end");
      this.#database.close();
    }
  }

  /** The definitions of streams are there before the first life. */
  #defineAll(): void {
    const life = new Life({ scheduler: this.scheduler, touches: undefined, lateMsMax: 0, onKilled: () => {} });
    const connectors = new ConnectorList(simConnectors(life, this.#world));
    const configs = new ConfigRegistry({ store: this.#store, ...connectorConfigs(connectors) });
    const streams = new StreamRegistry({ store: this.#store, configs });
    for (const { sql } of this.scenario.definitions) if (sql !== "") streams.execute(sql);
  }

  get #world() {
    return { weather: this.#weather, streams: this.#streams, receivers: this.receivers };
  }

  #plan(): void {
    const { scheduler, scenario } = this;
    for (const { at, stream, rows } of scenario.inputs) {
      const ns = rows.map(({ n }) => n);
      scheduler.after(at, `${stream} brings ${ns}`, () => this.#streams.get(stream)!.add(rows));
    }
    for (const { id } of scenario.rules) this.#deeds.set(id, []);
    for (const { at, deed } of scenario.deeds) this.#deeds.get(deed.rule.id)!.push({ at: simStart + at, deed });
    for (const { at } of scenario.deeds) scheduler.after(at, "time to act", () => this.#act());
    if (!this.#forgets && this.#random.below(3) === 0) {
      const at = this.#random.below(stormMs);
      scheduler.after(at, "the agent is told to end", () => this.#end());
    }
    const diskFull = this.#random.below(8) === 0 ? 1 : 0;
    if (diskFull > 0) {
      const at = this.#random.below(stormMs);
      scheduler.after(at, "the disk is full", () => {
        this.#weather.diskFullUntil = scheduler.now + this.#random.below(5000);
      });
    }
  }

  /** A life begins, unless one is there. */
  #live(): void {
    const { scheduler } = this;
    if (this.#agent !== undefined) return;
    const dies = this.kills < this.#killsMax && !this.#weather.isCalm;
    const life: Life = new Life({
      scheduler,
      touches: dies ? 1 + this.#random.below(this.#touchesMax) : undefined,
      lateMsMax: this.#lateMsMax,
      onKilled: () => this.#killed(),
    });
    scheduler.tell("LIFE begins");
    const database = new SimDatabase(this.#database, life, {
      fault: (sql) => this.#fault(sql),
      endsTransaction: () => this.#random.below(2) === 0,
    }, this.#statements);
    try {
      const schedule = (run: () => void) => void life.after(0, "commit", run);
      const delivery = this.#forgets ? new MemoryDelivery(schedule) : new SqliteDelivery({
        database,
        schedule,
        newIncarnation: () => `i${++this.#incarnations}`,
      });
      const connectors = new ConnectorList(simConnectors(life, this.#world));
      const configs = new ConfigRegistry({ store: this.#store, ...connectorConfigs(connectors) });
      const engine = createEngine({
        connectors,
        store: this.#storeOf(life),
        delivery,
        streams: new StreamRegistry({ store: this.#store, configs }),
        configs,
        config: { timezone: "UTC", rulePatrolInterval: 1000 },
        log: this.#log(life),
        clock: life.clock,
      });
      this.#agent = { life, engine, delivery };
      engine.start().then(
        () => {
          if (life.isDead) return;
          scheduler.tell("the agent is ready");
          this.#act();
        },
        (error) => this.#failedToStart(life, error),
      );
    } catch (error) {
      this.#failedToStart(life, error);
    }
  }

  /** As by SIGTERM; one that takes too long is killed. */
  #end(): void {
    const agent = this.#agent;
    // What people do comes before or behind it.
    if (agent === undefined || this.#doing.size > 0) return;
    this.#isEnding = true;
    agent.life.after(20_000, "the agent takes too long", () => agent.life.kill("its end"));
    void agent.engine.close().then(() => {
      if (agent.life.isDead) return;
      this.scheduler.tell("the agent has ended");
      agent.delivery.close();
      agent.life.kill("its end");
    });
  }

  /** An agent whose store cannot be read does not start; whoever watches over it starts it again. */
  #failedToStart(life: Life, error: unknown): void {
    if (life.isDead) return;
    this.scheduler.tell(`the agent does not start: ${error}`);
    if (this.#weather.isCalm) this.#problems.add(`the agent does not start: ${error}`);
    else life.kill("a failed start");
  }

  #killed(): void {
    rollBack(this.#database);
    this.#agent = undefined;
    this.#doing.clear();
    this.#isEnding = false;
    this.receivers.killed();
    for (const stream of this.#streams.values()) stream.forgetReaders();
    this.kills++;
    if (!this.#weather.isCalm) {
      this.scheduler.after(this.#random.pick([0, 0, 50, 3000]), "the agent starts", () => this.#live());
    }
  }

  #fault(sql: string): number | undefined {
    if (this.#weather.isCalm) return undefined;
    const writes = !/^\s*(SELECT|PRAGMA)/i.test(sql);
    if (this.scheduler.now < this.#weather.diskFullUntil && writes && sql !== "BEGIN IMMEDIATE") return 13;
    // A rule that cannot start misses what others take of a stream that it shares with them.
    if (!writes && this.scenario.isShared) return undefined;
    if (!this.#weather.strikes("statementFails")) return undefined;
    this.scheduler.tell(`FAILS: ${sql.trim().slice(0, 60)}`);
    return this.#random.pick([10, 13]);
  }

  /** Definitions are written at once, and by the living only. */
  #storeOf(life: Life): MemoryStore {
    const guarded = (work: (...args: never[]) => unknown) => (...args: never[]) => {
      if (!life.touch("the store")) throw new Error("The agent is dead");
      return work.apply(this.#store, args);
    };
    return new Proxy(this.#store, {
      get: (store, name) => {
        const member = Reflect.get(store, name, store) as unknown;
        return typeof member === "function" ? guarded(member as never) : member;
      },
    });
  }

  #log(life: Life): Logger {
    const tell = (level: string) => (message: string, fields: LogFields = {}) => {
      if (life.isDead) return;
      const { reason = "", ...rest } = fields;
      this.scheduler.tell(`  ${level}: ${message} ${reason} ${JSON.stringify(rest)}`);
      if (level === "error" && /nternal error|E515|is not taken|follows/.test(`${message} ${reason}`)) {
        this.#problems.add(`${message}: ${reason}`);
      }
    };
    const log: Logger = {
      debug: () => {},
      info: tell("info"),
      warn: tell("warn"),
      error: tell("error"),
      with: () => log,
    };
    return log;
  }

  // ---------------------------------------------------------------- what people do

  #storedVariant(rule: string): number {
    const json = this.#store.get("rule", rule) ?? "";
    const deed = this.scenario.deeds.findLast(({ deed }) =>
      deed.rule.id === rule && "version" in deed && json.includes(`${deed.version} AS ver`)
    );
    return deed !== undefined && "variant" in deed.deed ? deed.deed.variant : 0;
  }

  /** Does what is due, of each rule one after the other. */
  #act(): void {
    for (const [rule, deeds] of this.#deeds) {
      if (this.#isEnding) return;
      const agent = this.#agent;
      const next = deeds[0];
      if (agent === undefined || next === undefined || next.at > this.scheduler.now || this.#doing.has(rule)) continue;
      this.#doing.add(rule);
      this.scheduler.tell(`${next.deed.kind} ${rule}`);
      // A deed begins in a turn of its own.
      Promise.resolve().then(() => this.#do(next.deed, agent)).then(
        () => this.#did(rule, agent.life),
        (error) => {
          if (agent.life.isDead) return;
          this.scheduler.tell(`${next.deed.kind} ${rule} fails: ${error}`);
          this.#doing.delete(rule);
          agent.life.after(againMs, "act again", () => this.#act());
        },
      );
    }
  }

  #did(rule: string, life: Life): void {
    if (life.isDead) return;
    this.scheduler.tell(`${this.#deeds.get(rule)!.shift()!.deed.kind} ${rule} is done`);
    this.#doing.delete(rule);
    this.#act();
  }

  /** A deed that a kill interrupted is done again; what it did is there. */
  async #do(deed: Deed, { engine, life }: Agent): Promise<void> {
    const { id } = deed.rule;
    const exists = this.#store.get("rule", id) !== undefined;
    switch (deed.kind) {
      case "create":
        if (exists) return;
        this.#history.begin(id);
        return void await engine.rules.create(deed.rule.json(deed.version, deed.variant));
      case "update":
        return await engine.rules.update(id, deed.rule.json(deed.version, deed.variant));
      case "delete":
        if (exists) await engine.rules.delete(id);
        return;
      case "replay":
        if (exists) await engine.deadLetters.replay(id);
        return;
      case "stop":
      case "start":
      case "restart":
        if (!life.isDead) await engine.rules[deed.kind](id);
    }
  }

  // ---------------------------------------------------------------- the end

  #calm(): void {
    this.scheduler.tell("THE STORM IS OVER");
    this.#weather.isCalm = true;
    this.#agent?.life.spare();
    this.receivers.calm();
    if (this.#agent === undefined) this.#live();
  }

  /** Whatever happens, ledgers balance between two events. */
  #look(always = false): void {
    const agent = this.#agent;
    if (agent === undefined || (!always && this.#random.below(16) > 0)) return;
    for (const { id } of agent.engine.rules.list()) {
      for (const each of agent.engine.rules.ledger(id).imbalances) {
        if (this.#problems.size === 0) this.scheduler.tell(`IMBALANCE ${id}: ${each}`);
        this.#problems.add(`the ledger of ${id}: ${each}`);
      }
    }
  }

  /** Stops the agent as people do; nothing of it may be left. */
  async #close({ engine, life, delivery }: Agent): Promise<string[]> {
    let isClosed = false;
    void engine.close().then(() => (isClosed = true));
    await this.scheduler.runUntil(this.scheduler.now + 20_000);
    if (!isClosed) return ["the agent does not stop"];
    delivery.close();
    const left = [
      ...this.scheduler.waiting(life).map((label) => `left behind: ${label}`),
      ...[...this.#streams.values()].filter(({ open }) => open > 0).map(({ name }) => `${name} is open still`),
    ];
    if (this.receivers.open > 0) left.push(`${this.receivers.open} sinks are open still`);
    return left;
  }
}
