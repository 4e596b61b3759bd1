/**
 * Random windows over random rows: the window operators against the plain reading of the reference in
 * `naive_windows.ts`, whole and cut by checkpoints. A failure is shrunk to few rows before it is shown.
 *
 * The seed is fixed, so that a failure comes again. `WEIR_FUZZ_SEED` and `WEIR_FUZZ_RUNS` explore further.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { Query, type QueryOptions } from "../../src/runtime/query.ts";
import { decodeState, encodeState } from "../../src/runtime/state_codec.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct, Value } from "../../src/value/value.ts";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import {
  type Arrival,
  lateRows,
  type NaiveSpec,
  type NaiveWindow,
  naiveWindows,
  type Setting,
  type Unit,
  unitsMs,
} from "./naive_windows.ts";

const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_261_123);
const runs = Number(process.env.WEIR_FUZZ_RUNS ?? 500);

const catalog = new CaseCatalog(['CREATE STREAM demo () WITH (TIMESTAMP="ts")']);

/** What happens at one moment: a row comes, or only time passes. */
interface Moment {
  readonly at: number;
  /** `i` is its number, `g` its group, `v` a value; the others are what the conditions look at. */
  readonly row: Struct | undefined;
  /** Pushed together with the row before. */
  readonly together: boolean;
  /** Before it, the state is written, and read by a new query. */
  readonly cut: boolean;
}

const forms = {
  /** Running aggregates that can be put together from parts. */
  aggregates: "count(*) AS n, sum(v) AS s, max(v) AS m, min(i) AS i",
  /** Running aggregates, also where they keep all values. */
  collected: "collect(i) AS all, i, avg(v) AS a",
  /** An aggregate that can be computed only once the window is closed. */
  late: "collect(i) AS all, collect(event_time()) AS t",
  rows: "i, v, event_time() AS t",
};

interface Trial {
  readonly spec: NaiveSpec;
  readonly setting: Setting;
  readonly form: keyof typeof forms;
  readonly filter: boolean;
  readonly where: boolean;
  readonly when: boolean;
  readonly grouped: boolean;
  readonly partitioned: boolean;
  readonly moments: readonly Moment[];
}

function sqlOf({ spec, form, filter, where, when, grouped, partitioned }: Trial): string {
  const { kind, unit, length, second, single } = spec;
  const lengths = second === undefined ? `${length}` : `${length}, ${second}`;
  const window = kind === "state"
    ? `STATEWINDOW(${single ? "b" : "b, e = true"})`
    : `${kind.toUpperCase()}WINDOW(${kind === "count" ? "" : `${unit}, `}${lengths})`;
  const over = when ? " OVER (WHEN w)" : partitioned ? " OVER (PARTITION BY p)" : "";
  return `SELECT ${forms[form]}, window_start() AS ws, window_end() AS we, window_trigger() AS wt FROM demo` +
    `${where ? " WHERE v > 2" : ""} GROUP BY ${grouped ? "g, " : ""}${window}` +
    `${filter ? " FILTER (WHERE f)" : ""}${over}`;
}

// ---- what the reference says

const filteredEarly = new Set(["tumbling", "hopping", "session", "state"]);

const holdsWhere = (row: Struct): boolean => (row.v as bigint) > 2n;

function arrivalsOf(trial: Trial): Map<Arrival, Struct> {
  const { setting, spec } = trial;
  const early = trial.where && !setting.eventTime && filteredEarly.has(spec.kind);
  const arrivals = new Map<Arrival, Struct>();
  for (const { at, row } of trial.moments) {
    if (row === undefined) continue;
    const arrival = {
      at,
      time: setting.eventTime ? Number(row.ts) : at,
      enters: (!trial.filter || row.f === true) && (!early || holdsWhere(row)),
      triggers: !trial.when || row.w === true,
      begins: row.b === true,
      emits: row.e === true,
      partition: trial.partitioned ? String(row.p) : "",
    };
    arrivals.set(arrival, row);
  }
  return arrivals;
}

interface Outcome {
  readonly results: string[];
  readonly late: number;
}

function expectedOf(trial: Trial): Outcome {
  const arrivals = arrivalsOf(trial);
  const all = [...arrivals.keys()];
  const windows = naiveWindows(trial.spec, all, trial.setting);
  const results = windows.flatMap((window) => {
    const list = listOf(trial, window, window.rows.map((row) => arrivals.get(row)!));
    return list === undefined ? [] : [canonical(list)];
  });
  return { results, late: lateRows(all, trial.setting).size };
}

