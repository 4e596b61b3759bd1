/**
 * What a statement gives, computed from all its rows at once, to judge the running pipeline by.
 * @module
 */
import type { Call, Expr, Select, WindowCall } from "../../src/sql/ast.ts";
import type { Struct, Value } from "../../src/value/value.ts";
import { aggregateNames, compare, evaluate, NaiveError, type NaiveRow, type Scope } from "./naive_expression.ts";

/** A row as it arrives. */
export interface Arrival {
  readonly at: number;
  readonly values: Struct;
}

export interface Outcome {
  /** The lists of rows, in order. */
  readonly results: Struct[][];
  readonly errors: number;
  readonly late: number;
}

export interface EventTime {
  readonly column: string;
  readonly lateTolerance: number;
}

export interface Setting {
  /** Where the clock stands at the end. */
  readonly until: number;
  readonly eventTime: EventTime | undefined;
  readonly typed: boolean;
  readonly sendNilField: boolean;
}

export function naiveOutcome(select: Select, arrivals: readonly Arrival[], setting: Setting): Outcome {
  const { until, eventTime } = setting;
  const run = new NaiveRun(select, setting);
  const window = select.groupBy.find((part): part is WindowCall => part.kind === "window_call");
  const { rows, late } = eventTime === undefined
    ? { rows: inOrder(arrivals.map(({ at, values }) => ({ time: at, values }))), late: 0 }
    : byEventTime(arrivals, eventTime);
  if (window === undefined) {
    for (const row of rows) run.attempt(() => run.single(row));
  } else {
    const entering = eventTime === undefined ? rows.filter((row) => run.keepsEarly(row)) : rows;
    for (const { start, end, content } of windows(window, entering, until, eventTime !== undefined)) {
      run.attempt(() => run.list(content, { start, end }, eventTime === undefined));
    }
  }
  return { results: run.results, errors: run.errors, late };
}

function inOrder(rows: readonly { readonly time: number; readonly values: Struct }[]): NaiveRow[] {
  const stream: NaiveRow[] = [];
  for (const [index, { time, values }] of rows.entries()) stream.push({ time, values, stream, index });
  return stream;
}

function byEventTime(
  arrivals: readonly Arrival[],
  { column, lateTolerance }: EventTime,
): { rows: NaiveRow[]; late: number } {
  let largest = -Infinity;
  const accepted: { time: number; values: Struct }[] = [];
  for (const { values } of arrivals) {
    const time = Number(values[column]);
    if (time >= largest - lateTolerance) accepted.push({ time, values });
    largest = Math.max(largest, time);
  }
  accepted.sort((a, b) => a.time - b.time);
  return { rows: inOrder(accepted), late: arrivals.length - accepted.length };
}

const units = { ss: { ms: 1000, enclosing: 60_000 }, ms: { ms: 1, enclosing: 1000 } };

interface Content {
  readonly start: number;
  readonly end: number;
  readonly content: NaiveRow[];
}

/** In processing time every window that ends by `until`, and the open one if it holds rows; in UTC, from time 0. */
function windows(call: WindowCall, rows: readonly NaiveRow[], until: number, eventTime: boolean): Content[] {
  const [first, second] = call.args;
  const unit = units[(first as { unit: "ss" | "ms" }).unit];
  const length = Number((second as { value: bigint }).value) * unit.ms;
  let start = eventTime ? rows[0]?.time : 0;
  if (start === undefined) return [];
  let end = Math.floor(start / unit.enclosing) * unit.enclosing;
  while (end <= start) end += length;
  const all: Content[] = [];
  const last = rows.at(-1)?.time ?? -Infinity;
  while (eventTime ? start <= last : end <= until || start <= last) {
    const [from, to] = [start, end];
    all.push({ start, end, content: rows.filter((row) => row.time >= from && row.time < to) });
    start = end;
    end += length;
  }
  return all;
}

function isAggregate(part: unknown): part is Call {
  return typeof part === "object" && part !== null && (part as Call).kind === "call" &&
    aggregateNames.has((part as Call).name.name.toLowerCase());
}

class NaiveRun {
  readonly results: Struct[][] = [];
  errors = 0;
  readonly #select: Select;
  readonly #setting: Setting;
  readonly #limit: number;

