/**
 * The part of the health that is about the data directory.
 * @module
 */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { freeSpaceOf, makeRoomHint } from "../store/free_space.ts";
import type { HealthCheck, HealthReason } from "./health.ts";

export interface StorageHealth {
  /** Undefined for a store in memory. */
  readonly directory: string | undefined;
  /** What opening the store had to say. */
  readonly notices: readonly Diagnostic[];
  /** Definitions that are stored and cannot be read, by name. */
  readonly unreadable: readonly string[];
}

export function storageHealth({ directory, notices, unreadable }: StorageHealth): HealthCheck {
  return function* () {
    for (const { message, hint } of notices) {
      yield { area: "storage", severity: "problem", message, hint: hint ?? "see the log" };
    }
    for (const name of unreadable) {
      const message = `The stored definition of ${name} cannot be read`;
      const hint = "the log of the start says why; define it again, or remove it";
      yield { area: "storage", severity: "problem", subject: name, message, hint };
    }
    if (directory !== undefined) yield* spaceReasons(directory);
  };
}

function* spaceReasons(directory: string): Iterable<HealthReason> {
  const about = { area: "storage", subject: directory };
  try {
    const { bytes, verdict, filesLeft } = freeSpaceOf(directory);
    const free = Math.floor(bytes / (1024 * 1024));
    if (verdict !== "ok") {
      yield { ...about, severity: verdict, message: `${free} MiB are free for ${directory}`, hint: makeRoomHint };
    }
    if (filesLeft !== undefined) {
      const message = `Only ${filesLeft} more files can be made in ${directory}`;
      yield { ...about, severity: "problem", message, hint: "remove files: the file system is out of inodes" };
    }
  } catch (error) {
    const message = `The data directory ${directory} cannot be looked at: ${(error as Error).message}`;
    yield { ...about, severity: "problem", message, hint: "see whether its file system is still mounted" };
  }
}
