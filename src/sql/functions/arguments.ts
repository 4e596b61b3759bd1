/**
 * Turns argument values into what a function's parameters ask for: at run time by readers that are chosen once per
 * call site, and for literals by a check while the statement is analyzed.
 * @module
 */
import type { Code } from "../../diagnostics/codes.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import { DateTime, isTimestamp } from "../../value/datetime.ts";
import { parseDateTime } from "../../value/datetime_text.ts";
import { plainText } from "../../value/plain_text.ts";
import { isStruct, kindOf, type Value } from "../../value/value.ts";
import type { Param, ParamType, RuleContext } from "./declare.ts";

/** True for what the null rules of functions treat as null: null, no such column, an empty array, an empty map. */
export function isNullLike(value: Value): boolean {
  if (typeof value !== "object") return value === undefined;
  if (value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (!isStruct(value)) return false;
  for (const _ in value) return false;
  return true;
}

/** What a reader needs of the rule: the zone of times without one, and the clock for a date of today. */
export type ReaderContext = Pick<RuleContext, "timezone" | "now">;

/**
 * The conversion of one argument. Null stays null, and so does a missing column: undefined is left to mean an argument
 * that was left out. What null means is up to the function's null rule, which is applied before. Empty arrays and maps
 * are null where they are of another kind than the parameter.
 *
 * @param position Of the argument in the call, from 1; only for messages.
 * @returns A reader that throws `RowError` E506 for a value the parameter cannot take. `any` gives undefined, so that
 * a caller can leave the conversion out.
 */
export function argumentReader(
  param: Param,
  functionName: string,
  position: number,
  context: ReaderContext,
): ((value: Value) => unknown) | undefined {
  const convert = converterOf(param.type, context);
  if (convert === undefined) return undefined;
  const refuse = (value: Value): never => {
    throw new RowError(
      "E506",
      `${functionName}() argument ${position} "${param.name}": expected ${expectations[param.type]}, found ${
        describe(value)
      }`,
    );
  };
  return (value) => {
    if (value === null || value === undefined) return null;
    const converted = convert(value);
    return converted === undefined ? refuse(value) : converted;
  };
}

/** Undefined stands for "cannot be converted". */
type Converter = (value: Value) => unknown;

function converterOf(type: ParamType, context: ReaderContext): Converter | undefined {
  switch (type) {
    case "any":
      return undefined;
    case "number":
      return (value) => (typeof value === "number" || typeof value === "bigint" ? value : undefined);
    case "float":
      return (value) => typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : undefined;
    case "int":
      return (value) => typeof value === "bigint" ? value : typeof value === "number" ? wholeFloat(value) : undefined;
    case "index":
      return toIndex;
    case "text":
      return plainText;
    case "string":
      return (value) => (typeof value === "string" ? value : undefined);
    case "boolean":
      return (value) => (typeof value === "boolean" ? value : undefined);
    case "array":
      return (value) => (Array.isArray(value) ? value : isNullLike(value) ? null : undefined);
    case "struct":
      return (value) => (isStruct(value) ? value : isNullLike(value) ? null : undefined);
    case "time":
      return (value) => toTime(value, context);
    default:
      return type satisfies never;
  }
}

const expectations: Readonly<Record<ParamType, string>> = {
  any: "anything",
  number: "a number",
  float: "a number",
  int: "an int",
  index: "an int within ±2^53",
  text: "anything",
  string: "a string",
  boolean: "a boolean",
  array: "an array",
  struct: "a map",
  time: "a datetime, Unix milliseconds, or a datetime text",
};

/** From here on, doubles are all whole but say no more which int64 was meant. */
const int64Limit = 2 ** 63;

function wholeFloat(value: number): bigint | undefined {
  return Number.isInteger(value) && value >= -int64Limit && value < int64Limit ? BigInt(value) : undefined;
}

function toIndex(value: Value): number | undefined {
  const index = typeof value === "bigint" ? Number(value) : value;
  return typeof index === "number" && Number.isSafeInteger(index) ? index : undefined;
}

/**
 * `value` as a time argument, or undefined when it is none: a datetime as it is, a number as Unix milliseconds (the
 * fraction dropped) and a text in a built-in format, both in the configured zone unless the text names its own.
 */
export function toTime(value: Value, context: ReaderContext): DateTime | undefined {
  switch (typeof value) {
    case "number":
      return isTimestamp(value) ? new DateTime(Math.trunc(value), context.timezone) : undefined;
    case "bigint": {
      const ms = Number(value);
      return isTimestamp(ms) ? new DateTime(ms, context.timezone) : undefined;
    }
    case "string":
      return parseDateTime(value, context.timezone, context.now);
    default:
      return value instanceof DateTime ? value : undefined;
  }
}

/** Why a literal can never be this argument: the code and the message of the diagnostic. */
export interface LiteralProblem {
  readonly code: Code;
  readonly message: string;
}

/**
 * Checks a literal argument while the statement is analyzed.
 *
 * @param position Of the argument in the call, from 1.
 * @returns E205 for a type the function can never accept, E214 for a value outside `oneOf` or below `least`, undefined when all is well.
 */
export function checkLiteral(
  param: Param,
  functionName: string,
  position: number,
  value: bigint | number | string | boolean,
): LiteralProblem | undefined {
  const where = `${functionName}() argument ${position} "${param.name}"`;
  const expected = expectationOfLiteral(param, value);
  if (expected !== undefined) {
    return { code: "E205", message: `${where}: expected ${expected}, found ${describe(value)}` };
  }
  if (param.oneOf?.includes(String(value)) === false) {
    const allowed = param.oneOf.map((one) => `"${one}"`).join(", ");
    return { code: "E214", message: `${where}: expected one of ${allowed}, found ${describe(value)}` };
  }
  if (param.least !== undefined && Number(value) < param.least) {
    return { code: "E214", message: `${where}: expected at least ${param.least}, found ${describe(value)}` };
  }
  return undefined;
}

/** What the literal should have been, or undefined when it can be the argument. */
function expectationOfLiteral(param: Param, value: bigint | number | string | boolean): string | undefined {
  const type = typeof value;
  const unless = (accepted: boolean) => (accepted ? undefined : expectations[param.type]);
  switch (param.type) {
    case "any":
      return undefined;
    case "text":
      return param.stringLiteral === true && type !== "string" ? "a string" : undefined;
    case "number":
    case "float":
      return unless(type === "number" || type === "bigint");
    case "int":
      return unless(type === "bigint");
    case "index":
      return unless(type === "bigint" && toIndex(value) !== undefined);
    case "string":
    case "boolean":
      return unless(type === param.type);
    case "array":
    case "struct":
      return expectations[param.type];
    case "time":
      // A number in the text is almost always a mistake, and an error in eKuiper too.
      if (type !== "string") return "a datetime text";
      return parseDateTime(value as string, "UTC", leapYear) === undefined
        ? "a datetime text in a built-in format"
        : undefined;
    default:
      return param.type satisfies never;
  }
}

/** Some day of a leap year, so that `2-29` is a date. */
const leapYear = Date.UTC(2024, 0, 1);

const describedLengthMax = 40;

/** `value` for an error message: its kind and, if it is short enough, the value: `string "a"`, `int 5`, `array`. */
export function describe(value: Value): string {
  const kind = kindOf(value);
  switch (kind) {
    case "string": {
      const text = value as string;
      return `string ${
        JSON.stringify(text.length > describedLengthMax ? `${text.slice(0, describedLengthMax)}…` : text)
      }`;
    }
    case "int":
    case "float":
    case "boolean":
    case "datetime":
      return `${kind} ${value}`;
    case "struct":
      return "map";
    case "null":
    case "array":
    case "bytea":
      return kind;
    default:
      return kind satisfies never;
  }
}
