/**
 * The QoS 2 messages that a subscription has taken and that the broker has not released, for a user that keeps their
 * identifiers with what it did, and so takes each message once even across its own end.
 *
 * Invariants, of one identifier X of a kept session, where "kept" is what the user has written down for good:
 *
 * 1. PUBREC of X is sent when its batch is acknowledged; X is kept from before then on.
 * 2. X leaves the set at PUBREL. PUBCOMP of X is sent when the set without X is kept. Until then the broker gives X to
 *    no other message.
 * 3. So while X is kept, a message X of the same session is the one that was taken: it is answered and not given again.
 *    And while a message X that was taken can come again, X is kept.
 * 4. A new session gives X to other messages at once. So nothing is subscribed in it before an empty set is kept.
 *
 * That a broker has a session does not say that it is the old one: a client that is lost between CONNECT and CONNACK, or
 * before an empty set is kept, finds the new session when it comes again. But the old one has each X that is kept under
 * way, and a broker sends those again at once. So until it does the session is taken for a new one, to be safe; when it
 * was the old one after all, messages come twice, but none is lost.
 *
 * The same goes for a set that is brought to a client which has met the broker before: what it has answered without
 * that set may have been used again.
 * @module
 */
import type { TakenOptions, TakenStep } from "./connection.ts";
import type { Batch, ReadGroup } from "./message.ts";

/** Longest wait for what an old session has under way. */
const unsureMs = 2000;

/** A QoS 2 message between its PUBLISH and its PUBREL, or beyond it, while it is kept. */
export interface Exchange {
  /** The read that its delivered copy belongs to; undefined for one of an earlier process that has not come again. */
  group: ReadGroup | undefined;
  /** Whether every subscription has acknowledged it. */
  acknowledged: boolean;
  /** Whether a PUBREC was sent, on any connection. */
  received: boolean;
  /** A later read in which it came again, to be answered when the copy delivered first is acknowledged. */
  waiting: ReadGroup | undefined;
  /** Those who have taken it and may have it among what they keep. */
  takers: Set<TakenIds> | undefined;
  /** Whether the broker has released it. */
  released: boolean;
}

export interface TakenOwner {
  /** Number of the session at the broker. */
  readonly session: number;
  /** Client and broker that the session is between. */
  readonly sessionName: string;
  /** That of an identifier, in the present session. */
  exchange(id: number): Exchange | undefined;
  /** Begins that of a message which an earlier process has taken. */
  resume(id: number): Exchange;
  /** A message with the identifier is a new one. */
  drop(id: number): void;
  after(delayMs: number, callback: () => void): () => void;
  /** Says PUBCOMP to these. */
  finish(ids: readonly number[]): void;
  /** A set that waited does not any more. */
  ready(taken: TakenIds): void;
}

export class TakenIds {
  readonly #owner: TakenOwner;
  readonly #options: TakenOptions;
  readonly #ids: Set<number>;
  /** Released by the broker since the last step. */
  #released: number[] = [];
  /** Number of the last step, and of the last one with identifiers; what may be kept now has some while it is not 0. */
  #steps = 0;
  #lastNamed = 0;
  #connected = false;
  /** True until an empty set is kept. */
  #mustEmpty = false;
  /** While it is not known whether the session is the old one: ends the wait for a sign of that. */
  #cancelUnsure: (() => void) | undefined;
  closed = false;

  /** @param late whether the client has met the broker before */
  constructor(options: TakenOptions, owner: TakenOwner, late: boolean) {
    this.#owner = owner;
    this.#options = options;
    this.#ids = new Set(options.ids);
    if (this.#ids.size > 0) this.#lastNamed = ++this.#steps;
    if (!late) return;
    this.#connected = true;
    this.#begin();
  }

  /** Whether its subscription must not be made yet. */
  get waits(): boolean {
    return this.#mustEmpty || this.#cancelUnsure !== undefined;
  }

  /**
   * A connection is up, and nothing has come over it.
   *
   * @param sessionFound whether the broker has a session that may be the old one
   * @param sure whether it cannot be another
   */
  connected(sessionFound: boolean, sure: boolean): void {
    const first = !this.#connected;
    this.#connected = true;
    this.disconnected();
    if (!sessionFound || (first && this.#options.session !== this.#owner.sessionName)) return this.#begin();
    if (this.#lastNamed === 0) return;
    if (first) { for (const id of this.#ids) (this.#owner.resume(id).takers ??= new Set()).add(this); }
    if (!sure && !this.#mustEmpty) this.#cancelUnsure = this.#owner.after(unsureMs, () => this.deny());
  }

  disconnected(): void {
    this.#cancelUnsure?.();
    this.#cancelUnsure = undefined;
  }

  /** A message that was taken is under way in the session. */
  confirm(): void {
    if (this.#cancelUnsure === undefined) return;
    this.disconnected();
    if (!this.waits) this.#owner.ready(this);
  }

  /** The session may be a new one. @returns whether that was open */
  deny(): boolean {
    if (this.#cancelUnsure === undefined) return false;
    this.disconnected();
    this.#begin();
    return true;
  }

  /** Nothing is known to be taken in the session. */
  #begin(): void {
    this.#letGo([...this.#ids, ...this.#released], true);
    this.#ids.clear();
    this.#released = [];
    if (this.#lastNamed === 0) return;
    this.#mustEmpty = true;
    if (!this.closed) this.#options.onNews(true);
  }

  /** The broker has released a message that was taken. */
  release(id: number): void {
    if (!this.#ids.delete(id)) return;
    this.#released.push(id);
  }

  /** After a read in which {@linkcode release} was called. */
  tell(): void {
    if (this.#released.length > 0 && !this.closed) this.#options.onNews(this.#ids.size === 0);
  }

  /** The batches are taken now. */
  advance(batches: readonly Batch[]): TakenStep {
    const { session, sessionName } = this.#owner;
    for (const batch of batches) if (batch.group.session === session) this.#take(batch);
    const ids = [...this.#ids];
    const released = this.#released;
    this.#released = [];
    const step = ++this.#steps;
    if (ids.length > 0) this.#lastNamed = step;
    const emptied = this.#mustEmpty;
    return {
      session: sessionName,
      ids,
      kept: () => {
        if (session === this.#owner.session) this.#letGo(released, false);
        if (ids.length > 0 || this.#lastNamed > step) return;
        this.#lastNamed = 0;
        if (!emptied || !this.#mustEmpty) return;
        this.#mustEmpty = false;
        if (!this.waits) this.#owner.ready(this);
      },
    };
  }

  #take(batch: Batch): void {
    for (const { qos, packetId } of batch.messages) {
      if (qos !== 2) continue;
      const exchange = this.#owner.exchange(packetId);
      if (exchange === undefined || exchange.released) continue;
      (exchange.takers ??= new Set()).add(this);
      this.#ids.add(packetId);
    }
  }

  /** @param anew whether messages with these identifiers are others from now on */
  #letGo(ids: readonly number[], anew: boolean): void {
    const finished: number[] = [];
    for (const id of ids) {
      const exchange = this.#owner.exchange(id);
      if (!exchange?.takers?.delete(this) || exchange.takers.size > 0) continue;
      if (exchange.released) finished.push(id);
      else if (anew || exchange.group === undefined) this.#owner.drop(id);
    }
    this.#owner.finish(finished);
  }

  /** What is kept is of no use to anybody any more. */
  forget(): void {
    this.#letGo([...this.#ids, ...this.#released], false);
    this.#ids.clear();
    this.#released = [];
  }
}
