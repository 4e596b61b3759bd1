/**
 * A rule that runs: rows from its feeds go through its pipeline, results to its actions.
 *
 * Invariants: batches are processed one after the other, in order of arrival; while an action is blocked no further
 * batch is taken; results that a batch set off are with its delivery until the actions are done with them, or, in a rule
 * with `qos` 1 or 2, until they are kept.
 * @module
 */
import type { Clock, Logger } from "../connector/context.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { RowError } from "../diagnostics/row_error.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import type { Plan } from "../sql/plan.ts";
import { Row } from "../value/row.ts";
import type { Struct } from "../value/value.ts";
import type { Action } from "./action.ts";
import type { Delivery } from "./delivery.ts";
import type { DurableRun } from "./durable/durable_run.ts";
import { textHash } from "./durable/plan_keys.ts";
import type { Feed, FeedRows } from "./feed.ts";
import { nextTurn, ruleBroken, RuleWork } from "./limits/rule_work.ts";
import { turnMs } from "./limits/work_pace.ts";
import type { LookupLease } from "./lookup_tables.ts";
import { Pipeline } from "./pipeline.ts";
import type { PreparedRule } from "./prepare_rule.ts";
import { RuleBacklog, type Waiting } from "./rule_backlog.ts";
import { type RowListener, RowListeners } from "./row_listener.ts";
import { type InletOwner, RuleInlet } from "./rule_inlet.ts";
import type { RuleTracing } from "./rule_tracing.ts";

export interface LiveRuleOptions {
  readonly prepared: PreparedRule;
  /** One for each of `prepared.inputs`. */
  readonly feeds: readonly Feed[];
  /** The lookup tables that it joins with. They are given back when it stops. */
  readonly lookups: readonly LookupLease[];
  readonly actions: readonly Action[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly timezone: string;
  /** What functions may ask beyond the rule; they know nothing there when it is absent. */
  readonly outside?: Pick<RuleContext, "keyedState" | "properties">;
  /** Keeps what the rule does; absent with `qos` 0. */
  readonly durable?: DurableRun;
  /** Called once when all streams have ended and everything is delivered. */
  readonly onEnded: (reason: string) => void;
  /** Called when the settings of a source or sink proved wrong: the rule has to be stopped. */
  readonly onFailed: (error: DiagnosticError) => void;
  /** Called when what the rule keeps cannot be read, or is refused: it has to be stopped. */
  readonly onBroken: (error: unknown) => void;
}

/** Other rules on a stream wait so long, milliseconds, for one that works on a batch; from then on it may fall behind. */
const patienceMs = 1000;

/** Of a rule that is traced. */
const tracedRowsOfTurn = 64;

export class LiveRule implements InletOwner {
  readonly pipeline: Pipeline;
  /** One for each of `prepared.inputs`. */
  readonly inlets: readonly RuleInlet[];
  readonly actions: readonly Action[];
  readonly startedAt: number;
  readonly prepared: PreparedRule;
  readonly durable: DurableRun | undefined;
  readonly work: RuleWork;
  readonly listeners = new RowListeners();
  readonly #options: LiveRuleOptions;
  readonly #sendError: boolean;
  /** Batches that came while an action was blocked. */
  readonly #backlog: RuleBacklog;
  /** While a backlog is worked off: resolves at its end. */
  #drained: Promise<void> | undefined;
  /** While the pipeline waits for an answer from elsewhere, or for its next turn: resolves when it goes on, or stops. */
  #suspended: Promise<void> | undefined;
  #endSuspension: () => void = () => {};
  /** While a batch takes several turns: resolves when those who wait for the processor need wait no longer. */
  #atWork: PromiseWithResolvers<void> | undefined;
  /** The batch that it waits with. */
  #underWay: Waiting | undefined;
  /** Undefined while nobody traces the rule. */
  #tracing: RuleTracing | undefined;
  /** Streams that will bring more rows. */
  #running: number;
  #stopped = false;
  /** All streams have ended: the windows that stand open are the last ones. */
  #ending = false;
  /** All streams have ended, and what stood in open windows has come out: nothing can be lost any more. */
  #complete = false;
  /** All of it is delivered, too: the rule is done. */
  #done = false;
  /** The state of the run before is back, if there was any. */
  #recovered = false;
  /** What ends the watching of lookup tables. */
  readonly #cancels: (() => void)[] = [];
  readonly #stopping = new AbortController();
  #cancelTimer: (() => void) | undefined;
  #timerAt = Infinity;

