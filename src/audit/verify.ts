/**
 * Whether an audit trail is as it was written.
 * @module
 */
import { type AuditEvent, type ChainEnd, eventOf, hashOf, noHash, type StoredEntry } from "./audit_log.ts";

/** What is read of a trail; a snapshot, so that a running agent may go on writing. */
export interface Trail {
  anchor(): ChainEnd;
  stored(): Iterable<StoredEntry>;
}

export type Verdict =
  | {
    readonly intact: true;
    readonly entries: number;
    readonly anchor: ChainEnd;
    readonly head: ChainEnd;
    /** Sequences that were noted, and are older than what is kept: whether they were so cannot be told any more. */
    readonly unknown: readonly number[];
  }
  | { readonly intact: false; readonly sequence: number; readonly reason: string };

function broken(sequence: number, reason: string): Verdict {
  return { intact: false, sequence, reason };
}

/**
 * Goes through the whole chain.
 *
 * @param expected Heads that were noted earlier: the trail must still hold them.
 */
export function verify(trail: Trail, expected: readonly ChainEnd[] = []): Verdict {
  const anchor = trail.anchor();
  let end: ChainEnd = anchor;
  let entries = 0;
  let pruned: ChainEnd = { sequence: 0, hash: noHash };
  const wanted = new Map(expected.map(({ sequence, hash }) => [sequence, hash]));
  const missed = (found: ChainEnd) => {
    const hash = wanted.get(found.sequence);
    wanted.delete(found.sequence);
    return hash !== undefined && hash !== found.hash;
  };
  if (missed(anchor)) return broken(anchor.sequence, "its hash is not the one that was noted");
  for (const { sequence, text, hash } of trail.stored()) {
    if (sequence !== end.sequence + 1) return broken(end.sequence + 1, `it is missing: entry ${sequence} comes next`);
    let event: AuditEvent;
    try {
      event = eventOf(text);
    } catch {
      return broken(sequence, "it cannot be read");
    }
    if (hashOf(end.hash, text) !== hash) return broken(sequence, "its hash does not follow from it and the one before");
    if (event.action === "prune") pruned = { sequence: Number(/\d+$/.exec(event.target)?.[0]), hash: event.subject };
    end = { sequence, hash };
    entries++;
    if (missed(end)) return broken(sequence, "its hash is not the one that was noted");
  }
  if (anchor.sequence !== pruned.sequence || anchor.hash !== pruned.hash) {
    return broken(anchor.sequence, "entries up to it were removed, and no entry says so");
  }
  for (const sequence of wanted.keys()) {
    if (sequence > end.sequence) {
      return broken(sequence, "it was noted and is missing: the end of the trail was cut off");
    }
  }
  return { intact: true, entries, anchor, head: end, unknown: [...wanted.keys()] };
}
