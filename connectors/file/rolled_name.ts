/**
 * Names of rolled files.
 * @module
 */
import { basename, dirname, extname, join } from "node:path";

/** `dir/<ms>-name.ext`. */
export function prefixed(path: string, ms: number): string {
  return join(dirname(path), `${ms}-${basename(path)}`);
}

/** `dir/name-<ms>.ext`. */
export function suffixed(path: string, ms: number): string {
  const extension = extname(path);
  return join(dirname(path), `${basename(path, extension)}-${ms}${extension}`);
}
