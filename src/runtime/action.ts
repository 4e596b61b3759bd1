/**
 * One action of a running rule: turns results into messages, and queues them for the sink.
 *
 * Invariants: what enters the queue leaves it exactly once, as written, failed, or given up when the rule stops; the
 * sink writes one batch at a time, in order; `blocked` is true while the queue is at its bound, and the rule then
 * takes nothing from its sources. A sink that cannot write now is tried again for ever.
 * @module
 */
import type { Clock, Logger } from "../connector/context.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import type { Struct } from "../value/value.ts";
import type { Delivery } from "./delivery.ts";
import type { ResultTransform } from "./result_transform.ts";
import type { Item, SendLane, SendQueue } from "./send_queue.ts";
import { Sender, type SenderOptions } from "./sender.ts";

/** The second queue and sink of an action, for what is sent again. */
export interface ActionResend {
  readonly lane: SendLane;
  /** Messages of the queue that wait for the second sink. */
  readonly length: () => number;
  readonly open: SenderOptions["open"];
  /** As that of {@linkcode SenderOptions}. */
  readonly fixed?: string;
}

export interface ActionOptions extends Omit<SenderOptions, "lane" | "onSent" | "fixed"> {
  /** Position in the rule's actions. */
  readonly index: number;
  readonly transform: ResultTransform;
  /** False for sinks that take rows: the status then has no encode node. */
  readonly encodes: boolean;
  readonly queue: SendQueue;
  /** What the sink takes from: the queue itself when absent. */
  readonly lane?: SendLane;
  readonly resend?: ActionResend;
  /** The message of an error that is sent in place of a result. */
  readonly transformError: (message: string) => Item[];
  /** True when results that cannot be made into messages are sent as errors. */
  readonly sendsErrors: boolean;
  /** Of what gathers messages. */
  readonly batchMetrics?: NodeMetrics;
  /** True when the status has a node for what is kept. */
  readonly caches?: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Action {
  readonly transformMetrics = new NodeMetrics();
  readonly encodeMetrics: NodeMetrics | undefined;
  /** The two above, as far as there are two. */
  readonly #steps: readonly NodeMetrics[];
  readonly type: string;
  readonly index: number;
  /** Errors that were taken in place of results. */
  errors = 0;
  readonly #options: ActionOptions;
  readonly #queue: SendQueue;
  readonly #sender: Sender;
  /** Of what is kept, or, with a second queue, of that. */
  readonly cacheMetrics: NodeMetrics | undefined;
  /** Of the second sink. */
  readonly resender: Sender | undefined;
  #collected: Item[] = [];

  constructor(options: ActionOptions) {
    this.#options = options;
    this.type = options.type;
    this.index = options.index;
    this.encodeMetrics = options.encodes ? new NodeMetrics() : undefined;
    this.#steps = this.encodeMetrics === undefined
      ? [this.transformMetrics]
      : [this.transformMetrics, this.encodeMetrics];
    this.#queue = options.queue;
    const { resend } = options;
    this.cacheMetrics = options.caches === true || resend !== undefined ? new NodeMetrics() : undefined;
    const onSent = () => this.#showLengths();
    this.#sender = new Sender({ ...options, lane: options.lane ?? options.queue, onSent });
    this.resender = resend === undefined ? undefined : new Sender({ ...options, ...resend, onSent });
  }

  /** Of the sink. */
  get metrics(): NodeMetrics {
    return this.#sender.metrics;
  }

  get connection(): ConnectionMetrics {
    return this.#sender.connection;
  }

  /** Of what gathers messages, where something does. */
  get batchMetrics(): NodeMetrics | undefined {
    return this.#options.batchMetrics;
  }

  /** Messages that are made of results, and stand in no queue yet. */
  get collected(): number {
    return this.#collected.length;
  }

  /** Messages in the queue, also those that the sink is just being given. */
  get waiting(): number {
    return this.#queue.length;
  }

  start(): void {
    this.metrics.carried = this.#queue.length;
    this.#showLengths();
    this.#sender.start();
    this.resender?.start();
  }

  /** Of a message that waits as rows: it cannot be encoded. */
  unformed(error: RowError, count: number): void {
    const message = `${error.code}: ${error.message}`;
    this.metrics.fail(message, this.#options.clock.now());
    if (this.#queue.buries === true) this.metrics.dead += count;
    else this.metrics.lose(error.code, count);
    this.#options.log.warn("A result cannot be encoded", { action: this.type, reason: message });
  }

  /** So many messages have changed over to the second queue. */
  diverted(count: number): void {
    const { cacheMetrics } = this;
    if (cacheMetrics === undefined) return;
    cacheMetrics.recordsIn += count;
    cacheMetrics.lastInvocation = this.#options.clock.now();
    this.#showLengths();
  }

  #showLengths(): void {
    const { cacheMetrics, metrics, resender } = this;
    const { length } = this.#queue;
    const resends = this.#options.resend?.length() ?? 0;
    metrics.bufferLength = length - resends;
    if (resender !== undefined) resender.metrics.bufferLength = resends;
    if (cacheMetrics === undefined) return;
    cacheMetrics.bufferLength = resender === undefined ? length : resends;
    const out = (resender ?? this.#sender).metrics.processed;
    cacheMetrics.recordsOut = cacheMetrics.processed = out;
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

  /** Takes the message of an error in place of a result. */
  collectError(message: string): void {
    const started = performance.now();
    this.errors++;
    try {
      this.#take(this.#options.transformError(message));
    } catch (error) {
      this.#lose(error);
    }
    this.#count(1, started);
  }

  #transform(rows: readonly Struct[], ofEmptyWindow: boolean): void {
    try {
      this.#take(this.#options.transform(rows, ofEmptyWindow));
    } catch (error) {
      const message = this.#lose(error);
      if (this.#options.sendsErrors) this.collectError(message);
    }
  }

  #take(items: readonly Item[]): void {
    this.transformMetrics.passed++;
    for (let i = 0; i < items.length; i++) this.#collected.push(items[i]!);
    for (const step of this.#steps) step.recordsOut += items.length;
  }

  /** Gives what is wrong with the result. */
  #lose(error: unknown): string {
    const message = error instanceof RowError ? `${error.code}: ${error.message}` : String(error);
    this.#steps.at(-1)!.fail(message, this.#options.clock.now());
    this.transformMetrics.lose(error instanceof RowError ? error.code : "E506", 1);
    this.#options.log.warn("A result cannot be encoded", { action: this.type, reason: message });
    return message;
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

  /** Changes the messages that were collected from `from` on, without changing their number. */
  retag(from: number, tag: (item: Item) => Item): void {
    for (let i = from; i < this.#collected.length; i++) this.#collected[i] = tag(this.#collected[i]!);
  }

  /** Queues what was collected; `delivery` is released when its source need not give it again. True when there was any. */
  flush(delivery: Delivery | undefined): boolean {
    if (this.#collected.length === 0) return false;
    const items = this.#collected;
    this.#collected = [];
    this.metrics.recordsIn += items.length;
    const { cacheMetrics } = this;
    if (cacheMetrics !== undefined && this.resender === undefined) {
      cacheMetrics.recordsIn += items.length;
      cacheMetrics.lastInvocation = this.#options.clock.now();
    }
    this.#queue.add(items, delivery);
    this.#showLengths();
    return true;
  }

  /** Somebody else has put messages into what the queue reads from. */
  wake(): void {
    this.#queue.wake?.();
  }

  /** True while the queue is full. */
  get blocked(): boolean {
    return this.#queue.blocked;
  }

  /** Resolves when there is room in the queue, or the action stops. */
  room(): Promise<void> {
    return this.#queue.room();
  }

  /** Resolves when everything that was queued is done with, or the action stops. Nothing comes after it. */
  idle(): Promise<void> {
    this.#options.lane?.hurry?.();
    this.#options.resend?.lane.hurry?.();
    return this.#queue.idle();
  }

  /** Releases the deliveries of one source that wait for this action; the results themselves stay queued. */
  letGo(from: object): void {
    this.#queue.letGo(from);
  }

  /** Writes what is queued for at most `graceMs`, closes the sink, and gives up or keeps the rest. */
  async stop(graceMs: number): Promise<void> {
    this.#queue.stop();
    await Promise.all([this.#sender.stop(graceMs), this.resender?.stop(graceMs)]);
    const left = await this.#queue.close();
    if (left > 0) {
      this.metrics.drop("stopped", left);
      this.#options.log.warn("Results were not sent before the rule stopped", { action: this.type, count: left });
    }
    this.#showLengths();
  }
}
