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
  /** Batches go to the streams of FROM in turn; 1 when absent. */
  readonly streams?: number;
  /** Rows of the lookup table `places`, which stands last in FROM. */
  readonly places?: readonly Struct[];
  /** Nothing comes for so long after each {@linkcode batchesPerBurst} batches. */
  readonly pauseMs?: number;
}

/** 10 s of rows. */
export const batchesPerBurst = 500;

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
  {
    name: "hopping 60 s every 1 s, sum max",
    sql: "SELECT sum(voltage) AS v, max(current) AS c, window_end() AS t FROM demo GROUP BY HOPPINGWINDOW(ss, 60, 1)",
    keys: 1,
  },
  {
    name: "hopping 60 s every 1 s, sum max by key",
    sql: "SELECT device_id, sum(voltage) AS v, max(current) AS c FROM demo " +
      "GROUP BY device_id, HOPPINGWINDOW(ss, 60, 1)",
    keys: deviceCount,
  },
  {
    name: "sliding 60 s, avg",
    sql: "SELECT avg(voltage) AS v, count(*) AS n FROM demo GROUP BY SLIDINGWINDOW(ss, 60)",
    keys: 1,
  },
  {
    name: "sliding 60 s, avg by key at alarms",
    sql: "SELECT device_id, avg(voltage) AS v FROM demo " +
      "GROUP BY device_id, SLIDINGWINDOW(ss, 60) OVER (WHEN seq % 1000 = 999)",
    keys: deviceCount,
  },
  {
    name: "session of 5 s, by key",
    sql: "SELECT device_id, avg(voltage) AS v, count(*) AS n FROM demo GROUP BY device_id, SESSIONWINDOW(ss, 60, 5)",
    keys: deviceCount,
    pauseMs: 6000,
  },
  {
    name: "join of two streams in 2 s",
    sql: "SELECT demo.seq, other.seq AS other_seq FROM demo INNER JOIN other ON demo.device_id = other.device_id " +
      "GROUP BY TUMBLINGWINDOW(ss, 2)",
    keys: deviceCount,
    streams: 2,
  },
  {
    name: "lookup join",
    sql: "SELECT demo.device_id, demo.voltage, places.hall FROM demo INNER JOIN places ON demo.device_id = places.id",
    keys: deviceCount,
    places: Array.from({ length: deviceCount }, (_, i) => ({ id: `inverter-${i}`, hall: `hall ${i % 7}` })),
  },
];