  constructor(options: LiveRuleOptions) {
    const { definition, plan } = options.prepared;
    this.#options = options;
    this.prepared = options.prepared;
    this.actions = options.actions;
    this.durable = options.durable;
    this.startedAt = options.clock.now();
    this.#sendError = definition.options.sendError;
    const { bufferLength } = definition.options;
    this.#backlog = new RuleBacklog(bufferLength, (reason, rows) => this.#dropped(reason, rows, "source"));
    const rule: RuleContext = {
      ruleId: definition.id,
      ruleStart: this.startedAt,
      now: this.startedAt,
      timezone: options.timezone,
      random: Math.random,
      sleep: (ms) => this.#sleep(ms, rule),
      ...options.outside,
    };
    this.pipeline = new Pipeline(plan, {
      rule,
      output: {
        rows: (rows, output) => this.#rows(rows, output),
        list: (rows, ofEmptyWindow, output) => this.#list(rows, ofEmptyWindow, output),
        failed: (error, _node, outputs) => this.#failed(error, outputs),
        dropped: (reason, count, node) => this.#dropped(reason, count, node),
        told: ({ code, message }, node) => {
          if (this.#isReplaying) return;
          options.log.warn("A condition failed and counts as false", { reason: `${code}: ${message}`, node });
        },
      },
      ...(options.durable === undefined ? {} : { recorder: options.durable }),
      lookup: ({ table, keys }) => {
        const lease = options.lookups.find((each) => each.table.name === table.name)!;
        return lease.table.keyed(keys.map((key) => key.column));
      },
    });
    const { stateBytesMax, batchTimeMax } = definition.options;
    this.work = new RuleWork({ steps: this.pipeline.nodes, stateBytesMax, batchTimeMax });
    options.durable?.attach(this.pipeline, rule, () => textHash(options.prepared));
    this.inlets = options.prepared.inputs.map(({ positions, source, columns }, i) =>
      new RuleInlet(this, {
        stream: source.stream.name,
        feed: options.feeds[i]!,
        positions,
        columns,
        wantsMeta: plan.usesMeta,
        durable: options.durable !== undefined,
        onFull: source.onFull,
        drives: source.stream.target === "stream",
      })
    );
    this.#running = this.inlets.filter((inlet) => inlet.drives).length;
  }

  start(): void {
    for (const action of this.actions) action.start();
    for (const { table } of this.#options.lookups) {
      this.#cancels.push(table.onFailed((error) => this.failed(error)));
    }
    if (this.durable === undefined) return this.#open();
    for (const inlet of this.inlets) inlet.announce();
    void this.#recover(this.durable);
  }

  #open(): void {
    for (const inlet of this.inlets) inlet.join();
    this.#arm();
  }

