/**
 * Random hopping and sliding windows over random rows: running aggregates against the same statement over kept rows.
 *
 * A `collect` that is not shown makes the second statement keep its rows, as it cannot be put together from parts. Both
 * must give the same to the last bit, also when the first one is cut anywhere by a checkpoint.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { Query, type QueryOptions } from "../../src/runtime/query.ts";
import { decodeState, encodeState } from "../../src/runtime/state_codec.ts";
import { builtIns, catalog, kindsOf } from "../../src/runtime/statement_fixture.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct, Value } from "../../src/value/value.ts";

const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_261_123);
const runs = Number(process.env.WEIR_FUZZ_RUNS ?? 400);

interface Trial {
  readonly sql: string;
  readonly keepingRows: string;
  readonly options: QueryOptions;
  readonly arrivals: readonly { readonly time: number; readonly rows: readonly Struct[] }[];
}

const aggregates = [
  "count(*)",
  "count(v)",
  "sum(v)",
  "avg(v)",
  "min(v)",
  "max(v)",
  "max(s)",
  "last_value(v, false)",
  "last_value(s, true)",
  "merge_agg(o)",
  "sum(10 / w)",
];

function windowOf(random: SeededRandom): string {
  const unit = () => 1 + random.below(12);
  const [name, scale] = random.pick([["ms", 100], ["ss", 1]] as const);
  if (random.below(2) === 0) return `HOPPINGWINDOW(${name}, ${unit() * scale}, ${(1 + random.below(6)) * scale})`;
  const delay = random.below(2) === 0 ? "" : `, ${random.below(5) * scale}`;
  const when = random.pick(["", "", " OVER (WHEN w > 1)", " OVER (WHEN 10 / w > 2)"]);
  return `SLIDINGWINDOW(${name}, ${unit() * scale}${delay})${when}`;
}

function trialOf(random: SeededRandom): Trial {
  const isEventTime = random.below(2) === 0;
  const items = Array.from({ length: 1 + random.below(4) }, (_, i) => `${random.pick(aggregates)} AS a${i}`);
  items.push(...random.pick([["window_start() AS ws", "window_end() AS we"], ["i", "k"], ["event_time() AS t", "k"]]));
  const keys = random.pick(["", "", "k, ", "k, s, ", "10 % w, "]);
  const filter = random.pick(["", "", "", " WHERE v != 3", " WHERE 10 / w > 2 AND s != 'b'"]);
  const having = random.pick(["", "", "", " HAVING count(*) > 1"]);
  const tail = ` FROM timed${filter} GROUP BY ${keys}${windowOf(random)}${having}`;
  // Some trials have values that aggregates refuse, so that the others have results.
  const odd: Value[] = random.below(3) === 0 ? ["x", true, [1]] : [];
  const wholes: Value[] = random.below(2) === 0 ? [1n, 2n, -7n, 2n ** 62n, 3n] : [];
  const numbers: Value[] = [0.1, 0.2, 0.7, 3, 1e16, -1e16, 1e-9, null, undefined];
  const zero = random.below(4) === 0 ? [0] : [];
  let time = random.below(5000);
  const arrivals = Array.from({ length: 5 + random.below(60) }, (_, n) => {
    time += random.pick([0, 0, 1, 10, 100, 500, 1000, 2000, random.below(100) === 0 ? 60_000 : 300]);
    const rows = Array.from({ length: 1 + random.below(2) }, (_, j): Struct => {
      const row: Struct = {
        i: n * 10 + j,
        k: random.pick(["x", "y", 1, null]),
        s: random.pick(["a", "b", "c", null]),
        w: random.pick([1, 2, 3, 7, 20, ...zero]),
        o: random.pick([{ a: n }, { b: n, c: 1 }, null]),
        ts: time - (isEventTime ? random.below(3) * random.below(1500) : 0),
      };
      const v = random.pick([...(wholes.length > 0 ? wholes : numbers), ...random.pick([wholes, numbers]), ...odd]);
      if (v !== undefined) row.v = v;
      return row;
    });
    return { time, rows };
  });
  return {
    sql: `SELECT ${items.join(", ")}${tail}`,
    keepingRows: `SELECT ${items.join(", ")}, collect(i) AS kept INVISIBLE${tail}`,
    options: {
      start: random.below(3000),
      timezone: "UTC",
      isEventTime,
      lateTolerance: random.pick([0, 500, 2000]),
      slidingTwice: random.below(3) === 0,
      slidingOpenLeft: random.below(3) === 0,
    },
    arrivals,
  };
}

/**
 * What comes out, a line a list or an error; `cut` says before which arrivals a checkpoint is taken and read. Which error
 * it is may differ where several rows of a window fail: running aggregates may not know which of them came first.
 */
function run(sql: string, { options, arrivals }: Trial, cut: (arrival: number) => boolean): string[] {
  const lines: string[] = [];
  const open = (): Query =>
    new Query(sql, catalog, builtIns, options, {
      result: (rows) => void lines.push(encodeState(rows as Value)),
      failed: () => void lines.push("! the list fails"),
    });
  let query = open();
  for (const [i, { time, rows }] of arrivals.entries()) {
    if (cut(i)) {
      const { now } = query;
      const state = encodeState(query.snapshot());
      assert.deepEqual(query.ledger().imbalances, [], sql);
      query = open();
      query.restore(decodeState(state));
      query.advance(now);
    }
    query.push(rows, Math.max(time, query.now));
  }
  query.end();
  assert.deepEqual(query.ledger().imbalances, [], sql);
  return lines;
}

test(`running aggregates of overlapping windows give what their rows give (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  let lists = 0;
  for (let i = 0; i < runs; i++) {
    const trial = trialOf(random);
    const what = `run ${i}: ${trial.sql} ${JSON.stringify(trial.options)}`;
    const expected = run(trial.keepingRows, trial, () => false);
    assert.deepEqual(run(trial.sql, trial, () => false), expected, what);
    const cuts = new Set(trial.arrivals.map((_, at) => at).filter(() => random.below(4) === 0));
    assert.deepEqual(run(trial.sql, trial, (at) => cuts.has(at)), expected, `${what}, cut`);
    assert.deepEqual(run(trial.keepingRows, trial, (at) => cuts.has(at)), expected, `${what}, rows, cut`);
    lists += expected.filter((line) => !line.startsWith("!")).length;
  }
  // Otherwise the comparison would be of nothing with nothing.
  assert.ok(lists > 10 * runs, `only ${lists} lists in ${runs} runs`);
});

test("the two statements are planned in the two ways that are compared", () => {
  const random = new SeededRandom(seed);
  for (let i = 0; i < 50; i++) {
    const { sql, keepingRows, options } = trialOf(random);
    const silent = { result() {}, failed() {} };
    const kinds = (text: string) => kindsOf(new Query(text, catalog, builtIns, options, silent).plan);
    assert.match(kinds(sql), /windowed_aggregate/, sql);
    assert.doesNotMatch(kinds(keepingRows), /windowed_aggregate/, keepingRows);
  }
});
