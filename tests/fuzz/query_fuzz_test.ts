/**
 * Random statements over random rows: the running pipeline against a plain reading of the reference.
 *
 * The seed is fixed, so that a failure comes again. `WEIR_FUZZ_SEED` and `WEIR_FUZZ_RUNS` explore further.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { type Diagnostic, DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { Query, type QueryOptions } from "../../src/runtime/query.ts";
import { decodeState, encodeState } from "../../src/runtime/state_codec.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { functionNames } from "../../src/sql/functions/registry.ts";
import { parseSelect } from "../../src/sql/parse.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct, Value } from "../../src/value/value.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import { type Arrival, naiveOutcome, type Outcome, type Setting } from "./naive_query.ts";
import { declaredColumns, StatementGenerator } from "./statement_generator.ts";

const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_260_702);
const runs = Number(process.env.WEIR_FUZZ_RUNS ?? 600);

const schemaless = new CaseCatalog(['CREATE STREAM demo () WITH (TIMESTAMP="ts")']);
const typed = new CaseCatalog([`CREATE STREAM demo (${declaredColumns}) WITH (TIMESTAMP="ts")`]);

/** Mistakes that analyze may find in a random expression; the reference finds them row by row or not at all. */
const refusals: ReadonlySet<Diagnostic["code"]> = new Set(["E205", "E207", "E213"]);

/** Rows with their keys in order, so that equal ones have equal texts, int and float told apart. */
function canonical(rows: readonly Struct[]): string {
  const inOrder = (value: Value): Value => {
    if (Array.isArray(value)) return value.map(inOrder);
    if (typeof value !== "object" || value === null) return value;
    const struct = value as Struct;
    return Object.fromEntries(Object.keys(struct).sort().map((key) => [key, inOrder(struct[key])]));
  };
  return encodeState(rows.map(inOrder));
}

interface Trial extends Setting {
  readonly sql: string;
  readonly arrivals: readonly Arrival[];
  /** The state is written and read again before these arrivals. */
  readonly cuts: ReadonlySet<number>;
  readonly batched: boolean;
}

/** What the pipeline gives, or undefined when analyze refuses the statement. */
function run(trial: Trial): Outcome | undefined {
  const results: Struct[][] = [];
  let errors = 0;
  let late = 0;
  const options: QueryOptions = {
    start: 0,
    timezone: "UTC",
    isEventTime: trial.eventTime !== undefined,
    lateTolerance: trial.eventTime?.lateTolerance ?? 0,
    sendNilField: trial.sendNilField,
  };
  const catalog = trial.typed ? typed : schemaless;
  const open = () =>
    new Query(trial.sql, catalog, builtInFunctions, options, {
      result: (rows) => void results.push([...rows]),
      failed: () => void errors++,
    });
  let query: Query;
  try {
    query = open();
  } catch (error) {
    if (error instanceof DiagnosticError && error.diagnostics.every((d) => refusals.has(d.code))) return undefined;
    throw error;
  }
  const countLate = () => {
    late += query.dropped().get("late") ?? 0;
    assert.deepEqual(query.ledger().imbalances, [], trial.sql);
  };
  let i = 0;
  while (i < trial.arrivals.length) {
    if (trial.cuts.has(i)) {
      const state = encodeState(query.snapshot());
      countLate();
      query = open();
      query.restore(decodeState(state));
    }
    const { at } = trial.arrivals[i]!;
    const rows = [trial.arrivals[i++]!.values];
    while (trial.batched && trial.arrivals[i]?.at === at && !trial.cuts.has(i)) rows.push(trial.arrivals[i++]!.values);
    query.push(rows, at);
  }
  query.advance(trial.until);
  query.end();
  countLate();
  return { results, errors, late };
}

function describe(trial: Trial): string {
  const rows = trial.arrivals.map(({ at, values }) => `@${at / 1000}s ${encodeState(values)}`);
  const { typed, sendNilField, eventTime } = trial;
  const time = `${JSON.stringify({ typed, sendNilField, eventTime })}\n`;
  return `${trial.sql}\n${time}${rows.join("\n")}\nuntil @${trial.until / 1000}s`;
}

/** @returns False when the statement was refused. */
function check(trial: Trial, runSeed: number): boolean {
  const actual = run(trial);
  if (actual === undefined) return false;
  const expected = naiveOutcome(parseSelect(trial.sql), trial.arrivals, trial);
  const shown = (outcome: Outcome) => ({ ...outcome, results: outcome.results.map(canonical) });
  assert.deepEqual(shown(actual), shown(expected), `WEIR_FUZZ_SEED=${runSeed} WEIR_FUZZ_RUNS=1\n${describe(trial)}`);
  return true;
}

