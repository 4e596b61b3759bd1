/**
 * The contract of a lookup: a store that is asked for rows by key, one stream row at a time.
 *
 * The engine opens one handle per lookup table, however many rules join with it, and closes it when the table is
 * dropped or, for a store that can be opened any time, when its last rule stops. It keeps the cache that the user asked
 * for, counts, backs off and opens again; a lookup only asks its store.
 * @module
 */
import type { Struct, Value } from "../value/value.ts";

export type { Struct, Value } from "../value/value.ts";

/** The columns that a rule uses of the table, or all. A lookup may give more than was asked for. */
export type LookupColumns = readonly string[] | "all";

export interface Lookup {
  /**
   * The rows whose columns `keys` equal `values`, which are as many, in an order of the store's own; none is an empty
   * array. Called for each row of each rule that joins with the table, also again while earlier calls wait. `keys` are
   * different columns, at least one; `values` holds no null. A value of a kind that the column never has finds nothing.
   *
   * Answers in place when it can, because a promise for each row costs: a store in memory returns an array. One behind
   * a network returns a promise, which must settle by itself in the time the store's own settings allow, and rejects
   * with the reason of `signal` when that aborts: the table is being closed.
   *
   * The caller changes neither the array nor the rows, and may keep them; so must the lookup.
   *
   * @throws {Disconnected} the engine closes the handle, opens a new one, and asks that one once more.
   * @throws {RowError} the row that asked fails with it. Any other error fails the row too, as E510.
   */
  find(
    keys: readonly string[],
    values: readonly Value[],
    columns: LookupColumns,
    signal: AbortSignal,
  ): readonly Struct[] | Promise<readonly Struct[]>;
  /** Frees everything. Called once, also after errors; calls of `find` that wait have been aborted. */
  close(): Promise<void>;
}