  constructor(select: Select, setting: Setting) {
    this.#select = select;
    this.#setting = setting;
    this.#limit = select.limit === undefined ? Infinity : Number(select.limit.count);
  }

  attempt(task: () => Struct[] | undefined): void {
    try {
      const rows = task();
      if (rows !== undefined && this.#limit > 0) this.results.push(rows.slice(0, this.#limit));
    } catch (error) {
      if (!(error instanceof NaiveError)) throw error;
      this.errors++;
    }
  }

  #scope(row: NaiveRow | undefined, group: readonly NaiveRow[], window?: Scope["window"]): Scope {
    return { select: this.#select, typed: this.#setting.typed, row, group, window, item: Infinity, inside: [] };
  }

  /** The aggregates of an expression, those behind aliases included. */
  #aggregates(part: unknown, found: Call[] = [], inside: readonly string[] = []): Call[] {
    if (isAggregate(part)) {
      found.push(part);
    } else if (Array.isArray(part)) {
      for (const item of part) this.#aggregates(item, found, inside);
    } else if (typeof part === "object" && part !== null) {
      const { kind, name } = part as { kind?: string; name?: unknown };
      const alias = kind === "name" && !inside.includes(name as string)
        ? this.#select.items.find((item) => item.alias?.name === name)
        : undefined;
      if (alias !== undefined) this.#aggregates(alias.expr, found, [...inside, name as string]);
      for (const value of Object.values(part)) this.#aggregates(value, found, inside);
    }
    return found;
  }

  /** Every aggregate of the statement is computed, also where a condition would not ask for it. */
  #checkAggregates(scope: Scope, parts: readonly unknown[]): void {
    for (const call of this.#aggregates(parts)) evaluate(call, scope);
  }

