/**
 * The connector `wire`: a source, a sink and a connection that a test holds the other end of.
 * @module
 */
import * as v from "valibot";
import type { ConnectionState } from "../../src/connector/context.ts";
import { type Connector, defineConnector } from "../../src/connector/declare.ts";
import { refuseSetting, text } from "../../src/connector/settings.ts";
import type { MessageSettings, Payload } from "../../src/connector/sink.ts";
import type { PayloadBatch } from "../../src/connector/source.ts";

const connectionSettings = v.strictObject({ server: text({ description: "The peer.", default: "a" }) });
const sourceSettings = v.strictObject({ datasource: text({ description: "The topic." }) });
const sinkSettings = v.strictObject({ topic: text({ description: "The topic.", default: "", dynamic: true }) });

export class Wire {
  /** What sinks wrote, as text. */
  readonly written: string[] = [];
  /** The topic of each, where it is a template. */
  readonly topics: string[] = [];
  /** What names the trace of each; undefined for those without. */
  readonly traceparents: (string | undefined)[] = [];
  /** How many there were in each write. */
  readonly writes: number[] = [];
  /** Makes writes wait until it is set again. */
  held: Promise<void> = Promise.resolve();
  /** Why `open` of the sink, and of the source, refuses the settings. */
  refusal: string | undefined;
  /** What `open` of the sink and of the source throws instead of opening. */
  loss: Error | undefined;
  opens = 0;
  /** Makes text of the bytes that sinks write. */
  decode: (bytes: Uint8Array) => string = (bytes) => new TextDecoder().decode(bytes);
  #status: ((state: ConnectionState, message?: string) => void) | undefined;
  #queue: PayloadBatch[] = [];
  #wake: (() => void) | undefined;

  /** Reports for the connection that was opened last. */
  report(state: ConnectionState, message?: string): void {
    this.#status!(state, message);
  }

  /** Sends payloads to the source, as one batch. */
  send(...payloads: string[]): void {
    this.sendBytes(...payloads.map((each) => new TextEncoder().encode(each)));
  }

  /** As {@linkcode send}, for payloads that are no text. */
  sendBytes(...payloads: Uint8Array[]): void {
    this.#queue.push({ kind: "payloads", payloads });
    this.#wake?.();
  }

  readonly connector: Connector = defineConnector({
    name: "wire",
    status: "stable",
    summary: "What a test holds the other end of.",
    connection: {
      summary: "The wire.",
      settings: connectionSettings,
      identity: () => undefined,
      open: (settings, context) => {
        this.#status = context.status;
        context.status("connected");
        return { peer: settings.server, close: () => Promise.resolve() };
      },
    },
    source: {
      summary: "Reads what the test sends.",
      delivery: "at-least-once",
      emits: "payloads",
      meta: [],
      settings: sourceSettings,
      open: () => {
        this.opens++;
        if (this.loss !== undefined) throw this.loss;
        if (this.refusal !== undefined) refuseSetting("datasource", this.refusal);
        return { read: (signal) => this.#read(signal), close: () => Promise.resolve() };
      },
    },
    sink: {
      summary: "Keeps what it is given.",
      delivery: "at-least-once",
      accepts: "payloads",
      settings: sinkSettings,
      open: () => {
        this.opens++;
        if (this.loss !== undefined) throw this.loss;
        if (this.refusal !== undefined) refuseSetting("topic", this.refusal);
        return {
          write: (batch, signal, _ids, settings, traceparents) => this.#write(batch, signal, settings, traceparents),
          close: () => Promise.resolve(),
        };
      },
    },
    examples: [],
  });

  async #read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#queue.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    return this.#queue.shift()!;
  }

  async #write(
    batch: readonly Payload[],
    signal: AbortSignal,
    settings: readonly MessageSettings[] = [],
    traceparents: readonly (string | undefined)[] = [],
  ): Promise<void> {
    await Promise.race([
      this.held,
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
    ]);
    this.writes.push(batch.length);
    this.traceparents.push(...batch.map((_, i) => traceparents[i]));
    this.topics.push(...settings.map(({ topic }) => String(topic)));
    this.written.push(...batch.map((each) => typeof each === "string" ? each : this.decode(each)));
  }
}
