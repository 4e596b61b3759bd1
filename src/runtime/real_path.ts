/**
 * Where a path leads when symbolic links are followed.
 * @module
 */
import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Of an absolute path; what does not exist yet stands below what does. */
export function realPathOf(path: string): string {
  const missing: string[] = [];
  for (let at = path;;) {
    try {
      return join(realpathSync(at), ...missing);
    } catch {
      const above = dirname(at);
      if (above === at) return path;
      missing.unshift(basename(at));
      at = above;
    }
  }
}
