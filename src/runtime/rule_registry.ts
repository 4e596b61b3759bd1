/**
 * The rules of an agent: defined, kept in the store, started and stopped.
 *
 * Invariants: commands for one rule run one after the other; what the store holds is what `get` shows; a definition
 * that does not plan never replaces one that does; a rule that is made anew begins with nothing of one before it.
 * @module
 */
import type { Clock, Logger } from "../connector/context.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { type Actor, nobodyKnown, readActor } from "../policy/actor.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { DeliveryStore, DeliveryUnit } from "../store/delivery_store.ts";
import type { Store } from "../store/store.ts";
import type { Struct } from "../value/value.ts";
import type { RuleOfLetters } from "./durable/dead_letters.ts";
import { explainPlan } from "./explain.ts";
import { explainTree } from "./explain_tree.ts";
import { guaranteeOf } from "./guarantee.ts";
import { type PreparedRule, prepareRule, type RuleEnvironment } from "./prepare_rule.ts";
import { readRule, type RuleDefaults, type RuleDefinition } from "./rule_definition.ts";
import { RuleEntry } from "./rule_entry.ts";
import { maskRule, unmaskRule } from "./rule_secrets.ts";
import type { RowListener } from "./row_listener.ts";
import type { RuleLauncher } from "./rule_launcher.ts";
import { messageOf, RuleRunner } from "./rule_runner.ts";
import { emptyLedger, ledgerOf, type RuleLedger } from "./rule_ledger.ts";
import { latestException, listenTo, metricsOf, nodesOf, topologyOf, workOf } from "./rule_status.ts";
import {
  changedTags,
  type ObservedRule,
  type Resetting,
  type RuleExplanation,
  type Rules,
  type RuleSummary,
  type TagChange,
} from "./rules.ts";
import { versionAllows } from "./streams.ts";
import type { LiveRule } from "./live_rule.ts";
import type { Strategy } from "../telemetry/traces/sampler.ts";
import type { Tracing } from "./traces/tracing.ts";

export interface RuleRegistryParts {
  readonly store: Store;
  readonly delivery: DeliveryStore;
  readonly environment: RuleEnvironment;
  readonly launcher: RuleLauncher;
  readonly defaults: RuleDefaults;
  /** Milliseconds; 10 s when absent. */
  readonly patrolInterval?: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Without it no rule is traced. */
  readonly tracing?: Tracing;
}

/** So long rules start before others get a turn: those that work already must not keep the rest from starting. */
const startSliceMs = 10;
/** Of so many, what is kept of them is read in one pass. */
const preloadRulesMin = 20;
/** Longest wait for the start of all rules before the agent calls itself ready. */
const startMsMax = 500;

export class RuleRegistry implements Rules {
  readonly #parts: RuleRegistryParts;
  readonly #runner: RuleRunner;
  readonly #entries = new Map<string, RuleEntry>();
  #starting: Promise<void> | undefined;
  #isClosing = false;

  /** Reads the stored rules; none runs before {@linkcode startTriggered}. */
  constructor(parts: RuleRegistryParts) {
    this.#parts = parts;
    this.#runner = new RuleRunner({ ...parts, onDone: (entry) => this.#setTriggered(entry, false) });
    const owners = new Map(parts.store.list("rule_owner").map(({ name, text }) => [name, readActor(text)]));
    for (const { name, text } of parts.store.list("rule")) {
      this.#entries.set(name, this.#stored(name, text, owners.get(name)));
    }
  }

