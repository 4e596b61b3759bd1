/**
 * A message from the broker, and the batches that carry it to subscriptions.
 * @module
 */
import type { InboundMessage, MessageBatch } from "./connection.ts";
import type { Qos } from "../protocol/packet.ts";
import type { Properties } from "../protocol/properties.ts";

/** One shape for all messages; the payload view is made only when somebody asks. */
export class Message implements InboundMessage {
  readonly topic: string;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly #flags: number;
  readonly packetId: number;
  readonly properties: Properties | undefined;

  constructor(
    topic: string,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    properties: Properties | undefined,
  ) {
    this.topic = topic;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#flags = flags;
    this.packetId = packetId;
    this.properties = properties;
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  get qos(): Qos {
    return ((this.#flags >> 1) & 3) as Qos;
  }

  get retain(): boolean {
    return (this.#flags & 1) !== 0;
  }

  get dup(): boolean {
    return (this.#flags & 8) !== 0;
  }
}

/**
 * What one socket read brought, for all subscriptions together: the unit of acknowledgement.
 *
 * MQTT wants acknowledgements in the order of arrival, so a finer unit would rarely be acknowledged any earlier.
 */
export class ReadGroup {
  /** QoS 1 packet identifiers as they are, those of QoS 2 negated; in order of arrival. */
  readonly packetIds: number[] = [];
  /** Number of the connection the messages came over. */
  readonly epoch: number;
  /** Number of the session at the broker that their identifiers belong to. */
  readonly session: number;
  messages = 0;
  bytes = 0;
  /** The part of `bytes` that messages of QoS 1 and 2 make up. */
  guaranteedBytes = 0;
  /** Batches not released yet. */
  pendingBatches = 0;
  /** Those of them, and those of earlier connections, that a message of QoS 1 or 2 waits for. */
  pendingAcks = 0;

  constructor(epoch: number, session: number) {
    this.epoch = epoch;
    this.session = session;
  }
}

/** Called when a batch is acknowledged for the first time. */
export interface BatchOwner {
  release(batch: Batch): void;
}

export class Batch implements MessageBatch {
  readonly messages: InboundMessage[] = [];
  payloadBytes = 0;
  /** Whether it holds a message of QoS 1 or 2. */
  needsAck = false;
  readonly group: ReadGroup;
  #owner: BatchOwner | undefined;
  readonly #heldIn: Set<Batch> | undefined;

  /** @param heldIn the unacknowledged batches of the subscription it goes to */
  constructor(group: ReadGroup, owner: BatchOwner, heldIn?: Set<Batch>) {
    this.group = group;
    this.#owner = owner;
    this.#heldIn = heldIn;
  }

  add(message: InboundMessage): void {
    this.messages.push(message);
    this.payloadBytes += message.end - message.start;
    if (message.packetId !== 0) this.needsAck = true;
  }

  get acknowledged(): boolean {
    return this.#owner === undefined;
  }

  ack(): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    this.#heldIn?.delete(this);
    owner.release(this);
  }
}
