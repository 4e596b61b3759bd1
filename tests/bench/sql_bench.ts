/**
 * What statements cost: nanoseconds a row, and the time to compile a long condition.
 *
 * ```sh
 * deno run -A tests/bench/sql_bench.ts        # or: bun tests/bench/sql_bench.ts
 * ```
 * Each figure stands beside a digest of the results, so that nobody makes it quicker by changing the answer.
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { Query } from "../../src/runtime/query.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct } from "../../src/value/value.ts";
import { builtIns, CaseCatalog } from "../../src/rule_test/run_case.ts";

export interface Figure {
  readonly name: string;
  /** Nanoseconds a row, or milliseconds for a compilation. */
  readonly value: number;
  readonly unit: "ns/row" | "ms";
  readonly digest: string;
}

const catalog = new CaseCatalog(["CREATE STREAM demo () WITH ()"]);

/** Rows as JSON of about 80 bytes brings them, as many as a socket read holds. */
function batchesOf(rowCount: number): Struct[][] {
  const random = new SeededRandom(7);
  const batches: Struct[][] = [];
  for (let i = 0; i < rowCount; i += 20) {
    batches.push(Array.from({ length: 20 }, (_, j) =>
      JSON.parse(JSON.stringify({
        device_id: `inverter-${random.below(1000)}`,
        voltage: 190 + random.below(700) / 10,
        current: random.below(200) / 10,
        running: random.below(2) === 0,
        seq: i + j,
      })) as Struct));
  }
  return batches;
}

/** The best of several rounds: other processes only ever make it slower. */
function run(name: string, sql: string, rowCount: number, rounds: number): Figure {
  const batches = batchesOf(rowCount);
  let best = Infinity;
  let digest = "";
  for (let round = 0; round < rounds; round++) {
    const results: (readonly Struct[])[] = [];
    const query = new Query(sql, catalog, builtIns, { start: 0, timezone: "UTC" }, {
      result: (rows) => void results.push(rows),
      failed: (error) => {
        throw error;
      },
    });
    const begin = performance.now();
    let time = 0;
    for (const batch of batches) query.push(batch, time++);
    query.end();
    best = Math.min(best, performance.now() - begin);
    digest = digestOf(results);
  }
  return { name, value: best * 1e6 / (batches.length * 20), unit: "ns/row", digest };
}

function digestOf(results: unknown): string {
  const text = JSON.stringify(results, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

function chainOf(terms: number): string {
  return `SELECT seq FROM demo WHERE ${Array.from({ length: terms }, (_, i) => `seq = ${i}`).join(" OR ")}`;
}

/** From text to a query that is ready to run, with a condition of `terms` comparisons. */
function compile(terms: number, rounds: number): Figure {
  const found: Struct[] = [];
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    const query = new Query(
      chainOf(terms),
      catalog,
      builtIns,
      { start: 0, timezone: "UTC" },
      { result: (rows) => void found.push(...rows), failed: () => {} },
    );
    best = Math.min(best, performance.now() - begin);
    query.push([{ seq: terms - 1 }, { seq: terms }]);
  }
  return { name: `compile ${terms} OR terms`, value: best, unit: "ms", digest: digestOf(found.slice(0, 2)) };
}

const projection = "SELECT device_id, voltage, current FROM demo WHERE voltage < 200 OR voltage > 250";
const grouping = "SELECT device_id, count(*) AS n FROM demo GROUP BY device_id, TUMBLINGWINDOW(ss, 10)";
const expressions =
  "SELECT device_id AS id, voltage * current AS power, running = true AS is_on FROM demo WHERE running";
const averages = "SELECT device_id, avg(voltage) AS v, max(current) AS c, min(current) AS d FROM demo " +
  "WHERE voltage BETWEEN 200 AND 250 GROUP BY device_id, TUMBLINGWINDOW(ss, 10)";

export function figures(rowCount: number, terms: number, rounds: number): Figure[] {
  return [
    run("filter and project", projection, rowCount, rounds),
    run("project expressions", expressions, rowCount, rounds),
    run("count by 1000 keys", grouping, rowCount, rounds),
    run("three aggregates by 1000 keys", averages, rowCount, rounds),
    run(`filter by ${terms} OR terms`, chainOf(terms), rowCount, rounds),
    compile(terms / 10, rounds),
    compile(terms, rounds),
  ];
}

export function show({ name, value, unit, digest }: Figure): string {
  return `${name.padEnd(32)}${value.toFixed(unit === "ms" ? 2 : 0).padStart(10)} ${unit.padEnd(7)} ${digest}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const figure of figures(400_000, 5000, 5)) console.log(show(figure));
}
