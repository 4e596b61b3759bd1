/**
 * The connector of a case that runs live: its sources and lookup tables give what the case says, its sink keeps what
 * comes out, with the time.
 * @module
 */
import * as v from "valibot";
import { type Connector, defineConnector } from "../../src/connector/declare.ts";
import { EndOfInput } from "../../src/connector/errors.ts";
import { text } from "../../src/connector/settings.ts";
import type { Source, SourceBatch } from "../../src/connector/source.ts";
import { RowsLookup } from "../../src/runtime/rows_lookup.ts";
import type { Struct } from "../../src/value/value.ts";

/** One stream or scan table: what was given, and who waits for it. */
class Feeding implements Source {
  readonly #given: (SourceBatch | "end")[] = [];
  #wake: () => void = () => {};
  isOpen = false;

  give(batch: SourceBatch | "end"): void {
    this.#given.push(batch);
    this.#wake();
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    while (this.#given.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    const next = this.#given.shift()!;
    if (next === "end") throw new EndOfInput("the case ends");
    return next;
  }

  close(): Promise<void> {
    this.isOpen = false;
    return Promise.resolve();
  }
}

export class CaseConnector {
  readonly #feedings = new Map<string, Feeding>();
  readonly #lookups: Map<string, RowsLookup>;
  readonly #written: (message: string) => void;
  /** Ids of messages that have come. */
  readonly #seen: Set<string>;
  #isDead = false;
  /** Messages that are not acknowledged. */
  underWay = 0;

  /**
   * @param written takes each message of the sink, the first time that it comes.
   * @param before the connector of an engine that was killed: tables and receivers are still there.
   */
  constructor(written: (message: string) => void, before?: CaseConnector) {
    this.#written = written;
    this.#lookups = before === undefined ? new Map() : before.#lookups;
    this.#seen = before === undefined ? new Set() : before.#seen;
  }

  /** Its engine was killed: nothing of it comes out any more. */
  kill(): void {
    this.#isDead = true;
  }

  /** One message of a stream or scan table. */
  give(name: string, payload: Uint8Array, meta: Struct | undefined): void {
    this.underWay++;
    this.#feeding(name).give({
      kind: "payloads",
      payloads: [payload],
      meta: () => meta,
      ack: () => void this.underWay--,
    });
  }

  /** Rows that a lookup table can be asked for. */
  add(name: string, rows: readonly Struct[]): void {
    this.#lookup(name).add(rows);
  }

  /** Ends all streams and tables that are read. */
  end(): void {
    for (const feeding of this.#feedings.values()) if (feeding.isOpen) feeding.give("end");
  }

  isOpen(name: string): boolean {
    return this.#feeding(name).isOpen;
  }

  #receive(message: string, id: string | undefined): void {
    if (id !== undefined && this.#seen.has(id)) return;
    if (id !== undefined) this.#seen.add(id);
    this.#written(message);
  }

  #feeding(name: string): Feeding {
    let feeding = this.#feedings.get(name);
    if (feeding === undefined) this.#feedings.set(name, feeding = new Feeding());
    return feeding;
  }

  #lookup(name: string): RowsLookup {
    let lookup = this.#lookups.get(name);
    if (lookup === undefined) this.#lookups.set(name, lookup = new RowsLookup());
    return lookup;
  }

  readonly connector: Connector = defineConnector({
    name: "case",
    status: "experimental",
    summary: "For cases.",
    source: {
      summary: "Gives the rows of the case.",
      delivery: "at-most-once",
      emits: "payloads",
      meta: [],
      settings: v.strictObject({ datasource: text({ description: "The stream or table." }) }),
      open: ({ datasource }) => {
        const feeding = this.#feeding(datasource);
        feeding.isOpen = true;
        return feeding;
      },
    },
    lookup: {
      summary: "Finds the rows of the case.",
      opens: "with rule",
      settings: v.strictObject({ datasource: text({ description: "The table." }) }),
      open: ({ datasource }) => ({
        find: (keys, values, columns) => this.#lookup(datasource).keyed(keys).find(values, columns),
        close: () => Promise.resolve(),
      }),
    },
    sink: {
      summary: "Keeps what comes out.",
      delivery: "at-most-once",
      accepts: "payloads",
      settings: v.strictObject({}),
      open: () => ({
        write: (batch, _, ids) => {
          if (this.#isDead) return new Promise(() => {});
          for (const [i, payload] of batch.entries()) this.#receive(String(payload), ids?.[i]);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      }),
    },
    examples: [],
  });
}
