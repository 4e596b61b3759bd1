/**
 * A read or write of the store that failed. What was to be written is not there; a later one can succeed.
 * @module
 */
import { type SqliteFailure, sqliteFailure } from "./sqlite_failure.ts";

const texts: Record<SqliteFailure, string> = {
  busy: "another process uses the database",
  damaged: "the database is damaged",
  full: "the disk is full",
  unusable: "the database cannot be read or written",
  other: "the database reports an error",
};

export class StoreError extends Error {
  readonly failure: SqliteFailure;

  /** @param doing what failed, as in "commit to the store" */
  constructor(doing: string, cause: unknown) {
    const failure = sqliteFailure(cause);
    super(`Cannot ${doing}: ${texts[failure]}: ${(cause as Error).message}`, { cause });
    this.name = "StoreError";
    this.failure = failure;
  }
}
