/**
 * Messages that a sink refused for good, as users see them: listed, sent again, thrown away. Of running and of stopped
 * rules alike.
 *
 * Actions are called as their outboxes are, `0_mqtt`: place in the rule, then type. Users may also write `mqtt_0`, as in
 * the names of the status.
 * @module
 */
import { Buffer } from "node:buffer";
import { fail } from "../../diagnostics/diagnostic.ts";
import { RowError } from "../../diagnostics/row_error.ts";
import { nearest } from "../../diagnostics/suggest.ts";
import type { DeadLetter, DeliveryStore, Outbox, OutboxWork, Payload } from "../../store/delivery_store.ts";
import { jsonText } from "../../value/json_text.ts";
import { bodyOf } from "../addressed_item.ts";
import { decodeKept } from "./message_codec.ts";

/** A dead letter to be shown. Times are Unix milliseconds. */
export interface ShownLetter {
  readonly action: string;
  /** Tells it from all other messages of its rule. */
  readonly sequence: number;
  /** What its receivers know it by. */
  readonly id: string;
  readonly reason: string;
  /** How often it was tried, at least; a restart may have forgotten up to half of the tries. */
  readonly attempts: number;
  readonly created: number;
  readonly died: number;
  /** Of the payload. */
  readonly bytes: number;
  /** Text as it is, rows as JSON, other bytes as base64. */
  readonly encoding: "text" | "base64";
  readonly payload: string;
  /** True when this is only the begin of it. */
  readonly truncated?: boolean;
}

export interface LetterPage {
  readonly rule: string;
  /** Dead letters there are, of the action that was asked for or of all. */
  readonly total: number;
  /** Of their payloads. */
  readonly bytes: number;
  /** In rising sequence. */
  readonly letters: readonly ShownLetter[];
  /** There are more behind this sequence. */
  readonly next?: number;
}

/** Every member that is absent leaves it open. */
export interface LetterSelection {
  readonly action?: string;
  readonly sequences?: readonly number[];
}

/** What became of a selection. */
export interface LetterCount {
  /** How many were sent again, or thrown away. */
  readonly letters: number;
  /** Sequences that are not those of dead letters. */
  readonly unknown: readonly number[];
}

/** What is known of a rule here. */
export interface RuleOfLetters {
  /** The names of its actions as they are now; of a rule that cannot be read none. */
  readonly actions: readonly string[];
  /** Counts messages that wait again, in the run that there was when this was asked for. */
  replayed(action: string, count: number): void;
  /** Sets the sender of an action to what waits, of a rule that runs. */
  wake(action: string): void;
}

export const letterLimitMax = 1000;
export const letterLimitDefault = 100;
/** Longer payloads are cut off in lists. */
const shownBytesMax = 1024;

export class DeadLetters {
  readonly #delivery: DeliveryStore;
  readonly #rule: (id: string) => RuleOfLetters;

  /** @param rule what is known of a rule; throws E701 for one that does not exist */
  constructor(delivery: DeliveryStore, rule: (id: string) => RuleOfLetters) {
    this.#delivery = delivery;
    this.#rule = rule;
  }

  /**
   * A page of the dead letters of a rule, long payloads cut off.
   *
   * @param page `after` is the sequence behind which it begins, `limit` at most {@linkcode letterLimitMax}
   * @throws {DiagnosticError} E701 for an unknown rule or action
   */
  list(
    id: string,
    page: { readonly action?: string; readonly after?: number; readonly limit?: number } = {},
  ): LetterPage {
    const outboxes = this.#outboxes(id, page.action);
    const limit = Math.min(page.limit ?? letterLimitDefault, letterLimitMax);
    const found = outboxes
      .flatMap((outbox) =>
        outbox.deadLetters({ after: page.after ?? 0, limit: limit + 1 }).map((letter) => ({ outbox, letter }))
      )
      .sort((a, b) => a.letter.sequence - b.letter.sequence);
    const letters = found.slice(0, limit).map(({ outbox, letter }) => this.#shown(outbox, letter, shownBytesMax));
    const counts = outboxes.map((outbox) => outbox.counts());
    return {
      rule: id,
      total: counts.reduce((sum, { deadRows }) => sum + deadRows, 0),
      bytes: counts.reduce((sum, { deadBytes }) => sum + deadBytes, 0),
      letters,
      ...(found.length > limit && letters.length > 0 ? { next: letters.at(-1)!.sequence } : {}),
    };
  }

  /**
   * One dead letter, whole.
   *
   * @throws {DiagnosticError} E701 for an unknown rule, action or sequence
   */
  get(id: string, action: string, sequence: number): ShownLetter {
    for (const outbox of this.#outboxes(id, action)) {
      const letter = outbox.deadLetter(sequence);
      if (letter !== undefined) return this.#shown(outbox, letter, Infinity);
    }
    return fail("E701", `Rule ${id} has no dead letter ${sequence} of action ${action}`, {
      hint: "it may have been replayed, cleared or displaced by newer ones",
    });
  }

  /** Puts dead letters back to where their sequence stands among the messages that wait; resolves when that is kept. */
  replay(id: string, selection: LetterSelection = {}): Promise<LetterCount> {
    return this.#work(id, selection, (sequences) => ({ replayed: sequences }));
  }

  /** Throws dead letters away; resolves when that is kept. */
  clear(id: string, selection: LetterSelection = {}): Promise<LetterCount> {
    return this.#work(id, selection, (sequences) => ({ cleared: sequences }));
  }

  async #work(
    id: string,
    { action, sequences }: LetterSelection,
    workOn: (sequences: readonly number[] | "all") => Omit<OutboxWork, "action">,
  ): Promise<LetterCount> {
    const unknown = new Set(sequences);
    const works: OutboxWork[] = [];
    const counts = new Map<string, number>();
    for (const outbox of this.#outboxes(id, action)) {
      const mine = sequences === undefined
        ? undefined
        : [...unknown].filter((sequence) => outbox.deadLetter(sequence) !== undefined);
      for (const sequence of mine ?? []) unknown.delete(sequence);
      const count = mine?.length ?? outbox.counts().deadRows;
      if (count === 0) continue;
      works.push({ action: outbox.action, ...workOn(mine ?? "all") });
      counts.set(outbox.action, count);
    }
    if (works.length > 0) await this.#submit(id, works, counts);
    const letters = [...counts.values()].reduce((sum, count) => sum + count, 0);
    return { letters, unknown: [...unknown] };
  }

