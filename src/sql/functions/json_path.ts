/**
 * JSON paths: `$.a[0]`, `$["k"]`, `$..k`, `$.list[1:3]`, `$.list[? @.temp > 30].name`.
 * @module
 */
import { RowError } from "../../diagnostics/row_error.ts";
import { compareByteOrder } from "../../value/byte_order.ts";
import { getOwn, isStruct, type Value } from "../../value/value.ts";
import { elementKey } from "./element_key.ts";

/** A path ready to be applied. */
export interface JsonPath {
  /** Made only of keys and single indexes, so that it leads to one value. */
  readonly single: boolean;
  /** Everything the path leads to in `document`; what is missing is left out. */
  select(document: Value): Value[];
}

type Step =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "union"; readonly members: readonly (string | number)[] }
  | { readonly kind: "slice"; readonly from?: number; readonly to?: number; readonly step: number }
  | { readonly kind: "all" }
  /** The current value and everything inside it, before the step that follows. */
  | { readonly kind: "descend" }
  | { readonly kind: "filter"; readonly condition: Expression };

/** Gives undefined for what is missing or cannot be computed. */
type Expression = (current: Value, document: Value) => Value;

/**
 * @throws {Error} when `text` is no JSON path.
 */
export function compileJsonPath(text: string): JsonPath {
  const parser = new PathParser(text);
  const steps = parser.path("$");
  parser.end();
  return {
    single: steps.every((step) => step.kind === "key" || step.kind === "index"),
    select: (document) => walk(steps, document, document),
  };
}

// ---------------------------------------------------------------- applying

/** Steps that visit everything, one after the other, find the same values again and again. */
const foundMax = 1_000_000;

function walk(steps: readonly Step[], start: Value, document: Value): Value[] {
  let found: Value[] = [start];
  for (const step of steps) {
    const next: Value[] = [];
    for (const value of found) {
      take(step, value, document, next);
      if (next.length > foundMax) throw new RowError("E506", `the JSON path finds over ${foundMax} values`);
    }
    found = next;
  }
  return found;
}

function take(step: Step, value: Value, document: Value, found: Value[]): void {
  switch (step.kind) {
    case "key":
    case "index":
      takeMember(step.kind === "key" ? step.key : step.index, value, found);
      break;
    case "union":
      for (const member of step.members) takeMember(member, value, found);
      break;
    case "slice":
      if (Array.isArray(value)) takeSlice(step, value, found);
      break;
    case "all":
      for (const child of childrenOf(value)) found.push(child);
      break;
    case "descend":
      descend(value, found);
      break;
    case "filter":
      for (const child of childrenOf(value)) {
        if (isTrue(step.condition(child, document))) found.push(child);
      }
      break;
    default:
      step satisfies never;
  }
}

function childrenOf(value: Value): readonly Value[] {
  return Array.isArray(value) ? value : isStruct(value) ? Object.values(value) : [];
}

function takeMember(member: string | number, value: Value, found: Value[]): void {
  if (typeof member === "string") {
    if (isStruct(value) && Object.hasOwn(value, member)) found.push(getOwn(value, member));
  } else if (Array.isArray(value) && member < value.length && member >= -value.length) {
    found.push(value.at(member));
  }
}

function takeSlice({ from, to, step }: Step & { kind: "slice" }, list: readonly Value[], found: Value[]): void {
  const place = (at: number) => Math.min(Math.max(at < 0 ? at + list.length : at, step > 0 ? 0 : -1), list.length);
  if (step > 0) {
    const end = to === undefined ? list.length : place(to);
    for (let i = from === undefined ? 0 : place(from); i < end; i += step) found.push(list[i]);
  } else {
    const end = to === undefined ? -1 : place(to);
    const start = from === undefined ? list.length - 1 : Math.min(place(from), list.length - 1);
    for (let i = start; i > end; i += step) found.push(list[i]);
  }
}

function descend(value: Value, found: Value[]): void {
  found.push(value);
  for (const child of childrenOf(value)) descend(child, found);
}

function isTrue(value: Value): boolean {
  return value !== undefined && value !== null && value !== false;
}

// ---------------------------------------------------------------- conditions

type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** Undefined, which is not true, when one side is missing or the sides cannot be compared. */
function compare(operator: Comparison, left: Value, right: Value): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (operator === "==") return elementKey(left) === elementKey(right);
  if (operator === "!=") return elementKey(left) !== elementKey(right);
  const order = orderOf(left, right);
  if (order === undefined) return undefined;
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    default:
      return operator satisfies never;
  }
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function orderOf(left: Value, right: Value): number | undefined {
  if (typeof left === "string" && typeof right === "string") return compareByteOrder(left, right);
  if (!isNumber(left) || !isNumber(right)) return undefined;
  return left < right ? -1 : left > right ? 1 : 0;
}

function calculate(operator: string, left: Value, right: Value): Value {
  if (!isNumber(left) || !isNumber(right)) return undefined;
  const [a, b] = [Number(left), Number(right)];
  return operator === "+" ? a + b : operator === "-" ? a - b : operator === "*" ? a * b : a / b;
}

// ---------------------------------------------------------------- reading

const depthMax = 100;

class PathParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(reason: string): never {
    throw new Error(`bad JSON path ${JSON.stringify(this.#text)} at position ${this.#at}: ${reason}`);
  }

  #scan(regex: RegExp): RegExpExecArray | undefined {
    regex.lastIndex = this.#at;
    const match = regex.exec(this.#text);
    if (match === null) return undefined;
    this.#at = regex.lastIndex;
    return match;
  }

  #expect(token: string): void {
    this.#scan(/\s+/y);
    if (!this.#text.startsWith(token, this.#at)) this.#fail(`expected ${token}`);
    this.#at += token.length;
  }

  end(): void {
    this.#scan(/\s+/y);
    if (this.#at < this.#text.length) this.#fail("unexpected text");
  }

  path(root: "$" | "@"): Step[] {
    this.#expect(root);
    const steps: Step[] = [];
    for (;;) {
      if (this.#scan(/\.\./y) !== undefined) {
        steps.push({ kind: "descend" });
        steps.push(this.#text[this.#at] === "[" ? (this.#at++, this.#bracket()) : this.#name());
      } else if (this.#scan(/\./y) !== undefined) {
        steps.push(this.#name());
      } else if (this.#scan(/\[/y) !== undefined) {
        steps.push(this.#bracket());
      } else {
        return steps;
      }
    }
  }

  #name(): Step {
    if (this.#scan(/\*/y) !== undefined) return { kind: "all" };
    const name = this.#scan(/[\p{L}_][\p{L}\p{N}_]*/uy)?.[0];
    return name === undefined ? this.#fail("expected a key") : { kind: "key", key: name };
  }

  /** Behind the opening bracket. */
  #bracket(): Step {
    if (this.#scan(/\s*\*\s*\]/y) !== undefined) return { kind: "all" };
    if (this.#scan(/\s*\?\s/y) !== undefined) {
      const condition = this.#expression();
      this.#expect("]");
      return { kind: "filter", condition };
    }
    const slice = this.#scan(/\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?\]/y);
    if (slice !== undefined) {
      const [from, to, step] = slice.slice(1).map((digits) => digits === undefined ? undefined : Number(digits));
      if (step === 0) this.#fail("the step of a slice is 0");
      return {
        kind: "slice",
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        step: step ?? 1,
      };
    }
    const members = [this.#member()];
    while (this.#scan(/\s*,/y) !== undefined) members.push(this.#member());
    this.#expect("]");
    const only = members[0]!;
    if (members.length > 1) return { kind: "union", members };
    return typeof only === "string" ? { kind: "key", key: only } : { kind: "index", index: only };
  }

  #member(): string | number {
    this.#scan(/\s+/y);
    const digits = this.#scan(/-?\d+/y)?.[0];
    return digits === undefined ? this.#string() ?? this.#fail("expected an index or a key in quotes") : Number(digits);
  }

  #string(): string | undefined {
    const quoted = this.#scan(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y)?.[0];
    return quoted?.slice(1, -1).replace(/\\(.)/g, "$1");
  }

  /** `||` binds loosest, then `&&`, comparisons, `+ -`, `* /`. */
  #expression(): Expression {
    if (++this.#depth > depthMax) this.#fail(`nested over ${depthMax} deep`);
    let left = this.#conjunction();
    while (this.#scan(/\s*\|\|/y) !== undefined) {
      const [a, b] = [left, this.#conjunction()];
      left = (current, document) => isTrue(a(current, document)) || isTrue(b(current, document));
    }
    this.#depth--;
    return left;
  }

  #conjunction(): Expression {
    let left = this.#comparison();
    while (this.#scan(/\s*&&/y) !== undefined) {
      const [a, b] = [left, this.#comparison()];
      left = (current, document) => isTrue(a(current, document)) && isTrue(b(current, document));
    }
    return left;
  }

  #comparison(): Expression {
    const left = this.#sum();
    const operator = this.#scan(/\s*(==|!=|<=|>=|<|>)/y)?.[1] as Comparison | undefined;
    if (operator === undefined) return left;
    const right = this.#sum();
    return (current, document) => compare(operator, left(current, document), right(current, document));
  }

  #sum(): Expression {
    let left = this.#product();
    for (let found = this.#scan(/\s*([+-])/y); found !== undefined; found = this.#scan(/\s*([+-])/y)) {
      left = arithmetic(found[1]!, left, this.#product());
    }
    return left;
  }

  #product(): Expression {
    let left = this.#operand();
    for (let found = this.#scan(/\s*([*/])/y); found !== undefined; found = this.#scan(/\s*([*/])/y)) {
      left = arithmetic(found[1]!, left, this.#operand());
    }
    return left;
  }

  #operand(): Expression {
    this.#scan(/\s+/y);
    let inverted = false;
    let negations = 0;
    while (this.#scan(/!\s*/y) !== undefined) {
      inverted = !inverted;
      negations++;
    }
    const operand = this.#primary();
    return negations === 0 ? operand : (current, document) => isTrue(operand(current, document)) !== inverted;
  }

  #primary(): Expression {
    if (this.#scan(/\(/y) !== undefined) {
      const inner = this.#expression();
      this.#expect(")");
      return inner;
    }
    const next = this.#text[this.#at];
    if (next === "$" || next === "@") {
      const steps = this.path(next);
      return (current, document) => walk(steps, next === "$" ? document : current, document)[0];
    }
    const number = this.#scan(/-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y)?.[0];
    if (number !== undefined) return () => Number(number);
    const word = this.#scan(/(?:true|false|null)\b/y)?.[0];
    if (word !== undefined) return () => (word === "null" ? null : word === "true");
    const text = this.#string();
    return text === undefined ? this.#fail("expected a value") : () => text;
  }
}

function arithmetic(operator: string, left: Expression, right: Expression): Expression {
  return (current, document) => calculate(operator, left(current, document), right(current, document));
}
