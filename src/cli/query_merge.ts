/**
 * Rows of several files in one order: that of the times at which they arrive.
 * @module
 */
import type { Struct } from "../value/value.ts";

/** The rows of one stream or table. */
export interface TimedInput {
  /** The position of its stream or table in FROM. */
  readonly source: number;
  readonly batches: AsyncIterator<readonly Struct[]>;
  /** When a row arrives, Unix milliseconds; -Infinity for one that is there from the beginning. Called once a row. */
  readonly timeOf: (row: Struct) => number;
}

/** Rows of one stream that arrive at one moment. */
export interface Arrival {
  readonly time: number;
  readonly source: number;
  readonly rows: readonly Struct[];
}

/** Where the reading of one input stands. */
class Cursor {
  readonly source: number;
  readonly #input: TimedInput;
  #rows: readonly Struct[] = [];
  #at = 0;
  #next: Struct | undefined;
  /** When the next row arrives; Infinity at the end. */
  time = -Infinity;

  constructor(input: TimedInput) {
    this.#input = input;
    this.source = input.source;
  }

  /** Goes on to the next row. A time never falls: a row that is older than the one before arrives with it. */
  async advance(): Promise<void> {
    while (this.#at === this.#rows.length) {
      const { value, done } = await this.#input.batches.next();
      if (done === true) {
        this.#next = undefined;
        this.time = Infinity;
        return;
      }
      this.#rows = value;
      this.#at = 0;
    }
    this.#take();
  }

  #take(): void {
    this.#next = this.#rows[this.#at++]!;
    this.time = Math.max(this.time, this.#input.timeOf(this.#next));
  }

  /** The next row and those at hand that arrive with it. */
  async arrival(): Promise<Arrival> {
    const { time, source } = this;
    const rows = [this.#next!];
    for (;;) {
      // A promise only where a batch ends: most rows are at hand.
      if (this.#at < this.#rows.length) this.#take();
      else {
        await this.advance();
        break;
      }
      if (this.time !== time) break;
      rows.push(this.#next!);
    }
    return { time, source, rows };
  }
}

/** All rows in order of time; those of one moment in the order of the inputs. */
export async function* mergeByTime(inputs: readonly TimedInput[]): AsyncGenerator<Arrival> {
  const cursors = inputs.map((input) => new Cursor(input));
  for (const cursor of cursors) await cursor.advance();
  for (;;) {
    let first: Cursor | undefined;
    for (const cursor of cursors) if (cursor.time < (first?.time ?? Infinity)) first = cursor;
    if (first === undefined) return;
    yield await first.arrival();
  }
}
