/**
 * Where the paths of connectors' settings lead: relative ones into the data directory, absolute ones where they say.
 * @module
 */
import { isAbsolute, relative, resolve, sep } from "node:path";
import { refuseSetting } from "../connector/settings.ts";

/** What stands in the data directory is told by its name; see `weir.db`, `weir.lock`, `weir.pid`. */
const own = /^weir\./i;

/**
 * Makes paths absolute.
 *
 * @param directory The data directory, absolute.
 * @returns a function that throws DiagnosticError E403 for a relative path that leaves the directory, and for files of
 * the agent itself.
 */
export function pathResolver(directory: string): (path: string) => string {
  return (path) => {
    const full = resolve(directory, path);
    const inside = relative(directory, full);
    const leaves = inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside);
    if (leaves && !isAbsolute(path)) {
      refuseSetting("path", `"${path}" leads out of the data directory "${directory}": write it as an absolute path`);
    }
    if (!leaves && own.test(inside)) refuseSetting("path", `"${full}" belongs to weir itself: wanted another file`);
    return full;
  };
}
