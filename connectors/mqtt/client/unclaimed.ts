/**
 * Messages of a kept session that no subscription matches: they are held for a subscription that comes late, or for the
 * next start.
 * @module
 */
import type { InboundMessage } from "./connection.ts";
import { Batch } from "./message.ts";
import type { LocalSubscription } from "./subscriptions.ts";

export interface UnclaimedOwner {
  handOut(subscription: LocalSubscription, batch: Batch): void;
  wants(subscription: LocalSubscription, topic: string): boolean;
  after(delayMs: number, callback: () => void): () => void;
  /** Nobody came for these. */
  letGo(messages: readonly InboundMessage[]): void;
}

interface Held {
  readonly batch: Batch;
  messages: readonly InboundMessage[];
  /** Deliveries not acknowledged, plus one while it is still held. */
  pending: number;
}

export class Unclaimed {
  readonly #owner: UnclaimedOwner;
  readonly #held = new Set<Held>();
  #cancel: (() => void) | undefined;
  /** Whether what nobody wants is to be held. */
  holds = false;

  constructor(owner: UnclaimedOwner) {
    this.#owner = owner;
  }

  /** From now on, and for so long: 0 is not at all, Infinity until the connection is lost. */
  hold(forMs: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.holds = forMs > 0;
    if (forMs > 0 && forMs < Infinity) this.#cancel = this.#owner.after(forMs, () => this.letGo());
  }

  /** Holds messages of a batch that is not acknowledged. */
  add(batch: Batch, messages: readonly InboundMessage[]): void {
    this.#held.add({ batch, messages, pending: 1 });
  }

  /** Hands them to a subscription that came after them. */
  claim(subscription: LocalSubscription): void {
    for (const held of this.#held) {
      if (held.batch.acknowledged) {
        this.#held.delete(held);
        continue;
      }
      const claimed = held.messages.filter(({ topic }) => this.#owner.wants(subscription, topic));
      if (claimed.length === 0) continue;
      held.messages = held.messages.filter((message) => !claimed.includes(message));
      held.pending++;
      const batch = new Batch(held.batch.group, { release: () => this.#settle(held) }, subscription.held);
      for (const message of claimed) batch.add(message);
      if (held.messages.length === 0) {
        this.#held.delete(held);
        this.#settle(held);
      }
      queueMicrotask(() => this.#owner.handOut(subscription, batch));
    }
  }

  #settle(held: Held): void {
    if (--held.pending === 0) held.batch.ack();
  }

  /** Holds nothing any more. */
  letGo(): void {
    this.hold(0);
    const all = [...this.#held];
    this.#held.clear();
    for (const held of all) {
      const { messages } = held;
      held.messages = [];
      this.#owner.letGo(messages);
      this.#settle(held);
    }
  }
}
