/**
 * Reads the tags of devices again and again, and gives a row for each cycle.
 *
 * A tag that cannot be read is null in its row, and the reason stands in the column of qualities; the others are as good
 * as ever. Only the loss of the connection is an error of the source.
 *
 * Rows come as soon as their reads are done: a unit that lets others wait for its time-out holds up its own row only.
 * @module
 */
import type { Clock, Logger } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type { Line } from "./line.ts";
import { planReads, type Read, type ReadLimits } from "./read_plan.ts";
import type { Tag } from "./tag.ts";
import { type Reading, TagReader } from "./tag_reader.ts";
import { hasChanged } from "./tag_value.ts";

export interface ModbusSourceOptions {
  readonly line: Line;
  /** The tags of each row: all of them, or those of one unit after the other. */
  readonly rows: readonly { readonly unitId: number; readonly tags: readonly Tag[] }[];
  readonly limits: ReadLimits;
  /** The column that gets the unit; absent without. */
  readonly unitColumn: string | undefined;
  /** The column that gets the reasons of failed tags. */
  readonly qualityColumn: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Reads that make one row, and when. */
interface Cycle {
  readonly unitId: number;
  readonly intervalMs: number;
  readonly tags: readonly Tag[];
  reads: readonly Read[];
  due: number;
  isRunning: boolean;
  /** What was reported last, by tag; undefined where a row is given every time. */
  readonly last: Map<Tag, Reading> | undefined;
  /** The metadata of its rows. */
  readonly meta: Struct;
}

/** A row that is done waits so long for others, so that many units give one batch. */
const companyMs = 5;

export class ModbusSource implements Source {
  readonly #options: ModbusSourceOptions;
  readonly #reader: TagReader;
  readonly #cycles: readonly Cycle[];
  readonly #closing = new AbortController();
  #ready: { readonly row: Struct; readonly meta: Struct }[] = [];
  #running = 0;
  #failure: unknown;
  #wake = () => {};

  constructor(options: ModbusSourceOptions) {
    this.#options = options;
    this.#reader = new TagReader(options);
    const now = options.clock.now();
    this.#cycles = options.rows.flatMap(({ unitId, tags }) =>
      planReads(tags, options.limits).map(({ intervalMs, reads }): Cycle => ({
        unitId,
        intervalMs,
        tags: tags.filter((tag) => tag.intervalMs === intervalMs),
        reads,
        due: now,
        isRunning: false,
        last: tags.some((tag) => tag.intervalMs === intervalMs && tag.report === "cycle") ? undefined : new Map(),
        meta: { unitId: BigInt(unitId), units: unitTexts(tags) },
      }))
    );
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    const { clock } = this.#options;
    while (true) {
      signal.throwIfAborted();
      // Nothing is asked for while nobody reads.
      const now = clock.now();
      for (const cycle of this.#cycles) {
        // A clock that was set back would hold the next cycle up for as long as it was set back.
        cycle.due = Math.min(cycle.due, now + cycle.intervalMs);
        if (!cycle.isRunning && cycle.due <= now) this.#start(cycle);
      }
      if (this.#ready.length > 0) {
        if (this.#running > 0) await this.#pause(companyMs, signal, () => this.#running === 0);
        const ready = this.#ready.splice(0);
        return { kind: "rows", rows: ready.map(({ row }) => row), meta: (index) => ready[index]?.meta };
      }
      if (this.#failure !== undefined) throw this.#failure;
      const idle = this.#cycles.filter(({ isRunning }) => !isRunning);
      await this.#pause(Math.min(...idle.map(({ due }) => due)) - now, signal, () => true);
    }
  }

  /**
   * Resolves after a time, which may be infinite, or when a cycle has ended and `enough` says so.
   *
   * @throws the signal's reason when it aborts
   */
  #pause(ms: number, signal: AbortSignal, enough: () => boolean): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const settle = (done: () => void) => {
        cancel();
        signal.removeEventListener("abort", abort);
        this.#wake = () => {};
        done();
      };
      const abort = () => settle(() => reject(signal.reason));
      const cancel = ms === Infinity ? () => {} : this.#options.clock.after(ms, () => settle(resolve));
      signal.addEventListener("abort", abort, { once: true });
      this.#wake = () => {
        if (this.#failure !== undefined || enough()) settle(resolve);
      };
    });
  }

  #start(cycle: Cycle): void {
    cycle.isRunning = true;
    this.#running++;
    void this.#run(cycle).then((row) => {
      if (row !== undefined) this.#ready.push({ row, meta: cycle.meta });
    }, (error) => {
      this.#failure ??= error;
    }).finally(() => {
      cycle.isRunning = false;
      this.#running--;
      this.#wake();
    });
  }

  /** The row of one cycle; undefined when there is nothing to report. */
  async #run(cycle: Cycle): Promise<Struct | undefined> {
    const { clock } = this.#options;
    const readings = new Map<Tag, Reading>();
    cycle.reads = await this.#reader.readInto(readings, cycle.reads, this.#closing.signal);
    // A device that is slower than its interval is asked again at once; cycles that were missed stay missed.
    cycle.due = Math.max(cycle.due + cycle.intervalMs, clock.now());
    return isNews(cycle, readings) ? this.#rowOf(cycle, readings) : undefined;
  }

  #rowOf(cycle: Cycle, readings: ReadonlyMap<Tag, Reading>): Struct {
    const { unitColumn, qualityColumn } = this.#options;
    const row: Struct = {};
    let reasons: Struct | undefined;
    if (unitColumn !== undefined) setOwn(row, unitColumn, BigInt(cycle.unitId));
    for (const tag of cycle.tags) {
      const reading = readings.get(tag)!;
      cycle.last?.set(tag, reading);
      setOwn(row, tag.name, reading.failure === undefined ? reading.value : null);
      if (reading.failure !== undefined) setOwn(reasons ??= {}, tag.name, reading.failure.message);
    }
    if (reasons !== undefined) setOwn(row, qualityColumn, reasons);
    return row;
  }

  close(): Promise<void> {
    this.#closing.abort(new Disconnected("the source is closed"));
    return Promise.resolve();
  }
}

/** What the tags count, for those that say it. */
function unitTexts(tags: readonly Tag[]): Struct {
  const texts: Struct = {};
  for (const { name, unit } of tags) {
    if (unit !== "") setOwn(texts, name, unit);
  }
  return texts;
}

function isNews({ tags, last: lasts }: Cycle, readings: ReadonlyMap<Tag, Reading>): boolean {
  return lasts === undefined || tags.some((tag) => {
    const last = lasts.get(tag);
    if (last === undefined) return true;
    const reading = readings.get(tag)!;
    // That a tag fails is news; the words of the reason, which may count down, are not.
    if (reading.failure !== undefined || last.failure !== undefined) {
      return (reading.failure === undefined) !== (last.failure === undefined);
    }
    return hasChanged(tag, reading.value, last.value);
  });
}
