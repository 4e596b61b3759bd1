/**
 * What a template function declares: one value holds its parameters, its documentation, an example that runs as a test,
 * and what it does.
 * @module
 */
import { DateTime } from "../../value/datetime.ts";
import { isStruct, type Struct, type Value, type ValueArray } from "../../value/value.ts";
import { typeOf, Version } from "../go_value.ts";
import { fail, type Run } from "../run.ts";

/** What each kind of parameter hands to the function. `int` takes whole floats as well; `any` takes everything. */
interface ParameterTypes {
  string: string;
  int: number;
  bool: boolean;
  list: ValueArray;
  dict: Struct;
  any: Value;
}

export type ParameterKind = keyof ParameterTypes;

type Arguments<P extends readonly ParameterKind[]> = { -readonly [K in keyof P]: ParameterTypes[P[K]] };

export type Category =
  | "logic"
  | "text"
  | "regular expressions"
  | "numbers"
  | "lists"
  | "maps"
  | "dates"
  | "conversion"
  | "encoding"
  | "types"
  | "versions and addresses";

/** A template with what it gives; without `gives` its result changes from run to run. */
export interface Example {
  readonly template: string;
  readonly data?: Value;
  readonly gives?: string;
}

export interface TemplateFunction {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly category: Category;
  readonly doc: string;
  readonly example: Example;
  readonly params: readonly ParameterKind[];
  readonly rest: ParameterKind | undefined;
  /** How many arguments it takes; `most` may be Infinity. */
  readonly least: number;
  readonly most: number;
  call(run: Run, args: readonly Value[]): Value;
}

interface Declaration<P extends readonly ParameterKind[], R extends ParameterKind> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly category: Category;
  readonly doc: string;
  readonly example: Example;
  readonly params: P;
  /** How many of the last `params` may be left out; they are undefined then. */
  readonly optional?: number;
  /** The kind of any number of further arguments. */
  readonly rest?: R;
  readonly run: (run: Run, ...args: [...Arguments<P>, ...ParameterTypes[R][]]) => Value;
}

export function defineFunction<const P extends readonly ParameterKind[], const R extends ParameterKind = "any">(
  { name, aliases = [], category, doc, example, params, optional = 0, rest, run: call }: Declaration<P, R>,
): TemplateFunction {
  return {
    name,
    aliases,
    category,
    doc,
    example,
    params,
    rest,
    least: params.length - optional,
    most: rest === undefined ? params.length : Infinity,
    // acceptArguments has made sure that the arguments are what the parameters say.
    call: (run, args) => call(run, ...args as never),
  };
}

/** The arguments as the function takes them. @throws {RowError} E516 for one of another kind. */
export function acceptArguments(called: TemplateFunction, values: Value[]): readonly Value[] {
  const { params, rest } = called;
  for (let i = 0; i < values.length; i++) {
    const kind = params[i] ?? rest ?? "any";
    if (kind !== "any") values[i] = accept(kind, values[i], called.name, i) as Value;
  }
  return values;
}

function accept(kind: Exclude<ParameterKind, "any">, value: Value, name: string, index: number): unknown {
  switch (kind) {
    case "string":
      if (typeof value === "string") return value;
      break;
    case "bool":
      if (typeof value === "boolean") return value;
      break;
    case "int":
      if (typeof value === "bigint") return Number(value);
      if (typeof value === "number" && Number.isInteger(value)) return value;
      break;
    case "list":
      if (Array.isArray(value)) return value;
      if (value instanceof Uint8Array) return Array.from(value, BigInt);
      break;
    case "dict":
      if (isDict(value)) return value;
      break;
    default:
      kind satisfies never;
  }
  const hint = kind === "string" && (typeof value === "bigint" || typeof value === "number") ? "; use toString" : "";
  const found = value === null || value === undefined ? "nothing" : typeOf(value);
  return fail(`argument ${index + 1} of ${name} must be ${article(kind)}: ${found} given${hint}`);
}

function article(kind: ParameterKind): string {
  return kind === "int" ? "an int" : kind === "dict" ? "a map" : `a ${kind}`;
}

/** True for maps, not for what has fields of its own. */
export function isDict(value: Value): value is Struct {
  return isStruct(value) && !(value instanceof Version) && !(value instanceof DateTime);
}
