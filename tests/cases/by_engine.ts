/**
 * A case through a running engine: a rule with its sources, decoders and an action, and a clock moved by hand.
 * @module
 */
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { RowError } from "../../src/diagnostics/row_error.ts";
import type { Clock, LogFields, Logger } from "../../src/connector/context.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import { type Case, timeText } from "../../src/rule_test/case_file.ts";
import { bytesOfPayload, createPayloadReader } from "../../src/rule_test/payload_reader.ts";
import { ruleToRun } from "../../src/rule_test/tested_rule.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { connectorConfigs } from "../../src/runtime/connector_configs.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { KeyedStates } from "../../src/runtime/keyed_states.ts";
import type { StreamDefinition } from "../../src/runtime/stream_definition.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { HandClock, settled } from "../hand_clock.ts";
import { CaseConnector } from "./case_connector.ts";
import { codesOf, drawsAtRandom, droppedTexts, errorText, type Observed } from "./observed.ts";

/** How long a rule may take to end with its sources, ms: a script that has to start first takes longest. */
const endDelayMsMax = 20_000;

/** Why a case cannot run live; undefined when it can. */
export function whyNotByEngine(c: Case): string | undefined {
  return drawsAtRandom(c) ? "draws at random" : undefined;
}

/** Runs the case as a rule; resolves when the rule has ended. */
export async function byEngine(c: Case): Promise<Observed> {
  try {
    return await new LiveCase(c).run();
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
function ruleWithConnector(json: string): string {
  const { actions: _, ...rule } = JSON.parse(json) as { actions?: unknown; graph?: { nodes: Record<string, Node> } };
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

class LiveCase {
  readonly #case: Case;
  readonly #catalog: CaseCatalog;
  readonly #clock: CaseClock;
  readonly #connector: CaseConnector;
  readonly #results: string[] = [];
  readonly #errors: string[] = [];
  readonly #dropped = new Map<string, number>();
  #ended = false;

  constructor(c: Case) {
    this.#case = c;
    this.#catalog = new CaseCatalog(c.streams);
    this.#clock = new CaseClock(c.start);
    this.#connector = new CaseConnector((message) => {
      const time = this.#ended ? "@end" : timeText(c, this.#clock.now());
      this.#results.push(c.timed ? `${time} ${message}` : message);
    });
  }

  /** Errors and dropped rows are told by the log only. */
  #log(): Logger {
    const warn = (message: string, { reason, count }: LogFields = {}) => {
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
    const { definition, timezone } = ruleToRun(this.#case);
    const { connector } = this.#connector;
    const store = new MemoryStore();
    const { state = {}, properties = {} } = this.#case.options as Record<string, Record<string, never>>;
    const ignoreCase = this.#case.options.ignoreCase === true;
    const states = new KeyedStates(store);
    for (const [key, value] of Object.entries(state)) states.put(key, JSON.stringify(value));
    const configs = new ConfigRegistry({ store, ...connectorConfigs([connector]) });
    const streams = new StreamRegistry({ store, configs });
    const engine = createEngine({
      connectors: [connector],
      store,
      streams,
      configs,
      config: { timezone, properties, ignoreCase },
      log: this.#log(),
      clock: this.#clock,
    });
    await engine.start();
    try {
      for (const each of this.#catalog.definitions.values()) streams.execute(createStatement(each));
      const rule = ruleWithConnector(definition.json);
      const [first] = engine.rules.validate(rule).sources;
      await engine.rules.create(rule);
      await this.#play(first!, timezone);
      // Scripts run in a thread of their own, which turns of this one do not wait for.
      const deadline = performance.now() + endDelayMsMax;
      while (engine.rules.status(definition.id).status === "running") {
        if (performance.now() > deadline) throw new Error("The rule has not ended with its sources");
        await settled();
      }
      await settled();
    } finally {
      await engine.close();
    }
    return { refused: [], results: this.#results, errors: this.#errors, dropped: droppedTexts(this.#dropped) };
  }

  /** @param first the first of FROM, to which rows without a name belong. */
  async #play(first: string, timezone: string): Promise<void> {
    await settled();
    for (const row of this.#case.rows) {
      if (row.time !== undefined) await this.#clock.advanceTo(row.time);
      if (row.payload === undefined) continue;
      const stream = this.#catalog.definitions.get(row.source ?? first)!;
      if (stream.options.kind === "lookup") {
        const rows = createPayloadReader(stream, "all", timezone, () => 0)(row.payload);
        this.#connector.add(stream.name, rows.flatMap((each) => each instanceof RowError ? [] : [each]));
      } else if (this.#connector.isOpen(stream.name)) {
        this.#connector.give(stream.name, bytesOfPayload(stream, row.payload), row.meta);
      }
      await settled();
      await this.#clock.advanceTo(this.#clock.now());
    }
    this.#ended = true;
    this.#connector.end();
  }
}
