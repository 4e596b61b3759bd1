/**
 * An audit trail that lives as long as its process: of agents that keep nothing on a disk, and of tests.
 * @module
 */
import {
  type AuditEntry,
  type AuditEvent,
  type AuditLog,
  type AuditSelection,
  type ChainEnd,
  hashOf,
  noHash,
  pruneEvent,
  type StoredEntry,
  textOf,
} from "./audit_log.ts";

export class MemoryAuditLog implements AuditLog {
  #entries: AuditEntry[] = [];
  #anchor: ChainEnd = { sequence: 0, hash: noHash };

  append(event: AuditEvent): AuditEntry {
    const { sequence, hash } = this.head();
    const entry = { sequence: sequence + 1, hash: hashOf(hash, textOf(event)), event };
    this.#entries.push(entry);
    return entry;
  }

  read({ before = Infinity, actor = "", since = 0, limit }: AuditSelection): AuditEntry[] {
    return this.#entries.filter(({ sequence, event }) =>
      sequence < before && (actor === "" || event.actor === actor) && event.time >= since
    ).toReversed().slice(0, limit);
  }

  head(): ChainEnd {
    const last = this.#entries.at(-1);
    return last === undefined ? this.#anchor : { sequence: last.sequence, hash: last.hash };
  }

  anchor(): ChainEnd {
    return this.#anchor;
  }

  *stored(): Iterable<StoredEntry> {
    for (const { sequence, hash, event } of this.#entries) yield { sequence, hash, text: textOf(event) };
  }

  prune(before: number, now: number): number {
    const first = this.#entries.findIndex(({ event }) => event.time >= before);
    const count = first === -1 ? this.#entries.length : first;
    const last = this.#entries[count - 1];
    if (last === undefined) return 0;
    const { sequence, hash } = last;
    this.append(pruneEvent({ sequence, hash }, count, now));
    this.#anchor = { sequence, hash };
    this.#entries = this.#entries.slice(count);
    return count;
  }
}
