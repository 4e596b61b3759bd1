/**
 * Whether a disk has room for what an agent keeps.
 * @module
 */
import { statfsSync } from "node:fs";

/** Below that, writing will fail soon; below the other, somebody should know. */
const freeBytesMin = 32 * 1024 * 1024;
const freeBytesWanted = 256 * 1024 * 1024;
const freeFilesMin = 100;

export interface FreeSpace {
  readonly bytes: number;
  readonly verdict: "ok" | "warning" | "problem";
  /** How many more files there can be, where that is too few; undefined otherwise. */
  readonly filesLeft: number | undefined;
  /** The number of the file system's type, as `statfs(2)` gives it. */
  readonly type: number;
}

export const makeRoomHint = "make room: rules with qos 1 or 2, and caches, cannot keep anything on a full disk";

/** @throws an error of `statfs` */
export function freeSpaceOf(path: string): FreeSpace {
  const { type, bsize, bavail, files, ffree } = statfsSync(path);
  const bytes = Number(bavail) * Number(bsize);
  return {
    bytes,
    verdict: bytes < freeBytesMin ? "problem" : bytes < freeBytesWanted ? "warning" : "ok",
    filesLeft: Number(files) > 0 && Number(ffree) < freeFilesMin ? Number(ffree) : undefined,
    type: Number(type) >>> 0,
  };
}
