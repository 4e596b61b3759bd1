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
import { WaitingLine } from "./waiting_line.ts";

export class DelayOperator implements Operator {
  readonly #waits: readonly ((row: Row) => number)[];
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #line: WaitingLine;

  constructor(plan: DelayPlan, context: OperatorContext, output: Output) {
    this.#waits = plan.calls.map((call) => compileWait(call, context));
    this.#context = context;
    this.#output = output;
    this.#line = new WaitingLine((part) => this.#process(part), context, output);
  }

  push(batch: Batch): void {
    const parts = batch.window === undefined
      ? batch.rows.map((row): Batch => ({ rows: [row], window: undefined }))
      : [batch];
    for (const part of parts) this.#line.push(part);
  }

  advance(progress: Progress): void {
    this.#line.advance(progress);
  }

  settled(): Promise<void> | undefined {
    return this.#line.settled();
  }

  held(): number {
    return this.#line.held();
  }

  stateBytes(): number {
    return this.#line.stateBytes();
  }

  close(): void {
    this.#line.close();
  }

  #process(part: Batch): Promise<() => void> | undefined {
    let ms = 0;
    try {
      for (const row of part.rows) for (const wait of this.#waits) ms += wait(row);
    } catch (error) {
      this.#context.fail(error);
      return undefined;
    }
    const sleeping = ms === 0 ? undefined : this.#context.rule.sleep?.(ms);
    if (sleeping !== undefined) return sleeping.then(() => () => this.#output.push(part));
    this.#output.push(part);
    return undefined;
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
