/**
 * A stream at run time: its source is opened, read, decoded, and its rows handed to the rules that read it.
 *
 * Invariants: a batch is acknowledged to its source exactly once, after every consumer is done with it; the source is
 * not read while its only consumer cannot take more; a payload that cannot be decoded is dropped alone and counted. What
 * a stopping rule has not finished stays unacknowledged, so that a source that can will bring it again.
 *
 * Several consumers must not hold up one another: a broker that allows few unacknowledged messages would stop for all
 * because of one sink. So each of several is done with a batch as soon as it has taken it.
 * @module
 */
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import type { OpenContext } from "../connector/declare.ts";
import { Disconnected, EndOfInput, RetryLater } from "../connector/errors.ts";
import type { Source, SourceBatch } from "../connector/source.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import type { RowError } from "../diagnostics/row_error.ts";
import { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Struct } from "../value/value.ts";
import { Backoff } from "./backoff.ts";
import { Delivery } from "./delivery.ts";
import { DownSampler } from "./intake/down_sampler.ts";
import { Intake, type IntakeOptions, type TakenRows } from "./intake/intake.ts";
import { Waiters } from "./waiters.ts";

/** Rows of one batch, with the metadata of each when a consumer wants it. */
export interface FeedRows {
  readonly rows: readonly Struct[];
  readonly meta: readonly (Struct | undefined)[] | undefined;
  /** When they arrived, Unix milliseconds. */
  readonly time: number;
  /** Where the source stands behind them; see `SourceBatch.position`. */
  readonly position: string | undefined;
}

/** A rule that reads the stream. */
export interface FeedConsumer {
  readonly wantsMeta: boolean;
  /** The columns it needs; the decoder may leave out all others. */
  readonly columns: ReadonlySet<string> | "all";
  /** True for a rule that keeps what it does with a batch. */
  readonly durable: boolean;
  /** The source has to wait for it, whoever else reads it. */
  readonly holdsBack: boolean;
  /** Where the source shall begin, as the rule has kept it. */
  readonly startPosition: string | undefined;
  /** Takes rows. Releases `delivery`, which is held for it, when everything it does with them is done. */
  accept(rows: FeedRows, delivery: Delivery): void;
  /** Others read the stream from now on: nothing that it took may keep the source waiting. */
  letGo(): void;
  /** Resolves when it can take more. */
  room(): Promise<void>;
  /**
   * While the rows that it took keep it busy for several turns: resolves when it has done with them, or has been at it
   * for long. It waits for nobody meanwhile but for the processor.
   */
  atWork(): Promise<void> | undefined;
  /** A payload that could not be decoded. */
  undecodable(error: RowError): void;
  /** There will be no more rows. */
  ended(reason: string): void;
  /** The source can never be opened with its settings. */
  failed(error: DiagnosticError): void;
}

export interface FeedOptions extends Omit<IntakeOptions, "onBad"> {
  readonly stream: string;
  readonly open: (
    onStatus: (state: ConnectionState, message?: string) => void,
    resume: Pick<OpenContext, "keepsPosition" | "position">,
  ) => Promise<Source>;
  /** False for a stream that several rules may read: it goes on from where it is for each of them. */
  readonly private: boolean;
  /** True when the source stands on a connection that reports its own state. */
  readonly reportsStatus: boolean;
  /** Down-sampling; see {@linkcode DownSampler}. */
  readonly sampling?: { readonly intervalMs: number; readonly mergeField: string } | undefined;
  /** A pause between one row and the next, milliseconds. */
  readonly sendIntervalMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when no rule reads the stream any more, and the source is closed. */
  readonly onClosed?: () => void;
}

