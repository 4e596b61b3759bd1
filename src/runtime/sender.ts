/**
 * Takes messages from a queue to a sink: opens it, writes one batch at a time, in order, and tries again what cannot be
 * written now, for ever.
 * @module
 */
import type { Clock, ConnectionState, Logger } from "../connector/context.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../connector/errors.ts";
import type { MessageSettings, PayloadSink, RowSink } from "../connector/sink.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { ConnectionMetrics } from "../telemetry/connection_metrics.ts";
import { NodeMetrics } from "../telemetry/node_metrics.ts";
import { Backoff } from "./backoff.ts";
import {
  AddressedItem,
  type Body,
  bodyOf,
  hasSettings,
  type ItemTrace,
  settingsOf,
  TracedItem,
} from "./addressed_item.ts";
import { type Item, messagesIn, type Sending, type SendLane } from "./send_queue.ts";
import { Waiters } from "./waiters.ts";

/** A sink as the sender drives it; the kind of items was settled when the rule was prepared. */
interface Writer {
  write(
    batch: readonly Body[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly MessageSettings[],
    traceparents?: readonly (string | undefined)[],
  ): Promise<void>;
  close(): Promise<void>;
}

export interface SenderOptions {
  /** `mqtt`. */
  readonly type: string;
  readonly lane: SendLane;
  /** Opens the sink; may throw `Disconnected`, and DiagnosticError for settings that can never work. */
  readonly open: (onStatus: (state: ConnectionState, message?: string) => void) => Promise<PayloadSink | RowSink>;
  /** True when the sink stands on a connection that reports its own state. */
  readonly reportsStatus: boolean;
  /** Called once when the settings proved wrong; the sender then only waits to be stopped. */
  readonly onFailed: (error: DiagnosticError) => void;
  /** Called when messages have left the queue. */
  readonly onSent: () => void;
  /** Most messages that the sink wants in one write; see `SinkRole`. */
  readonly messagesMax?: number;
  /** A setting of the sink that wins over what messages bring. */
  readonly fixed?: string;
  /** Milliseconds between two tries; growing ones when absent. */
  readonly resendInterval?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Sender {
  readonly metrics = new NodeMetrics();
  readonly connection: ConnectionMetrics;
  readonly #options: SenderOptions;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff();
  /** The reason that the log was told last, until the sink writes again. */
  #toldLoss: string | undefined;
  /** The sink cannot be reached. */
  #isAway = false;
  readonly #back = new Waiters();
  /** What the sink gets of messages that bring settings, or are traced. */
  #addressed: Addressed | undefined;
  /** Breaks off the write that is under way, for a lane that diverts. */
  #patience: AbortController | undefined;
  #stopping = false;
  #finished: Promise<void> | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.connection = new ConnectionMetrics(options.clock);
  }

  start(): void {
    this.#finished = this.#run();
  }

  async #run(): Promise<void> {
    const { lane } = this.#options;
    const { signal } = this.#abort;
    let writer: Writer | undefined;
    try {
      while (!signal.aborted) {
        writer ??= await this.#open();
        if (lane.diverts === true && this.#isAway && !this.#stopping) {
          await this.#back.wait();
          continue;
        }
        const sending = this.#stopping && lane.finished ? undefined : lane.take(this.#options.messagesMax);
        if (sending === undefined) {
          if (this.#stopping) return;
          await lane.arrival();
          continue;
        }
        let isTakenBack = false;
        while (!isTakenBack && !(await this.#write(writer, sending))) {
          this.metrics.lastInvocation = this.#options.clock.now();
          isTakenBack = lane.gaveBack(sending);
          this.#options.onSent();
          await this.#pause();
          await this.#close(writer);
          writer = undefined;
          writer = await this.#open();
          // That may have taken long.
          if (!isTakenBack) isTakenBack = lane.gaveBack(sending);
        }
        if (!isTakenBack) this.#backoff.reset();
        this.#options.onSent();
      }
    } catch (error) {
      if (error instanceof DiagnosticError) this.#fail(error);
      // The only other way out besides the stop is the abort, which rejects whatever waits.
      else if (!signal.aborted) {
        this.metrics.fail(`Internal error: ${String(error)}`, this.#options.clock.now());
        this.#options.log.error("An action ended by an internal error", {
          action: this.#options.type,
          reason: String(error),
        });
      }
    } finally {
      if (writer !== undefined) await this.#close(writer);
    }
  }