/** The result of one window, undefined for none. */
function listOf(trial: Trial, window: NaiveWindow, content: readonly Struct[]): Struct[] | undefined {
  const { form, spec, setting } = trial;
  const late = trial.where && (setting.eventTime || !filteredEarly.has(spec.kind));
  const rows = late ? content.filter(holdsWhere) : content;
  if (late && rows.length === 0) return undefined;
  const trigger = BigInt(window.trigger ?? window.end);
  const times = { ws: BigInt(window.start), we: BigInt(window.end), wt: trigger };
  const grouped = trial.grouped && spec.kind !== "state";
  if (form === "rows" && !grouped) return rows.map(({ i, v }) => ({ i, v, t: trigger, ...times }));
  const groups = grouped ? [...Map.groupBy(rows, (row) => row.g).values()] : [rows];
  if (groups.length === 0) return undefined;
  return groups.map((group) => ({ ...aggregatesOf(form, group, trigger), ...times }));
}

function aggregatesOf(form: Trial["form"], group: readonly Struct[], trigger: bigint): Struct {
  const indices = group.map((row) => row.i as bigint);
  const values = group.map((row) => row.v as bigint);
  const none = group.length === 0;
  const sum = values.reduce((total, v) => total + v, 0n);
  switch (form) {
    case "aggregates": {
      if (none) return {};
      const most = values.reduce((a, b) => (b > a ? b : a));
      return { n: BigInt(group.length), s: sum, m: most, i: indices.reduce((a, b) => (b < a ? b : a)) };
    }
    case "collected":
      return none ? { all: null } : { all: indices, i: indices[0], a: sum / BigInt(group.length) };
    case "late":
      return { all: none ? null : indices, t: none ? null : indices.map(() => trigger) };
    case "rows":
      return { i: indices[0], v: values[0], t: trigger };
  }
}

/** Rows with their keys in order, so that equal ones have equal texts. */
function canonical(rows: readonly Struct[]): string {
  const inOrder = (row: Struct): Value => Object.fromEntries(Object.keys(row).sort().map((key) => [key, row[key]]));
  return encodeState(rows.map(inOrder));
}

// ---- what the operators give

function actualOf(trial: Trial): Outcome {
  const { setting, moments } = trial;
  const results: string[] = [];
  let late = 0;
  const options: QueryOptions = {
    start: setting.start,
    timezone: setting.zoneMs === 0 ? "UTC" : "Asia/Kolkata",
    isEventTime: setting.eventTime,
    lateTolerance: setting.lateTolerance,
    slidingOpenLeft: trial.spec.openLeft,
    slidingTwice: trial.spec.twice,
  };
  const open = () =>
    new Query(sqlOf(trial), catalog, builtInFunctions, options, {
      result: (rows) => void results.push(canonical(rows)),
      failed: (error) => void results.push(`! ${error.message}`),
    });
  let query = open();
  const countLate = () => {
    late += query.dropped().get("late") ?? 0;
    assert.deepEqual(query.ledger().imbalances, [], sqlOf(trial));
  };
  for (let i = 0; i < moments.length; i++) {
    if (moments[i]!.cut) {
      const state = encodeState(query.snapshot());
      countLate();
      query = open();
      query.restore(decodeState(state));
    }
    const { at, row } = moments[i]!;
    if (row === undefined) {
      query.advance(at);
      continue;
    }
    const rows = [row];
    while (moments[i + 1]?.row !== undefined && moments[i + 1]!.together) rows.push(moments[++i]!.row!);
    query.push(rows, at);
  }
  query.advance(setting.until);
  query.end();
  countLate();
  return { results, late };
}

// ---- random trials

const zones = [0, 5.5 * unitsMs.hh];

function drawSpec(random: SeededRandom, kind: NaiveSpec["kind"]): NaiveSpec {
  const unit: Unit = kind === "count" || kind === "state"
    ? "ss"
    : random.pick<Unit>(["ms", "ss", "ss", "mi", "hh", "dd"]);
  const some = (most: number) => 1 + random.below(most);
  const spec = {
    kind,
    unit,
    length: some(9),
    second: undefined,
    single: random.below(2) === 0,
    openLeft: false,
    twice: false,
  };
  switch (kind) {
    case "tumbling":
      return { ...spec, length: some(40) };
    case "hopping":
      return { ...spec, second: some(12) };
    case "sliding":
      return {
        ...spec,
        second: random.pick([undefined, 0, some(5), some(5)]),
        openLeft: random.below(4) === 0,
        twice: random.below(4) === 0,
      };
    case "session":
      return { ...spec, length: some(random.pick([6, 30])), second: some(random.pick([3, 12])) };
    case "count":
      return { ...spec, second: random.pick([undefined, some(spec.length)]) };
    case "state":
      return spec;
  }
}

