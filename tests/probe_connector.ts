/**
 * A connector that a test holds in its hands: what its sources give, what its sinks take and when.
 * @module
 */
import * as v from "valibot";
import { type Connector, defineConnector } from "../src/connector/declare.ts";
import { EndOfInput } from "../src/connector/errors.ts";
import { text } from "../src/connector/settings.ts";
import type { PayloadSink } from "../src/connector/sink.ts";
import type { Source, SourceBatch } from "../src/connector/source.ts";

const utf8 = new TextEncoder();

/** Resolves as `held` does, or rejects with the signal's reason. */
async function orAborted(held: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  if (held === undefined) return;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  await Promise.race([held, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}

type Given = { readonly payloads: readonly string[] } | { readonly end: string };

/** One source that is open. */
class ProbeSource implements Source {
  readonly #probe: Probe;
  readonly #name: string;
  #given: Given[] = [];
  #wake: () => void = () => {};

  constructor(probe: Probe, name: string) {
    this.#probe = probe;
    this.#name = name;
    probe.sources.add(this);
  }

  get name(): string {
    return this.#name;
  }

  take(given: Given): void {
    this.#given.push(given);
    this.#wake();
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    this.#probe.onSignal?.(signal);
    while (this.#given.length === 0) {
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      await orAborted(woken.promise, signal);
    }
    const given = this.#given.shift()!;
    if ("end" in given) throw new EndOfInput(given.end);
    const payloads = given.payloads.map((payload) => utf8.encode(payload));
    return { kind: "payloads", payloads, ack: () => void this.#probe.acknowledged.push(...given.payloads) };
  }

  close(): Promise<void> {
    this.#probe.sources.delete(this);
    return Promise.resolve();
  }
}

export class Probe {
  /** Those that are open. */
  readonly sources = new Set<ProbeSource>();
  /** Payloads that sources were told to forget. */
  readonly acknowledged: string[] = [];
  /** What sinks have written, by their setting `to`. */
  readonly written: Record<string, string[]> = {};
  /** Called with the signal of each read and write. */
  onSignal: ((signal: AbortSignal) => void) | undefined;
  /** Sinks of this name wait with each write until the promise resolves. */
  readonly held = new Map<string, Promise<void>>();

  /** Gives all open sources of a name one batch. */
  give(name: string, ...payloads: string[]): void {
    for (const source of this.sources) if (source.name === name) source.take({ payloads });
  }

  end(name: string, reason = ""): void {
    for (const source of this.sources) if (source.name === name) source.take({ end: reason });
  }

  /** Holds the sinks of a name; the returned function lets them go on. */
  hold(name: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.held.set(name, promise);
    return () => {
      this.held.delete(name);
      resolve();
    };
  }

  readonly connector: Connector = defineConnector({
    name: "probe",
    status: "experimental",
    summary: "For tests.",
    source: {
      summary: "Gives what the test gives it.",
      delivery: "at-least-once",
      emits: "payloads",
      meta: [],
      settings: v.strictObject({ datasource: text({ description: "Name." }) }),
      open: ({ datasource }) => new ProbeSource(this, datasource),
    },
    sink: {
      summary: "Keeps what it gets.",
      delivery: "at-least-once",
      accepts: "payloads",
      settings: v.strictObject({ to: text({ description: "Name." }) }),
      open: ({ to }): PayloadSink => ({
        write: async (batch, signal) => {
          this.onSignal?.(signal);
          await orAborted(this.held.get(to), signal);
          (this.written[to] ??= []).push(...batch.map(String));
        },
        close: () => Promise.resolve(),
      }),
    },
    examples: [],
  });
}
