/**
 * A SQL function is one declaration: signature, null rule, prose, examples and how to compile it.
 *
 * Arity, types and null rules are data, so `analyze` reports them once for every function and `compile` converts the
 * arguments; the function's own closure does row work only. Examples run as tests and print as docs.
 *
 * @example
 * ```ts
 * export const startswith = defineFunction({
 *   name: "startswith", category: "text", returns: "boolean", nulls: "false",
 *   params: [text("value"), text("prefix")],
 *   doc: "True when `value` begins with `prefix`.",
 *   examples: [{ sql: "startswith('pump-7', 'pump')", gives: true }],
 *   compile: () => (value, prefix) => value.startsWith(prefix),
 * });
 * ```
 * @module
 */
import type { Code } from "../../diagnostics/codes.ts";
import type { DateTime } from "../../value/datetime.ts";
import type { Row } from "../../value/row.ts";
import type { Struct, Value, ValueArray } from "../../value/value.ts";
import type { StaticType } from "../types.ts";

// ---------------------------------------------------------------- parameters

/**
 * What an argument is turned into before the function sees it. A value that cannot be is a row error E506; a literal
 * that cannot be is refused by analyze (E205).
 *
 * | type | accepts | arrives as |
 * | --- | --- | --- |
 * | `any` | anything | as it is |
 * | `number` | int, float | `bigint` or `number` |
 * | `float` | int, float | `number` |
 * | `int` | int, float without fraction | `bigint` |
 * | `index` | int, float without fraction, within ±2^53 | `number` |
 * | `text` | anything | its plain text |
 * | `string` | string | `string` |
 * | `boolean` | boolean | `boolean` |
 * | `array` / `struct` | exactly that | as it is |
 * | `time` | datetime, number (Unix ms), string in a built-in format | `DateTime` |
 */
export type ParamType =
  | "any"
  | "number"
  | "float"
  | "int"
  | "index"
  | "text"
  | "string"
  | "boolean"
  | "array"
  | "struct"
  | "time";

interface ArgumentOf {
  any: Value;
  number: bigint | number;
  float: number;
  int: bigint;
  index: number;
  text: string;
  string: string;
  boolean: boolean;
  array: ValueArray;
  struct: Struct;
  time: DateTime;
}

export interface Param {
  readonly name: string;
  readonly type: ParamType;
  /** May be left out; only at the end. The closure then gets `undefined`. */
  readonly optional?: boolean;
  /** Takes any number of further arguments, at least one unless optional; only the last. */
  readonly variadic?: boolean;
  /** Must be a literal in the SQL text. */
  readonly constant?: boolean;
  /** `*` is allowed and arrives as the whole row. */
  readonly star?: boolean;
  /** Not written in SQL: the whole row is passed, as for `*`. Only the last, and only of aggregates. */
  readonly implicit?: boolean;
  /** The literal must be one of these, else E214. */
  readonly oneOf?: readonly string[];
  /** The smallest literal allowed, else E214. */
  readonly least?: number;
  /** The value is turned into text at run time, but a literal must be a string, else E205. */
  readonly stringLiteral?: boolean;
}

type Extras = Omit<Param, "name" | "type">;

function param<const Name extends string, const Type extends ParamType>(type: Type) {
  return <const N extends Name, const E extends Extras = Record<never, never>>(name: N, extras?: E) =>
    ({ name, type, ...extras }) as { readonly name: N; readonly type: Type } & E;
}

export const any: ReturnType<typeof param<string, "any">> = param("any");
export const number: ReturnType<typeof param<string, "number">> = param("number");
export const float: ReturnType<typeof param<string, "float">> = param("float");
export const int: ReturnType<typeof param<string, "int">> = param("int");
export const index: ReturnType<typeof param<string, "index">> = param("index");
export const text: ReturnType<typeof param<string, "text">> = param("text");
export const string: ReturnType<typeof param<string, "string">> = param("string");
export const boolean: ReturnType<typeof param<string, "boolean">> = param("boolean");
export const array: ReturnType<typeof param<string, "array">> = param("array");
export const struct: ReturnType<typeof param<string, "struct">> = param("struct");
export const time: ReturnType<typeof param<string, "time">> = param("time");