  #stored(id: string, json: string, owner: Actor | undefined): RuleEntry {
    try {
      return new RuleEntry(id, json, ownedBy(readRule(json, this.#parts.defaults, id), owner));
    } catch (error) {
      const entry = new RuleEntry(id, json, undefined);
      entry.state = "stopped by error";
      entry.message = messageOf(error);
      this.#parts.log.error("A stored rule cannot be read", { rule: id, reason: entry.message });
      return entry;
    }
  }

  /**
   * Starts every rule that shall run now, by name; one that fails does not keep the others from starting. The first ones
   * work, and requests are answered, while the others start. Resolves when all have started, or after half a second:
   * thousands of rules take longer.
   */
  async startTriggered(): Promise<void> {
    const entries = [...this.#entries.values()].filter((entry) => entry.triggered && entry.definition !== undefined);
    for (const entry of entries) entry.state = "starting";
    if (entries.length >= preloadRulesMin) this.#preload();
    const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
    this.#parts.launcher.holdShared(started);
    this.#starting = this.#startInSlices(entries).finally(onStarted);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.after(startMsMax, resolve);
    await Promise.race([this.#starting, late]);
    cancel();
  }

  /** Resolves when all rules that {@linkcode startTriggered} was to start have started. */
  async whenStarted(): Promise<void> {
    await this.#starting;
  }

  /** Without it each rule reads its own, and says what is wrong with that. */
  #preload(): void {
    const { delivery, log } = this.#parts;
    try {
      delivery.preload();
    } catch (error) {
      log.error("Cannot read what is kept of all rules at once", { reason: messageOf(error) });
    }
  }

  async #startInSlices(entries: readonly RuleEntry[]): Promise<void> {
    const starts: Promise<void>[] = [];
    let sliceEnd = performance.now() + startSliceMs;
    for (const entry of entries) {
      if (performance.now() >= sliceEnd) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        sliceEnd = performance.now() + startSliceMs;
      }
      if (this.#isClosing) break;
      starts.push(entry.enqueue(async () => {
        // A command may have come before it.
        if (entry.triggered && this.#entries.get(entry.id) === entry) await this.#runner.follow(entry);
      }));
      // Its turn in the queue of commands comes with the next microtask.
      await undefined;
    }
    await Promise.all(starts);
  }

  /** Lets go of what is kept of rules that do not exist any more. To be called before rules start. */
  removeOrphans(): void {
    const { delivery, log } = this.#parts;
    try {
      if (!delivery.isInUse()) return;
      for (const rule of delivery.removeOrphans((id) => this.#entries.has(id))) {
        log.info("What was kept of a rule that is gone was removed", { rule });
      }
    } catch (error) {
      log.error("Cannot remove what is kept of rules that are gone", { reason: messageOf(error) });
    }
  }

  /** Stops every rule, without changing which ones shall run. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#starting;
    await Promise.all(
      [...this.#entries.values()].map((entry) =>
        entry.enqueue(async () => {
          await this.#runner.halt(entry, "canceled manually");
          if (entry.definition?.temp === true) this.#forget(entry.id);
        })
      ),
    );
  }

  /** Lets go of what is kept of a rule that does not run. When that fails, it is tried again before it could matter. */
  #forget(id: string): void {
    const { delivery, log } = this.#parts;
    try {
      if (delivery.isInUse()) delivery.remove(id);
    } catch (error) {
      log.error("Cannot remove what is kept of a rule", { rule: id, reason: messageOf(error) });
    }
  }

  // ---------------------------------------------------------------- definitions

  list(): RuleSummary[] {
    return [...this.#entries.values()]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((entry) => ({
        id: entry.id,
        name: entry.definition?.name ?? "",
        status: entry.state,
        version: entry.definition?.version ?? "",
        trace: entry.live?.traced ?? false,
        tags: entry.definition?.tags ?? null,
      }));
  }

  async create(json: string, actor?: Actor): Promise<string> {
    const definition = ownedBy(readRule(unmaskRule(json, undefined), this.#parts.defaults), actor);
    const { id } = definition;
    if (this.#entries.has(id)) fail("E702", `rule ${id} already exists`, { path: "id" });
    const prepared = await this.#prepare(definition);
    // Another may have come while connectors were loaded.
    if (this.#entries.has(id)) fail("E702", `rule ${id} already exists`, { path: "id" });
    await this.#add(definition, prepared);
    return id;
  }

  async #prepare(definition: RuleDefinition): Promise<PreparedRule> {
    const { environment } = this.#parts;
    const prepared = await environment.connectors.loading(() => prepareRule(definition, environment));
    environment.policies?.checkRule(definition.owner ?? nobodyKnown, prepared);
    return prepared;
  }

  /** Everything up to the start happens at once, so that of several with one id the first wins. */
  async #add(definition: RuleDefinition, prepared: PreparedRule): Promise<void> {
    const entry = new RuleEntry(definition.id, definition.json, definition);
    const { delivery } = this.#parts;
    if (delivery.isInUse()) delivery.remove(entry.id);
    this.#keep(definition);
    this.#entries.set(entry.id, entry);
    if (definition.triggered) await entry.enqueue(() => this.#runner.follow(entry, prepared));
  }

  async update(id: string, json: string, actor?: Actor): Promise<void> {
    const known = this.#entries.get(id);
    const definition = ownedBy(readRule(unmaskRule(json, known?.json), this.#parts.defaults, id), actor);
    const prepared = await this.#prepare(definition);
    const entry = this.#entries.get(id);
    if (entry === undefined) return await this.#add(definition, prepared);
    // Its passwords may be those of a rule that came while connectors were loaded.
    if (entry !== known) return await this.update(id, json, actor);
    await entry.enqueue(async () => {
      // Deleted while this waited for its turn: then it creates.
      if (this.#entries.get(id) !== entry) return await this.update(id, json, actor);
      const before = entry.definition?.version ?? "";
      if (entry.definition !== undefined && !versionAllows(before, definition.version)) {
        const comparison = `version (${before}), new version (${definition.version}) is lower`;
        fail("E706", `rule ${id} already exists with ${comparison}`, { path: "version" });
      }
      this.#keep(definition);
      await this.#runner.halt(entry, "stopped by update");
      entry.definition = definition;
      entry.json = definition.json;
      entry.triggered = definition.triggered;
      if (definition.triggered) await this.#runner.follow(entry, prepared);
    });
  }

  async delete(id: string): Promise<void> {
    await this.#command(id, async (entry) => {
      const { store } = this.#parts;
      store.transaction(() => {
        store.delete("rule", id);
        store.delete("rule_owner", id);
      });
      await this.#runner.halt(entry, "canceled manually");
      this.#forget(id);
      this.#entries.delete(id);
    });
  }

  /** Makes a rule what the store holds now, which was checked before it came there: made, replaced or gone. */
  async followStored(id: string): Promise<void> {
    const { store, delivery } = this.#parts;
    const json = store.get("rule", id);
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      if (json === undefined) return;
      const made = this.#stored(id, json, readActor(store.get("rule_owner", id)));
      if (delivery.isInUse()) delivery.remove(id);
      this.#entries.set(id, made);
      if (made.triggered) await made.enqueue(() => this.#runner.follow(made));
      return;
    }
    await entry.enqueue(async () => {
      if (this.#entries.get(id) !== entry) return await this.followStored(id);
      await this.#runner.halt(entry, "stopped by update");
      const text = store.get("rule", id);
      if (text === undefined) {
        this.#forget(id);
        this.#entries.delete(id);
        return;
      }
      const { definition, triggered } = this.#stored(id, text, readActor(store.get("rule_owner", id)));
      entry.json = text;
      entry.definition = definition;
      entry.triggered = triggered;
      if (triggered) await this.#runner.follow(entry);
    });
  }

  get(id: string): string {
    return maskRule(this.#require(id).json);
  }

  async validate(json: string, actor?: Actor): Promise<{ sources: string[] }> {
    const { id } = readRule(json, this.#parts.defaults);
    const rule = ownedBy(readRule(unmaskRule(json, this.#entries.get(id)?.json), this.#parts.defaults), actor);
    const prepared = await this.#prepare(rule);
    return { sources: [...prepared.plan.sources] };
  }

  #keep({ id, json, temp, owner }: Pick<RuleDefinition, "id" | "json" | "temp" | "owner">): void {
    const { store } = this.#parts;
    store.transaction(() => {
      if (temp) store.delete("rule", id);
      else store.put("rule", id, json);
      if (temp || owner === undefined) store.delete("rule_owner", id);
      else store.put("rule_owner", id, JSON.stringify({ kind: owner.kind, name: owner.name, role: owner.role }));
    });
  }

  #require(id: string): RuleEntry {
    return this.#entries.get(id) ?? fail("E701", `Rule ${id} is not found.`);
  }

  /** Runs a command in its turn, for a rule that is still there by then. */
  async #command(id: string, work: (entry: RuleEntry) => Promise<void>): Promise<void> {
    const entry = this.#require(id);
    await entry.enqueue(async () => {
      if (this.#require(id) !== entry) fail("E701", `Rule ${id} is not found.`);
      await work(entry);
    });
  }

  // ---------------------------------------------------------------- running

  async start(id: string): Promise<void> {
    await this.#command(id, async (entry) => {
      this.#setTriggered(entry, true);
      this.#runner.release(entry);
      await this.#runner.follow(entry);
    });
  }

  async stop(id: string): Promise<void> {
    await this.#command(id, async (entry) => {
      try {
        this.#setTriggered(entry, false);
      } finally {
        await this.#runner.halt(entry, "canceled manually");
      }
    });
  }

  async restart(id: string): Promise<void> {
    await this.#command(id, async (entry) => {
      this.#setTriggered(entry, true);
      await this.#runner.halt(entry, "canceled manually");
      await this.#runner.follow(entry);
    });
  }

  async reset(id: string, { state, positions }: Resetting): Promise<void> {
    await this.#command(id, (entry) =>
      this.#whileStopped(entry, () => {
        const known = [...this.#parts.delivery.positions(id).keys()];
        return {
          ...(state ? { checkpoint: null } : {}),
          ...(positions ? { positions: new Map(known.map((source) => [source, null])) } : {}),
        };
      }));
  }

  async resetSource(id: string, stream: string, position: string | null): Promise<void> {
    // deno-lint-ignore require-await -- what is wrong rejects, as in the other commands.
    await this.#command(id, async (entry) => {
      this.#requirePosition(entry, stream);
      return this.#whileStopped(entry, () => ({ positions: new Map([[stream, position]]) }));
    });
  }

