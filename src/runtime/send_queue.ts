/**
 * Where the messages of an action wait for its sink.
 *
 * A queue in memory gives up what it holds when the rule stops; one with an outbox keeps it for the next start.
 * @module
 */
import type { Payload } from "../connector/sink.ts";
import type { Struct } from "../value/value.ts";
import type { Delivery } from "./delivery.ts";

/** One message of an action: encoded, or, for sinks that take rows, the rows of one result. */
export type Item = Payload | readonly Struct[];

/** Messages that the sink gets in one write. */
export interface Sending {
  readonly items: readonly Item[];
  /** As `ids` of `PayloadSink.write`. */
  readonly ids?: readonly string[];
}

/** What a sender needs of a queue. */
export interface SendLane {
  /** The next messages; they are this sender's until it calls one of the two below. Undefined when there is none now. */
  take(): Sending | undefined;
  /** Resolves when `take` is worth another try, or the queue stops. */
  arrival(): Promise<void>;
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
