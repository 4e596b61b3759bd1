/**
 * The position of an MQTT source: the QoS 2 messages of a session that it has taken and that the broker has not
 * released, as text.
 * @module
 */

/** Identifiers, and the session that they belong to. */
export interface TakenPosition {
  readonly session: string | undefined;
  readonly ids: readonly number[];
}

const idMax = 65_535;

/** `{"session":"gateway@tcp://broker:1883","taken":"7-26,31"}`: brokers count up, so that ranges stay short. */
export function writePosition({ session, ids }: TakenPosition): string {
  const sorted = [...ids].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i]!;
    while (sorted[i + 1] === sorted[i]! + 1) i++;
    ranges.push(first === sorted[i] ? `${first}` : `${first}-${sorted[i]}`);
  }
  return JSON.stringify({ session, taken: ranges.join(",") });
}

/** Undefined for a text that is none. */
export function readPosition(text: string): TakenPosition | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { session, taken } = parsed as { session?: unknown; taken?: unknown };
  if (session !== undefined && typeof session !== "string") return undefined;
  if (typeof taken !== "string") return undefined;
  const ids: number[] = [];
  for (const range of taken === "" ? [] : taken.split(",")) {
    const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    if (found === null) return undefined;
    const first = Number(found[1]);
    const last = Number(found[2] ?? first);
    if (first < 1 || last > idMax || last < first || ids.length + last - first >= idMax) return undefined;
    for (let id = first; id <= last; id++) ids.push(id);
  }
  return { session, ids };
}
