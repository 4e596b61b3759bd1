/**
 * Calls: the function is found, its arguments are counted and checked, aggregates and analytic calls get a slot.
 * @module
 */
import type { Call, Expr, Over, Star, TimeUnitLiteral } from "../ast.ts";
import type { Bound, BoundAggregate, BoundAlias, BoundAnalytic } from "../bound.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import { checkConstants } from "../functions/check_constants.ts";
import type { SqlFunction } from "../functions/declare.ts";
import type { StaticType } from "../types.ts";
import type { Binder } from "./binder.ts";
import { arityFits, bindArguments, signature } from "./call_arguments.ts";
import { bindStageCall, checkDelay } from "./stage_calls.ts";

const windowFunctions = new Set([
  "tumblingwindow",
  "hoppingwindow",
  "slidingwindow",
  "sessionwindow",
  "countwindow",
  "statewindow",
]);

/** Functions whose argument is a path of metadata keys, written like a column. */
const metadataFunctions = new Set(["meta", "mqtt"]);

export function bindCall(binder: Binder, call: Call): Bound {
  const fn = findFunction(binder, call);
  if (fn === undefined || !arityFits(binder, call, fn)) {
    // The arguments may hold more mistakes worth telling at once.
    for (const arg of call.args) if (arg.kind !== "star" && arg.kind !== "time_unit") binder.bind(arg);
    return { kind: "constant", value: null, type: "unknown", span: call.span };
  }
  if (fn.kind === "analytic") return bindAnalytic(binder, call, fn);
  if (fn.kind === "stage") return bindStageCall(binder, call, fn);
  if (call.over !== undefined) {
    binder.report(
      "E212",
      `OVER is not allowed on ${call.name.name}()`,
      call.over.span,
      "it belongs to analytic functions",
    );
  }
  if (fn.kind === "aggregate") return bindAggregate(binder, call, fn);
  const args = metadataFunctions.has(fn.name) ? [metadataPath(binder, call)] : bindArguments(binder, call, fn);
  const literals = args.map((arg) => (arg.kind === "constant" ? arg.value : undefined));
  const problem = checkConstants(fn, literals);
  if (problem !== undefined) binder.report(problem.code, problem.message, call.span, signature(fn));
  checkDelay(binder, call, fn, args);
  const source = metadataFunctions.has(fn.name) ? metadataSource(binder, call.args[0]!) : undefined;
  const bound = { kind: "call" as const, fn, args, type: resultType(fn, args), span: call.span };
  return source === undefined ? bound : { ...bound, source };
}

function findFunction(binder: Binder, call: Call): SqlFunction | undefined {
  const name = call.name.name;
  const fn = binder.functions.lookup(name);
  if (fn !== undefined) return fn;
  if (windowFunctions.has(name.toLowerCase())) {
    binder.report("E210", `Window ${name}() can stand only in GROUP BY`, call.span, "move it behind GROUP BY");
  } else {
    const hint = nameElsewhere(name) ?? didYouMean(name, binder.functions.names());
    binder.report("E202", `Unknown function ${name}()`, call.name.span, hint);
  }
  return undefined;
}

/** What to write for a function that other dialects have, and whose name is not near to ours. */
function nameElsewhere(name: string): string | undefined {
  switch (name.toLowerCase()) {
    case "if":
    case "iif":
      return "write CASE WHEN … THEN … ELSE … END";
    case "ifnull":
    case "nvl":
      return "use coalesce(a, b)";
    case "len":
    case "char_length":
      return "use length(a)";
    default:
      return undefined;
  }
}

function resultType(fn: SqlFunction, args: readonly Bound[]): StaticType {
  return typeof fn.returns === "function"
    ? fn.returns(args.map((a) => a.type), args.map((a) => (a.kind === "constant" ? a.value : undefined)))
    : fn.returns;
}

function bindAggregate(binder: Binder, call: Call, fn: Extract<SqlFunction, { kind: "aggregate" }>): Bound {
  const allowed = binder.allowCall("aggregate", call);
  const outer = binder.inside;
  binder.inside = "aggregate";
  const args = bindArguments(binder, call, fn);
  if (fn.params.at(-1)?.implicit === true) {
    args.push(binder.bindStar({ kind: "star", except: [], replace: [], span: call.span }));
  }
  binder.inside = outer;
  const bound = { kind: "aggregate" as const, fn, args, type: resultType(fn, args), span: call.span };
  if (!allowed) return { kind: "constant", value: null, type: bound.type, span: call.span };
  // Equal calls share one slot: count(*) in SELECT and in HAVING is computed once.
  const identity = identityOf(bound);
  const known = binder.aggregates.get(identity);
  if (known !== undefined) return { ...known, span: call.span };
  const aggregate: BoundAggregate = { ...bound, slot: binder.newSlot() };
  binder.aggregates.set(identity, aggregate);
  return aggregate;
}

