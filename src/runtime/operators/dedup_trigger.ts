/**
 * `dedup_trigger(start, end, now, expire)`: rows that ask for spans of time leave once their span has ended, each with
 * the parts of it that no row before it has had.
 *
 * Time is what the rows say by `now`, and goes on with the clock from the last of them: so live rows and recorded ones
 * wait alike. Invariants: waiting rows are sorted by `end`, equal ones by arrival; the coverage holds the spans of rows that
 * have left, as far as a waiting row, or one that comes in time, may ask for them.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext } from "../../sql/compile/evaluator.ts";
import { argumentReader } from "../../sql/functions/arguments.ts";
import { index } from "../../sql/functions/declare.ts";
import type { DedupTriggerPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfList, sizeOfRow } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";

/** From and to, Unix milliseconds. */
type Span = readonly [start: number, end: number];

interface Waiting {
  readonly row: Row;
  readonly start: number;
  readonly end: number;
  readonly now: number;
}

/** So many spans are kept without asking whether somebody may need them. */
const coverageKept = 1024;

/** Rows of broken clocks may wait for years; at this many, the one that would wait longest is given up. */
const waitingRowsMax = 100_000;

/** Of a row that waits, besides the row. */
const waitingBytes = 64;
const spanBytes = 40;

export class DedupTriggerOperator implements Operator {
  readonly #slot: number;
  readonly #expire: number;
  readonly #read: (row: Row) => Waiting;
  readonly #context: OperatorContext;
  readonly #output: Output;
  #waiting: Waiting[] = [];
  readonly #coverage = new Coverage();
  /** The greatest `now` of all rows, and the processing time at which it came. */
  #latest = -Infinity;
  #latestAt = 0;

  constructor({ call }: DedupTriggerPlan, context: OperatorContext, output: Output) {
    this.#slot = call.slot;
    this.#expire = call.expire;
    this.#read = compileSpan(call.args.map((arg) => compileExpression(arg, context)), context);
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    for (const row of batch.rows) {
      let waiting: Waiting;
      try {
        waiting = this.#read(row);
      } catch (error) {
        this.#context.fail(error);
        continue;
      }
      this.#insert(waiting);
      if (waiting.now >= this.#reached()) {
        this.#latest = waiting.now;
        this.#latestAt = this.#context.rule.now;
      }
      this.#release(this.#reached());
    }
  }

