/**
 * Positions of a Kafka source: the next offset of each partition it reads.
 * @module
 */

/** Partitions and the offset of the message to read next. */
export type Offsets = ReadonlyMap<number, bigint>;

export function writePosition(topic: string, offsets: Offsets): string {
  return JSON.stringify({ topic, next: Object.fromEntries([...offsets].map(([key, value]) => [key, String(value)])) });
}

/** Undefined for a text that is no position of `topic`. */
export function readPosition(text: string, topic: string): Offsets | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { topic: own, next } = parsed as { readonly topic?: unknown; readonly next?: unknown };
  if (own !== topic || typeof next !== "object" || next === null) return undefined;
  const offsets = new Map<number, bigint>();
  for (const [partition, offset] of Object.entries(next)) {
    if (!/^\d+$/.test(partition) || typeof offset !== "string" || !/^\d{1,19}$/.test(offset)) return undefined;
    offsets.set(Number(partition), BigInt(offset));
  }
  return offsets;
}