  #pause(): Promise<void> {
    return this.#options.clock.sleep(this.#options.resendInterval ?? this.#backoff.next(), this.#abort.signal);
  }

  async #open(): Promise<Writer> {
    while (true) {
      try {
        if (!this.#options.reportsStatus) this.connection.report("connecting");
        const sink = await this.#options.open((state, message) => this.#onStatus(state, message));
        if (!this.#options.reportsStatus) this.#onStatus("connected");
        else if (this.connection.state === "connected") this.#setAway(false);
        return sink as Writer;
      } catch (error) {
        this.#abort.signal.throwIfAborted();
        if (error instanceof DiagnosticError) throw error;
        this.#lost(error);
        await this.#pause();
      }
    }
  }

  #onStatus(state: ConnectionState, message?: string): void {
    if (this.connection.report(state, message) && message !== undefined) {
      this.metrics.fail(message, this.#options.clock.now());
    }
    if (state === "connected") this.#setAway(false);
    if (state === "disconnected") {
      this.#setAway(true);
      this.#patience?.abort(new Disconnected(message ?? "The connection is lost"));
    }
  }

  #setAway(isAway: boolean): void {
    if (this.#isAway === isAway) return;
    this.#isAway = isAway;
    this.#options.lane.reachable?.(!isAway);
    if (!isAway) this.#back.wake();
  }

  #fail(error: DiagnosticError): void {
    this.connection.report("disconnected", error.message);
    this.metrics.fail(error.message, this.#options.clock.now());
    this.#options.onFailed(error);
  }

  #lost(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (!this.#options.reportsStatus) this.connection.report("disconnected", message);
    this.#setAway(true);
    this.metrics.fail(message, this.#options.clock.now());
    const { log } = this.#options;
    const fields = { action: this.#options.type, reason: message };
    if (this.#toldLoss === message) log.debug("A sink still cannot write", fields);
    else log.warn("A sink cannot write and will be tried again", fields);
    this.#toldLoss = message;
  }

  #regained(): void {
    if (this.#toldLoss === undefined) return;
    this.#toldLoss = undefined;
    this.#options.log.info("A sink writes again", { action: this.#options.type });
  }

  /** True when the batch is done with, false when the sink must be opened again and the batch written again. */
  async #write(writer: Writer, sending: Sending): Promise<boolean> {
    const { clock, lane } = this.#options;
    const { signal } = this.#abort;
    const count = messagesIn(sending);
    while (true) {
      const started = performance.now();
      this.metrics.lastInvocation = clock.now();
      try {
        await this.#patiently(writer, sending);
        this.metrics.recordsOut += count;
        this.metrics.processed += count;
        this.metrics.latencyUs = Math.round((performance.now() - started) * 1000);
        this.#regained();
        for (const trace of this.#tracesOf(sending)) trace?.end();
        lane.sent(sending);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        const isAway = lane.diverts === true && this.#isAway;
        if (error instanceof RetryLater && !isAway) {
          for (const trace of this.#tracesOf(sending)) trace?.retry(error.message);
          this.metrics.fail(error.message, clock.now());
          await clock.sleep(error.ms, signal);
          continue;
        }
        if (error instanceof Disconnected || (isAway && !(error instanceof ItemsFailed))) {
          for (const trace of this.#tracesOf(sending)) trace?.retry(error instanceof Error ? error.message : "");
          this.#lost(error);
          return false;
        }
        this.#refused(sending, error);
        return true;
      }
    }
  }

  /** With a lane that diverts, for as long as the sink is connected only. */
  async #patiently(writer: Writer, sending: Sending): Promise<void> {
    const { signal } = this.#abort;
    if (this.#options.lane.diverts !== true) return await this.#give(writer, sending, signal);
    const patience = this.#patience = new AbortController();
    const end = () => patience.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    try {
      await this.#give(writer, sending, patience.signal);
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  /** A sink that was interrupted knows a batch again by its arrays: they are the same at each try. */
  #give(writer: Writer, sending: Sending, signal: AbortSignal): Promise<void> {
    const { items, ids } = sending;
    if (!items.some(isAddressed)) return writer.write(items as Body[], signal, ids);
    if (this.#addressed?.sending !== sending) this.#addressed = this.#address(sending);
    const { bodies, settings, traces, traceparents } = this.#addressed;
    for (const trace of traces) trace?.begin();
    return writer.write(bodies, signal, ids, settings, traceparents);
  }

  #address(sending: Sending): Addressed {
    const { items } = sending;
    const traces = items.some(isTraced) ? items.map((item) => isTraced(item) ? item.trace : undefined) : [];
    return {
      sending,
      bodies: items.map(bodyOf),
      settings: items.some(hasSettings) ? items.map((item) => this.#settingsOf(item)) : undefined,
      traces,
      traceparents: traces.length === 0 ? undefined : traces.map((trace) => trace?.traceparent),
    };
  }

  #tracesOf(sending: Sending): readonly (ItemTrace | undefined)[] {
    return this.#addressed?.sending === sending ? this.#addressed.traces : [];
  }

  #settingsOf(item: Item): MessageSettings {
    const { fixed } = this.#options;
    const settings = settingsOf(item);
    if (fixed === undefined || !Object.hasOwn(settings, fixed)) return settings;
    const { [fixed]: _, ...rest } = settings;
    return rest;
  }

  /** For good: some of the batch, or, with an error that says nothing else, all of it. */
  #refused(sending: Sending, error: unknown): void {
    const { clock, log, lane, type } = this.#options;
    const { length } = sending.items;
    const { counts } = sending;
    const reason = error instanceof Error ? error.message : String(error);
    const refused = error instanceof ItemsFailed
      ? error.failed
      : new Map(Array.from({ length }, (_, index) => [index, reason]));
    for (const each of refused.values()) this.metrics.fail(each, clock.now());
    let count = 0;
    for (const index of refused.keys()) count += counts?.[index] ?? 1;
    if (lane.buries === true) this.metrics.dead += count;
    else this.metrics.lose("refused", count);
    const all = messagesIn(sending);
    this.metrics.processed += all;
    this.metrics.recordsOut += all - count;
    for (const [index, trace] of this.#tracesOf(sending).entries()) trace?.end(refused.get(index));
    log.error("A sink refused results for good", { action: type, count, reason });
    lane.sent(sending, refused);
  }

  async #close(writer: Writer): Promise<void> {
    try {
      await writer.close();
    } catch (error) {
      this.#options.log.warn("A sink did not close cleanly", { action: this.#options.type, reason: String(error) });
    }
  }

  /** Lets the lane finish what it wants to for at most `graceMs`, then closes the sink. The queue has been stopped. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#options.lane.hurry?.();
    this.#back.wake();
    const cancel = this.#options.clock.after(graceMs, () => this.#abort.abort(new Error("The rule stops")));
    // Waiting for a sink that is not even connected would only delay the stop; and so would one that connects, when nothing
    // is lost without it.
    const { state } = this.connection;
    const isHopeless = state === "disconnected" || (state === "connecting" && this.#options.lane.finished);
    if (isHopeless) this.#abort.abort(new Error("The rule stops"));
    await this.#finished;
    cancel();
  }
}

interface Addressed {
  readonly sending: Sending;
  readonly bodies: readonly Body[];
  readonly settings: readonly MessageSettings[] | undefined;
  /** One for each message; empty when none is traced. */
  readonly traces: readonly (ItemTrace | undefined)[];
  readonly traceparents: readonly (string | undefined)[] | undefined;
}

function isTraced(item: Item): item is TracedItem {
  return item instanceof TracedItem;
}

function isAddressed(item: Item): boolean {
  return item instanceof AddressedItem;
}
