/**
 * Deletion in slices.
 * @module
 */
import type { RangeStatements } from "./delivery_sql.ts";

/**
 * Deletes from the front of a range of one owner: up to so many rows or bytes, because a long deletion would hold up
 * everything else. True when nothing is left.
 */
export function clearSlice(
  { front, delete: remove }: RangeStatements,
  owner: number,
  first: number,
  last: number,
  limit: { readonly rows: number; readonly bytes: number },
): boolean {
  const rows = front.all(owner, first, last, limit.rows);
  let end: number | undefined;
  let bytes = 0;
  let count = 0;
  for (const row of rows) {
    end = row.rest as number;
    bytes += row.bytes as number;
    count++;
    if (bytes >= limit.bytes) break;
  }
  if (end !== undefined) remove.run(owner, first, end);
  return count === rows.length && rows.length < limit.rows;
}
