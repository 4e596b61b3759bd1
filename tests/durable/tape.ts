/**
 * The connector `tape`: a source that can begin again at any place, and a sink that remembers ids. Both live longer than
 * the engine, as the world around an agent does.
 * @module
 */
import * as v from "valibot";
import { type Connector, defineConnector } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed } from "../../src/connector/errors.ts";
import { text } from "../../src/connector/settings.ts";
import type { Payload } from "../../src/connector/sink.ts";
import type { RowBatch, Struct } from "../../src/connector/source.ts";

const sourceSettings = v.strictObject({ datasource: text({ description: "The tape." }) });
const sinkSettings = v.strictObject({ topic: text({ description: "A name.", default: "", dynamic: true }) });

/** One message that came to the sink. */
export interface Received {
  readonly topic: string;
  readonly id: string | undefined;
  readonly text: string;
}

export class Tape {
  /** What the source gives, a batch at a time. */
  readonly batches: Struct[][] = [];
  readonly received: Received[] = [];
  /** How many batches were acknowledged by each opened source. */
  readonly acknowledged: number[] = [];
  /** The indexes of the batches that were acknowledged, in that order. */
  readonly acks: number[] = [];
  /** Where each opened source began. */
  readonly begun: (string | undefined)[] = [];
  /** Set while the sink is away. */
  away = false;
  /** Messages that the sink refuses for good. */
  refuses: (text: string) => boolean = () => false;
  #wake: (() => void)[] = [];

  add(...batches: Struct[][]): void {
    this.batches.push(...batches);
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** @param isAlive False once the engine with this connector has been killed: what it still sends reaches nobody. */
  connector(isAlive: () => boolean = () => true): Connector {
    return defineConnector({
      name: "tape",
      status: "stable",
      summary: "What a test holds the other end of.",
      source: {
        summary: "Reads what the test has put there.",
        delivery: "exactly-once",
        emits: "rows",
        meta: [],
        settings: sourceSettings,
        open: (_, { position }) => {
          let next = position === undefined ? 0 : Number(position);
          const opened = this.begun.push(position) - 1;
          this.acknowledged.push(next);
          return {
            read: async (signal) => await this.#read(() => next++, opened, signal),
            close: () => Promise.resolve(),
          };
        },
      },
      sink: {
        summary: "Keeps what it is given.",
        delivery: "exactly-once",
        accepts: "payloads",
        settings: sinkSettings,
        open: ({ topic }) => ({
          write: (batch, _, ids, settings) => {
            if (!isAlive()) return Promise.resolve();
            return this.#write(
              settings?.map((own) => String(own.topic ?? topic)) ?? batch.map(() => topic),
              batch,
              ids,
            );
          },
          close: () => Promise.resolve(),
        }),
      },
      examples: [],
    });
  }

  async #read(advance: () => number, opened: number, signal: AbortSignal): Promise<RowBatch> {
    signal.throwIfAborted();
    const index = advance();
    while (index >= this.batches.length) {
      await new Promise<void>((resolve, reject) => {
        this.#wake.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    return {
      kind: "rows",
      rows: this.batches[index]!,
      position: String(index + 1),
      ack: () => {
        this.acks.push(index);
        this.acknowledged[opened] = index + 1;
      },
    };
  }

  #write(topics: readonly string[], batch: readonly Payload[], ids: readonly string[] | undefined): Promise<void> {
    if (this.away) return Promise.reject(new Disconnected("the sink is away"));
    const failed = new Map<number, string>();
    for (const [i, each] of batch.entries()) {
      const text = String(each);
      if (this.refuses(text)) failed.set(i, "not wanted");
      else this.received.push({ topic: topics[i]!, id: ids?.[i], text });
    }
    return failed.size === 0 ? Promise.resolve() : Promise.reject(new ItemsFailed(failed));
  }

  /** What a receiver has that leaves out repeats by their ids. */
  once(topic = ""): string[] {
    const seen = new Set<string>();
    return this.received.filter(({ topic: own, id }) => own === topic && !seen.has(id!) && seen.add(id!))
      .map(({ text }) => text);
  }
}