/**
 * What happens when an argument is null, or an empty array or map, which the dialect treats alike: the result is null
 * (`propagate`), false (`false`), int 0 (`zero`), or the function sees the value itself (`sees`).
 */
export type NullRule = "propagate" | "false" | "zero" | "sees";

type MaybeNull<T, Nulls extends NullRule> = Nulls extends "sees" ? T | null | undefined : T;

type ArgumentFor<P extends Param, Nulls extends NullRule> = P extends { optional: true }
  ? MaybeNull<ArgumentOf[P["type"]], Nulls> | undefined
  : MaybeNull<ArgumentOf[P["type"]], Nulls>;

/** The closure's arguments: one per parameter, the variadic one spread. Unknown once the types are erased. */
export type Arguments<P extends readonly Param[], Nulls extends NullRule> = P extends
  readonly [infer First extends Param, ...infer Rest extends readonly Param[]]
  ? First extends { variadic: true } ? ArgumentFor<First, Nulls>[]
  : [ArgumentFor<First, Nulls>, ...Arguments<Rest, Nulls>]
  : P extends readonly [] ? []
  : unknown[];

/** The converted values of arguments that are literals, by parameter name (never the variadic one). */
export type Constants<P extends readonly Param[]> = {
  readonly [K in P[number] as K["name"]]?: ArgumentOf[K["type"]];
};

// ---------------------------------------------------------------- context

/** What a running rule tells its functions. The engine writes `now` before it pushes or advances anything. */
export interface RuleContext {
  readonly ruleId: string;
  /** Unix milliseconds. */
  readonly ruleStart: number;
  /** Processing time, Unix milliseconds. */
  now: number;
  /** IANA name, or `Local`. */
  readonly timezone: string;
  /** A float in [0, 1). */
  random(): number;
  /** The value kept under `key` in the external state, undefined for none. Absent where there is no such state. */
  keyedState?(key: string): Value;
  /**
   * Holds the rule up for so many milliseconds. Undefined when they have passed already, as with a virtual clock. Absent:
   * no time passes.
   */
  sleep?(ms: number): Promise<void> | undefined;
  /** System properties by name, none when absent. */
  readonly properties?: Readonly<Record<string, Value>>;
}

// ---------------------------------------------------------------- declarations

export type Category =
  | "aggregate"
  | "analytic"
  | "math"
  | "text"
  | "array"
  | "time"
  | "object"
  | "hashing"
  | "transform"
  | "json"
  | "other";

/**
 * An example: SQL of one call, and the value or error it gives. For a function that a step of the plan carries out, it is
 * the select list of a statement, and `behind` what stands behind FROM.
 */
export type Example =
  & {
    readonly sql: string;
    /** The row or rows to evaluate on; one empty row when absent. Aggregates see all rows as one group. */
    readonly rows?: readonly Struct[];
  }
  & (
    | { readonly gives: Value }
    /** The result on each row, for analytic functions. */
    | { readonly givesEach: readonly Value[] }
    /** The output rows of the whole statement, for functions that a step of the plan carries out. */
    | { readonly givesRows: readonly Struct[]; readonly behind?: string }
    | { readonly fails: Code; readonly behind?: string }
  );

interface FunctionBase<P extends readonly Param[]> {
  /** Lower case. Built-in names ignore case in SQL. */
  readonly name: string;
  /** Further names of the same function. */
  readonly aliases?: readonly string[];
  readonly category: Category;
  readonly params: P;
  /** Besides what the parameters say of the number of arguments; `wanted` completes "f() takes …". Else E203. */
  readonly arity?: { readonly wanted: string; fits(count: number): boolean };
  /** `literals` has the values of the arguments that are literals, at their positions. */
  readonly returns: StaticType | ((argumentTypes: readonly StaticType[], literals?: readonly Value[]) => StaticType);
  readonly doc: string;
  readonly examples: readonly Example[];
}

export interface ScalarDefinition<P extends readonly Param[], Nulls extends NullRule> extends FunctionBase<P> {
  readonly nulls: Nulls;
  /** True when equal arguments may give different results, so that a call of constants is not folded. */
  readonly impure?: boolean;
  /** The first argument is a time in milliseconds, for which the rule is held up in front of the clause that calls. */
  readonly delays?: boolean;
  /**
   * Does the costly part once; the closure does the row's work and throws `RowError` or `Error` (E506) on refusal. A
   * `RowError` thrown by `compile` itself is about a literal: the statement is refused with its message as E214.
   */
  compile(constants: Constants<P>, context: RuleContext): (...args: Arguments<P, Nulls>) => Value;
}

