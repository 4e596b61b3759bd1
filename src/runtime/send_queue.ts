/**
 * Where the messages of an action wait for its sink.
 *
 * A queue in memory gives up what it holds when the rule stops; one with an outbox keeps it for the next start.
 * @module
 */
import type { AddressedItem, Body } from "./addressed_item.ts";
import type { Delivery } from "./delivery.ts";

/** One message of an action. */
export type Item = Body | AddressedItem;

/** Messages that the sink gets in one write. */
export interface Sending {
  readonly items: readonly Item[];
  /** As `ids` of `PayloadSink.write`. */
  readonly ids?: readonly string[];
  /** How many messages each item was made of; one each when absent. */
  readonly counts?: readonly number[];
}

/** How many messages there are in a sending. */
export function messagesIn({ items, counts }: Sending): number {
  return counts === undefined ? items.length : counts.reduce((all, count) => all + count, 0);
}

/** What a sender needs of a queue. */
export interface SendLane {
  /**
   * The next messages, not more than `max`; they are this sender's until it calls one of the two below. Undefined when there
   * is none now.
   */
  take(max?: number): Sending | undefined;
  /** How many there are to take, about. */
  readonly available: number;
  /** True when no more will come until some are taken. */
  readonly crowded: boolean;
  /**
   * Resolves when `take` is worth another try, or the queue stops. Those messages that were `seen` to be available are
   * none that have arrived.
   */
  arrival(seen?: number): Promise<void>;
  /** The sink has written them, but for those that it refused for good: index in the batch → reason. */
  sent(sending: Sending, refused?: ReadonlyMap<number, string>): void;
  /** True when what a sink refuses is kept for people to look at. */
  readonly buries?: boolean;
  /**
   * The sink is away and keeps them waiting. True when the lane has taken them back, to try them elsewhere; false when
   * the sender shall go on trying.
   */
  gaveBack(sending: Sending): boolean;
  /**
   * True when messages shall not wait for a sink that cannot be reached: a write that waits for it is broken off and given
   * back, and nothing is taken until it can be reached again.
   */
  readonly diverts?: boolean;
  /** Whether the sink can be reached, told at each change; at first it can. */
  reachable?(isReachable: boolean): void;
  /** Nothing shall wait for what comes later any more: the rule ends. */
  hurry?(): void;
  /** True when a sender that is told to stop has nothing left to do. */
  readonly finished: boolean;
}

export interface SendQueue extends SendLane {
  /** Takes messages in, in their order; `delivery` is released when its source need not give them again. */
  add(items: readonly Item[], delivery: Delivery | undefined): void;
  /** Somebody else has put messages into what it reads from. */
  wake?(): void;
  /** Messages that are not sent yet, also those being sent. */
  readonly length: number;
  /** True while it can take no more: the rule then takes nothing from its sources. */
  readonly blocked: boolean;
  /** Resolves when it can take more, or stops. */
  room(): Promise<void>;
  /** Resolves when it is empty, or stops. */
  idle(): Promise<void>;
  /** Releases the deliveries of one source that wait for this queue; the messages stay. */
  letGo(from: object): void;
  /** Ends all waits; nothing is added any more. */
  stop(): void;
  /** After the sender has ended: keeps or forgets what is left. Gives how many messages are lost by that. */
  close(): number | Promise<number>;
}
