/**
 * Benchmark `sql`: what statements cost in process, with rows that are decoded already.
 *
 * ```
 * deno task bench sql [--engine bun|deno] [--rows 400000] [--rounds 5] [--only TEXT] [--json FILE]
 * ```
 *
 * Rows a second of the best round, since other processes only ever make it slower; bytes of state per key, measured as
 * the length of the encoded snapshot after the last row, divided by the number of keys; and a digest of the results, so
 * that nobody makes it quicker by changing the answer.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { Query, type QueryOutput } from "../../src/runtime/query.ts";
import { encodeState } from "../../src/runtime/state_codec.ts";
import type { Catalog } from "../../src/sql/catalog.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import type { Struct } from "../../src/value/value.ts";
import { batchesOf, batchesPerBurst, batchMs, chainOf, type SqlCase, sqlCases } from "./sql_cases.ts";

/** What one case took. */
export interface CaseFigure {
  readonly name: string;
  readonly rowsPerSecond: number;
  readonly stateBytesPerKey: number;
  /** How many results came out: rows, or lists of windows. */
  readonly results: number;
  readonly digest: string;
}

/** From text to a query that is ready to run. */
export interface CompileFigure {
  readonly name: string;
  readonly ms: number;
  readonly digest: string;
}

export interface Size {
  readonly rows: number;
  readonly rounds: number;
}

const catalog: Catalog = {
  source: (name) => ({
    name,
    kind: name === "places" ? "lookup_table" : "stream",
    columns: undefined,
    strictValidation: false,
    timestamp: undefined,
    timestampFormat: undefined,
  }),
  sourceNames: () => ["demo", "other", "places"],
};

function open(sql: string, result: QueryOutput["result"]): Query {
  return new Query(sql, catalog, builtInFunctions, { start: 0, timezone: "UTC" }, {
    result,
    failed: (error) => {
      throw error;
    },
  });
}

function pushAll(query: Query, { streams = 1, places, pauseMs = 0 }: SqlCase, batches: readonly Struct[][]): void {
  if (places !== undefined) query.push(places, 0, undefined, streams);
  for (const [i, batch] of batches.entries()) {
    query.push(batch, i * batchMs + Math.floor(i / batchesPerBurst) * pauseMs, undefined, i % streams);
  }
}

/** One round for the digest, which warms up as well, and then the timed ones. */
function measureCase(sqlCase: SqlCase, batches: readonly Struct[][], rounds: number): CaseFigure {
  const { name, sql, keys } = sqlCase;
  const digest = new Digest();
  const checked = open(sql, (rows) => digest.add(rows));
  pushAll(checked, sqlCase, batches);
  const stateBytes = Buffer.byteLength(encodeState(checked.snapshot()));
  checked.end();
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    let results = 0;
    const query = open(sql, () => void results++);
    const begin = performance.now();
    pushAll(query, sqlCase, batches);
    query.end();
    best = Math.min(best, performance.now() - begin);
    if (results !== digest.count) throw new Error(`"${name}" gave ${digest.count} results, and then ${results}`);
  }
  return {
    name,
    rowsPerSecond: Math.round(batches.flat().length / (best / 1000)),
    stateBytesPerKey: Math.round(stateBytes / keys),
    results: digest.count,
    digest: digest.text(),
  };
}

/** A condition of `terms` comparisons. */
function measureCompilation(terms: number, rounds: number): CompileFigure {
  const digest = new Digest();
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    const query = open(chainOf(terms), (rows) => round === 0 && digest.add(rows));
    best = Math.min(best, performance.now() - begin);
    query.push([{ seq: terms - 1 }, { seq: terms }]);
  }
  return { name: `compile ${terms} OR terms`, ms: Math.round(best * 100) / 100, digest: digest.text() };
}

/** Of results one after the other, so that none is kept. */
class Digest {
  readonly #hash = createHash("sha256");
  count = 0;

  add(rows: readonly Struct[]): void {
    this.count++;
    this.#hash.update(JSON.stringify(rows, (_, value) => (typeof value === "bigint" ? `${value}n` : value)) + "\n");
  }

  text(): string {
    return this.#hash.digest("hex").slice(0, 12);
  }
}

export function measureCases({ rows, rounds }: Size, only = ""): CaseFigure[] {
  const batches = batchesOf(rows);
  const chosen = sqlCases.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new TypeError(`Cannot find a case with "${only}" in its name`);
  return chosen.map((c) => measureCase(c, batches, rounds));
}

export function measureCompilations(terms: readonly number[], rounds: number): CompileFigure[] {
  return terms.map((count) => measureCompilation(count, rounds));
}

function print(cases: readonly CaseFigure[], compilations: readonly CompileFigure[]): void {
  const line = (cells: readonly string[]) =>
    console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(40) : cell.padStart(14))).join(""));
  line(["case", "rows/s", "ns/row", "state B/key", "results", "digest"]);
  for (const { name, rowsPerSecond, stateBytesPerKey, results, digest } of cases) {
    const ns = (1e9 / rowsPerSecond).toFixed(0);
    line([name, rowsPerSecond.toLocaleString("en"), ns, String(stateBytesPerKey), String(results), digest]);
  }
  for (const { name, ms, digest } of compilations) line([name, `${ms.toFixed(2)} ms`, "", "", "", digest]);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "400000" },
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: "" },
      json: { type: "string" },
    },
  });
  const size = { rows: Number(values.rows), rounds: Number(values.rounds) };
  for (const [name, value] of Object.entries(size)) {
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`Cannot use --${name}: expected a whole number`);
  }
  const cases = measureCases(size, values.only);
  const compilations = values.only === "" ? measureCompilations([500, 5000], size.rounds) : [];
  print(cases, compilations);
  if (values.json !== undefined) {
    const engine = process.versions.bun === undefined ? "deno" : "bun";
    writeFileSync(values.json, JSON.stringify({ engine, ...size, cases, compilations }, null, 2) + "\n");
  }
}

if (import.meta.main) main();
