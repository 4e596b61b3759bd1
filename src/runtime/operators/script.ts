/**
 * The script nodes of graphs: a function in JavaScript makes new rows of rows, or of lists.
 *
 * The function runs in a thread of its own, so a batch waits for its answer, and whatever comes behind it, time included,
 * waits in line: order is kept, and `settled` tells when all of it has gone through. A call that fails is a row error.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compileExpression, joinedValues } from "../../sql/compile/compile.ts";
import type { Evaluator } from "../../sql/compile/evaluator.ts";
import type { ScriptPlan } from "../../sql/plan.ts";
import { Row } from "../../value/row.ts";
import { isStruct, kindOf, setOwn, type Struct, type Value } from "../../value/value.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { type Script, scriptHost } from "../scripts/host.ts";
import type { CallResult } from "../scripts/messages.ts";
import { decodeResult, encodeArguments } from "../scripts/values.ts";
import { WaitingLine } from "./waiting_line.ts";

export class ScriptOperator implements Operator {
  readonly #plan: ScriptPlan;
  readonly #fields: readonly { readonly name: string; readonly evaluate: Evaluator }[];
  readonly #context: OperatorContext;
  readonly #output: Output;
  readonly #script: Script;
  readonly #line: WaitingLine;

  constructor(plan: ScriptPlan, context: OperatorContext, output: Output) {
    this.#plan = plan;
    this.#fields = plan.fields.map(({ name, expr }) => ({ name, evaluate: compileExpression(expr, context) }));
    this.#context = context;
    this.#output = output;
    this.#script = scriptHost.open(plan.script);
    this.#line = new WaitingLine((batch) => this.#process(batch), context, output);
  }

  push(batch: Batch): void {
    this.#line.push(batch);
  }

  advance(progress: Progress): void {
    this.#line.advance(progress);
  }

  held(): number {
    return this.#line.held();
  }

  stateBytes(): number {
    return this.#line.stateBytes();
  }

  settled(): Promise<void> | undefined {
    return this.#line.settled();
  }

  close(): void {
    this.#line.close();
    this.#script.close();
  }

  #process(batch: Batch): Promise<() => void> | undefined {
    const { rows, window } = batch;
    const asked: Row[] = [];
    const calls: string[] = [];
    try {
      if (window !== undefined) calls.push(encodeArguments([rows.map((row) => this.#message(row))]));
    } catch (error) {
      this.#context.fail(error);
      return undefined;
    }
    for (const row of window === undefined ? rows : []) {
      try {
        calls.push(encodeArguments([this.#message(row), row.meta ?? {}]));
        asked.push(row);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    if (calls.length === 0) return undefined;
    return this.#script.run(calls).then((results) => () => {
      if (window === undefined) this.#emitRows(asked, results);
      else this.#emitList(batch, results[0]!);
    });
  }

  /** The columns of the row, and what aggregates have added. */
  #message(row: Row): Struct {
    const values = joinedValues(row, this.#plan.precedence);
    if (this.#fields.length === 0) return values;
    const message = { ...values };
    for (const { name, evaluate } of this.#fields) setOwn(message, name, evaluate(row));
    return message;
  }

  #emitRows(asked: readonly Row[], results: readonly CallResult[]): void {
    const rows: Row[] = [];
    for (const [i, row] of asked.entries()) {
      try {
        const made = new Row(structOf(valueOf(results[i]!)), row.time, row.meta);
        made.source = row.source;
        rows.push(made);
      } catch (error) {
        this.#context.fail(error);
      }
    }
    if (rows.length > 0) this.#output.push({ rows, window: undefined });
  }

  #emitList({ rows, window }: Batch, result: CallResult): void {
    let made: Row[];
    try {
      const value = valueOf(result);
      made = listOf(value, this.#plan.isAgg).map((values) => {
        const row = new Row(values, rows[0]?.time ?? window!.trigger, rows[0]?.meta);
        row.source = this.#plan.source;
        row.window = window;
        return row;
      });
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    this.#output.push({ rows: made, window });
  }
}

function valueOf(result: CallResult): Value {
  if ("error" in result) throw new RowError("E512", `The script failed: ${result.error}`);
  return decodeResult(result.json);
}

function structOf(value: Value): Struct {
  if (isStruct(value)) return value;
  throw new RowError("E512", `The script must return an object, found ${kindOf(value)}`);
}

function listOf(value: Value, isAgg: boolean): Struct[] {
  if (isAgg) return [structOf(value)];
  if (Array.isArray(value)) return value.map(structOf);
  throw new RowError("E512", `The script must return an array of objects, found ${kindOf(value)}`);
}
