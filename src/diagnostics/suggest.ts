/**
 * "Did you mean": the nearest known name to a misspelt one.
 * @module
 */

/** The optimal string alignment distance (insert, delete, replace, swap neighbours), given up beyond `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      }
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}

/**
 * The candidate nearest to `name`, ignoring case, or undefined when none is near enough to be a likely slip. A word more
 * or less is one too: `traffic` is near to `traffic_stream`.
 *
 * @example
 * ```ts
 * nearest("temprature", ["temperature", "humidity"]); // "temperature"
 * ```
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  // Every other letter is one slip away from a letter.
  const limit = wanted.length === 1 ? 0 : wanted.length === 2 ? 1 : Math.min(3, Math.ceil(wanted.length / 3));
  // What was given may be an iterator, which can be walked once.
  const known = [...candidates];
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const d = distance(wanted, candidate.toLowerCase(), limit);
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  if (best !== undefined) return best;
  const isLonger = (long: string, short: string) => short.length > 2 && long.startsWith(`${short}_`);
  return known.find((candidate) => {
    const other = candidate.toLowerCase();
    return isLonger(wanted, other) || isLonger(other, wanted);
  });
}

/** `did you mean "x"?`, or undefined when nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const near = nearest(name, candidates);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}
