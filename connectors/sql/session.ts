/**
 * One login at a database, as the rest of the connector sees it, whatever the product.
 * @module
 */
import type { Struct } from "../../src/connector/source.ts";

/** A value as drivers take it; `bind.ts` makes them. */
export type Bound = null | string | number | bigint | Uint8Array;

/** A value that compares in the database exactly as the one it was read as: datetimes keep all their digits. */
export type ExactValue = null | string | number | bigint;

/** What values of a column are; `any` where a column does not say. */
export type ColumnKind = "int" | "float" | "string" | "boolean" | "datetime" | "bytea" | "json" | "any";

export interface FoundColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

export interface RunOptions {
  /** Results with more rows are refused. */
  readonly rowsMax: number;
  /** Columns whose exact values are wanted besides. */
  readonly exact?: readonly string[];
  /**
   * The same text comes again and again, so that it pays to have it prepared. It must name its columns: those of `*` may
   * change under a prepared statement.
   */
  readonly isRepeated?: boolean;
  /** The statement itself gives one row more than `rowsMax` at most. */
  readonly isLimited?: boolean;
}

export interface Found {
  readonly columns: readonly FoundColumn[];
  readonly rows: readonly Struct[];
  /** For each row the values of the columns of `exact`; empty when there are none. */
  readonly exact: readonly (readonly ExactValue[])[];
}

export interface Session {
  /** False once it is of no use any more: the peer has gone. */
  readonly isOpen: boolean;
  /** Runs one statement. @throws {SqlError} */
  run(sql: string, values: readonly Bound[], options: RunOptions): Promise<Found>;
  /** The same in place, of a database in this process. */
  runNow?(sql: string, values: readonly Bound[], options: RunOptions): Found;
  /** Ends it in order. */
  close(): Promise<void>;
  /** Ends it at once, whatever it is doing. */
  destroy(): void;
}

/**
 * What an error means. `disconnected`: the session is lost. `later`: the same again may well succeed. `row`: the values of
 * the statement do not fit, others may. `unique`: that, since they are there already. `missing`: there is no such table, or
 * not for us. `statement`: anything else.
 */
export type SqlErrorKind = "disconnected" | "later" | "row" | "unique" | "missing" | "statement";

export class SqlError extends Error {
  readonly kind: SqlErrorKind;

  constructor(kind: SqlErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SqlError";
    this.kind = kind;
  }
}

/** Nothing of a result that is too large is used. */
export function tooManyRows(rowsMax: number): SqlError {
  return new SqlError("statement", `The query gives over ${rowsMax} rows: limit it, or give it an index column`);
}

/** The place of a column in a result, in another letter case when there is none in this; -1 without. */
export function columnPlace(columns: readonly { readonly name: string }[], name: string): number {
  const place = columns.findLastIndex((column) => column.name === name);
  return place === -1 ? columns.findLastIndex((column) => column.name.toLowerCase() === name.toLowerCase()) : place;
}
