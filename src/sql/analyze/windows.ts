/**
 * Windows of both spellings, checked and brought to one form.
 * @module
 */
import type { Span } from "../../diagnostics/diagnostic.ts";
import type { Expr, Star, TimeUnit, TimeUnitLiteral, WindowCall, WindowClause, WindowLength } from "../ast.ts";
import type { Bound } from "../bound.ts";
import type { Binder } from "./binder.ts";

export type WindowType = "tumbling" | "hopping" | "sliding" | "session" | "count" | "state";

/**
 * A window as the planner sees it. Lengths are in `unit`, counts in rows:
 * tumbling `length`; hopping `length`, `interval`; sliding `length`, `interval` = delay; session `length` = longest
 * duration, `interval` = gap; count `length`, `interval`; state uses `conditions` only.
 */
export interface WindowSpec {
  readonly type: WindowType;
  readonly unit: TimeUnit | undefined;
  readonly length: number;
  readonly interval: number | undefined;
  readonly conditions: readonly Bound[];
  readonly filter: Bound | undefined;
  readonly triggerWhen: Bound | undefined;
  readonly partitionBy: readonly Bound[];
  readonly span: Span;
}

/** Milliseconds of one unit; a day is 24 hours. */
export const unitMs: Readonly<Record<TimeUnit, number>> = {
  dd: 86_400_000,
  hh: 3_600_000,
  mi: 60_000,
  ss: 1000,
  ms: 1,
};

/** A row that stands in more hopping windows than this would hold up the agent when they close. */
const overlapMax = 100_000;

/** A length in milliseconds must stay a safe integer with room for sums. */
const lengthMsMax = 2 ** 50;

const forms: Readonly<
  Record<WindowCall["name"], { type: WindowType; least: number; most: number; timed: boolean; form: string }>
> = {
  tumblingwindow: { type: "tumbling", least: 1, most: 1, timed: true, form: "TUMBLINGWINDOW(unit, length)" },
  hoppingwindow: { type: "hopping", least: 2, most: 2, timed: true, form: "HOPPINGWINDOW(unit, length, hop)" },
  slidingwindow: { type: "sliding", least: 1, most: 2, timed: true, form: "SLIDINGWINDOW(unit, length [, delay])" },
  sessionwindow: { type: "session", least: 2, most: 2, timed: true, form: "SESSIONWINDOW(unit, maxDuration, timeout)" },
  countwindow: { type: "count", least: 1, most: 2, timed: false, form: "COUNTWINDOW(count [, interval])" },
  statewindow: { type: "state", least: 1, most: 2, timed: false, form: "STATEWINDOW(begin [, emit])" },
};

/** A function-style window. */
export function bindWindowCall(binder: Binder, call: WindowCall): WindowSpec | undefined {
  const form = forms[call.name];
  const refuse = (message: string, span: Span): undefined => {
    binder.report("E210", message, span, `the form is ${form.form}`);
    return undefined;
  };
  let args: readonly (Expr | Star | TimeUnitLiteral)[] = call.args;
  let unit: TimeUnit | undefined;
  if (form.timed) {
    const first = args[0];
    if (first?.kind !== "time_unit") {
      return refuse(`${call.name}() needs a time unit (dd, hh, mi, ss or ms) first`, (first ?? call).span);
    }
    unit = first.unit;
    args = args.slice(1);
  }
  if (args.length < form.least || args.length > form.most) {
    return refuse(`${call.name}() has the wrong number of arguments`, call.span);
  }
  const misplaced = args.find((arg) => arg.kind === "star" || arg.kind === "time_unit");
  if (misplaced !== undefined) return refuse(`${call.name}() does not take this argument`, misplaced.span);
  const exprs = args as readonly Expr[];
  if (form.type === "state") {
    const conditions = exprs.map((expr) => binder.bindIn("window", expr));
    return finish(binder, call, { type: "state", unit: undefined, length: 0, interval: undefined, conditions });
  }
  const numbers: number[] = [];
  for (const [i, arg] of exprs.entries()) {
    const zeroAllowed = form.type === "sliding" && i === 1;
    if (arg.kind !== "literal" || typeof arg.value !== "bigint") {
      return refuse(`A window's length must be an integer literal`, arg.span);
    }
    if (arg.value < (zeroAllowed ? 0n : 1n)) {
      return refuse(`A window's length must be positive, found ${arg.value}`, arg.span);
    }
    if (Number(arg.value) * (unit === undefined ? 1 : unitMs[unit]) > lengthMsMax) {
      return refuse(`A window's length is too large: ${arg.value}`, arg.span);
    }
    numbers.push(Number(arg.value));
  }
  const [length, interval] = numbers as [number, number | undefined];
  if (form.type === "count" && interval !== undefined && interval > length) {
    return refuse(`The interval of a count window must not exceed its count: ${interval} > ${length}`, call.span);
  }
  return finish(binder, call, { type: form.type, unit, length, interval, conditions: [] });
}

