/**
 * Runs the examples of every function. Each is a single call of literals, column names and `*`, so a small reader of
 * calls is enough here; that the same calls work inside whole statements is tested where statements are. The examples of
 * functions that a step of the plan carries out are statements already.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Code } from "../../diagnostics/codes.ts";
import { DiagnosticError } from "../../diagnostics/diagnostic.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import { Query } from "../../runtime/query.ts";
import { catalog } from "../../runtime/statement_fixture.ts";
import { Row } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import { builtInFunctions } from "./built_in.ts";
import { decodeString } from "../string_literal.ts";
import { argumentReader, checkLiteral, isNullLike } from "./arguments.ts";
import type { Example, Param, RuleContext, SqlFunction } from "./declare.ts";
import { functions, lookup } from "./registry.ts";

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const state: Struct = { limit: 80n, mode: "auto" };
const context: RuleContext = {
  ruleId: "rule1",
  ruleStart: now - 1000,
  now,
  timezone: "UTC",
  random: () => 0.25,
  keyedState: (key) => state[key],
  properties: { site: "north" },
};

type Literal = bigint | number | string | boolean;
type Argument = { kind: "literal"; value: Literal } | { kind: "column"; name: string } | { kind: "star" };

/** What a function gave, or the code of the diagnostic or row error that refused it. */
type Outcome = { gives: Value } | { givesEach: Value[] } | { givesRows: Struct[] } | { fails: Code };

class Refused extends Error {
  readonly code: Code;
  constructor(code: Code, message: string) {
    super(message);
    this.code = code;
  }
}

function readCall(sql: string): { name: string; args: Argument[] } {
  const call = /^(\w+)\((.*)\)$/s.exec(sql);
  assert.ok(call !== null, `example is not a single call: ${sql}`);
  const token =
    /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(-?\d+\.\d*)|(-?\d+)|(true|false)\b|(\w+(?:\.\w+)*)|(\*))\s*(,|$)/gy;
  const args: Argument[] = [];
  const text = call[2]!;
  while (text !== "" && token.lastIndex < text.length) {
    const match = token.exec(text);
    assert.ok(match !== null, `cannot read the arguments of ${sql}`);
    const [, quoted, float, int, boolean, name] = match;
    if (quoted !== undefined) args.push({ kind: "literal", value: decodeString(quoted) });
    else if (float !== undefined) args.push({ kind: "literal", value: Number(float) });
    else if (int !== undefined) args.push({ kind: "literal", value: BigInt(int) });
    else if (boolean !== undefined) args.push({ kind: "literal", value: boolean === "true" });
    else if (name !== undefined) args.push({ kind: "column", name });
    else args.push({ kind: "star" });
  }
  return { name: call[1]!, args };
}

function paramAt(fn: SqlFunction, i: number): Param | undefined {
  const last = fn.params.at(-1);
  return fn.params[i] ?? (last?.variadic === true ? last : undefined);
}

/** Refuses what analyze would refuse, and gives the arguments as the function wants to have them. */
function checkArguments(fn: SqlFunction, args: Argument[]): Argument[] {
  const required = fn.params.filter((param) => param.optional !== true && param.implicit !== true).length;
  if (fn.params.at(-1)?.implicit === true) args = [...args, { kind: "star" }];
  const inRange = args.length >= required && (args.length === 0 || paramAt(fn, args.length - 1) !== undefined);
  if (!inRange || fn.arity?.fits(args.length) === false) {
    throw new Refused("E203", "wrong number of arguments");
  }
  return args.map((arg, i) => {
    const param = paramAt(fn, i)!;
    // meta(a.b) and mqtt(topic) take their argument as a path, not as a column.
    if (arg.kind === "column" && (fn.name === "meta" || fn.name === "mqtt")) arg = { kind: "literal", value: arg.name };
    if (arg.kind === "literal") {
      const problem = checkLiteral(param, fn.name, i + 1, arg.value);
      if (problem !== undefined) throw new Refused(problem.code, problem.message);
    } else if (param.constant === true) {
      throw new Refused("E214", "not a literal");
    } else if (arg.kind === "star" && param.star !== true) {
      throw new Refused("E216", "* is not allowed");
    }
    return arg;
  });
}

function argumentsOf(args: Argument[], row: Struct): Value[] {
  return args.map((arg) => arg.kind === "literal" ? arg.value : arg.kind === "star" ? row : row[arg.name]);
}

function convert(fn: SqlFunction, values: Value[]): Value[] {
  return values.map((value, i) => {
    const read = argumentReader(paramAt(fn, i)!, fn.name, i + 1, context);
    return read === undefined ? value : read(value) as Value;
  });
}

function constantsOf(fn: SqlFunction, args: Argument[]): Record<string, never> {
  const constants: Record<string, Value> = {};
  for (const [i, arg] of args.entries()) {
    const param = fn.params[i];
    if (arg.kind !== "literal" || param === undefined || param.variadic === true) continue;
    const read = argumentReader(param, fn.name, i + 1, context);
    constants[param.name] = read === undefined ? arg.value : read(arg.value) as Value;
  }
  return constants as Record<string, never>;
}

