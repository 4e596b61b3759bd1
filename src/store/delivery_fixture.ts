/**
 * What the tests of delivery stores have in common: messages, entries, and a case for every kind of store.
 * @module
 */
import { test } from "node:test";
import type { Committed, DeliveryStore, LogEntry, Message, Outbox, OutboxWork, TakeOptions } from "./delivery_store.ts";

export function message(sequence: number, more: Partial<Message> = {}): Message {
  return { sequence, payload: `m${sequence}`, createdMs: 1000 + sequence, ...more };
}

/** Messages with sequences from `first` to `last`. */
export function messages(first: number, last: number, more: Partial<Message> = {}): Message[] {
  return Array.from({ length: last - first + 1 }, (_, i) => message(first + i, more));
}

export function entry(sequence: number): LogEntry {
  return { sequence, payload: `batch ${sequence}` };
}

/** Takes and gives the sequences. */
export function take(outbox: Outbox, options: Partial<TakeOptions> = {}): number[] {
  return outbox.take({ rowsMax: 100, nowMs: 0, ...options }).messages.map(({ sequence }) => sequence);
}

/** Takes until there is nothing that is ready, as a consumer does. */
export function takeAll(outbox: Outbox, nowMs: number): number[] {
  const found: number[] = [];
  for (;;) {
    const { messages, waitUntilMs = Infinity } = outbox.take({ rowsMax: 100, nowMs });
    if (messages.length === 0 && waitUntilMs > nowMs) return found;
    found.push(...messages.map(({ sequence }) => sequence));
  }
}

export function logged(store: DeliveryStore, rule = "r"): number[] {
  return Array.from(store.log(rule), ({ sequence }) => sequence);
}

/** Makes a new, empty store of one kind. */
export type MakeStore = () => { store: DeliveryStore; cleanUp(): void };

/** Registers one case for the kind of store that `make` gives. */
export type DeliveryTest = (title: string, work: (store: DeliveryStore) => void | Promise<void>) => void;

export function deliveryTestOf(name: string, make: MakeStore): DeliveryTest {
  return (title, work) =>
    void test(`${name}: ${title}`, async () => {
      const { store, cleanUp } = make();
      try {
        await work(store);
      } finally {
        store.close();
        cleanUp();
      }
    });
}

/** Commits a unit for the one outbox that most cases need. */
export function at(store: DeliveryStore): (work: Omit<OutboxWork, "action">) => Promise<Committed> {
  return (work) => store.commit({ rule: "r", outboxes: [{ action: "a", ...work }] });
}
