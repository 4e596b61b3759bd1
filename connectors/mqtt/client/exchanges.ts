/**
 * The messages of QoS 2 that the broker has sent and not released, and those who keep which of them they have taken.
 * @module
 */
import { Buffer } from "node:buffer";
import type { FilterRequest, TakenOptions } from "./connection.ts";
import type { ReadGroup } from "./message.ts";
import { type Exchange, TakenIds, type TakenOwner } from "./taken_ids.ts";
import { writeAck } from "../protocol/encode.ts";
import { PacketType } from "../protocol/packet.ts";

export interface ExchangesOwner {
  send(chunks: Uint8Array[]): void;
  after(delayMs: number, callback: () => void): () => void;
  /** A subscription that had to wait can be made. */
  ready(taken: TakenIds): void;
}

/** The session at the broker that a connection goes on with. */
export interface Session {
  readonly name: string;
  /** Whether the broker still has what this client last knew of. */
  readonly kept: boolean;
  /** Whether the broker has a session that may be the one that this client, or an earlier process, knew last. */
  readonly found: boolean;
  /** Whether it cannot be another. */
  readonly sure: boolean;
}

export class Exchanges implements TakenOwner {
  readonly #owner: ExchangesOwner;
  readonly #exchanges = new Map<number, Exchange>();
  /** Closed ones stay while the session may still hold messages of theirs. */
  readonly #takers = new Map<TakenIds, readonly FilterRequest[]>();
  /** Those that the present read has released messages of. */
  readonly #news = new Set<TakenIds>();
  #connected = false;
  session = 0;
  sessionName = "";

  constructor(owner: ExchangesOwner) {
    this.#owner = owner;
  }

  connected({ name, kept, found, sure }: Session): void {
    this.#connected = true;
    this.sessionName = name;
    if (!kept) {
      this.#exchanges.clear();
      this.session++;
    }
    for (const taken of this.#takers.keys()) {
      if (taken.closed && !kept) this.#takers.delete(taken);
      else taken.connected(found, sure);
    }
  }

  disconnected(): void {
    this.#connected = false;
    this.#news.clear();
    for (const taken of this.#takers.keys()) taken.disconnected();
    for (const exchange of this.#exchanges.values()) exchange.waiting = undefined;
  }

  /** That of an identifier, in the present session. */
  exchange(id: number): Exchange | undefined {
    return this.#exchanges.get(id);
  }

  begin(id: number, group: ReadGroup | undefined): Exchange {
    const exchange: Exchange = {
      group,
      acknowledged: false,
      received: false,
      waiting: undefined,
      takers: undefined,
      released: false,
    };
    this.#exchanges.set(id, exchange);
    return exchange;
  }

  /** That which a message of QoS 2 belongs to, unless it begins one. */
  begun(packetId: number, dup: boolean): Exchange | undefined {
    const exchange = this.#exchanges.get(packetId);
    if (exchange?.takers === undefined) return exchange;
    for (const taken of exchange.takers) {
      if (dup) {
        taken.confirm();
      } else if (taken.deny()) {
        // A broker that sends for the first time what was taken before has begun a new session.
        this.#exchanges.delete(packetId);
        return undefined;
      }
    }
    return exchange;
  }

  /**
   * The broker releases a message. PUBCOMP waits for those who may have the identifier among what they keep.
   *
   * @returns whether it is answered later, or the exchange has ended, or was not known
   */
  release(id: number): "later" | "ended" | "unknown" {
    const exchange = this.#exchanges.get(id);
    const takers = exchange?.takers;
    if (takers === undefined || takers.size === 0) return this.#exchanges.delete(id) ? "ended" : "unknown";
    for (const taken of takers) taken.confirm();
    if (!exchange!.released) {
      exchange!.released = true;
      for (const taken of takers) {
        taken.release(id);
        this.#news.add(taken);
      }
    }
    return "later";
  }

  /** All packets of a socket read have been seen. */
  endRead(): void {
    if (this.#news.size === 0) return;
    for (const taken of this.#news) taken.tell();
    this.#news.clear();
  }

  /** Whether a subscription is about to be made that may want what nobody wants now. */
  get isSubscriptionDue(): boolean {
    for (const taken of this.#takers.keys()) if (taken.waits && !taken.closed) return true;
    return false;
  }

  /** @param late whether the broker was met before */
  take(options: TakenOptions, filters: readonly FilterRequest[], late: boolean): TakenIds {
    const taken = new TakenIds(options, this, late);
    this.#takers.set(taken, filters);
    if (!taken.waits) this.forgetClosed(filters);
    return taken;
  }

  ready(taken: TakenIds): void {
    this.forgetClosed(this.#takers.get(taken) ?? []);
    this.#owner.ready(taken);
  }

  /** Of sets that were left, those of the same filters are of no use any more. */
  forgetClosed(filters: readonly FilterRequest[]): void {
    for (const [taken, own] of this.#takers) {
      if (!taken.closed || !own.some(({ filter }) => filters.some((other) => other.filter === filter))) continue;
      this.#takers.delete(taken);
      taken.forget();
    }
  }

  resume(id: number): Exchange {
    return this.#exchanges.get(id) ?? this.begin(id, undefined);
  }

  drop(id: number): void {
    this.#exchanges.delete(id);
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#owner.after(delayMs, callback);
  }

  finish(ids: readonly number[]): void {
    for (const id of ids) this.#exchanges.delete(id);
    if (ids.length === 0 || !this.#connected) return;
    const buffer = Buffer.allocUnsafe(ids.length * 4);
    ids.forEach((id, index) => writeAck(buffer, index * 4, PacketType.PUBCOMP, id));
    this.#owner.send([buffer]);
  }
}