  /** How far time has come, by the rows and by the clock since. */
  #reached(): number {
    return this.#latest + Math.max(0, this.#context.rule.now - this.#latestAt);
  }

  #insert(waiting: Waiting): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#waiting[middle]!.end <= waiting.end) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, waiting);
    if (this.#waiting.length <= waitingRowsMax) return;
    this.#waiting.pop();
    this.#context.drop("dedup_trigger full", 1);
  }

  #release(reached: number): void {
    let due = 0;
    while (due < this.#waiting.length && this.#waiting[due]!.end <= reached) due++;
    if (due === 0) return;
    if (this.#coverage.isLarge) this.#coverage.forgetBefore(this.#oldestAskedFor());
    const rows = this.#waiting.splice(0, due).map((waiting) => this.#finish(waiting));
    this.#output.push({ rows, window: undefined });
  }

  /** Rows that come now ask for nothing that has expired; those that wait may have come long ago. */
  #oldestAskedFor(): number {
    let oldest = this.#latest - this.#expire;
    for (const { start, now } of this.#waiting) oldest = Math.min(oldest, Math.max(start, now - this.#expire));
    return oldest;
  }

  #finish({ row, start, end, now }: Waiting): Row {
    const from = Math.max(start, now - this.#expire);
    const parts = from < end ? this.#coverage.cover([from, end]) : [];
    (row.slots ??= [])[this.#slot] = parts.length === 0
      ? null
      : parts.map(([s, e]) => ({ start_key: String(s), end_key: String(e) }));
    return row;
  }

  advance(progress: Progress): void {
    if (this.#waiting.length > 0) this.#release(this.#reached());
    this.#output.advance(progress);
  }

  deadline(): number {
    const first = this.#waiting[0];
    return first === undefined ? Infinity : this.#latestAt + first.end - this.#latest;
  }

  end(): void {
    this.#release(Infinity);
  }

  held(): number {
    return this.#waiting.length;
  }

  stateBytes(): number {
    return sizeOfList(this.#waiting, ({ row }) => waitingBytes + sizeOfRow(row)) + this.#coverage.stateBytes();
  }

  snapshot(): Value {
    return [
      this.#waiting.map(({ row, start, end, now }) => [rowToValue(row), start, end, now]),
      this.#coverage.snapshot(),
      this.#latest,
      this.#latestAt,
    ];
  }

  restore(state: Value): void {
    const [waiting, coverage, latest, latestAt] = state as [
      [Value, number, number, number][],
      Value,
      number,
      number,
    ];
    this.#waiting = waiting.map(([row, start, end, now]) => ({ row: rowFromValue(row), start, end, now }));
    this.#coverage.restore(coverage);
    this.#latest = latest;
    this.#latestAt = latestAt;
  }
}

function compileSpan(args: readonly ((row: Row) => Value)[], context: CompileContext): (row: Row) => Waiting {
  const readers = ["start", "end", "now"].map((name, i) => {
    const read = argumentReader(index(name), "dedup_trigger", i + 1, context.rule)!;
    return (row: Row): number => {
      const value = read(args[i]!(row)) as number | null;
      if (value === null) throw new RowError("E506", `dedup_trigger() needs "${name}", found null`);
      return value;
    };
  });
  const [startOf, endOf, nowOf] = readers;
  return (row) => {
    const [start, end, now] = [startOf!(row), endOf!(row), nowOf!(row)];
    if (start >= end) {
      throw new RowError("E506", `dedup_trigger() needs a start before its end, found ${start}, ${end}`);
    }
    return { row, start, end, now };
  };
}

/** Spans of time, disjoint and sorted; those that touch are one. */
class Coverage {
  #spans: Span[] = [];
  #largeAt = coverageKept;

  /** True when it is time to forget what nobody asks for any more. */
  get isLarge(): boolean {
    return this.#spans.length >= this.#largeAt;
  }

  /** Adds a span, and returns the parts of it that were not covered before. */
  cover([start, end]: Span): Span[] {
    const spans = this.#spans;
    const first = this.#firstEndingAt(start);
    const parts: Span[] = [];
    let from = start;
    let next = first;
    for (; next < spans.length && spans[next]![0] <= end; next++) {
      const [coveredFrom, coveredTo] = spans[next]!;
      if (coveredFrom > from) parts.push([from, coveredFrom]);
      from = Math.max(from, coveredTo);
    }
    if (from < end) parts.push([from, end]);
    const all: Span = [Math.min(start, spans[first]?.[0] ?? start), Math.max(from, end)];
    if (parts.length > 0) spans.splice(first, next - first, all);
    return parts;
  }

  /** The position of the first span that ends at `time` or later. */
  #firstEndingAt(time: number): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#spans[middle]![1] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Drops the spans that end before `time`. */
  forgetBefore(time: number): void {
    this.#spans = this.#spans.slice(this.#firstEndingAt(time));
    // Looking again only at twice the size keeps what it costs per span bounded.
    this.#largeAt = Math.max(coverageKept, 2 * this.#spans.length);
  }

  stateBytes(): number {
    return spanBytes * this.#spans.length;
  }

  snapshot(): Value {
    return [this.#spans.map((span) => [...span]), this.#largeAt];
  }

  restore(state: Value): void {
    const [spans, largeAt] = state as [[number, number][], number];
    this.#spans = spans;
    this.#largeAt = largeAt;
  }
}
