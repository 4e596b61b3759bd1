/**
 * Where data go when nobody said: `/var/lib/weir` for the service, a folder of the user's for a person who tries weir.
 * @module
 */
import { accessSync, constants } from "node:fs";
import { dirname, join } from "node:path";

export const serviceDataDir = "/var/lib/weir";

export interface ChosenDataDir {
  readonly path: string;
  /** Why it is not the usual one. */
  readonly reason?: string;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    accessSync(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}

/** `usable` is there for tests. */
export function defaultDataDir(
  environment: Readonly<Record<string, string | undefined>>,
  usable: (path: string) => boolean = (path) => isWritable(exists(path) ? path : dirname(path)),
): ChosenDataDir {
  if (usable(serviceDataDir)) return { path: serviceDataDir };
  const state = environment.XDG_STATE_HOME ||
    (environment.HOME ? join(environment.HOME, ".local", "state") : undefined);
  const path = state === undefined ? ".weir" : join(state, "weir");
  return { path, reason: `${serviceDataDir} is not writable` };
}