  /** Nothing is read before the state of the run before is back. */
  async #recover(durable: DurableRun): Promise<void> {
    try {
      const { positions } = await durable.recover(() => this.#stopped);
      if (this.#stopped) return;
      for (const inlet of this.inlets) inlet.startPosition = positions.get(inlet.stream);
    } catch (error) {
      if (!this.#stopped) this.#options.onBroken(error);
      return;
    }
    this.#recovered = true;
    this.#open();
  }

  /** Begins to trace the rule, in place of whoever did so before; undefined ends it. */
  trace(tracing: RuleTracing | undefined): void {
    this.#tracing?.close();
    this.#tracing = this.#stopped ? undefined : tracing;
    for (const { feed } of this.inlets) feed.refit();
  }

  get traced(): boolean {
    return this.#tracing !== undefined;
  }

  get #isReplaying(): boolean {
    return this.durable?.replaying === true;
  }

  // ---------------------------------------------------------------- rows come in

  accept(inlet: RuleInlet, rows: FeedRows, held: Delivery): void {
    let delivery: Delivery | undefined = held;
    this.#tracing?.received(inlet, rows);
    // Rows of a table that nothing will be joined with any more.
    if (this.#ending) {
      inlet.metrics.drop("ended", rows.rows.length);
      return held.release();
    }
    if (inlet.feed.shared && !inlet.holdsBack) {
      held.release();
      delivery = undefined;
    }
    if (this.#backlog.length === 0 && !this.#blocked) {
      this.#process({ inlet, rows, delivery, pushed: 0 });
      return;
    }
    this.#backlog.add({ inlet, rows, delivery, pushed: 0 });
    this.#drained ??= this.#drain();
  }

  letGo(inlet: RuleInlet): void {
    // What the rule has promised to keep waits for no sink; and a stream may want its source to wait.
    if (inlet.durable || inlet.onFull === "block") return;
    if (this.#underWay?.inlet === inlet) {
      this.#underWay.delivery?.release();
      this.#underWay.delivery = undefined;
    }
    this.#backlog.letGo(inlet);
    for (const action of this.actions) action.letGo(inlet.feed);
  }

  get #blocked(): boolean {
    if (this.#suspended !== undefined || this.durable?.journal.blocked === true) return true;
    for (const action of this.actions) if (action.blocked) return true;
    return false;
  }

  async room(): Promise<void> {
    while ((this.#blocked || this.#drained !== undefined) && !this.#stopped) {
      await this.#drained;
      await this.#actionRoom();
    }
  }

  async #actionRoom(): Promise<void> {
    while (this.#blocked && !this.#stopped) {
      await this.#suspended;
      await this.durable?.journal.room();
      await Promise.all(this.actions.map((action) => action.room()));
    }
  }

  /** As {@linkcode FeedConsumer.atWork}. */
  atWork(): Promise<void> | undefined {
    return this.#atWork?.promise;
  }

  /**
   * What is not acknowledged comes again; the rows of a shared stream were acknowledged, and are lost.
   *
   * @returns the deliveries of what is not acknowledged
   */
  #abandonBacklog(): Delivery[] {
    let lost = 0;
    const waiting = this.#backlog.abandon();
    const all = this.#underWay === undefined ? waiting : [this.#underWay, ...waiting];
    for (const { inlet, rows, delivery, pushed } of all) {
      const left = rows.rows.length - pushed;
      if (left === 0) continue;
      inlet.metrics.drop(delivery === undefined ? "stopped" : "returned", left);
      if (delivery !== undefined) continue;
      lost += left;
      inlet.feed.sourceMetrics.drop("stopped", left);
    }
    this.#underWay = undefined;
    if (lost > 0) this.#dropped("stopped", lost, "source");
    return all.map(({ delivery }) => delivery).filter((delivery) => delivery !== undefined);
  }

  /**
   * A source that closes gives again what was not acknowledged. One that others read goes on, and must not wait for what
   * nobody will finish.
   */
  #leaveToOthers(unfinished: readonly Delivery[]): void {
    const used = new Set<object>(this.inlets.map(({ feed }) => feed).filter((feed) => !feed.unused));
    const left = unfinished.filter(({ from }) => used.has(from));
    for (const delivery of left) delivery.release();
    if (left.length === 0) return;
    this.#options.log.warn("Batches of a shared stream were given up when the rule stopped", { count: left.length });
  }

  async #drain(): Promise<void> {
    let turnEnd = performance.now() + turnMs;
    while (this.#backlog.length > 0 && !this.#stopped) {
      await this.#actionRoom();
      if (performance.now() > turnEnd) {
        await nextTurn();
        turnEnd = performance.now() + turnMs;
        continue;
      }
      if (this.#stopped) break;
      this.#process(this.#backlog.shift()!);
    }
    this.#drained = undefined;
  }

