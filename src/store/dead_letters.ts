/**
 * The dead letters of an outbox in SQLite: read, found by what a list means, and dropped for newer ones.
 * @module
 */
import { type DeadLetter, type OutboxSettings, sequenceMax } from "./delivery_store.ts";
import type { DeliverySql } from "./delivery_sql.ts";
import type { Amount } from "./drop_front.ts";
import { fromStored } from "./stored_payload.ts";

/** How many there are, with the bytes of their payloads. */
interface LetterCounts {
  readonly deadRows: number;
  readonly deadBytes: number;
}

/** In rising sequence, `after` exclusive. */
export function readLetters(sql: DeliverySql, queue: number, after: number, limit: number): DeadLetter[] {
  return sql.deadLetters.all(queue, after, sequenceMax, limit).map((row) => ({
    sequence: row.sequence as number,
    ...(row.key === null ? {} : { key: fromStored(row.key) as string }),
    payload: fromStored(row.payload),
    createdMs: row.created as number,
    attempts: row.attempts as number,
    reason: fromStored(row.reason) as string,
    diedMs: row.died as number,
  }));
}

/** The ranges of dead letters that a list means, with their sizes. */
export function* letterRanges(
  sql: DeliverySql,
  queue: number,
  { deadRows, deadBytes }: LetterCounts,
  which: readonly number[] | "all",
): Generator<Amount & { first: number; last: number }> {
  if (which === "all") {
    yield { first: 0, last: sequenceMax, rows: deadRows, bytes: deadBytes };
    return;
  }
  for (const sequence of which) {
    const row = sql.deadRange.front.get(queue, sequence, sequence, 1);
    if (row !== undefined) yield { first: sequence, last: sequence, rows: 1, bytes: row.bytes as number };
  }
}

/** Drops the oldest until the others are within their limits. Within a transaction. */
export function dropOldestLetters(
  sql: DeliverySql,
  queue: number,
  { deadRows, deadBytes }: LetterCounts,
  { deadRowsMax, deadBytesMax }: OutboxSettings,
): Amount {
  const dropped = { rows: 0, bytes: 0 };
  const isWithin = () => deadRows - dropped.rows <= deadRowsMax && deadBytes - dropped.bytes <= deadBytesMax;
  if (isWithin()) return dropped;
  let last: number | undefined;
  for (const row of sql.deadRange.front.iterate(queue, 0, sequenceMax, deadRows)) {
    dropped.rows++;
    dropped.bytes += row.bytes as number;
    last = row.rest as number;
    if (isWithin()) break;
  }
  if (last !== undefined) sql.deadRange.delete.run(queue, 0, last);
  return dropped;
}