/** What a function refuses while it is compiled is a literal's fault, and so the statement's. */
function compiled<T>(compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    throw error instanceof RowError ? new Refused("E214", error.message) : error;
  }
}

const nullResults = { propagate: null, false: false, zero: 0n } as const;

function run(sql: string, rows: readonly Struct[]): Outcome {
  const call = readCall(sql);
  const fn = lookup(call.name);
  assert.ok(fn !== undefined, `no function ${call.name}`);
  try {
    const args = checkArguments(fn, call.args);
    const valuesOf = (row: Struct) => convert(fn, argumentsOf(args, row));
    switch (fn.kind) {
      case "scalar": {
        const closure = compiled(() => fn.compile(constantsOf(fn, args), context));
        const values = argumentsOf(args, rows[0]!);
        if (fn.nulls !== "sees" && values.some(isNullLike)) return { gives: nullResults[fn.nulls] };
        return { gives: closure(...convert(fn, values)) };
      }
      case "row": {
        const closure = compiled(() => fn.compile(constantsOf(fn, args), context));
        return { gives: closure(new Row(rows[0]!, now), ...valuesOf(rows[0]!)) };
      }
      case "aggregate": {
        const whole = rows.reduce<Value>((state, row) => fn.add(state, ...valuesOf(row)), fn.init());
        const result = fn.result(whole);
        checkMerge(fn, rows.map(valuesOf), result);
        return { gives: result };
      }
      case "analytic": {
        let state = fn.init();
        const results = rows.map((row) => {
          const step = fn.step(state, true, ...valuesOf(row));
          state = structuredClone(step.state);
          return step.result;
        });
        return { givesEach: results };
      }
      case "stage":
        throw new Error(`${fn.name}() is not computed from its arguments alone`);
      default:
        return fn satisfies never;
    }
  } catch (error) {
    if (error instanceof RowError || error instanceof Refused) return { fails: error.code };
    throw error;
  }
}

/** However the rows are cut in two, merging the states of both parts gives the result of the whole, up to rounding. */
function checkMerge(fn: Extract<SqlFunction, { kind: "aggregate" }>, rows: readonly Value[][], result: Value): void {
  if (fn.merge === undefined) return;
  for (let cut = 0; cut <= rows.length; cut++) {
    const stateOf = (part: readonly Value[][]) => part.reduce<Value>((state, row) => fn.add(state, ...row), fn.init());
    const merged = fn.result(fn.merge(stateOf(rows.slice(0, cut)), stateOf(rows.slice(cut))));
    if (typeof merged === "number" && typeof result === "number") {
      assert.ok(Math.abs(merged - result) <= 1e-12 * Math.abs(result), `${merged} is not ${result}`);
    } else {
      assert.deepEqual(merged, result);
    }
  }
}

/** What the statement of an example gives, or the first code that refuses it or one of its rows. */
function runStatement(
  { sql, behind }: { readonly sql: string; readonly behind?: string },
  rows: readonly Struct[],
): Outcome {
  const results: Struct[] = [];
  let failed: Code | undefined;
  try {
    const query = new Query(
      `SELECT ${sql} FROM demo ${behind ?? ""}`,
      catalog,
      builtInFunctions,
      { start: now, timezone: "UTC" },
      { result: (list) => results.push(...list), failed: (error) => void (failed ??= error.code) },
    );
    for (const row of rows) query.push([row]);
    void query.end();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return { fails: error.diagnostics[0]!.code };
  }
  return failed === undefined ? { givesRows: results } : { fails: failed };
}

function expectedOf(example: Example): Outcome {
  if ("fails" in example) return { fails: example.fails };
  if ("givesRows" in example) return { givesRows: [...example.givesRows] };
  return "givesEach" in example ? { givesEach: [...example.givesEach] } : { gives: example.gives };
}

for (const fn of functions) {
  for (const example of fn.examples) {
    const rows = example.rows ?? [{}];
    test(`${example.sql} on ${describeRows(rows)}`, () => {
      let outcome = fn.kind === "stage" ? runStatement(example, rows) : run(example.sql, rows);
      const expected = expectedOf(example);
      if ("givesEach" in outcome && "gives" in expected) outcome = { gives: outcome.givesEach.at(-1) };
      // "No such column" and null are one to whoever reads an example.
      assert.deepEqual(nullInsteadOfUndefined(outcome), nullInsteadOfUndefined(expected));
    });
  }
}

function nullInsteadOfUndefined(outcome: Outcome): Outcome {
  if ("givesRows" in outcome) return outcome;
  if ("gives" in outcome) return { gives: outcome.gives ?? null };
  return "givesEach" in outcome ? { givesEach: outcome.givesEach.map((value) => value ?? null) } : outcome;
}

function describeRows(rows: readonly Struct[]): string {
  return JSON.stringify(rows, (_, value) => typeof value === "bigint" ? `${value}n` : value);
}
