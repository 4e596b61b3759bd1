/**
 * Gives the messages of a path to the engine: what has come since the last read is one batch.
 *
 * Invariant: what waits is bounded in number and bytes; beyond that requests are refused, and the client keeps them.
 * @module
 */
import { setImmediate } from "node:timers";
import type { InferOutput } from "valibot";
import { Bell } from "../../src/connector/bell.ts";
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Refusal } from "../../src/connector/data_server.ts";
import type { PathLease } from "../../src/connector/served_paths.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import type { PushEndpoint, PushReader } from "./endpoint.ts";
import type { sourceSettings } from "./mod.ts";

/** Bytes that may wait; one message may be larger. */
const waitingBytesMax = 16 * 1024 * 1024;

export interface PushSourceOptions {
  readonly lease: PathLease<PushEndpoint>;
  /** Requests are answered when the rule has acknowledged them, and not before. */
  readonly answersLate: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A request that waits for its answer. */
interface Waiting {
  settle(refusal?: Refusal): void;
}

export class PushSource implements Source, PushReader {
  readonly #options: PushSourceOptions;
  readonly #settings: InferOutput<typeof sourceSettings>;
  #payloads: Uint8Array[] = [];
  #bytes = 0;
  /** Of the payloads that were not read yet, by their index; undefined when none came with one. */
  #traceparents: Map<number, string> | undefined;
  /** Of the payloads that were not read yet; empty when requests are answered at once. */
  #waiting: Waiting[] = [];
  /** All requests without an answer, also those that were read. */
  readonly #open = new Set<Waiting>();
  readonly #bell = new Bell();
  #isWaking = false;

  constructor(settings: InferOutput<typeof sourceSettings>, options: PushSourceOptions) {
    this.#settings = settings;
    this.#options = options;
    options.lease.endpoint.add(this);
  }

  get hasRoom(): boolean {
    return this.#payloads.length < this.#settings.bufferLength && this.#bytes < waitingBytesMax;
  }

  push(payload: Uint8Array, traceparent?: string): Promise<void> | undefined {
    if (traceparent !== undefined) (this.#traceparents ??= new Map()).set(this.#payloads.length, traceparent);
    this.#payloads.push(payload);
    this.#bytes += payload.length;
    if (this.#bell.isAwaited && !this.#isWaking) {
      this.#isWaking = true;
      // All requests that this turn of the event loop brings become one batch.
      setImmediate(() => {
        this.#isWaking = false;
        this.#bell.ring();
      });
    }
    return this.#options.answersLate ? this.#answer() : undefined;
  }

  #answer(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      settle: (refusal) => {
        cancel();
        this.#open.delete(waiting);
        if (refusal === undefined) resolve();
        else reject(refusal);
      },
    };
    const cancel = this.#options.clock.after(this.#settings.answerTimeout, () => {
      waiting.settle(Refusal.later("the rule has not taken it in time: it may come twice when it is sent again"));
    });
    this.#open.add(waiting);
    this.#waiting.push(waiting);
    return promise;
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#payloads.length === 0) await this.#bell.wait(signal);
    const payloads = this.#payloads;
    const waiting = this.#waiting;
    const traceparents = this.#traceparents;
    this.#payloads = [];
    this.#waiting = [];
    this.#traceparents = undefined;
    this.#bytes = 0;
    return {
      kind: "payloads",
      payloads,
      meta: (index) => ({ traceparent: traceparents?.get(index) ?? null }),
      ...(waiting.length === 0 ? {} : {
        ack: () => {
          for (const each of waiting) if (this.#open.has(each)) each.settle();
        },
      }),
    };
  }

  close(): Promise<void> {
    const { lease, answersLate, log } = this.#options;
    lease.endpoint.remove(this);
    for (const waiting of [...this.#open]) waiting.settle(Refusal.later("the rule has stopped"));
    const count = this.#payloads.length;
    if (count > 0 && !answersLate) log.warn("Messages that had come were dropped when the rule stopped", { count });
    lease.release();
    return Promise.resolve();
  }
}