  #process(next: Waiting): void {
    this.#underWay = next;
    this.durable?.begin(next.rows.time);
    const started = performance.now();
    this.#pushOn(next, started, started + turnMs);
  }

  /** Gives the pipeline what is left of a batch, as much as fits into the turn; then others have theirs. */
  #pushOn(next: Waiting, started: number, turnEnd: number): void {
    const { rows, meta, time } = next.rows;
    const batch: Row[] = [];
    const tracing = this.#tracing;
    const most = Math.min(rows.length, next.pushed + this.work.chunkRows);
    const end = tracing === undefined ? most : tracing.begin(next.rows, next.pushed, most);
    for (let i = next.pushed; i < end; i++) batch.push(new Row(rows[i]!, time, meta?.[i]));
    next.pushed = end;
    next.inlet.metrics.recordsOut += batch.length;
    const problem = this.work.do(batch.length, () => this.pipeline.pushAt(next.inlet.positions, batch, time));
    if (this.work.broken) return this.#giveUp(problem!);
    this.#whenSettled(() => {
      tracing?.done();
      if (end === rows.length) this.#settle(next);
      if (problem !== undefined) return this.#giveUp(problem);
      if (end === rows.length) return;
      const now = performance.now();
      // Traced rows go one by one: the stack shall not grow with each of them.
      const isDeep = tracing !== undefined && end % tracedRowsOfTurn === 0;
      if (now < turnEnd && !isDeep) return this.#pushOn(next, started, turnEnd);
      if (now - started < patienceMs) this.#atWork ??= Promise.withResolvers();
      else this.#endWork();
      this.#suspendUntil(nextTurn(), () => this.#pushOn(next, started, performance.now() + turnMs));
    });
  }

  #settle(next: Waiting): void {
    const { position } = next.rows;
    this.#underWay = undefined;
    this.#endWork();
    if (position !== undefined) this.durable?.journal.position(next.inlet.stream, position);
    this.#flush(next.delivery);
    next.delivery?.release();
    this.#arm();
  }

  #endWork(): void {
    this.#atWork?.resolve();
    this.#atWork = undefined;
  }

  /** Goes on at once, or, where the pipeline waits for an answer from elsewhere, when it has it. */
  #whenSettled(work: () => void): void {
    const pending = this.pipeline.settled();
    if (pending === undefined) work();
    else this.#suspendUntil(pending, work);
  }

  #suspendUntil(pending: Promise<void>, work: () => void): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#suspended = promise;
    this.#endSuspension = resolve;
    void pending.then(() => {
      this.#suspended = undefined;
      if (!this.#stopped) work();
      resolve();
    });
  }

  /** The rule must not go on: what it has given so far leaves, and it takes nothing until it is stopped. */
  #giveUp(problem: DiagnosticError): void {
    if (this.durable === undefined) this.#queue(undefined);
    this.#suspendUntil(new Promise(() => {}), () => {});
    this.failed(problem);
  }

  /** The feed has logged it, once for all rules. Errors find no room in a full queue: no backlog waits behind it. */
  undecodable(error: RowError): void {
    if (this.#blocked) return;
    this.#passOn(error);
    this.#flush(undefined);
  }

  /** Its source, or one of its actions, can never be opened. */
  failed(error: DiagnosticError): void {
    if (!this.#stopped) this.#options.onFailed(error);
  }

  /** A table that has been read completely stays as it is. */
  ended(inlet: RuleInlet, reason: string): void {
    if (inlet.drives && --this.#running === 0) void this.#finish(reason);
  }

  /** Everything that came before the end goes through, and all results are delivered, however long that takes. */
  async #finish(reason: string): Promise<void> {
    await this.room();
    if (this.#stopped) return;
    this.#ending = true;
    this.#cancelTimer?.();
    try {
      await this.pipeline.end(this.#options.clock.now());
    } catch (error) {
      return this.#giveUp(ruleBroken(error));
    }
    if (this.#stopped) return;
    this.#complete = true;
    if (this.durable === undefined) this.#flush(undefined);
    else this.durable.complete(this.#queue(undefined));
    await Promise.all(this.actions.map((action) => action.idle()));
    if (this.#stopped) return;
    this.#done = true;
    this.#options.onEnded(reason);
  }

  // ---------------------------------------------------------------- results go out

  /** A statement has one result for all actions; each sink of a graph has its own. */
  #actionsOf(output: number): readonly Action[] {
    return this.prepared.definition.graph === undefined ? this.actions : [this.actions[output]!];
  }

  #rows(rows: readonly Struct[], output: number): void {
    if (this.#isReplaying) return;
    this.listeners.results(rows, output);
    for (const action of this.#actionsOf(output)) {
      const before = action.collected;
      action.collectEach(rows);
      this.#tracing?.made(action, before, rows, output);
    }
  }

  #list(rows: readonly Struct[], ofEmptyWindow: boolean, output: number): void {
    if (this.#isReplaying) return;
    this.listeners.results(rows, output);
    for (const action of this.#actionsOf(output)) {
      const before = action.collected;
      action.collect(rows, ofEmptyWindow);
      this.#tracing?.made(action, before, rows, output);
    }
  }

  /**
   * Somebody looks at what comes out of a step of the plan, or, without one, at the results.
   *
   * @throws {DiagnosticError} E705 when too many look at the rule already.
   */
  listen(plan?: Plan): RowListener {
    if (plan === undefined) return this.listeners.toResults();
    if (plan.kind === "project") return this.listeners.toResults(plan.output ?? 0);
    const given = this.pipeline.givens.get(plan)!;
    return this.listeners.toStep(this.prepared.plan.sources, (heard) =>
      given.listen(({ rows }) => {
        if (!this.#isReplaying) heard(rows);
      }));
  }

  #failed(error: RowError, outputs: readonly number[]): void {
    // An answer that comes after the stop, if only to say that nobody waits for it.
    if (this.#stopped || this.#isReplaying) return;
    this.#options.log.warn("A row failed", { reason: `${error.code}: ${error.message}` });
    this.#tracing?.failed(`${error.code}: ${error.message}`);
    this.#passOn(error, outputs.flatMap((output) => this.#actionsOf(output)));
  }

  #passOn(error: RowError, actions: readonly Action[] = this.actions): void {
    if (!this.#sendError) return;
    for (const action of actions) action.collectError(error.message);
  }

  #dropped(reason: string, count: number, node: string): void {
    if (this.#isReplaying) return;
    this.#options.log.warn("Rows were dropped", { reason, count, node });
  }

  #flush(delivery: Delivery | undefined): void {
    const gave = this.#queue(delivery);
    this.durable?.endBatch(gave, delivery);
  }

  /** True when there was anything to queue. */
  #queue(delivery: Delivery | undefined): boolean {
    let gave = false;
    for (const action of this.actions) gave = action.flush(delivery) || gave;
    return gave;
  }

  // ---------------------------------------------------------------- time

  /** Holds the rule up, for as long as it runs. */
  async #sleep(ms: number, rule: RuleContext): Promise<void> {
    const { clock } = this.#options;
    await clock.sleep(ms, this.#stopping.signal).catch(() => {});
    rule.now = clock.now();
  }

  /** Sets the timer for the earliest moment an operator waits for. */
  #arm(): void {
    const due = this.pipeline.deadline();
    if (due === this.#timerAt || this.#stopped || this.#ending) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = due;
    if (due === Infinity) return;
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(due - clock.now(), () => {
      if (!this.#blocked && this.#drained === undefined) return this.#wakeUp();
      // Windows that close now would pile up before the sink, and without the rows that wait in the backlog.
      void this.room().then(() => this.#wakeUp());
    });
  }

  /** Timers may fire a little early; then nothing is due and the next one is set. */
  #wakeUp(): void {
    if (this.#stopped || this.#ending) return;
    this.#timerAt = Infinity;
    const now = this.#options.clock.now();
    this.durable?.begin(now);
    const problem = this.work.do(0, () => this.pipeline.advance(now));
    if (this.work.broken) return this.#giveUp(problem!);
    this.#whenSettled(() => {
      this.#tracing?.done();
      this.#flush(undefined);
      if (problem !== undefined) return this.#giveUp(problem);
      this.#arm();
    });
  }

  /**
   * Takes nothing more, lets the actions write what they have for at most `graceMs`, and closes everything. What could
   * not be finished is not acknowledged; of a stream that other rules read too, it was acknowledged before.
   */
  async stop(graceMs: number): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const isBetweenBatches = this.#suspended === undefined && this.#underWay === undefined;
    this.#stopping.abort();
    this.listeners.end("the rule has stopped");
    this.trace(undefined);
    this.#endSuspension();
    this.#endWork();
    this.#cancelTimer?.();
    for (const inlet of this.inlets) inlet.leave();
    // Another rule that left before, and still finishes, must not close the source under this one.
    const unused = this.inlets.map((inlet) => inlet.feed).filter((feed) => feed.unused);
    // What a batch that is under way has given so far leaves.
    if (this.durable === undefined && this.#underWay !== undefined) this.#queue(undefined);
    const unfinished = this.#abandonBacklog();
    this.#leaveState(isBetweenBatches);
    this.pipeline.close();
    await Promise.all(this.actions.map((action) => action.stop(graceMs)));
    await this.durable?.journal.stop(graceMs);
    this.#leaveToOthers([...unfinished, ...this.durable?.journal.givenUp ?? []]);
    for (const cancel of this.#cancels) cancel();
    await Promise.all([
      ...unused.map((feed) => feed.close()),
      ...this.#options.lookups.map((lease) => lease.release()),
    ]);
  }

  /** Rows of an inlet that wait for their turn. */
  waitingRows(inlet: RuleInlet): number {
    const underWay = this.#underWay;
    const rest = underWay?.inlet === inlet ? underWay.rows.rows.length - underWay.pushed : 0;
    return rest + this.#backlog.rowsOf(inlet);
  }

  /** What a rule with `qos` 0 holds is given up. */
  #leaveState(isBetweenBatches: boolean): void {
    if (this.durable !== undefined) {
      if (!this.#recovered) return;
      // Before that, the next start has to find that there is nothing more to read.
      if (this.#done) this.durable.forgetPositions();
      else if (!this.#complete) this.durable.close(isBetweenBatches);
      return;
    }
    const held = this.#complete ? 0 : this.pipeline.abandon("stopped");
    if (held > 0) this.#options.log.warn("Rows that the rule held were given up when it stopped", { count: held });
  }
}