function bindAnalytic(binder: Binder, call: Call, fn: Extract<SqlFunction, { kind: "analytic" }>): Bound {
  const allowed = binder.allowCall("analytic", call);
  const { inside, inWhen } = binder;
  binder.inside = "analytic";
  binder.inWhen = false;
  const args = bindArguments(binder, call, fn);
  const { partitionBy, when } = bindOver(binder, call.over);
  binder.inside = inside;
  binder.inWhen = inWhen;
  const type = resultType(fn, args);
  if (!allowed) return { kind: "constant", value: null, type, span: call.span };
  const analytic: BoundAnalytic = {
    kind: "analytic",
    fn,
    args,
    partitionBy,
    when,
    slot: binder.newSlot(),
    type,
    span: call.span,
  };
  binder.analytics.push(analytic);
  return analytic;
}

function bindOver(binder: Binder, over: Over | undefined): { partitionBy: Bound[]; when: Bound | undefined } {
  if (over === undefined) return { partitionBy: [], when: undefined };
  if (over.orderBy.length > 0) {
    const span = over.orderBy[0]!.span;
    binder.report(
      "E212",
      "ORDER BY in OVER belongs to row_number() only",
      span,
      "analytic functions see rows as they come",
    );
  }
  const partitionBy = over.partitionBy.map((expr) => binder.bind(expr));
  if (over.when === undefined) return { partitionBy, when: undefined };
  binder.inWhen = true;
  return { partitionBy, when: binder.bind(over.when) };
}

/**
 * `meta(topic)`, `meta(src.topic)`, `meta(a->b)` and `meta(*)`: the argument names metadata, not a column. It reaches
 * the function as one text, its keys joined by dots, without the source's name.
 */
function metadataPath(binder: Binder, call: Call): Bound {
  binder.usesMeta = true;
  const arg = call.args[0]!;
  const keys = pathOf(binder, arg);
  if (keys === undefined) {
    binder.report("E214", `${call.name.name}() takes the name of a metadata key`, arg.span, "for example meta(topic)");
  }
  const path = keys?.join(".") ?? "";
  if (
    call.name.name.toLowerCase() === "mqtt" && keys !== undefined &&
    !["topic", "messageid"].includes(path.toLowerCase())
  ) {
    binder.report("E214", `mqtt() takes topic or messageid, found "${path}"`, arg.span, "for example mqtt(topic)");
  }
  return { kind: "constant", value: path, type: "string", span: arg.span };
}

/** The source that `meta(source.key)` names; undefined where there is only one. */
function metadataSource(binder: Binder, arg: Expr | Star | TimeUnitLiteral): number | undefined {
  let start = arg;
  while (start.kind === "member") start = start.base;
  if (start.kind !== "qualified" || binder.scope.sources.length === 1) return undefined;
  const source = binder.scope.find(start.qualifier.name);
  return source === -1 ? undefined : source;
}

function pathOf(binder: Binder, arg: Expr | Star | TimeUnitLiteral): string[] | undefined {
  switch (arg.kind) {
    case "star":
      return ["*"];
    case "literal":
      return typeof arg.value === "string" ? [arg.value] : undefined;
    case "name":
      return [arg.name];
    case "qualified": {
      const isSource = binder.scope.find(arg.qualifier.name) !== -1;
      return isSource ? [arg.name.name] : [arg.qualifier.name, arg.name.name];
    }
    case "member": {
      const base = pathOf(binder, arg.base);
      return base === undefined ? undefined : [...base, arg.key.name];
    }
    default:
      return undefined;
  }
}

/** Text that is equal for expressions that always have the same value on the same row. */
function identityOf(bound: Omit<BoundAggregate, "slot">): string {
  return JSON.stringify(bound, (key, value: unknown) => {
    if (key === "span") return undefined;
    // An alias is known by its slot; written out, aliases of aliases would double the text with each step.
    if (isAlias(value)) return `alias ${value.slot}`;
    if (typeof value === "bigint") return `int ${value}`;
    if (key === "fn") return (value as SqlFunction).name;
    return value;
  });
}

function isAlias(value: unknown): value is BoundAlias {
  return typeof value === "object" && value !== null && (value as Bound).kind === "alias";
}