export class Feed {
  readonly sourceMetrics = new NodeMetrics();
  readonly intake: Intake;
  /** Undefined for a stream that takes everything. */
  readonly sampler: DownSampler | undefined;
  readonly connection: ConnectionMetrics;
  /** Rows handed on so far, to each of the rules that read the stream at that moment. */
  rowsGiven = 0;
  /** The newest of them, with the columns that some rule needs. */
  newestRow: Struct | undefined;
  /** Rows that wait for the pause before them to end. */
  rowsWaiting = 0;
  readonly #options: FeedOptions;
  readonly #abort = new AbortController();
  #consumers: readonly FeedConsumer[] = [];
  #wantsMeta = false;
  /** The intake and metadata are what the consumers need. */
  #isFitted = false;
  #finished: Promise<void> | undefined;
  #allowClose: () => void = () => {};
  readonly #mayClose = new Promise<void>((resolve) => (this.#allowClose = resolve));
  #ended: string | undefined;
  /** The reason that the log was told last, until the source gives something again. */
  #toldLoss: string | undefined;
  #failed = false;
  /** Rules that are about to join. */
  #holds = 0;
  readonly #released = new Waiters();
  /** Whether its rule keeps positions, and where the source stands behind what the rule has taken. */
  #keepsPosition = false;
  #position: string | undefined;
  /** When the last row was given of a stream with pauses. */
  #lastGiven = -Infinity;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.connection = new ConnectionMetrics(options.clock);
    this.intake = new Intake({ ...options, onBad: (error) => this.#undecodable(error) });
    this.sampler = options.sampling === undefined ? undefined : this.#createSampler(options.sampling);
  }

  /**
   * Another rule is about to join, which must not miss what comes meanwhile: nothing is handed on, and the source is not
   * given up, until the returned function is called.
   */
  hold(): () => void {
    let isHeld = true;
    this.#holds++;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--this.#holds > 0) return;
      this.#released.wake();
      if (this.#finished === undefined || !this.unused) return;
      this.#giveUp();
      void this.close();
    };
  }

  /** Adds a rule; the first one starts the source. */
  add(consumer: FeedConsumer): void {
    // Of several, each is done with a batch as soon as it has taken it.
    if (this.#consumers.length === 1) this.#consumers[0]!.letGo();
    this.#setConsumers([...this.#consumers, consumer]);
    if (this.#options.private) {
      this.#keepsPosition = consumer.durable;
      this.#position = consumer.startPosition;
    }
    if (this.#ended !== undefined) consumer.ended(this.#ended);
    this.#finished ??= this.#run();
  }

  /**
   * Takes a rule off: it gets nothing more. The last one ends the reading, and has to call {@linkcode close} when it
   * has finished: the source stays open until then, so that what is under way can still be acknowledged.
   */
  remove(consumer: FeedConsumer): void {
    this.#setConsumers(this.#consumers.filter((c) => c !== consumer));
    if (this.unused) this.#giveUp();
  }

  #giveUp(): void {
    this.#abort.abort(new Error("The stream is not read any more"));
  }

  /** Closes the source of a stream that no rule reads any more. */
  async close(): Promise<void> {
    this.#allowClose();
    await this.#finished;
    this.#options.onClosed?.();
  }

  /** Resolves when the source is closed for good; does nothing to bring that about. */
  whenClosed(): Promise<void> {
    return this.#finished ?? Promise.resolve();
  }

  get unused(): boolean {
    return this.#consumers.length === 0 && this.#holds === 0;
  }

  /** True when rows are merged while they are down-sampled: it is rows then, and not payloads, that are left out. */
  get merges(): boolean {
    return (this.#options.sampling?.mergeField ?? "") !== "";
  }

  /** True while several rules read it. */
  get shared(): boolean {
    return this.#consumers.length > 1;
  }

  /** What the consumers need has changed. */
  refit(): void {
    this.#isFitted = false;
  }

  /** True once the last rule has left, or its settings proved wrong: the feed does not start again. */
  get closed(): boolean {
    return this.#abort.signal.aborted || this.#failed;
  }

  #setConsumers(consumers: readonly FeedConsumer[]): void {
    this.#consumers = consumers;
    this.#isFitted = false;
  }

  /**
   * Decoding serves all rules at once: the columns are those that any of them needs. They are put together for the next
   * rows, and not for each of hundreds of rules that start one after the other.
   */
  #fit(): void {
    this.#isFitted = true;
    const columns = new Set<string>();
    let all = false;
    for (const consumer of this.#consumers) {
      if (consumer.columns === "all") all = true;
      else for (const column of consumer.columns) columns.add(column);
    }
    this.intake.fit(all || this.merges ? "all" : columns);
    this.#wantsMeta = this.#consumers.some((consumer) => consumer.wantsMeta);
  }

  #createSampler({ intervalMs, mergeField }: NonNullable<FeedOptions["sampling"]>): DownSampler {
    const decode = (batch: SourceBatch): TakenRows => {
      if (!this.#isFitted) this.#fit();
      return this.intake.take(batch, this.#wantsMeta, this.#options.clock.now());
    };
    return new DownSampler({
      intervalMs,
      clock: this.#options.clock,
      keeps: () => this.#consumers.some((consumer) => consumer.durable),
      wantsMeta: () => this.#consumers.some((consumer) => consumer.wantsMeta),
      onBatch: (batch) => this.#count(batch, this.#options.clock.now()),
      ...(mergeField === "" ? {} : { merge: { field: mergeField, decode } }),
    });
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    const backoff = new Backoff();
    while (!signal.aborted) {
      let source: Source | undefined;
      try {
        if (!this.#options.reportsStatus) this.connection.report("connecting");
        source = await this.#options.open((state, message) => this.#onStatus(state, message), this.#resume());
        if (!this.#options.reportsStatus) this.#onStatus("connected");
        await this.#readAll(this.sampler?.sample(source) ?? source, backoff);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof EndOfInput) {
          this.#end(error.message);
          break;
        }
        if (error instanceof DiagnosticError) {
          this.#fail(error);
          break;
        }
        this.#lost(error);
      } finally {
        if (signal.aborted) await this.#mayClose;
        await source?.close().catch((error) => {
          this.#options.log.warn("A source did not close cleanly", { reason: String(error) });
        });
      }
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }

  #resume(): Pick<OpenContext, "keepsPosition" | "position"> {
    if (!this.#keepsPosition) return {};
    return { keepsPosition: true, ...(this.#position === undefined ? {} : { position: this.#position }) };
  }

  async #readAll(source: Source, backoff: Backoff): Promise<never> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    while (true) {
      let batch: SourceBatch;
      try {
        batch = await source.read(signal);
      } catch (error) {
        if (!(error instanceof RetryLater) || signal.aborted) throw error;
        this.sourceMetrics.fail(error.message, clock.now());
        await clock.sleep(error.ms, signal);
        continue;
      }
      while (this.#holds > 0 && !signal.aborted) await this.#released.wait();
      // Left meanwhile: nobody would take the batch, so it must not be acknowledged.
      signal.throwIfAborted();
      backoff.reset();
      this.#regained();
      await this.#deliver(batch);
      await this.#room();
      signal.throwIfAborted();
    }
  }

  /**
   * With one rule the source waits for it. With several, each has its own buffer, so that none holds up the others; but
   * what a rule has promised to keep cannot be dropped from a buffer, nor where the stream says so. Nor is a machine that is busy a reason to drop:
   * for the sinks of others nobody waits, for their computing all do, a while.
   */
  async #room(): Promise<void> {
    const consumers = this.#consumers;
    if (consumers.length === 1) return await consumers[0]!.room();
    for (const consumer of consumers) {
      const pending = consumer.holdsBack ? consumer.room() : consumer.atWork();
      if (pending !== undefined) await pending;
    }
  }

  #deliver(batch: SourceBatch): Promise<void> | void {
    const time = this.#options.clock.now();
    if (this.sampler === undefined) this.#count(batch, time);
    else this.sampler.delivered();
    const rows = this.#rowsOf(batch, time);
    const delivery = new Delivery(this, () => batch.ack?.());
    if (this.#keepsPosition) this.#position = batch.position ?? this.#position;
    if ((this.#options.sendIntervalMs ?? 0) > 0) return this.#giveSlowly(rows, delivery);
    this.#give(rows, delivery);
    delivery.release();
  }

  #give(rows: FeedRows, delivery: Delivery): void {
    this.rowsGiven += rows.rows.length;
    if (rows.rows.length === 0 && rows.position === undefined) return;
    this.newestRow = rows.rows.at(-1) ?? this.newestRow;
    for (const consumer of this.#consumers) {
      delivery.hold();
      consumer.accept(rows, delivery);
    }
  }

  /** One by one, with a pause between each and the next; the position of the batch belongs to the last. */
  async #giveSlowly({ rows, meta, position }: FeedRows, delivery: Delivery): Promise<void> {
    const { clock, sendIntervalMs = 0 } = this.#options;
    const { signal } = this.#abort;
    this.rowsWaiting = rows.length;
    for (let i = 0; i < rows.length; i++) {
      // A clock that was set back makes no pause longer than it should be.
      const pause = Math.min(this.#lastGiven + sendIntervalMs - clock.now(), sendIntervalMs);
      if (pause > 0) await clock.sleep(pause, signal);
      while (this.#holds > 0 && !signal.aborted) await this.#released.wait();
      signal.throwIfAborted();
      this.#lastGiven = clock.now();
      this.rowsWaiting--;
      const own = { rows: [rows[i]!], meta: meta === undefined ? undefined : [meta[i]], time: this.#lastGiven };
      this.#give({ ...own, position: i === rows.length - 1 ? position : undefined }, delivery);
      await this.#room();
      signal.throwIfAborted();
    }
    if (rows.length === 0) this.#give({ rows, meta, time: clock.now(), position }, delivery);
    delivery.release();
  }

  #count(batch: SourceBatch, time: number): void {
    const { length } = batch.kind === "payloads" ? batch.payloads : batch.rows;
    const source = this.sourceMetrics;
    source.recordsIn += length;
    source.recordsOut += length;
    source.processed += length;
    source.lastInvocation = time;
  }

  #rowsOf(batch: SourceBatch, time: number): FeedRows {
    if (!this.#isFitted) this.#fit();
    const taken = this.merges ? decodedRows(batch, this.#wantsMeta) : this.intake.take(batch, this.#wantsMeta, time);
    const { rows, meta } = this.intake.valid(taken, time);
    return { rows, meta, time, position: this.#keepsPosition ? batch.position : undefined };
  }

  #undecodable(error: RowError): void {
    this.#options.log.warn("A message was dropped", { reason: `${error.code}: ${error.message}` });
    for (const consumer of this.#consumers) consumer.undecodable(error);
  }

  #onStatus(state: ConnectionState, message?: string): void {
    if (this.connection.report(state, message) && message !== undefined) {
      this.sourceMetrics.fail(message, this.#options.clock.now());
    }
  }

  #lost(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.connection.report("disconnected", message);
    this.sourceMetrics.fail(message, this.#options.clock.now());
    const { log } = this.#options;
    const expected = error instanceof Disconnected || !(error instanceof Error);
    const fields = { reason: message, ...(expected ? {} : { stack: error.stack }) };
    if (this.#toldLoss === message) log.debug("A source is still lost", fields);
    else log.warn("A source was lost and will be opened again", fields);
    this.#toldLoss = message;
  }

  #regained(): void {
    if (this.#toldLoss === undefined) return;
    this.#toldLoss = undefined;
    this.#options.log.info("A source reads again");
  }

  #fail(error: DiagnosticError): void {
    this.#failed = true;
    this.connection.report("disconnected", error.message);
    this.sourceMetrics.fail(error.message, this.#options.clock.now());
    for (const consumer of this.#consumers) consumer.failed(error);
  }

  #end(reason: string): void {
    this.#ended = reason;
    for (const consumer of this.#consumers) consumer.ended(reason);
  }
}

/** The rows of a batch that the sampler has decoded. */
function decodedRows(batch: SourceBatch, wantsMeta: boolean): TakenRows {
  const rows = batch.kind === "rows" ? [...batch.rows] : [];
  return { rows, meta: wantsMeta ? rows.map((_, i) => batch.meta?.(i)) : undefined };
}