const clauseForms: Readonly<Record<WindowClause["type"], string>> = {
  tumbling: "TUMBLING (SIZE 5 SECOND)",
  hopping: "HOPPING (SIZE 10 SECOND, ADVANCE BY 5 SECOND)",
  sliding: "SLIDING (SIZE 5 SECOND)",
  session: "SESSION (20 SECOND TIMEOUT, 5 MINUTE)",
  count: "COUNT (SIZE 6, ADVANCE BY 2)",
};

/** A clause-style window; it means the function-style one of the same kind. */
export function bindWindowClause(binder: Binder, clause: WindowClause): WindowSpec | undefined {
  const { size, advance, type } = clause;
  const refuse = (message: string, span: Span): undefined => {
    binder.report("E210", message, span, `the form is WINDOW ${clauseForms[type]}`);
    return undefined;
  };
  for (const length of [size, advance]) {
    if (length === undefined) continue;
    if (length.count < 1n) {
      return refuse(`A window's length must be positive, found ${length.count}`, length.span);
    }
    if (Number(length.count) * (length.unit === undefined ? 1 : unitMs[length.unit]) > lengthMsMax) {
      return refuse(`A window's length is too large: ${length.count}`, length.span);
    }
    if (type === "count" && length.unit !== undefined) {
      return refuse("A count window counts rows: leave the time unit out", length.span);
    }
  }
  if (type === "count") {
    const [length, interval] = [Number(size.count), advance === undefined ? undefined : Number(advance.count)];
    if (interval !== undefined && interval > length) {
      return refuse(`The advance of a count window must not exceed its size: ${interval} > ${length}`, clause.span);
    }
    return finish(binder, clause, { type, unit: undefined, length, interval, conditions: [] });
  }
  if (size.unit === undefined) {
    return refuse("A window's size needs a time unit", size.span);
  }
  if (advance === undefined) {
    if (type !== "tumbling" && type !== "sliding") return refuse(`A ${type} window needs two lengths`, clause.span);
    return finish(binder, clause, {
      type,
      unit: size.unit,
      length: Number(size.count),
      interval: undefined,
      conditions: [],
    });
  }
  if (type === "tumbling" || type === "sliding") return refuse(`A ${type} window takes one length`, advance.span);
  const { unit, first, second } = commonUnit(size, { ...advance, unit: advance.unit ?? size.unit });
  // The clause writes the session's gap first and its longest duration second; the function the other way round.
  return type === "session"
    ? finish(binder, clause, { type, unit, length: second, interval: first, conditions: [] })
    : finish(binder, clause, { type, unit, length: first, interval: second, conditions: [] });
}

/** Both lengths in the smaller of their units, which then also decides the alignment. */
function commonUnit(a: WindowLength, b: WindowLength): { unit: TimeUnit; first: number; second: number } {
  const unit = unitMs[a.unit!] <= unitMs[b.unit!] ? a.unit! : b.unit!;
  const inUnit = (length: WindowLength) => Number(length.count) * unitMs[length.unit!] / unitMs[unit];
  return { unit, first: inUnit(a), second: inUnit(b) };
}

function finish(
  binder: Binder,
  node: WindowCall | WindowClause,
  shape: Pick<WindowSpec, "type" | "unit" | "length" | "interval" | "conditions">,
): WindowSpec {
  if (shape.type === "hopping" && shape.length / shape.interval! > overlapMax) {
    binder.report(
      "E210",
      `A row would stand in more than ${overlapMax} hopping windows`,
      node.span,
      "take a longer hop, or a shorter length",
    );
  }
  const filter = node.filter === undefined ? undefined : binder.bindIn("filter", node.filter);
  const clause = shape.type === "sliding" ? "trigger" : "window";
  const triggerWhen = node.over?.when === undefined ? undefined : binder.bindIn(clause, node.over.when);
  const partitionBy = (node.over?.partitionBy ?? []).map((expr) => binder.bindIn("window", expr));
  if (partitionBy.length > 0 && shape.type !== "state") {
    binder.report("E212", "PARTITION BY belongs to state windows", node.over!.span, "use GROUP BY for other windows");
  }
  return { ...shape, filter, triggerWhen, partitionBy, span: node.span };
}
