/**
 * Dropping messages of an outbox that no limit has room for.
 * @module
 */
import { sequenceMax } from "./delivery_store.ts";
import { type DeliverySql, resendBit } from "./delivery_sql.ts";
import type { OutboxReader } from "./outbox_reader.ts";

/** A sum of messages that are gone. */
export interface Amount {
  rows: number;
  bytes: number;
}

const pageRows = 256;
/** At most this is dropped in one unit, because it holds up everything else; the next unit goes on. */
const rowsMax = 20_000;
const bytesMax = 64 * 1024 * 1024;

/**
 * Drops messages that are not taken from the front while `wants` says so. Those of the resend lane go first: they were
 * live before what is live now. Within a transaction.
 */
export function dropFront(
  sql: DeliverySql,
  reader: OutboxReader,
  queue: number,
  wants: (createdMs: number, gone: Amount) => boolean,
): Amount {
  const gone = { rows: 0, bytes: 0 };
  for (const bit of [resendBit, 0]) {
    let after = bit;
    for (let isWanted = true; isWanted;) {
      const rows = sql.ages.all(queue, after, bit + sequenceMax, pageRows);
      let first: number | undefined;
      let last = 0;
      const dropRun = () => {
        if (first !== undefined) sql.outboxRange.delete.run(queue, bit + first, bit + last);
        first = undefined;
      };
      for (const row of rows) {
        const sequence = row.sequence as number;
        after = bit + sequence;
        if (reader.has(sequence)) {
          dropRun();
          continue;
        }
        isWanted = gone.rows < rowsMax && gone.bytes < bytesMax && wants(row.created as number, gone);
        if (!isWanted) break;
        first ??= sequence;
        last = sequence;
        gone.rows++;
        gone.bytes += row.bytes as number;
        reader.setWait(sequence, undefined);
      }
      dropRun();
      isWanted &&= rows.length === pageRows;
    }
  }
  return gone;
}
