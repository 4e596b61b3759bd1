/**
 * What `weir doctor` has found out about one thing.
 * @module
 */

/** `skipped`: it could not be looked at, or there is nothing to look at. Only a problem makes the exit code 1. */
export type Verdict = "ok" | "warning" | "problem" | "skipped";

export interface Finding {
  readonly area: string;
  readonly verdict: Verdict;
  /** A sentence. */
  readonly found: string;
  /** What to do about it; on every warning and problem. */
  readonly hint?: string;
}

/** The findings of one area. */
export interface Area {
  ok(found: string): Finding;
  skipped(found: string): Finding;
  warning(found: string, hint: string): Finding;
  problem(found: string, hint: string): Finding;
}

export function area(name: string): Area {
  return {
    ok: (found) => ({ area: name, verdict: "ok", found }),
    skipped: (found) => ({ area: name, verdict: "skipped", found }),
    warning: (found, hint) => ({ area: name, verdict: "warning", found, hint }),
    problem: (found, hint) => ({ area: name, verdict: "problem", found, hint }),
  };
}

/** `12.5 MiB`. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
