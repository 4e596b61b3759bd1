/**
 * One action of a running rule: results are encoded as they come, wait in a bounded queue, and are written in order.
 *
 * Invariants: what enters the queue leaves it exactly once, as written, failed, or given up when the rule stops; the
 * sink writes one batch at a time, in order; `blocked` is true while the queue is at its bound, and the rule then
 * takes nothing from its sources. A sink that cannot write now is tried again for ever.
 * @module
 */
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../connector/errors.ts";
import type { Payload, PayloadSink, RowSink } from "../connector/sink.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Struct } from "../value/value.ts";
import { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import { Backoff } from "./backoff.ts";
import type { Delivery } from "./delivery.ts";
import type { ResultTransform } from "./result_transform.ts";

type Item = Payload | readonly Struct[];

/** A sink as the action drives it; the kind of items was settled when the rule was prepared. */
interface Writer {
  write(batch: readonly Item[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface ActionOptions {
  /** `mqtt`. */
  readonly type: string;
  /** Position in the rule's actions. */
  readonly index: number;
  readonly transform: ResultTransform<Item>;
  /** False for sinks that take rows: the status then has no encode node. */
  readonly encodes: boolean;
  readonly bufferLength: number;
  /** Opens the sink; may throw `Disconnected`, and DiagnosticError for settings that can never work. */
  readonly open: (onStatus: (state: ConnectionState, message?: string) => void) => Promise<PayloadSink | RowSink>;
  /** True when the sink stands on a connection that reports its own state. */
  readonly reportsStatus: boolean;
  /** Called once when the settings proved wrong; the action then only waits to be stopped. */
  readonly onFailed: (error: DiagnosticError) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Entry {
  readonly items: readonly Item[];
  delivery: Delivery | undefined;
}

/** Most items given to a sink at once. */
const writeItemsMax = 1024;

export class Action {
  readonly transformMetrics = new NodeMetrics();
  readonly encodeMetrics: NodeMetrics | undefined;
  /** The two above, as far as there are two. */
  readonly #steps: readonly NodeMetrics[];
  readonly metrics = new NodeMetrics();
  readonly connection: ConnectionMetrics;
  readonly type: string;
  readonly index: number;
  readonly #options: ActionOptions;
  readonly #abort = new AbortController();
  #collected: Item[] = [];
  #queue: Entry[] = [];
  /** Taken off the queue, and not yet written. */
  #writing: readonly Entry[] = [];
  /** Items in the queue and being written. */
  #queued = 0;
  #wake: (() => void) | undefined;
  /** The reason that the log was told last, until the sink writes again. */
  #toldLoss: string | undefined;
  #onRoom: (() => void)[] = [];
  #onIdle: (() => void)[] = [];
  #stopping = false;
  #finished: Promise<void> | undefined;

  constructor(options: ActionOptions) {
    this.#options = options;
    this.type = options.type;
    this.index = options.index;
    this.encodeMetrics = options.encodes ? new NodeMetrics() : undefined;
    this.#steps = this.encodeMetrics === undefined
      ? [this.transformMetrics]
      : [this.transformMetrics, this.encodeMetrics];
    this.connection = new ConnectionMetrics(options.clock);
  }

  start(): void {
    this.#finished = this.#run();
  }

  // ---------------------------------------------------------------- results come in

  /** Takes rows that are a result each; they join the queue at the next {@linkcode flush}. */
  collectEach(rows: readonly Struct[]): void {
    const started = performance.now();
    for (let i = 0; i < rows.length; i++) this.#transform([rows[i]!], false);
    this.#count(rows.length, started);
  }

  /** Takes one result, the list of a window; it joins the queue at the next {@linkcode flush}. */
  collect(rows: readonly Struct[], ofEmptyWindow = false): void {
    const started = performance.now();
    this.#transform(rows, ofEmptyWindow);
    this.#count(1, started);
  }

  #transform(rows: readonly Struct[], ofEmptyWindow: boolean): void {
    try {
      const items = this.#options.transform(rows, ofEmptyWindow);
      for (let i = 0; i < items.length; i++) this.#collected.push(items[i]!);
      for (const step of this.#steps) step.recordsOut += items.length;
    } catch (error) {
      const message = error instanceof RowError ? `${error.code}: ${error.message}` : String(error);
      this.#steps.at(-1)!.fail(message, this.#options.clock.now());
      this.#options.log.warn("A result cannot be encoded", { action: this.type, reason: message });
    }
  }

  /** Once for all results of a call: the clocks cost more than the counting. */
  #count(results: number, started: number): void {
    if (results === 0) return;
    const now = this.#options.clock.now();
    for (const step of this.#steps) {
      step.recordsIn += results;
      step.processed += results;
      step.lastInvocation = now;
    }
    // Both are one pass over the rows; nearly all of it is the encoding, where there is one.
    this.#steps.at(-1)!.latencyUs = Math.round(((performance.now() - started) * 1000) / results);
  }

  /** Queues what was collected; `delivery` is released when all of it has left the queue. */
  flush(delivery: Delivery | undefined): void {
    if (this.#collected.length === 0) return;
    delivery?.hold();
    this.#queue.push({ items: this.#collected, delivery });
    this.#queued += this.#collected.length;
    this.metrics.recordsIn += this.#collected.length;
    this.metrics.bufferLength = this.#queued;
    this.#collected = [];
    this.#wake?.();
  }

  /** True while the queue is full. */
  get blocked(): boolean {
    return this.#queued >= this.#options.bufferLength;
  }

  /** Resolves when there is room in the queue, or the action stops. */
  room(): Promise<void> {
    if (!this.blocked || this.#stopping) return Promise.resolve();
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  /** Resolves when everything that was queued is done with, or the action stops. */
  idle(): Promise<void> {
    if (this.#queued === 0 || this.#stopping) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Releases the deliveries of one source that wait for this action; the results themselves stay queued. */
  letGo(from: object): void {
    for (const entry of [...this.#writing, ...this.#queue]) {
      if (entry.delivery?.from !== from) continue;
      entry.delivery.release();
      entry.delivery = undefined;
    }
  }

  // ---------------------------------------------------------------- results go out

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let writer: Writer | undefined;
    const backoff = new Backoff();
    try {
      while (!signal.aborted) {
        writer ??= await this.#open(backoff);
        if (this.#queue.length === 0) {
          if (this.#stopping) return;
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
          continue;
        }
        const entries = this.#take();
        const items = entries.length === 1 ? entries[0]!.items : entries.flatMap((entry) => entry.items);
        this.#writing = entries;
        while (!(await this.#write(writer, items))) {
          this.metrics.lastInvocation = this.#options.clock.now();
          await this.#options.clock.sleep(backoff.next(), signal);
          await this.#close(writer);
          writer = undefined;
          writer = await this.#open(backoff);
        }
        backoff.reset();
        this.#writing = [];
        for (const entry of entries) entry.delivery?.release();
        this.#settle(items.length);
      }
    } catch (error) {
      if (error instanceof DiagnosticError) this.#fail(error);
      // The only other way out besides the stop is the abort, which rejects whatever waits.
      else if (!signal.aborted) {
        this.metrics.fail(`Internal error: ${String(error)}`, this.#options.clock.now());
        this.#options.log.error("An action ended by an internal error", { action: this.type, reason: String(error) });
      }
    } finally {
      if (writer !== undefined) await this.#close(writer);
    }
  }

  /** Takes entries from the front up to a limit of items, at least one. */
  #take(): Entry[] {
    let items = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || items + this.#queue[count]!.items.length <= writeItemsMax)) {
      items += this.#queue[count++]!.items.length;
    }
    const taken = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return taken;
  }

  /** After a write: what was written is no longer queued, and who waits for room may go on. */
  #settle(written: number): void {
    this.#queued -= written;
    this.metrics.bufferLength = this.#queued;
    if (!this.blocked) this.#resolveRoom();
    if (this.#queued === 0) this.#resolveIdle();
  }

  #resolveRoom(): void {
    const waiting = this.#onRoom;
    this.#onRoom = [];
    for (const resolve of waiting) resolve();
  }

  #resolveIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }

  async #open(backoff: Backoff): Promise<Writer> {
    const { clock } = this.#options;
    while (true) {
      try {
        if (!this.#options.reportsStatus) this.connection.report("connecting");
        const sink = await this.#options.open((state, message) => this.#onStatus(state, message));
        if (!this.#options.reportsStatus) this.#onStatus("connected");
        return sink as Writer;
      } catch (error) {
        this.#abort.signal.throwIfAborted();
        if (error instanceof DiagnosticError) throw error;
        this.#lost(error);
        await clock.sleep(backoff.next(), this.#abort.signal);
      }
    }
  }

  #onStatus(state: ConnectionState, message?: string): void {
    if (this.connection.report(state, message) && message !== undefined) {
      this.metrics.fail(message, this.#options.clock.now());
    }
  }

  #fail(error: DiagnosticError): void {
    this.connection.report("disconnected", error.message);
    this.metrics.fail(error.message, this.#options.clock.now());
    this.#options.onFailed(error);
  }

  #lost(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (!this.#options.reportsStatus) this.connection.report("disconnected", message);
    this.metrics.fail(message, this.#options.clock.now());
    const { log } = this.#options;
    const fields = { action: this.type, reason: message };
    if (this.#toldLoss === message) log.debug("A sink still cannot write", fields);
    else log.warn("A sink cannot write and will be tried again", fields);
    this.#toldLoss = message;
  }

  #regained(): void {
    if (this.#toldLoss === undefined) return;
    this.#toldLoss = undefined;
    this.#options.log.info("A sink writes again", { action: this.type });
  }

  /** True when the batch is done with, false when the sink must be opened again and the batch written again. */
  async #write(writer: Writer, items: readonly Item[]): Promise<boolean> {
    const { clock, log } = this.#options;
    const { signal } = this.#abort;
    while (true) {
      const started = performance.now();
      this.metrics.lastInvocation = clock.now();
      try {
        await writer.write(items, signal);
        this.metrics.recordsOut += items.length;
        this.metrics.processed += items.length;
        this.metrics.latencyUs = Math.round((performance.now() - started) * 1000);
        this.#regained();
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RetryLater) {
          this.metrics.fail(error.message, clock.now());
          await clock.sleep(error.ms, signal);
          continue;
        }
        if (error instanceof ItemsFailed) {
          this.#itemsFailed(items.length, error);
          return true;
        }
        if (error instanceof Disconnected) {
          this.#lost(error);
          return false;
        }
        const message = error instanceof Error ? error.message : String(error);
        for (let i = 0; i < items.length; i++) this.metrics.fail(message, clock.now());
        this.metrics.processed += items.length;
        log.error("A sink refused results for good", { action: this.type, count: items.length, reason: message });
        return true;
      }
    }
  }

  #itemsFailed(count: number, error: ItemsFailed): void {
    const { clock, log } = this.#options;
    for (const reason of error.failed.values()) this.metrics.fail(reason, clock.now());
    this.metrics.processed += count;
    this.metrics.recordsOut += count - error.failed.size;
    log.error("A sink refused some results", { action: this.type, count: error.failed.size, reason: error.message });
  }

  async #close(writer: Writer): Promise<void> {
    try {
      await writer.close();
    } catch (error) {
      this.#options.log.warn("A sink did not close cleanly", { action: this.type, reason: String(error) });
    }
  }

  /** Writes what is queued for at most `graceMs`, then gives up the rest and closes the sink. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    this.#resolveRoom();
    this.#resolveIdle();
    const cancel = this.#options.clock.after(graceMs, () => this.#abort.abort(new Error("The rule stops")));
    // Waiting for a sink that is not even connected would only delay the stop.
    if (this.connection.state === "disconnected") this.#abort.abort(new Error("The rule stops"));
    this.#wake?.();
    await this.#finished;
    cancel();
    const left = this.#queued;
    if (left > 0) {
      this.metrics.drop("stopped", left);
      this.#options.log.warn("Results were not sent before the rule stopped", { action: this.type, count: left });
    }
    this.#queue = [];
    this.#writing = [];
    this.#queued = 0;
    this.metrics.bufferLength = 0;
  }
}