  single(row: NaiveRow): Struct[] | undefined {
    const scope = this.#scope(row, [row]);
    const { where, items } = this.#select;
    if (where !== undefined) {
      this.#checkAggregates(scope, [where]);
      if (!holds(where, scope)) return undefined;
    }
    this.#checkAggregates(scope, [items]);
    return [this.#project(scope)];
  }

  /** The parts of WHERE that come before the window, in processing time. */
  #parts(expr: Expr | undefined): Expr[] {
    if (expr === undefined) return [];
    return expr.kind === "binary" && expr.operator === "AND"
      ? [...this.#parts(expr.left), ...this.#parts(expr.right)]
      : [expr];
  }

  keepsEarly(row: NaiveRow): boolean {
    try {
      const early = this.#parts(this.#select.where).filter((part) => this.#aggregates(part).length === 0);
      return allHold(early, this.#scope(row, [row]));
    } catch (error) {
      if (!(error instanceof NaiveError)) throw error;
      this.errors++;
      return false;
    }
  }

  list(content: readonly NaiveRow[], window: NonNullable<Scope["window"]>, early: boolean): Struct[] | undefined {
    const { where, having, orderBy, items, groupBy } = this.#select;
    let rows = content;
    const late = early ? this.#parts(where).filter((part) => this.#aggregates(part).length > 0) : where && [where];
    if (late !== undefined && late.length > 0) {
      if (content.length > 0) this.#checkAggregates(this.#scope(undefined, content, window), late);
      rows = content.filter((row) => allHold(late, this.#scope(row, content, window)));
      if (rows.length === 0) return undefined;
    }
    const keys = groupBy.filter((part): part is Expr => part.kind !== "window_call");
    const aggregated = keys.length > 0 || this.#aggregates(items).length > 0;
    const everything = [items, having, orderBy];
    let scopes: Scope[];
    if (keys.length > 0) {
      scopes = groupsOf(rows, keys, (row) => this.#scope(row, [], window))
        .map((group) => this.#scope(group[0], group, window));
      for (const scope of scopes) this.#checkAggregates(scope, everything);
      if (having !== undefined) scopes = scopes.filter((scope) => holdsStrictly(having, scope));
      if (scopes.length === 0) return undefined;
      scopes = sorted(scopes, orderBy);
    } else if (aggregated) {
      const ordered = sorted(rows.map((row) => this.#scope(row, rows, window)), orderBy).map((scope) => scope.row!);
      const scope = this.#scope(ordered[0], ordered, window);
      this.#checkAggregates(scope, everything);
      if (having !== undefined && !holdsStrictly(having, scope)) return undefined;
      scopes = [scope];
    } else {
      this.#checkAggregates(this.#scope(rows[0], rows, window), everything);
      if (having !== undefined && !holdsStrictly(having, this.#scope(rows[0], rows, window))) return undefined;
      scopes = sorted(rows.map((row) => this.#scope(row, rows, window)), orderBy);
    }
    return this.#limit === 0 ? undefined : scopes.slice(0, this.#limit).map((scope) => this.#project(scope));
  }

  #project(scope: Scope): Struct {
    const out: Struct = {};
    for (const { expr } of this.#select.items) if (expr.kind === "star") Object.assign(out, scope.row?.values);
    for (const [item, { expr, alias }] of this.#select.items.entries()) {
      if (expr.kind === "star" || expr.kind === "qualified_star") continue;
      if (expr.kind === "name" && alias === undefined) {
        const values = scope.row?.values ?? {};
        if (Object.hasOwn(values, expr.name)) out[expr.name] = values[expr.name];
        else if (this.#setting.sendNilField) out[expr.name] = null;
        continue;
      }
      const inside = alias === undefined ? [] : [alias.name];
      const value = evaluate(expr, { ...scope, item, inside });
      const isCollect = isAggregate(expr) && expr.name.name.toLowerCase() === "collect";
      if (value !== null || isCollect || this.#setting.sendNilField) out[alias!.name] = value;
    }
    return out;
  }
}

/** The conditions joined by AND, from the left. */
function allHold([first, ...rest]: readonly Expr[], scope: Scope): boolean {
  let result = first === undefined ? true : truth(first, scope);
  for (const condition of rest) {
    if (result === false) return false;
    const next = truth(condition, scope);
    result = result === null || next === null ? false : next;
  }
  return result === true;
}

function truth(condition: Expr, scope: Scope): boolean | null {
  const value = evaluate(condition, scope);
  if (value !== null && typeof value !== "boolean") throw new NaiveError("not a boolean");
  return value;
}

function holds(condition: Expr, scope: Scope): boolean {
  return truth(condition, scope) === true;
}

function holdsStrictly(condition: Expr, scope: Scope): boolean {
  const value = evaluate(condition, scope);
  if (typeof value !== "boolean") throw new NaiveError("HAVING is not a boolean");
  return value;
}

function groupsOf(rows: readonly NaiveRow[], keys: readonly Expr[], scopeOf: (row: NaiveRow) => Scope): NaiveRow[][] {
  const groups: { key: Value[]; rows: NaiveRow[] }[] = [];
  for (const row of rows) {
    // Floats of the generated sizes print as JavaScript prints them; lists and maps are not generated as keys.
    const key = keys.map((expr) => {
      const value = evaluate(expr, scopeOf(row));
      return value === null ? null : Object.is(value, -0) ? "-0" : String(value);
    });
    const found = groups.find((group) => group.key.every((part, i) => part === key[i]));
    if (found === undefined) groups.push({ key, rows: [row] });
    else found.rows.push(row);
  }
  return groups.map((group) => group.rows);
}

function sorted(scopes: readonly Scope[], orderBy: Select["orderBy"]): Scope[] {
  const keyed = scopes.map((scope) => ({ scope, keys: orderBy.map((by) => evaluate(by.expr, scope)) }));
  for (let i = 0; i < orderBy.length; i++) {
    const kinds = new Set(keyed.map(({ keys }) => keys[i]!).filter((key) => key !== null).map(kindOf));
    if (kinds.size > 1 || kinds.has("boolean") || kinds.has("object")) throw new NaiveError("cannot sort");
  }
  return keyed.sort((a, b) => {
    for (const [i, { descending }] of orderBy.entries()) {
      const [x, y] = [a.keys[i]!, b.keys[i]!];
      if (x === null || y === null) {
        if (x === y) continue;
        return x === null ? 1 : -1;
      }
      if (compare("=", x, y)) continue;
      return compare("<", x, y) !== descending ? -1 : 1;
    }
    return 0;
  }).map(({ scope }) => scope);
}

function kindOf(value: Value): string {
  return typeof value === "bigint" ? "number" : typeof value;
}
