/**
 * What becomes of a file once everything in it has been dealt with: it stays, goes, or moves.
 * @module
 */
import { copyFile, mkdir, rename, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { suffixed } from "./rolled_name.ts";

/** What tells one content of a path from another. */
export interface FileIdentity {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * Deletes a file, or moves it into the folder `moveTo`, which is made when it is not there. A file of the same name there
 * keeps its name; the one that comes gets the time `now` (Unix milliseconds) behind its own. Gives false, and leaves the
 * file, when it is not the one that was read any more.
 */
export async function removeRead(
  path: string,
  read: FileIdentity,
  moveTo: string | undefined,
  now: number,
): Promise<boolean> {
  const found = await stat(path);
  if (found.ino !== read.ino || found.size !== read.size || found.mtimeMs !== read.mtimeMs) return false;
  if (moveTo === undefined) {
    await unlink(path);
    return true;
  }
  await mkdir(moveTo, { recursive: true });
  const target = await freeTarget(join(moveTo, basename(path)), now);
  try {
    await rename(path, target);
  } catch (error) {
    if ((error as { code?: string }).code !== "EXDEV") throw error;
    // The folder is on another disk. A name stands for a whole file, also when the copy is cut off.
    const part = `${target}.part`;
    await copyFile(path, part);
    await rename(part, target);
    await unlink(path);
  }
  return true;
}

async function freeTarget(target: string, now: number): Promise<string> {
  let candidate = target;
  for (let ms = now; await exists(candidate); ms++) candidate = suffixed(target, ms);
  return candidate;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