export interface RowDefinition<P extends readonly Param[]> extends FunctionBase<P> {
  /** A function of the row's time, window or metadata. */
  compile(constants: Constants<P>, context: RuleContext): (row: Row, ...args: Arguments<P, "sees">) => Value;
}

/**
 * State must be a {@linkcode Value} all through (no closures, no class but DateTime), because it is what a checkpoint
 * stores. `add` may change `state` in place and returns it.
 */
export interface AggregateDefinition<P extends readonly Param[], State extends Value> extends FunctionBase<P> {
  init(): State;
  /** Sees nulls. Throws `RowError` or `Error` to fail the group's result. */
  add(state: State, ...args: Arguments<P, "sees">): State;
  /** Must leave `state` usable for further `add`. */
  result(state: State): Value;
  /** A null result is written to the output row instead of being left out. */
  readonly writesNull?: boolean;
  /**
   * The state of the rows of both, those of `right` being later. Leaves both as they are; the result may be one of them,
   * and is never given to `add`. Throws where `add` would.
   *
   * Only for aggregates whose result is then, to the last bit, that of adding the rows one by one, and whose state does
   * not grow with them: windows that overlap keep states instead of rows when all aggregates of a statement have it.
   */
  merge?(left: State, right: State): State;
}

export interface AnalyticDefinition<P extends readonly Param[], State extends Value> extends FunctionBase<P> {
  init(): State;
  /**
   * The new state and the result for this row. `active` is false on rows for which OVER (WHEN …) is not true: the
   * state must stay as it is then.
   */
  step(state: State, active: boolean, ...args: Arguments<P, "sees">): { readonly state: State; readonly result: Value };
}

/** What carries out a call that is more than a value computed from its arguments on one row. */
export type Stage =
  /** The projection adds columns that changed. */
  | { readonly kind: "changed_columns" }
  /** The projection makes several rows of one. */
  | { readonly kind: "spread" }
  /** A step behind HAVING numbers the rows. */
  | { readonly kind: "row_number" }
  /** A step before the projection holds rows back until their time has come. */
  | { readonly kind: "dedup_trigger" }
  /** The step of the clause counts the rows, or the lists of windows, that passed it. */
  | { readonly kind: "hits"; readonly of: "rows" | "lists"; readonly gives: "count" | "time" };

export interface StageDefinition<P extends readonly Param[]> extends FunctionBase<P> {
  readonly stage: Stage;
}

/** A declaration with its types erased, as analyze and compile see it. */
export type SqlFunction =
  | ({ readonly kind: "scalar" } & ScalarDefinition<readonly Param[], NullRule>)
  | ({ readonly kind: "row" } & RowDefinition<readonly Param[]>)
  | ({ readonly kind: "aggregate" } & AggregateDefinition<readonly Param[], Value>)
  | ({ readonly kind: "analytic" } & AnalyticDefinition<readonly Param[], Value>)
  | ({ readonly kind: "stage" } & StageDefinition<readonly Param[]>);

export function defineFunction<const P extends readonly Param[], const Nulls extends NullRule>(
  definition: ScalarDefinition<P, Nulls>,
): SqlFunction {
  return { kind: "scalar", ...definition } as unknown as SqlFunction;
}

export function defineRowFunction<const P extends readonly Param[]>(definition: RowDefinition<P>): SqlFunction {
  return { kind: "row", ...definition } as unknown as SqlFunction;
}

export function defineAggregate<const P extends readonly Param[], State extends Value>(
  definition: AggregateDefinition<P, State>,
): SqlFunction {
  return { kind: "aggregate", ...definition } as unknown as SqlFunction;
}

export function defineAnalytic<const P extends readonly Param[], State extends Value>(
  definition: AnalyticDefinition<P, State>,
): SqlFunction {
  return { kind: "analytic", ...definition } as unknown as SqlFunction;
}

export function defineStageFunction<const P extends readonly Param[]>(definition: StageDefinition<P>): SqlFunction {
  return { kind: "stage", ...definition } as unknown as SqlFunction;
}
