/**
 * What rules with `qos` 1 and 2 keep so that nothing is lost: checkpoints, input logs, source positions, outboxes.
 *
 * The engine puts all that one batch did into one {@linkcode DeliveryUnit} and commits it. When the promise resolves,
 * the source may be acknowledged; what the outbox holds is then taken, sent, and marked delivered in a later unit.
 *
 * What always holds, also after a kill at any instruction, a full disk and a failed write:
 *
 * 1. A unit is whole or absent. A failed transaction rejects every unit in it and leaves the store as it was.
 * 2. A resolved unit is there after a restart: at "process" unless the machine itself went down, at "power" always.
 * 3. The log of a rule read after its checkpoint has every entry committed since, once, in rising sequence.
 * 4. A sequence is accepted once per log and once per outbox; `lastSequence` says after a restart which are known, also
 *    when their messages are long delivered. A rule removed and made again has another incarnation, so that the pair
 *    (incarnation, sequence) never means two messages.
 * 5. A message in an outbox is, at any time, exactly one of: waiting, taken, delivered, dead, or dropped and told to
 *    the unit that dropped it. `counts()` equals what reading all messages would count.
 * 6. Messages are taken in rising sequence within their lane; with order "key" within their key, and a message that
 *    waits for its next attempt holds up its key only.
 * 7. Rows and bytes of an outbox stay below its limits, but for one unit that is larger than they are, for messages
 *    that are taken, which are never dropped, and for replayed dead letters. A lowered limit is reached in steps.
 *
 * Being taken and waiting for an attempt is not kept: a restart begins with every message ready. A wait would be
 * meaningless under another clock, and a write for each attempt would wear out flash while a sink is away. Attempts
 * are kept when their number is a power of two, so after a kill the number is right within a factor of two.
 * @module
 */

/** Text or bytes, given back as the same. */
export type Payload = string | Uint8Array;

/** `process` survives the death of the process, `power` also that of the machine: it costs a flush of the disk. */
export type Durability = "process" | "power";

/** Sequences are whole numbers from 1 to this. At 100,000 a second it lasts for five years. */
export const sequenceMax = 2 ** 44 - 1;

export interface Checkpoint {
  /** Tells which plan the state belongs to. */
  readonly plan: string;
  /** The log up to and with this sequence is contained in the state; 0 for none of it. */
  readonly sequence: number;
  /** When it was made, Unix milliseconds. */
  readonly timeMs: number;
  readonly state: Payload;
}

/** What entered a rule in one batch. */
export interface LogEntry {
  readonly sequence: number;
  readonly payload: Payload;
}

export interface Message {
  /** Identifies the message, with the incarnation of its rule. Rises within an outbox; gaps are welcome. */
  readonly sequence: number;
  /** With order "key": messages of one key keep their order. None is the key "". */
  readonly key?: string;
  readonly payload: Payload;
  /** Unix milliseconds. */
  readonly createdMs: number;
}

/** `resend` is for messages that failed and shall not hold up the live ones. */
export type Lane = "live" | "resend";

export interface TakenMessage extends Message {
  readonly lane: Lane;
  /** Failed attempts so far. */
  readonly attempts: number;
}

export interface DeadLetter extends Message {
  readonly attempts: number;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly diedMs: number;
}

/** What happens to the messages of one outbox in a unit, in this order. */
export interface OutboxWork {
  readonly action: string;
  /** Taken messages that are done: they go. */
  readonly delivered?: readonly number[];
  /**
   * Taken messages that failed: each is tried again at `atMs`, on the clock of `take()`; 0 is at once. With a lane it
   * goes there; as a lane may hold very many, messages should be sent there with 0 and its consumer wait by itself.
   */
  readonly retried?: readonly { readonly sequence: number; readonly atMs: number; readonly lane?: Lane }[];
  /** Taken messages that will never succeed: they become dead letters. The oldest of those make room for them. */
  readonly buried?: readonly { readonly sequence: number; readonly reason: string; readonly diedMs: number }[];
  /** Dead letters that go back to the live lane, to where their sequence stands; unknown ones are ignored. */
  readonly replayed?: readonly number[] | "all";
  /** Dead letters that go for ever; unknown ones are ignored. */
  readonly cleared?: readonly number[] | "all";
  /** Drops messages that are older than the limit of age at this time, Unix milliseconds. */
  readonly expiredAtMs?: number;
  /** New messages, with rising sequences above `lastSequence`. */
  readonly append?: readonly Message[];
}