  /** Committed beside what the rule itself commits, as all that becomes of messages is. */
  async #submit(id: string, works: readonly OutboxWork[], counts: ReadonlyMap<string, number>): Promise<void> {
    const before = this.#rule(id);
    await this.#delivery.commit({ rule: id, outboxes: works });
    for (const { action, replayed } of works) {
      if (replayed === undefined) continue;
      before.replayed(action, counts.get(action)!);
      // Not of `before`: a rule that was started meanwhile may have looked before.
      this.#rule(id).wake(action);
    }
  }

  #shown({ rule, action }: Outbox, letter: DeadLetter, bytesMax: number): ShownLetter {
    const { content, id } = contentOf(letter.payload);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    const begin = bytes.subarray(0, bytesMax);
    const isCut = begin.byteLength < bytes.byteLength;
    const text = textOf(begin, isCut);
    return {
      action,
      sequence: letter.sequence,
      id: id ?? `${this.#delivery.incarnation(rule)}-${letter.sequence}`,
      reason: letter.reason,
      attempts: letter.attempts,
      created: letter.createdMs,
      died: letter.diedMs,
      bytes: bytes.byteLength,
      encoding: text === undefined ? "base64" : "text",
      payload: text ?? Buffer.from(begin).toString("base64"),
      ...(isCut ? { truncated: true } : {}),
    };
  }

  /** The outboxes that are kept of a rule, or that of one action. */
  #outboxes(id: string, action: string | undefined): Outbox[] {
    const { actions } = this.#rule(id);
    const kept = this.#delivery.isInUse() ? this.#delivery.actions(id) : [];
    const chosen = action === undefined ? kept : [knownAction(id, action, [...new Set([...actions, ...kept])])];
    return chosen.filter((name) => kept.includes(name)).map((name) => this.#delivery.outbox(id, name));
  }
}

/** @throws {DiagnosticError} E701 */
function knownAction(id: string, given: string, known: readonly string[]): string {
  const turned = given.replace(/^(?:sink_)?(.+)_([0-9]+)$/, "$2_$1");
  const name = [given, turned].find((each) => known.includes(each));
  if (name !== undefined) return name;
  const similar = nearest(given, known);
  return fail("E701", `Rule ${id} has no action "${given}"`, {
    hint: similar !== undefined
      ? `did you mean "${similar}"?`
      : known.length === 0
      ? "nothing is kept of the rule"
      : `it has ${[...known].sort().join(", ")}`,
  });
}

/** What a sink would get, whatever it takes; rows as JSON. A message that cannot be read is shown as it stands. */
function contentOf(payload: Payload): { readonly content: Payload; readonly id?: string } {
  for (const accepts of ["payloads", "rows"] as const) {
    try {
      const { item, ...rest } = decodeKept(payload, accepts);
      const body = bodyOf(item);
      return { content: typeof body === "string" || body instanceof Uint8Array ? body : jsonText([...body]), ...rest };
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RowError)) throw error;
    }
  }
  return { content: payload };
}

/** Undefined for what is not UTF-8. A text that was cut off ends with its last whole character. */
function textOf(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    // With `stream`, the begin of a character at the end is no mistake, and is left out.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
  } catch {
    return undefined;
  }
}
