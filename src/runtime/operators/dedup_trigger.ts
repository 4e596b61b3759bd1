/**
 * `dedup_trigger(start, end, now, expire)`: rows that ask for spans of time leave once their span has ended, each with
 * the parts of it that no row before it has had.
 *
 * Time is what the rows say by `now`, and goes on with the clock from the last of them: so live rows and recorded ones
 * wait alike. Invariants: waiting rows are sorted by `end`, equal ones by arrival; `#covered` holds disjoint spans, sorted,
 * of rows that have left, and none that ends before every span that may still be asked for.
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

/** Rows of broken clocks may wait for years; at this many, the one that would wait longest is given up. */
const waitingRowsMax = 100_000;

export class DedupTriggerOperator implements Operator {
  readonly #slot: number;
  readonly #expire: number;
  readonly #read: (row: Row) => Waiting;
  readonly #context: OperatorContext;
  readonly #output: Output;
  #waiting: Waiting[] = [];
  #covered: Span[] = [];
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
    const rows = this.#waiting.splice(0, due).map((waiting) => this.#finish(waiting));
    this.#output.push({ rows, window: undefined });
  }

  #finish({ row, start, end, now }: Waiting): Row {
    const from = Math.max(start, now - this.#expire);
    const parts = from < end ? uncovered([from, end], this.#covered) : [];
    if (parts.length > 0) this.#covered = union(this.#covered, [from, end]);
    // Rows may still ask for anything that has not expired at the time of the rows.
    this.#covered = this.#covered.filter((span) => span[1] >= this.#latest - this.#expire);
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

  snapshot(): Value {
    return [
      this.#waiting.map(({ row, start, end, now }) => [rowToValue(row), start, end, now]),
      this.#covered.map((span) => [...span]),
      this.#latest,
      this.#latestAt,
    ];
  }

  restore(state: Value): void {
    const [waiting, covered, latest, latestAt] = state as [
      [Value, number, number, number][],
      [number, number][],
      number,
      number,
    ];
    this.#waiting = waiting.map(([row, start, end, now]) => ({ row: rowFromValue(row), start, end, now }));
    this.#covered = covered;
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

/** The parts of `span` outside `covered`. */
function uncovered(span: Span, covered: readonly Span[]): Span[] {
  const parts: Span[] = [];
  let [from] = span;
  for (const [start, end] of covered) {
    if (end <= from) continue;
    if (start >= span[1]) break;
    if (start > from) parts.push([from, start]);
    from = Math.max(from, end);
  }
  if (from < span[1]) parts.push([from, span[1]]);
  return parts;
}

/** `covered` with `span`; spans that touch become one. */
function union(covered: readonly Span[], span: Span): Span[] {
  let [start, end] = span;
  const apart: Span[] = [];
  for (const other of covered) {
    if (other[1] < start || other[0] > end) {
      apart.push(other);
      continue;
    }
    start = Math.min(start, other[0]);
    end = Math.max(end, other[1]);
  }
  return [...apart, [start, end] as const].sort((a, b) => a[0] - b[0]);
}
