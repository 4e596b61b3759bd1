/**
 * What a source and a sink see of a path: messages come from, and go to, all links that it has.
 * @module
 */
import type { Payload } from "../../src/connector/sink.ts";

/** Who receives the messages of a channel. */
export interface MessageReader {
  /** False while it can take no more. */
  readonly hasRoom: boolean;
  push(message: Uint8Array): void;
}

export interface Channel {
  readonly receivers: Receivers;
  /** True for a server: links come and go as clients like. */
  readonly isServer: boolean;
  /** `wss://host/path`, for messages. */
  readonly name: string;
  /** Links that are open now. */
  readonly openLinks: number;
  /** Resolves when there is an open link; rejects with the signal's reason. */
  connected(signal: AbortSignal): Promise<void>;
  /**
   * Sends a batch to all links and resolves when they have it. Links of a server that take longer than `timeoutMs` are
   * cut off.
   *
   * @throws {Disconnected} when not one link has taken all of it.
   */
  send(batch: readonly Payload[], timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** One use of a channel. */
export interface ChannelLease {
  readonly channel: Channel;
  release(): void;
}

/** The readers of a channel. While one of them is full, nothing more is read from the links. */
export class Receivers {
  readonly #readers = new Set<MessageReader>();
  readonly #onChange: () => void;

  /** `onChange` is called when it may have become full, or has room again. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  add(reader: MessageReader): void {
    this.#readers.add(reader);
  }

  remove(reader: MessageReader): void {
    this.#readers.delete(reader);
    this.#onChange();
  }

  /** A reader has taken what waited for it. */
  drained(): void {
    this.#onChange();
  }

  get isFull(): boolean {
    for (const { hasRoom } of this.#readers) if (!hasRoom) return true;
    return false;
  }

  /** Hands a message to all readers; without one it is not wanted. */
  deliver(message: Uint8Array): void {
    for (const reader of this.#readers) reader.push(message);
    if (this.isFull) this.#onChange();
  }
}