function explore(name: string, makeTrial: (random: SeededRandom, generator: StatementGenerator) => Trial): void {
  test(`${name}, ${runs} runs from seed ${seed}`, () => {
    let refused = 0;
    for (let i = 0; i < runs; i++) {
      const random = new SeededRandom(seed + i);
      if (!check(makeTrial(random, new StatementGenerator(random)), seed + i)) refused++;
    }
    assert.ok(runs < 100 || refused < runs / 2, `${refused} of ${runs} statements were refused`);
  });
}

/** What all trials have in common; `count` rows that arrive up to `stepMs` apart. */
function draw(random: SeededRandom, generator: StatementGenerator, count: number, stepMs: number) {
  let at = 0;
  const typed = random.below(3) === 0;
  const arrivals = Array.from({ length: count }, (): Arrival => {
    if (random.below(3) > 0) at += random.below(stepMs / 100) * 100;
    return { at, values: typed ? generator.typedRow() : generator.row() };
  });
  return {
    arrivals,
    typed,
    sendNilField: random.below(4) === 0,
    cuts: new Set(Array.from({ length: random.below(3) }, () => random.below(count + 1))),
    batched: random.below(2) === 0,
    until: at,
    eventTime: undefined,
  };
}

explore("filter and select list are what the reference says", (random, generator) => ({
  ...draw(random, generator, 8, 1000),
  sql: generator.single(),
}));

explore("tumbling windows in processing time are what the reference says", (random, generator) => {
  const drawn = draw(random, generator, random.below(25), random.pick([500, 2000, 8000]));
  return { ...drawn, sql: generator.windowed(), until: drawn.until + random.pick([0, 3000, 20_000]) };
});

explore("tumbling windows in event time are what the reference says", (random, generator) => {
  const spread = random.pick([1000, 4000, 15_000]);
  const column = "ts";
  const drawn = draw(random, generator, random.below(25), random.pick([500, 2000, 8000]));
  const arrivals = drawn.arrivals.map(({ at, values }) => {
    const time = 100_000 + at + random.below(spread / 500) * 500 - spread / 2;
    return { at, values: { ...values, [column]: !drawn.typed && random.below(2) === 0 ? time : BigInt(time) } };
  });
  return {
    ...drawn,
    arrivals,
    sql: generator.windowed(),
    until: drawn.until + random.pick([0, 100_000]),
    eventTime: { column, lateTolerance: random.pick([0, 500, 2000, 10_000]) },
  };
});

/** Words that stand in the wrong place now and then. */
const strangers: readonly string[] = [
  ...functionNames(),
  ..."* ( ) [ ] , . : -> 'a' 0 -1 1.5 a b l m AND OR NOT IN AS OVER PARTITION BY WHEN FILTER WHERE ss".split(" "),
  ..."HAVING ORDER LIMIT CASE THEN END EXCEPT REPLACE INVISIBLE true 9223372036854775807 TUMBLINGWINDOW".split(" "),
];

test(`a damaged statement is refused or runs, ${runs} runs from seed ${seed}`, () => {
  for (let i = 0; i < runs; i++) {
    const random = new SeededRandom(seed + i);
    const generator = new StatementGenerator(random);
    const whole = random.below(2) === 0 ? generator.single() : generator.windowed();
    const tokens = whole.match(/\w+|'[^']*'|"[^"]*"|->|[!<>]=|\S/g)!;
    for (let damage = 1 + random.below(3); damage > 0; damage--) {
      const at = random.below(tokens.length);
      const replacement = [[], [tokens[at]!, tokens[at]!], [random.pick(strangers)]][random.below(3)]!;
      tokens.splice(at, 1, ...replacement);
    }
    const sql = tokens.join(" ");
    const what = `WEIR_FUZZ_SEED=${seed + i} WEIR_FUZZ_RUNS=1\n${sql}`;
    try {
      const query = new Query(
        sql,
        random.below(2) === 0 ? typed : schemaless,
        builtInFunctions,
        { start: 0, timezone: "UTC" },
        {
          result: () => {},
          failed: (error) => assert.doesNotMatch(error.message, /^Internal error/, what),
        },
      );
      for (let row = 0; row < 4; row++) query.push([generator.typedRow(), generator.row()], row * 3000);
      query.end();
      encodeState(query.snapshot());
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw new Error(what, { cause: error });
    }
  }
});