function drawTrial(random: SeededRandom, kind: NaiveSpec["kind"]): Trial {
  const chance = (percent: number) => random.below(100) < percent;
  const spec = drawSpec(random, kind);
  // Times are halves and quarters of the unit, so that rows often fall on boundaries and on each other.
  const grain = Math.max(1, unitsMs[spec.unit] / random.pick([1, 2, 4]));
  const eventTime = chance(50);
  const start = random.below(500) * grain + (chance(50) ? 0 : 1_767_225_600_000);
  const stepMost = random.pick([2, 5, 20]);
  const spread = random.pick([0, 3, 12, 40]);
  const [oddConditions, cuts, joined] = [chance(30), random.pick([0, 8, 30]), random.pick([0, 40])];
  let at = start;
  const moments: Moment[] = [];
  for (let i = 0, count = random.below(random.pick([6, 30])); i < count; i++) {
    const together = chance(joined) && moments.at(-1)?.row !== undefined;
    if (!together && chance(70)) at += random.below(stepMost) * grain;
    const condition = (): Value => oddConditions && chance(40) ? random.pick<Value>([null, "x", 1n, []]) : chance(40);
    const row: Struct = {
      i: BigInt(i),
      g: random.pick(["x", "y", "z"]),
      v: BigInt(random.below(7)),
      f: chance(70),
      w: condition(),
      b: condition(),
      e: condition(),
      p: random.pick(["p", "q"]),
      ts: BigInt(at - start + 1_000_000_000_000 + random.below(spread + 1) * grain),
    };
    moments.push({ at, row: !together && chance(10) ? undefined : row, together, cut: !together && chance(cuts) });
  }
  return {
    spec,
    setting: {
      eventTime,
      lateTolerance: random.below(random.pick([1, 4, 30])) * grain,
      start,
      until: at + random.below(30) * grain,
      zoneMs: random.pick(zones),
    },
    form: random.pick(["aggregates", "collected", "late", "rows"]),
    filter: chance(25),
    where: chance(25),
    when: kind === "sliding" && chance(50),
    grouped: chance(35),
    partitioned: kind === "state" && chance(50),
    moments,
  };
}

// ---- finding and showing differences

/** The trial's difference, undefined when there is none. */
function differenceOf(trial: Trial): { actual: unknown; expected: Outcome } | undefined {
  const expected = expectedOf(trial);
  let actual: unknown;
  try {
    actual = actualOf(trial);
    assert.deepEqual(actual, expected);
    return undefined;
  } catch (error) {
    return { actual: actual ?? error, expected };
  }
}

/** Leaves out moments, cuts and clauses, as long as the trial still fails. */
function shrink(trial: Trial): Trial {
  for (const smaller of simplerThan(trial)) if (differenceOf(smaller) !== undefined) return shrink(smaller);
  return trial;
}

function* simplerThan(trial: Trial): Generator<Trial> {
  const { moments } = trial;
  for (let size = Math.ceil(moments.length / 2); size > 0; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let i = 0; i < moments.length; i += size) {
      yield { ...trial, moments: moments.filter((_, at) => at < i || at >= i + size).map(alone) };
    }
  }
  for (const clause of ["filter", "where", "when", "grouped", "partitioned"] as const) {
    if (trial[clause]) yield { ...trial, [clause]: false };
  }
  for (const [i, moment] of moments.entries()) {
    if (moment.cut) yield { ...trial, moments: moments.with(i, { ...moment, cut: false }) };
  }
  if (trial.form !== "rows") yield { ...trial, form: "rows" };
}

/** The first row of what is left of a batch begins it. */
function alone(moment: Moment, i: number, moments: readonly Moment[]): Moment {
  const before = moments[i - 1];
  return { ...moment, together: moment.together && before?.row !== undefined && before.at === moment.at };
}

/** Without the marks that tell ints from floats. */
function readable(encoded: string): string {
  return encoded.replace(/\["\\u0001i","(-?\d+)"\]/g, "$1");
}

function describe(trial: Trial, runSeed: number): string {
  const { setting, spec, moments } = trial;
  const lines = moments.map(({ at, row, together, cut }) => {
    const shown = row === undefined ? "time alone" : readable(encodeState(row));
    return `${cut ? "cut\n" : ""}${together ? "  and" : `@${at - setting.start}`} ${shown}`;
  });
  return `WEIR_FUZZ_SEED=${runSeed} WEIR_FUZZ_RUNS=1\n${sqlOf(trial)}\n${
    JSON.stringify({ ...setting, openLeft: spec.openLeft, twice: spec.twice })
  }\n${lines.join("\n")}\n`;
}

const kinds: readonly NaiveSpec["kind"][] = ["tumbling", "hopping", "sliding", "session", "count", "state"];

for (const kind of kinds) {
  test(`${kind} windows are what the reference says, ${runs} runs from seed ${seed}`, () => {
    let windows = 0;
    for (let i = 0; i < runs; i++) {
      const trial = drawTrial(new SeededRandom(seed + i), kind);
      windows += expectedOf(trial).results.length;
      if (differenceOf(trial) === undefined) continue;
      const least = shrink(trial);
      const { actual, expected } = differenceOf(least)!;
      const shown = (outcome: unknown) =>
        outcome instanceof Error
          ? outcome.stack
          : [...(outcome as Outcome).results.map(readable), `${(outcome as Outcome).late} late`].join("\n");
      assert.fail(`${describe(least, seed + i)}gives\n${shown(actual)}\ninstead of\n${shown(expected)}`);
    }
    assert.ok(runs < 100 || windows > runs, `only ${windows} windows`);
  });
}
