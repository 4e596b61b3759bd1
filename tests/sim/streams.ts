/**
 * Where rows come from in a simulation: sources of three powers, which outlive the agent.
 *
 * - `tape` can begin at any place: it has positions.
 * - `broker` gives again, in order, what was not acknowledged on the connection that it was given on.
 * - `live` gives what comes while somebody listens.
 * @module
 */
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { Source, SourceBatch, Struct } from "../../src/connector/source.ts";
import type { Life } from "./life.ts";
import type { Weather } from "./weather.ts";

export type Power = "tape" | "broker" | "live";

/** What a rule has been given by a tape. */
export interface Given {
  readonly stream: string;
  readonly rows: readonly Struct[];
  /** When, Unix milliseconds. */
  readonly time: number;
  /** How many rows of the tape are behind it. */
  readonly position: number;
}

/** Told of what tapes do; `owner` is the rule that reads. */
export interface TapeWatcher {
  opened(owner: string, stream: string, position: number | undefined): void;
  gave(owner: string, given: Given): void;
}

export interface OpenOptions {
  readonly life: Life;
  readonly owner: string;
  readonly position: string | undefined;
}

const batchRowsMax = 5;
const unacknowledgedMax = 20;

export class SimStream {
  readonly name: string;
  readonly power: Power;
  /** All that has come so far. */
  readonly rows: Struct[] = [];
  readonly #weather: Weather;
  readonly #watcher: TapeWatcher;
  readonly #readers = new Set<Reader>();
  /** Of a broker: indexes of rows that are acknowledged. */
  readonly acknowledged = new Set<number>();

  constructor(name: string, power: Power, weather: Weather, watcher: TapeWatcher) {
    this.name = name;
    this.power = power;
    this.#weather = weather;
    this.#watcher = watcher;
  }

  add(rows: readonly Struct[]): void {
    this.rows.push(...rows);
    for (const reader of this.#readers) reader.wake();
  }

  /** Sources that are open. */
  get open(): number {
    return this.#readers.size;
  }

  /** The agent is dead. */
  forgetReaders(): void {
    this.#readers.clear();
  }

  openSource({ life, owner, position }: OpenOptions): Source {
    if (!life.touch(`open ${this.name}`)) throw new Disconnected("nobody is there");
    if (this.#weather.strikes("openFails")) throw new Disconnected(`${this.name} cannot be opened`);
    const begin = position === undefined ? undefined : Number(position);
    if (this.power === "tape") this.#watcher.opened(owner, this.name, begin);
    const take = this.power === "tape" ? this.#tape(owner, begin ?? 0) : this.#taker(life);
    const reader = new Reader(life, this.#weather, this.name, take, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  #size(): number {
    return 1 + this.#weather.random.below(batchRowsMax);
  }

  #tape(owner: string, begin: number): () => SourceBatch | undefined {
    let next = begin;
    return () => {
      const rows = this.rows.slice(next, next + this.#size());
      if (rows.length === 0) return undefined;
      // A source may know more of its place without a row.
      if (this.#weather.random.below(20) === 0) rows.length = 0;
      next += rows.length;
      const position = next;
      this.#watcher.gave(owner, { stream: this.name, rows, time: 0, position });
      return { kind: "rows", rows: rows.map((row) => ({ ...row })), position: String(position) };
    };
  }

  #taker(life: Life): () => SourceBatch | undefined {
    // Without acknowledgement, what came before is gone.
    let next = this.power === "live" ? this.rows.length : 0;
    const given = new Set<number>();
    let isOpen = true;
    const take = (): SourceBatch | undefined => {
      const indexes: number[] = [];
      const size = this.#size();
      while (next < this.rows.length && indexes.length < size) {
        if (this.power === "broker" && given.size >= unacknowledgedMax) break;
        const index = next++;
        if (this.acknowledged.has(index)) continue;
        indexes.push(index);
        if (this.power === "broker") given.add(index);
      }
      if (indexes.length === 0) return undefined;
      const payloads = indexes.map((index) => new TextEncoder().encode(JSON.stringify(this.rows[index])));
      // On its way to the broker it may get lost with the agent, or with the connection.
      const arrive = () => {
        if (!isOpen) return;
        for (const index of indexes) {
          given.delete(index);
          this.acknowledged.add(index);
        }
        for (const reader of this.#readers) reader.wake();
      };
      const ack = () => {
        if (life.touch(`acknowledge ${this.name} ${indexes}`)) {
          life.after(this.#weather.latency(), `acknowledged ${this.name} ${indexes}`, arrive);
        }
      };
      return { kind: "payloads", payloads, ...(this.power === "broker" ? { ack } : {}) };
    };
    return Object.assign(take, { close: () => void (isOpen = false) });
  }
}

type Take = (() => SourceBatch | undefined) & { readonly close?: () => void };

class Reader implements Source {
  readonly #life: Life;
  readonly #weather: Weather;
  readonly #name: string;
  readonly #take: Take;
  readonly #onClose: () => void;
  #answer: { resolve(batch: SourceBatch): void; reject(error: unknown): void } | undefined;
  #isComing = false;

  constructor(life: Life, weather: Weather, name: string, take: Take, onClose: () => void) {
    this.#life = life;
    this.#weather = weather;
    this.#name = name;
    this.#take = take;
    this.#onClose = onClose;
  }

  read(signal: AbortSignal): Promise<SourceBatch> {
    if (!this.#life.touch(`read ${this.#name}`)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const abort = () => {
        this.#answer = undefined;
        reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      const settle = <T>(call: (value: T) => void) => (value: T) => {
        signal.removeEventListener("abort", abort);
        this.#answer = undefined;
        call(value);
      };
      this.#answer = { resolve: settle(resolve), reject: settle(reject) };
      if (this.#weather.strikes("readFails")) this.#fail();
      else this.wake();
    });
  }

  #fail(): void {
    const error = this.#weather.random.below(3) === 0
      ? new RetryLater(`${this.#name} is busy`, 1 + this.#weather.random.below(200))
      : new Disconnected(`${this.#name} is lost`);
    this.#life.after(this.#weather.latency(), `${this.#name}: ${error.name}`, () => this.#answer?.reject(error));
  }

  /** There may be something to read. */
  wake(): void {
    if (this.#answer === undefined || this.#isComing) return;
    this.#isComing = true;
    this.#life.after(this.#weather.latency(), `${this.#name} gives`, () => {
      this.#isComing = false;
      if (this.#answer === undefined) return;
      const batch = this.#take();
      if (batch !== undefined) this.#answer.resolve(batch);
    });
  }

  close(): Promise<void> {
    this.#take.close?.();
    this.#onClose();
    return Promise.resolve();
  }
}
