/**
 * What an error of `node:sqlite` means for weir.
 *
 * The engines differ in which of SQLite's result codes they pass on, so its fixed English texts are read as well.
 * @module
 */

/** `full`: no space on the disk. `unusable`: the file or its directory cannot be opened, read or written. */
export type SqliteFailure = "busy" | "damaged" | "full" | "unusable" | "other";

/** Something in the database is not what weir wrote, though SQLite reads it. */
export class Damaged extends Error {}

const meanings: readonly [SqliteFailure, readonly number[], RegExp][] = [
  ["busy", [5, 6], /database (table )?is locked/],
  ["damaged", [11, 26], /is not a database|malformed|unsupported file format/],
  ["full", [13], /is full/],
  ["unusable", [3, 8, 10, 14], /unable to open database file|readonly database|disk I\/O error|permission/],
];

export function sqliteFailure(error: unknown): SqliteFailure {
  // What is kept as JSON cannot be parsed.
  if (error instanceof Damaged || error instanceof SyntaxError) return "damaged";
  const { errcode, message } = error as { errcode?: number; message?: string };
  for (const [failure, codes, texts] of meanings) {
    // The low byte is the primary result code, the rest refines it.
    if (typeof errcode === "number" && codes.includes(errcode & 0xff)) return failure;
    if (texts.test(message ?? "")) return failure;
  }
  return "other";
}
