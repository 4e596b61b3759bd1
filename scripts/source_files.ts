/**
 * The repository's own TypeScript files, found by walking: a fresh clone need not have git.
 * @module
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository, without a trailing slash. */
export const root: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const SKIPPED = new Set(["node_modules", "dist", ".git", ".weir"]);

/** Paths of files below `folder` (of the repository) that end with `suffix`, relative to `folder`, sorted. */
export function sourceFiles(suffix: string, folder: string = root): string[] {
  const found: string[] = [];
  const walk = (relative: string) => {
    for (const entry of readdirSync(join(folder, relative), { withFileTypes: true })) {
      const path = join(relative, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) walk(path);
      } else if (entry.name.endsWith(suffix)) {
        found.push(path);
      }
    }
  };
  walk("");
  return found.toSorted();
}
