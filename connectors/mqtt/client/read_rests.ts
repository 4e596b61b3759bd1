/**
 * Reads a busy socket in fewer, larger pieces.
 *
 * A broker writes each message by itself, so a fast subscriber is woken for one or two messages at a time, and a wake
 * costs many times what the message does. As network cards do with interrupts, a socket that brings more than 1,600
 * pieces a second is left alone for two milliseconds after each, so that the next one holds all that came since. A socket
 * that is not that busy is read at once, and so is one whose peer waits for acknowledgements or sends some: there a rest
 * would slow both sides down.
 *
 * It works only on a socket whose `readableHighWaterMark` is 1 ({@linkcode restingSocketOptions}): a paused stream goes on
 * reading ahead up to that mark, and hands what it has read on one piece for each rest, so that a queue builds up.
 * @module
 */
import type { SocketConstructorOpts } from "node:net";

const readableBytesAhead = 1;

/** Options of a socket that can rest. The types of `node:net` leave out what a socket takes as a stream. */
export const restingSocketOptions = { readableHighWaterMark: readableBytesAhead } as SocketConstructorOpts;

export interface RestingSocket {
  /** Bytes that have been read from the system and not handed on yet. */
  readonly readableLength: number;
  pause(): unknown;
  resume(): unknown;
}

/** This many pieces are timed together. */
const windowPieces = 64;
/** A window that is over sooner makes the socket a busy one. */
const busyWindowMs = 40;
const restMs = 2;
/** So long a busy socket is read with rests before it is looked at again without. */
const busyMs = 250;

export class ReadRests {
  readonly #socket: RestingSocket;
  #windowStart = 0;
  #pieces = 0;
  #busyUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pausedByOwner = false;

  constructor(socket: RestingSocket) {
    this.#socket = socket;
  }

  /** A piece has been handled; `patient` when nobody waits for an answer in what comes next. */
  after(patient: boolean): void {
    if (!patient) {
      this.#busyUntil = 0;
      this.#pieces = 0;
    } else if (this.#busyUntil > 0) {
      this.#rest();
    } else {
      this.#observe();
    }
  }

  #observe(): void {
    if (this.#pieces++ === 0) this.#windowStart = performance.now();
    if (this.#pieces < windowPieces) return;
    const now = performance.now();
    if (now - this.#windowStart < busyWindowMs) this.#busyUntil = now + busyMs;
    this.#pieces = 0;
  }

  #rest(): void {
    if (performance.now() > this.#busyUntil) {
      this.#busyUntil = 0;
      return;
    }
    // What has been read already is handed on first.
    if (this.#timer !== undefined || this.#socket.readableLength > 0) return;
    this.#socket.pause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#pausedByOwner) this.#socket.resume();
    }, restMs);
  }

  /** The client takes nothing more for now. */
  pause(): void {
    this.#pausedByOwner = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#pausedByOwner = false;
    if (this.#timer === undefined) this.#socket.resume();
  }

  /** The socket is closed. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
