/**
 * The audit trail: who did what with the agent, entry after entry, each chained to the one before by its hash.
 *
 * Invariants: sequences rise by one; the hash of an entry is SHA-256 over the hash of the entry before it, a line feed and
 * the entry's text; entries are never changed, and removed from the begin of the trail only, which leaves an anchor: the
 * sequence and hash of the last one removed. So whoever changes, takes out, puts in or exchanges entries has to write all
 * of the trail behind them anew, and that shows when its head was kept elsewhere.
 * @module
 */
import { createHash } from "node:crypto";

/** What was done, as it is recorded. */
export interface AuditEvent {
  /** Unix milliseconds. */
  readonly time: number;
  /** `request`, `refused`, `start`, `stop`, `prune`, or a command such as `user add`. */
  readonly action: string;
  /** Who: `user ada`, `token ci`, `local local`; empty when nobody is known. */
  readonly actor: string;
  /** The role he acted with; empty when there is none. */
  readonly role: string;
  /** IP address of the other end; empty when it is not known, or there is none. */
  readonly address: string;
  /** Method and path of a request. */
  readonly target: string;
  /** What was made, where the path does not say it: the id of a rule. */
  readonly subject: string;
  readonly outcome: "done" | "failed" | "refused";
  /** HTTP status; 0 when it was no request. */
  readonly status: number;
  /** Why it failed or was refused. */
  readonly reason: string;
  /** How many like it there were since the entry before them, this one included. */
  readonly count: number;
}

export interface AuditEntry {
  readonly sequence: number;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  readonly event: AuditEvent;
}

/** An end of the trail. The head of an empty one is sequence 0 and {@linkcode noHash}. */
export interface ChainEnd {
  readonly sequence: number;
  readonly hash: string;
}

/** Which entries to read, from the newest backwards. */
export interface AuditSelection {
  /** Only those with a lower sequence. */
  readonly before?: number;
  /** Only those of this actor. */
  readonly actor?: string;
  /** Only those from this Unix time in milliseconds on. */
  readonly since?: number;
  readonly limit: number;
}

/** An entry as it is stored. */
export interface StoredEntry extends ChainEnd {
  readonly text: string;
}

/** Methods throw what the store does: `StoreError`. */
export interface AuditLog {
  append(event: AuditEvent): AuditEntry;
  /** Newest first. */
  read(selection: AuditSelection): AuditEntry[];
  head(): ChainEnd;
  /** What the chain begins behind. */
  anchor(): ChainEnd;
  /** Everything that is kept, oldest first. */
  stored(): Iterable<StoredEntry>;
  /** Removes the entries before a Unix time in milliseconds; says so in an entry of its own. Gives how many they were. */
  prune(before: number, now: number): number;
}

export const noHash = "0".repeat(64);

/** The columns of an entry, in the order of its text. */
const columns = [
  "time",
  "action",
  "actor",
  "role",
  "address",
  "target",
  "subject",
  "outcome",
  "status",
  "reason",
  "count",
] as const satisfies readonly (keyof AuditEvent)[];

/** The one text of an event. */
export function textOf(event: AuditEvent): string {
  return JSON.stringify(Object.fromEntries(columns.map((column) => [column, event[column]])));
}

/** @throws {SyntaxError} for a text that is no event */
export function eventOf(text: string): AuditEvent {
  const event = JSON.parse(text) as AuditEvent;
  if (typeof event !== "object" || event === null || textOf(event) !== text) throw new SyntaxError("it is no entry");
  return event;
}

export function hashOf(previous: string, text: string): string {
  return createHash("sha256").update(`${previous}\n${text}`).digest("hex");
}

/** What is recorded of the removal of old entries. */
export function pruneEvent(removed: ChainEnd, count: number, now: number): AuditEvent {
  return {
    time: now,
    action: "prune",
    actor: "",
    role: "",
    address: "",
    target: `entries up to ${removed.sequence}`,
    subject: removed.hash,
    outcome: "done",
    status: 0,
    reason: "older than audit.keep",
    count,
  };
}
