/**
 * Calls of functions: arguments are converted and nulls handled here, so that a function's closure does row work only.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { Bound } from "../bound.ts";
import { argumentReader, isNullLike } from "../functions/arguments.ts";
import type { NullRule, Param, SqlFunction } from "../functions/declare.ts";
import type { CompileContext, Evaluator } from "./evaluator.ts";

/** The parameter that takes argument `index`; the last one may be variadic. */
function paramAt(fn: SqlFunction, index: number): Param {
  return fn.params[Math.min(index, fn.params.length - 1)]!;
}

/**
 * Evaluators of the arguments as the function wants them. An argument that was left out gives undefined.
 * With `checkNulls` the null rule has not been applied yet, so values pass unconverted when they are null.
 */
export function compileArguments(
  fn: SqlFunction,
  args: readonly Bound[],
  context: CompileContext,
  compile: (bound: Bound) => Evaluator,
): Evaluator[] {
  return args.map((arg, i) => {
    const evaluate = compile(arg);
    const read = readerOf(fn, i, context);
    if (read === undefined) return evaluate;
    return convertedLiteral(arg, paramAt(fn, i), read) ?? ((row) => read(evaluate(row)));
  });
}

type Reader = (value: Value) => Value;

/** The conversion of argument `index`; undefined when there is none. */
function readerOf(fn: SqlFunction, index: number, context: CompileContext): Reader | undefined {
  return argumentReader(paramAt(fn, index), fn.name, index + 1, context.rule) as Reader | undefined;
}

/**
 * A literal is converted once. Undefined for what is none, for one that is refused (on each row, as other values are),
 * and for a time, which may be one of today.
 */
function convertedLiteral(arg: Bound, param: Param, read: Reader): Evaluator | undefined {
  if (arg.kind !== "constant" || param.type === "time") return undefined;
  try {
    const value = read(arg.value);
    return () => value;
  } catch (error) {
    if (error instanceof RowError) return undefined;
    throw error;
  }
}

/** Converted values of the arguments that are literals, by parameter name. */
export function constantArguments(
  fn: SqlFunction,
  args: readonly Bound[],
  context: CompileContext,
): Record<string, unknown> {
  const constants: Record<string, unknown> = {};
  for (const [i, arg] of args.entries()) {
    const param = paramAt(fn, i);
    if (arg.kind !== "constant" || param.variadic === true || arg.value === null || arg.value === undefined) continue;
    const read = readerOf(fn, i, context);
    constants[param.name] = read === undefined ? arg.value : read(arg.value);
  }
  return constants;
}

/** What `fn` answers for a null argument, when it is not asked itself. */
const answers: Readonly<Record<Exclude<NullRule, "sees">, Value>> = { propagate: null, false: false, zero: 0n };

/** Turns what a function throws into a row error that names it. */
export function functionError(name: string, error: unknown): RowError {
  if (error instanceof RowError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RowError("E506", `${name}() failed: ${reason}`, { cause: error });
}

export function compileCall(
  fn: Extract<SqlFunction, { kind: "scalar" | "row" }>,
  args: readonly Bound[],
  context: CompileContext,
  compile: (bound: Bound) => Evaluator,
): Evaluator {
  const constants = constantArguments(fn, args, context) as never;
  if (fn.kind === "row") {
    const evaluators = compileArguments(fn, args, context, compile);
    const run = guarded(fn.name, fn.compile(constants, context.rule) as (row: Row, ...args: Value[]) => Value);
    if (evaluators.length === 0) return (row) => run(row);
    return (row) => run(row, ...evaluators.map((evaluate) => evaluate(row)));
  }
  const run = guarded(fn.name, fn.compile(constants, context.rule) as (...args: Value[]) => Value);
  if (fn.nulls === "sees") return applyTo(run, compileArguments(fn, args, context, compile));
  return withNullRule(fn, answers[fn.nulls], run, args, context, compile);
}

function guarded<Args extends unknown[]>(name: string, run: (...args: Args) => Value): (...args: Args) => Value {
  return (...args) => {
    try {
      return run(...args);
    } catch (error) {
      throw functionError(name, error);
    }
  };
}

/** The common arities without an array per row. */
function applyTo(run: (...args: Value[]) => Value, args: readonly Evaluator[]): Evaluator {
  const [a, b, c] = args;
  switch (args.length) {
    case 0:
      return () => run();
    case 1:
      return (row) => run(a!(row));
    case 2:
      return (row) => run(a!(row), b!(row));
    case 3:
      return (row) => run(a!(row), b!(row), c!(row));
    default:
      return (row) => run(...args.map((evaluate) => evaluate(row)));
  }
}

const identity: Reader = (value) => value;

function withNullRule(
  fn: SqlFunction,
  answer: Value,
  run: (...args: Value[]) => Value,
  args: readonly Bound[],
  context: CompileContext,
  compile: (bound: Bound) => Evaluator,
): Evaluator {
  const readers: Reader[] = [];
  const evaluators: Evaluator[] = [];
  for (const [i, arg] of args.entries()) {
    const read = readerOf(fn, i, context) ?? identity;
    // A literal that is null is for the null rule.
    const isGiven = arg.kind === "constant" && !isNullLike(arg.value);
    const literal = isGiven ? convertedLiteral(arg, paramAt(fn, i), read) : undefined;
    readers.push(literal === undefined ? read : identity);
    evaluators.push(literal ?? compile(arg));
  }
  const [a, b] = evaluators;
  const [readA, readB] = readers;
  if (evaluators.length === 1) {
    return (row) => {
      const x = a!(row);
      return isNullLike(x) ? answer : run(readA!(x));
    };
  }
  if (evaluators.length === 2) {
    return (row) => {
      const x = a!(row);
      const y = b!(row);
      return isNullLike(x) || isNullLike(y) ? answer : run(readA!(x), readB!(y));
    };
  }
  return (row) => {
    const values = evaluators.map((evaluate) => evaluate(row));
    return values.some(isNullLike) ? answer : run(...values.map((value, i) => readers[i]!(value)));
  };
}