/** All that one batch did. Every member is optional but the rule. */
export interface DeliveryUnit {
  readonly rule: string;
  readonly outboxes?: readonly OutboxWork[];
  /** Entries with rising sequences above `lastLogSequence`. */
  readonly log?: readonly LogEntry[];
  /** Sources that got further, each with its position; the others keep theirs. Null forgets one, for a clean start. */
  readonly positions?: ReadonlyMap<string, string | null>;
  /** Replaces the checkpoint and lets go of the log up to its sequence. Null lets go of both, for a clean start. */
  readonly checkpoint?: Checkpoint | null;
}

/** Messages that a limit took away. */
export interface Dropped {
  readonly action: string;
  /** `full` and `age` dropped messages that waited or were new, `dead` dropped dead letters. */
  readonly reason: "full" | "age" | "dead";
  readonly rows: number;
  readonly bytes: number;
}

/** What a full outbox does: refuse the unit with {@linkcode OutboxFullError}, or drop and say so. */
export type OnFull = "block" | "dropOldest" | "dropNewest";

export interface OutboxSettings {
  /** `queue`: one order for all. `key`: one order for each key. */
  readonly order: "queue" | "key";
  readonly onFull: OnFull;
  readonly rowsMax: number;
  /** Of payloads, in UTF-8. A text with the character 0 takes a little more. */
  readonly bytesMax: number;
  /** Absent: no age is too old. */
  readonly ageMaxMs?: number;
  readonly deadRowsMax: number;
  readonly deadBytesMax: number;
}

export const defaultOutboxSettings: OutboxSettings = {
  order: "queue",
  onFull: "block",
  rowsMax: 1_024_000,
  bytesMax: 512 * 1024 * 1024,
  deadRowsMax: 10_000,
  deadBytesMax: 16 * 1024 * 1024,
};

export interface OutboxCounts {
  /** All messages that are neither delivered, dropped nor dead; taken ones among them. */
  readonly rows: number;
  /** Of their payloads. */
  readonly bytes: number;
  readonly takenRows: number;
  readonly deadRows: number;
  readonly deadBytes: number;
}

export interface TakeOptions {
  /** Default "live". */
  readonly lane?: Lane;
  readonly rowsMax: number;
  /** One message is given even when it is larger. */
  readonly bytesMax?: number;
  /** On the clock of `retried.atMs`. */
  readonly nowMs: number;
}

export interface Taken {
  readonly messages: readonly TakenMessage[];
  /**
   * Given when there were fewer than asked for and others will be ready at this time by themselves; it may be now, as one
   * call looks at so many messages only. Absent: ask again at once after a full take, else after a unit or a release.
   */
  readonly waitUntilMs?: number;
}

/** The messages of one action of a rule. */
export interface Outbox {
  readonly rule: string;
  readonly action: string;
  /** The highest sequence that was ever appended; 0 before the first. What is not above it is not appended again. */
  readonly lastSequence: number;
  counts(): OutboxCounts;
  /** When the message with the lowest sequence was created, Unix milliseconds; undefined for an empty outbox. */
  oldestMs(): number | undefined;
  /** The next messages that are ready. They are not taken again until they are released, or retried and ready. */
  take(options: TakeOptions): Taken;
  /** Gives back what was taken and is in no unit yet, as after a lost connection. Default: all of it. */
  release(sequences?: readonly number[]): void;
  /** Resolves when `rows` with `bytes` would not be refused, or the outbox is gone. */
  whenRoom(rows: number, bytes: number): Promise<void>;
  /** Dead letters in rising sequence. `after` is exclusive. */
  deadLetters(options: { readonly after?: number; readonly limit: number }): DeadLetter[];
  deadLetter(sequence: number): DeadLetter | undefined;
}