  #requirePosition({ id, live, prepared, definition }: RuleEntry, stream: string): void {
    if (live === undefined || prepared === undefined) {
      fail("E703", `Rule ${id} is not running`, { hint: `start it first, or let it forget all of its positions` });
    }
    const sources = prepared.inputs.map(({ source }) => source.stream);
    const found = sources.find(({ name }) => name === stream);
    if (found === undefined) {
      const hint = didYouMean(stream, sources.map(({ name }) => name));
      const place = { path: "params.streamName", ...(hint === undefined ? {} : { hint }) };
      fail("E703", `Rule ${id} does not read a stream ${JSON.stringify(stream)}`, place);
    }
    if (definition?.options.qos === 0) {
      fail("E703", `Rule ${id} keeps no positions: its qos is 0`, { hint: "a restart lets its sources begin anew" });
    }
    const others = found.options.shared ? this.usersOf(stream).filter((user) => user !== id) : [];
    if (others.length > 0) {
      fail("E705", `Stream ${stream} is shared with other rules that run: ${others.join(", ")}`, {
        hint: "stop them first, then start them after it",
      });
    }
    if (!this.#parts.delivery.positions(id).has(stream)) {
      fail("E703", `Stream ${stream} of rule ${id} has no position`, {
        hint: "it has read nothing yet, or its source cannot begin elsewhere",
      });
    }
  }

  /** Changes what is kept of a rule while it does not run; one that shall run starts again, whatever became of it. */
  async #whileStopped(entry: RuleEntry, change: () => Omit<DeliveryUnit, "rule">): Promise<void> {
    const { delivery } = this.#parts;
    const shallRun = entry.triggered;
    if (shallRun) await this.#runner.halt(entry, "stopped by reset");
    try {
      // Of a rule of which nothing is kept there is nothing to forget.
      if (delivery.isInUse() && delivery.rules().includes(entry.id)) {
        await delivery.commit({ rule: entry.id, ...change() });
      }
    } finally {
      if (shallRun) await this.#runner.follow(entry);
    }
  }

  async changeTags(id: string, change: TagChange, tags: readonly string[]): Promise<void> {
    // deno-lint-ignore require-await -- commands are asynchronous, whether or not they have to wait.
    await this.#command(id, async (entry) => {
      const { definition } = entry;
      if (definition === undefined) fail("E703", `Rule ${id} cannot be read: ${entry.message}`);
      const next = changedTags(definition.tags ?? [], change, tags);
      this.#setField(entry, "tags", next);
      entry.definition = { ...definition, tags: next, json: entry.json };
    });
  }

  /** Whether the rule shall run is part of its stored JSON. */
  #setTriggered(entry: RuleEntry, triggered: boolean): void {
    entry.triggered = triggered;
    this.#setField(entry, "triggered", triggered);
  }

  #setField(entry: RuleEntry, name: string, value: unknown): void {
    const json = JSON.parse(entry.json) as Record<string, unknown>;
    const known = Object.keys(json).find((key) => key.toLowerCase() === name);
    const next = { ...json, [known ?? name]: value };
    const sorted = JSON.stringify(Object.fromEntries(Object.entries(next).sort(([a], [b]) => (a < b ? -1 : 1))));
    this.#keep({ id: entry.id, json: sorted, temp: entry.definition?.temp ?? false, ...ownerOf(entry) });
    entry.json = sorted;
  }

  // ---------------------------------------------------------------- looking

  status(id: string): Record<string, string | number> {
    const entry = this.#require(id);
    const slot = entry.triggered ? entry.slotAt(this.#parts.clock.now()) : undefined;
    return {
      status: entry.state,
      message: entry.message,
      lastStartTimestamp: entry.lastStart,
      lastStopTimestamp: entry.lastStop,
      nextStartTimestamp: slot?.nextStart ?? 0,
      ...(entry.live === undefined ? entry.lastMetrics : metricsOf(entry.live)),
    };
  }

  statusAll(): Record<string, { status: string; last_exception: string; exceptions_total: number }> {
    const none = { last_exception: "", exceptions_total: 0 };
    return Object.fromEntries(
      [...this.#entries.values()]
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((entry) => [
          entry.id,
          { status: entry.state, ...(entry.live === undefined ? none : latestException(entry.live)) },
        ]),
    );
  }

  ledger(id: string): RuleLedger {
    const { live, lastLedger } = this.#require(id);
    return live === undefined ? lastLedger ?? emptyLedger(id) : ledgerOf(live);
  }

  listen(id: string, step?: string, actor: Actor = nobodyKnown): RowListener {
    const live = this.#liveOf(id);
    this.#parts.environment.policies?.checkReading(actor, live.prepared);
    return listenTo(live, step);
  }

  /** As {@linkcode Rules.listen} in what it throws. */
  async startTrace(id: string, strategy: Strategy, actor: Actor = nobodyKnown): Promise<void> {
    // A trace shows what the rule reads.
    this.#parts.environment.policies?.checkReading(actor, this.#liveOf(id).prepared);
    const { tracing } = this.#parts;
    await tracing?.load();
    // It may have stopped meanwhile.
    tracing?.begin(this.#liveOf(id), strategy);
  }

  stopTrace(id: string): void {
    this.#liveOf(id).trace(undefined);
  }

  #liveOf(id: string): LiveRule {
    const { live, state } = this.#require(id);
    return live ?? fail("E703", `Rule ${id} does not run: it is ${state}`, { hint: `weir rule start ${id}` });
  }

  /**
   * Looks at all running rules again, when policies, roles or accounts have changed; those that may not run any more are
   * stopped by an error.
   */
  async recheckPolicies(): Promise<void> {
    const { environment } = this.#parts;
    const checks = [...this.#entries.values()].map((entry) =>
      entry.enqueue(async () => {
        const { live, prepared, definition } = entry;
        if (live === undefined || prepared === undefined) return;
        try {
          environment.policies?.checkRule(definition?.owner ?? nobodyKnown, prepared);
        } catch (error) {
          await this.#runner.refuse(entry, error);
        }
      })
    );
    await Promise.all(checks);
  }

  endListening(): void {
    for (const { live } of this.#entries.values()) live?.listeners.end("the agent stops");
  }

  *observe(): Iterable<ObservedRule> {
    for (const { id, state, live } of this.#entries.values()) {
      if (live === undefined) yield { id, state, nodes: [], ledger: undefined };
      else yield { id, state, nodes: nodesOf(live).nodes, ledger: ledgerOf(live), work: workOf(live) };
    }
  }

  async explain(id: string): Promise<string> {
    const { prepared } = await this.#preparedOf(this.#require(id));
    return explainPlan(prepared.plan, prepared.text);
  }

  async explainTree(id: string): Promise<RuleExplanation> {
    const { live, prepared, state } = await this.#preparedOf(this.#require(id));
    const root = explainTree(prepared.plan, prepared.text, live);
    return { id, state, since: live?.startedAt ?? 0, guarantee: guaranteeOf(prepared), root };
  }

  /** What a rule runs with, or would run with; of one moment. */
  async #preparedOf(
    entry: RuleEntry,
  ): Promise<Pick<RuleEntry, "live" | "state"> & { readonly prepared: PreparedRule }> {
    const { live, state } = entry;
    if (live !== undefined) return { live, state, prepared: entry.prepared! };
    const definition = entry.definition ?? readRule(entry.json, this.#parts.defaults, entry.id);
    return { live, state, prepared: await this.#prepare(definition) };
  }

  topo(id: string): { sources: string[]; edges: Record<string, string[]> } {
    const { live, topology } = this.#require(id);
    if (live !== undefined) return topologyOf(live);
    return topology ?? fail("E703", `Fail to get rule ${id}'s topo, make sure the rule has been started before`);
  }

  /** What the dead letters of a rule belong to. */
  lettersOf(id: string): RuleOfLetters {
    const { definition, live } = this.#require(id);
    const nameOf = ({ type }: { readonly type: string }, index: number) => `${index}_${type}`;
    const find = (action: string) => live?.actions.find((each) => nameOf(each, each.index) === action);
    return {
      actions: (definition?.actions ?? []).map(nameOf),
      replayed(action, count) {
        const found = find(action);
        if (found !== undefined) found.metrics.carried += count;
      },
      wake(action) {
        // Work that is none tells the queue of the action that there may be something.
        void live?.durable?.journal.settle({ action });
        find(action)?.wake();
      },
    };
  }

  usersOf(stream: string): string[] {
    return this.#running().filter((entry) => entry.prepared?.reads.includes(stream)).map((entry) => entry.id);
  }

  /** Ids of the running rules that stand on a named connection. */
  usersOfConnection(connection: string): string[] {
    return this.#running()
      .filter(({ prepared }) =>
        [...prepared!.inputs.map((input) => input.source), ...prepared!.lookups, ...prepared!.actions].some((role) =>
          role.connection?.named === connection
        )
      )
      .map((entry) => entry.id);
  }

  /** The columns that running rules ask a stream for. */
  wantedColumns(stream: string): string[] {
    const columns = new Set<string>();
    for (const { live } of this.#running()) {
      for (const { source, columns: own } of live!.prepared.inputs) {
        if (source.stream.name === stream && live!.prepared.reads.includes(stream) && own !== "all") {
          for (const column of own) {
            columns.add(column);
          }
        }
      }
    }
    return [...columns].sort();
  }

  /** The newest row of a stream that a running rule reads, with the columns that some rule needs. */
  newestRow(stream: string): Struct | undefined {
    for (const { live } of this.#running()) {
      if (!live!.prepared.reads.includes(stream)) continue;
      const row = live!.inlets.find((inlet) => inlet.stream === stream)?.feed.newestRow;
      if (row !== undefined) return row;
    }
    return undefined;
  }

  #running(): RuleEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.live !== undefined).sort((
      a,
      b,
    ) => (a.id < b.id ? -1 : 1));
  }
}

function ownerOf({ definition }: RuleEntry): { readonly owner?: Actor } {
  return definition?.owner === undefined ? {} : { owner: definition.owner };
}

function ownedBy(definition: RuleDefinition, owner: Actor | undefined): RuleDefinition {
  return owner === undefined ? definition : { ...definition, owner };
}
