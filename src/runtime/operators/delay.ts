/**
 * Holds up the rule in front of a clause that calls `delay()`: rows wait one behind the other, each as long as its calls
 * say, and a list of a window as long as all of its rows together.
 *
 * The rule stands still, the event loop does not: whatever comes meanwhile, time included, waits in line, and `settled`
 * tells when all of it has gone through. With a virtual clock the time has passed at once, and nothing waits.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { BoundCall } from "../../sql/bound.ts";
import { compileExpression } from "../../sql/compile/compile.ts";
import type { CompileContext } from "../../sql/compile/evaluator.ts";
import { argumentReader } from "../../sql/functions/arguments.ts";
import type { DelayPlan } from "../../sql/plan.ts";
import type { Row } from "../../value/row.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";

type Waiting = { readonly kind: "batch"; readonly batch: Batch } | {
  readonly kind: "advance";
  readonly progress: Progress;
};

export class DelayOperator implements Operator {
  readonly #waits: readonly ((row: Row) => number)[];
  readonly #context: OperatorContext;
  readonly #output: Output;
  /** What waits, without the first. */
  #line: Waiting[] = [];
  #waiting: Promise<void> | undefined;
  #heldRows = 0;

  constructor(plan: DelayPlan, context: OperatorContext, output: Output) {
    this.#waits = plan.calls.map((call) => compileWait(call, context));
    this.#context = context;
    this.#output = output;
  }

  push(batch: Batch): void {
    const parts = batch.window === undefined
      ? batch.rows.map((row): Batch => ({ rows: [row], window: undefined }))
      : [batch];
    this.#heldRows += batch.rows.length;
    for (const part of parts) {
      if (this.#waiting === undefined) this.#process(part);
      else this.#line.push({ kind: "batch", batch: part });
    }
  }

  advance(progress: Progress): void {
    if (this.#waiting === undefined) this.#output.advance(progress);
    else this.#line.push({ kind: "advance", progress });
  }

  settled(): Promise<void> | undefined {
    return this.#waiting;
  }

  held(): number {
    return this.#heldRows;
  }

  #process(part: Batch): void {
    let ms = 0;
    try {
      for (const row of part.rows) for (const wait of this.#waits) ms += wait(row);
    } catch (error) {
      this.#heldRows -= part.rows.length;
      this.#context.fail(error);
      return;
    }
    const sleeping = ms === 0 ? undefined : this.#context.rule.sleep?.(ms);
    if (sleeping === undefined) {
      this.#emit(part);
      return;
    }
    this.#waiting = sleeping.then(() => {
      this.#waiting = undefined;
      this.#emit(part);
      this.#workOff();
      // Another one may have begun to wait.
      return this.#waiting;
    });
  }

  #emit(part: Batch): void {
    this.#heldRows -= part.rows.length;
    this.#output.push(part);
  }

  /** Stops at the first that waits again: the rest stays in line behind it. */
  #workOff(): void {
    let done = 0;
    while (done < this.#line.length && this.#waiting === undefined) {
      const next = this.#line[done++]!;
      if (next.kind === "batch") this.#process(next.batch);
      else this.#output.advance(next.progress);
    }
    this.#line.splice(0, done);
  }
}

/** Milliseconds that one call waits; null is no time. */
function compileWait({ fn, args }: BoundCall, context: CompileContext): (row: Row) => number {
  const evaluate = compileExpression(args[0]!, context);
  const read = argumentReader(fn.params[0]!, fn.name, 1, context.rule)!;
  return (row) => {
    const ms = read(evaluate(row)) as number | null;
    if (ms === null) return 0;
    if (ms < 0) throw new RowError("E506", `${fn.name}() cannot wait ${ms} milliseconds`);
    return ms;
  };
}
