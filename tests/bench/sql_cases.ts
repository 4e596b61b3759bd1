/**
 * The statements that the SQL benchmark runs, and the rows it gives them.
 * @module
 */
import { SeededRandom } from "../../src/value/seeded_random.ts";
import type { Struct } from "../../src/value/value.ts";

export interface SqlCase {
  readonly name: string;
  readonly sql: string;
  /** How many keys the state is spread over: 1 where the statement has none. */
  readonly keys: number;
}

/** Different values of `device_id`. */
export const deviceCount = 1000;
/** Rows that are handed over together: as many as a socket read brings. */
export const batchRows = 20;
/** How far the clock goes on from one batch to the next: 1,000 rows a second. */
export const batchMs = 20;

/** Rows as JSON of about 80 bytes brings them. */
export function batchesOf(rowCount: number): Struct[][] {
  const random = new SeededRandom(7);
  const batches: Struct[][] = [];
  for (let i = 0; i < rowCount; i += batchRows) {
    batches.push(Array.from({ length: batchRows }, (_, j) =>
      JSON.parse(JSON.stringify({
        device_id: `inverter-${random.below(deviceCount)}`,
        voltage: 190 + random.below(700) / 10,
        current: random.below(200) / 10,
        running: random.below(2) === 0,
        seq: i + j,
      })) as Struct));
  }
  return batches;
}

/** `seq = 0 OR seq = 1 OR …`, as generated conditions look. */
export function chainOf(terms: number): string {
  return `SELECT seq FROM demo WHERE ${Array.from({ length: terms }, (_, i) => `seq = ${i}`).join(" OR ")}`;
}

export const sqlCases: readonly SqlCase[] = [
  {
    name: "filter and project",
    sql: "SELECT device_id, voltage, current FROM demo WHERE voltage < 200 OR voltage > 250",
    keys: 1,
  },
  {
    name: "project expressions",
    sql: "SELECT device_id AS id, voltage * current AS power, running = true AS is_on FROM demo WHERE running",
    keys: 1,
  },
  {
    name: "functions of text and numbers",
    sql: "SELECT upper(device_id) AS id, round(voltage) AS v, concat(device_id, '-', seq) AS tag FROM demo " +
      "WHERE startswith(device_id, 'inverter-1')",
    keys: 1,
  },
  {
    name: "tumbling 10 s, count by key",
    sql: "SELECT device_id, count(*) AS n FROM demo GROUP BY device_id, TUMBLINGWINDOW(ss, 10)",
    keys: deviceCount,
  },
  {
    name: "tumbling 10 s, avg max min by key",
    sql: "SELECT device_id, avg(voltage) AS v, max(current) AS c, min(current) AS d FROM demo " +
      "WHERE voltage BETWEEN 200 AND 250 GROUP BY device_id, TUMBLINGWINDOW(ss, 10)",
    keys: deviceCount,
  },
  {
    name: "lag by key",
    sql: "SELECT device_id, lag(voltage) OVER (PARTITION BY device_id) AS before FROM demo",
    keys: deviceCount,
  },
  {
    name: "changes by key",
    sql: "SELECT device_id, voltage - lag(voltage, 1, 0) OVER (PARTITION BY device_id) AS rise FROM demo " +
      "WHERE had_changed(true, running) OVER (PARTITION BY device_id)",
    keys: deviceCount,
  },
];
