/**
 * Receives messages: what has come since the last read is one batch.
 * @module
 */
import { Bell } from "../../src/connector/bell.ts";
import type { PayloadBatch, Source } from "../../src/connector/source.ts";
import type { ChannelLease, MessageReader } from "./channel.ts";

/** What may wait before the sockets are not read any more. */
const waitingMax = 1024;
const waitingBytesMax = 4 * 1024 * 1024;

export class WebSocketSource implements Source, MessageReader {
  readonly #lease: ChannelLease;
  #messages: Uint8Array[] = [];
  #bytes = 0;
  readonly #bell = new Bell();

  constructor(lease: ChannelLease) {
    this.#lease = lease;
    lease.channel.receivers.add(this);
  }

  get hasRoom(): boolean {
    return this.#messages.length < waitingMax && this.#bytes < waitingBytesMax;
  }

  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.#bytes += message.length;
    this.#bell.ring();
  }

  async read(signal: AbortSignal): Promise<PayloadBatch> {
    signal.throwIfAborted();
    if (this.#messages.length === 0) await this.#bell.wait(signal);
    const payloads = this.#messages;
    const wasFull = !this.hasRoom;
    this.#messages = [];
    this.#bytes = 0;
    if (wasFull) this.#lease.channel.receivers.drained();
    return { kind: "payloads", payloads };
  }

  close(): Promise<void> {
    this.#lease.channel.receivers.remove(this);
    this.#lease.release();
    return Promise.resolve();
  }
}
