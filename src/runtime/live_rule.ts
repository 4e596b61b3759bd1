/**
 * A rule that runs: rows from its feed go through its pipeline, results to its actions.
 *
 * Invariants: batches are processed one after the other, in order of arrival; while an action is blocked no further
 * batch is taken; results that a batch set off are with its delivery until the actions are done with them.
 * @module
 */
import type { Clock, Logger } from "../connector/context.ts";
import type { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { RowError } from "../diagnostics/row_error.ts";
import type { RuleContext } from "../sql/functions/declare.ts";
import { Row } from "../value/row.ts";
import type { Struct } from "../value/value.ts";
import type { Action } from "./action.ts";
import type { Delivery } from "./delivery.ts";
import type { Feed, FeedConsumer, FeedRows } from "./feed.ts";
import { Pipeline } from "./pipeline.ts";
import type { PreparedRule } from "./prepare_rule.ts";

export interface LiveRuleOptions {
  readonly prepared: PreparedRule;
  readonly feed: Feed;
  readonly actions: readonly Action[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly timezone: string;
  /** Called once when all sources have ended and everything is delivered. */
  readonly onEnded: (reason: string) => void;
  /** Called when the settings of a source or sink proved wrong: the rule has to be stopped. */
  readonly onFailed: (error: DiagnosticError) => void;
}

interface Waiting {
  readonly rows: FeedRows;
  /** Undefined when the source need not wait. */
  delivery: Delivery | undefined;
}

export class LiveRule implements FeedConsumer {
  readonly wantsMeta: boolean;
  readonly columns: ReadonlySet<string> | "all";
  readonly pipeline: Pipeline;
  readonly feed: Feed;
  readonly actions: readonly Action[];
  readonly startedAt: number;
  readonly prepared: PreparedRule;
  readonly #options: LiveRuleOptions;
  readonly #sendError: boolean;
  readonly #bufferRows: number;
  /** Batches of a shared stream that came while an action was blocked. */
  #backlog: Waiting[] = [];
  #backlogRows = 0;
  /** While a backlog is worked off: resolves at its end. */
  #drained: Promise<void> | undefined;
  #stopped = false;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Infinity;

  constructor(options: LiveRuleOptions) {
    const { definition, plan } = options.prepared;
    this.#options = options;
    this.prepared = options.prepared;
    this.feed = options.feed;
    this.actions = options.actions;
    this.startedAt = options.clock.now();
    this.#sendError = definition.options.sendError;
    this.#bufferRows = definition.options.bufferLength;
    const rule: RuleContext = {
      ruleId: definition.id,
      ruleStart: this.startedAt,
      now: this.startedAt,
      timezone: options.timezone,
      random: Math.random,
    };
    this.pipeline = new Pipeline(plan, rule, {
      rows: (rows) => this.#rows(rows),
      list: (rows, ofEmptyWindow) => this.#list(rows, ofEmptyWindow),
      failed: (error) => this.#failed(error),
      dropped: (reason, count, node) => this.#dropped(reason, count, node),
    });
    this.wantsMeta = plan.usesMeta;
    this.columns = this.pipeline.source.columns;
  }

  start(): void {
    for (const action of this.actions) action.start();
    this.feed.add(this);
    this.#arm();
  }

  // ---------------------------------------------------------------- rows come in

  accept(rows: FeedRows, held: Delivery): void {
    let delivery: Delivery | undefined = held;
    if (this.feed.shared) {
      held.release();
      delivery = undefined;
    }
    if (this.#backlog.length === 0 && !this.#blocked) {
      this.#process(rows, delivery);
      return;
    }
    this.#backlog.push({ rows, delivery });
    this.#backlogRows += rows.rows.length;
    if (this.feed.shared) this.#dropOldest();
    this.#drained ??= this.#drain();
  }

  letGo(): void {
    for (const waiting of this.#backlog) {
      waiting.delivery?.release();
      waiting.delivery = undefined;
    }
    for (const action of this.actions) action.letGo();
  }

  get #blocked(): boolean {
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
    while (this.#blocked && !this.#stopped) await Promise.all(this.actions.map((action) => action.room()));
  }

  /** Only for streams with several rules: alone, a rule holds its source back and loses nothing. */
  #dropOldest(): void {
    const { sourceMetrics } = this.feed;
    while (this.#backlogRows > this.#bufferRows && this.#backlog.length > 1) {
      const oldest = this.#backlog.shift()!;
      this.#backlogRows -= oldest.rows.rows.length;
      sourceMetrics.drop("buffer full", oldest.rows.rows.length);
      this.#dropped("buffer full", oldest.rows.rows.length, "source");
      sourceMetrics.fail("buffer full, drop message", oldest.rows.time);
      oldest.delivery?.release();
    }
  }

  /** What is not acknowledged comes again; the rows of a shared stream were acknowledged, and are lost. */
  #abandonBacklog(): void {
    let lost = 0;
    for (const { rows, delivery } of this.#backlog) if (delivery === undefined) lost += rows.rows.length;
    this.#backlog = [];
    this.#backlogRows = 0;
    if (lost === 0) return;
    this.feed.sourceMetrics.drop("stopped", lost);
    this.#dropped("stopped", lost, "source");
  }

  async #drain(): Promise<void> {
    while (this.#backlog.length > 0 && !this.#stopped) {
      await this.#actionRoom();
      if (this.#stopped) break;
      const next = this.#backlog.shift()!;
      this.#backlogRows -= next.rows.rows.length;
      this.#process(next.rows, next.delivery);
    }
    this.#drained = undefined;
  }

  #process({ rows, meta, time }: FeedRows, delivery: Delivery | undefined): void {
    const batch: Row[] = [];
    for (let i = 0; i < rows.length; i++) batch.push(new Row(rows[i]!, time, meta?.[i]));
    this.pipeline.push(batch, time);
    this.#flush(delivery);
    delivery?.release();
    this.#arm();
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

  ended(reason: string): void {
    void this.#finish(reason);
  }

  /** Everything that came before the end goes through, and all results are delivered, however long that takes. */
  async #finish(reason: string): Promise<void> {
    await this.room();
    if (this.#stopped) return;
    this.pipeline.end(this.#options.clock.now());
    this.#flush(undefined);
    await Promise.all(this.actions.map((action) => action.idle()));
    if (!this.#stopped) this.#options.onEnded(reason);
  }

  // ---------------------------------------------------------------- results go out

  #rows(rows: readonly Struct[]): void {
    for (const action of this.actions) {
      for (const row of rows) action.collect([row]);
    }
  }

  #list(rows: readonly Struct[], ofEmptyWindow: boolean): void {
    for (const action of this.actions) action.collect(rows, ofEmptyWindow);
  }

  #failed(error: RowError): void {
    this.#options.log.warn("A row failed", { reason: `${error.code}: ${error.message}` });
    this.#passOn(error);
  }

  #passOn(error: RowError): void {
    if (!this.#sendError) return;
    for (const action of this.actions) action.collect([{ error: error.message }]);
  }

  #dropped(reason: string, count: number, node: string): void {
    this.#options.log.warn("Rows were dropped", { reason, count, node });
  }

  #flush(delivery: Delivery | undefined): void {
    for (const action of this.actions) action.flush(delivery);
  }

  // ---------------------------------------------------------------- time

  /** Sets the timer for the earliest moment an operator waits for. */
  #arm(): void {
    const due = this.pipeline.deadline();
    if (due === this.#timerAt || this.#stopped) return;
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
    if (this.#stopped) return;
    this.#timerAt = Infinity;
    this.pipeline.advance(this.#options.clock.now());
    this.#flush(undefined);
    this.#arm();
  }

  /**
   * Takes nothing more, lets the actions write what they have for at most `graceMs`, and closes everything. What could
   * not be finished is not acknowledged; of a stream that other rules read too, it was acknowledged before.
   */
  async stop(graceMs: number): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTimer?.();
    this.feed.remove(this);
    // Another rule that left before, and still finishes, must not close the source under this one.
    const isLast = this.feed.unused;
    this.#abandonBacklog();
    const held = this.pipeline.abandon("stopped");
    if (held > 0) this.#options.log.warn("Rows of open windows were lost when the rule stopped", { count: held });
    await Promise.all(this.actions.map((action) => action.stop(graceMs)));
    if (isLast) await this.feed.close();
  }
}