export interface Committed {
  readonly dropped: readonly Dropped[];
}

export interface DeliverySizes {
  /** Of the database file. */
  readonly databaseBytes: number;
  /** Of that, what `maintain()` can give back. */
  readonly freeBytes: number;
  readonly walBytes: number;
}

/**
 * Methods that read or take are synchronous and see what is committed.
 *
 * @throws {StoreError} from each of them when the disk or the database fails.
 */
export interface DeliveryStore {
  /**
   * Whether anything is kept, or was asked for since the opening. Until then nothing is prepared, and this costs one look
   * at most.
   */
  isInUse(): boolean;
  /** Resolves when it is in use. */
  whenInUse(): Promise<void>;
  /**
   * Reads what is known of all rules in one pass, but for states, logs and messages: for a start of many rules, which
   * would read it one by one. Does nothing when nothing is kept.
   */
  preload(): void;
  /** Rules of which anything is kept, by name. */
  rules(): string[];
  /** Tells this life of a rule from one before its removal. Durable with its first unit. */
  incarnation(rule: string): string;
  checkpoint(rule: string): Checkpoint | undefined;
  /** Entries that the checkpoint does not contain, in rising sequence. */
  log(rule: string): Iterable<LogEntry>;
  /** The highest sequence that the log ever had; 0 before the first. */
  lastLogSequence(rule: string): number;
  positions(rule: string): ReadonlyMap<string, string>;
  /**
   * The highest sequence of the log and of all outboxes, also of those that were removed; 0 before the first. Where one
   * row of numbers serves them all, it goes on from here, so that none is given twice.
   */
  lastSequence(rule: string): number;
  /** Actions of which an outbox is kept, by name. */
  actions(rule: string): string[];
  /** The outbox of an action, the same object each time. Settings given replace those from before. */
  outbox(rule: string, action: string, settings?: Partial<OutboxSettings>): Outbox;
  /**
   * Commits a unit; those of one turn of the event loop share a transaction, at the highest durability of them.
   *
   * Rejects with {@linkcode OutboxFullError} when an outbox with `onFull: "block"` has no room, with `RangeError` or
   * `TypeError` for a unit that breaks the rules above, and with `StoreError` when the disk or the database fails. The
   * first two concern this unit only. In each case nothing of it is kept, and it may be committed again.
   */
  commit(unit: DeliveryUnit, durability?: Durability): Promise<Committed>;
  /** Commits now what was given to `commit()`, without waiting for the end of the turn. */
  flush(): void;
  /** Forgets all of a rule at once; what its space needs is done by `maintain()`. Not within `Store.transaction()`. */
  remove(rule: string): void;
  /** Forgets one outbox, as when a rule loses an action; `lastSequence(rule)` stays. */
  removeOutbox(rule: string, action: string): void;
  /** Removes the rules that do not exist any more; to be called after opening. Returns their names. */
  removeOrphans(exists: (rule: string) => boolean): string[];
  /** Does a slice of a few milliseconds of clearing and giving back space. True when there is more. */
  maintain(): boolean;
  sizes(): DeliverySizes;
  /** Commits what waits; later calls are refused. It may be closed twice. */
  close(): void;
}

/** An outbox that blocks has no room for a unit. `Outbox.whenRoom()` tells when to try again. */
export class OutboxFullError extends Error {
  readonly rule: string;
  readonly action: string;

  constructor(rule: string, action: string) {
    super(`The outbox of rule "${rule}", action "${action}" is full`);
    this.name = "OutboxFullError";
    this.rule = rule;
    this.action = action;
  }
}
