/**
 * Tells when the files of a folder may have changed: by notifications, and, for file systems without them, by a look
 * at names, sizes and times every few seconds.
 * @module
 */
import { type FSWatcher, watch } from "node:fs";
import { fingerprint } from "./read_folder.ts";

/** So long nothing more must happen: several files are written one after the other. */
const quietMs = 300;
const lookMs = 5_000;

/** Returns what ends it. */
export function watchFolder(directory: string, onChanged: () => void): () => void {
  let known = fingerprint(directory);
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let watcher: FSWatcher | undefined;
  const look = () => {
    const now = fingerprint(directory);
    if (now === known) return;
    known = now;
    onChanged();
  };
  const soon = () => {
    clearTimeout(quiet);
    quiet = setTimeout(look, quietMs);
  };
  try {
    watcher = watch(directory, soon);
    // The folder is gone: the slow look sees it come back.
    watcher.on("error", () => watcher?.close());
  } catch {
    // The slow look remains.
  }
  const slow = setInterval(look, lookMs);
  return () => {
    clearTimeout(quiet);
    clearInterval(slow);
    watcher?.close();
  };
}
