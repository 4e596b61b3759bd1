/**
 * Reads a busy socket in fewer, larger pieces.
 *
 * A broker writes each message by itself, so a fast subscriber is woken for one or two messages at a time, and a wake
 * costs many times what the message does. As network cards do with interrupts, a socket that is read more than 1,600
 * times a second is left alone for two milliseconds after each read, so that the next one brings all that came since.
 * A socket that is not that busy is read at once, and so is one whose peer waits for acknowledgements or sends some: there
 * a rest would slow both sides down.
 * @module
 */

interface PausableSocket {
  pause(): unknown;
  resume(): unknown;
}

/** This many reads are timed together. */
const windowReads = 64;
/** A window that is over sooner makes the socket a busy one. */
const busyWindowMs = 40;
const restMs = 2;
/** So long a busy socket is moderated before it is looked at again without. */
const moderatedMs = 250;

export class ReadModeration {
  readonly #socket: PausableSocket;
  #windowStart = 0;
  #reads = 0;
  #moderatedUntil = 0;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #pausedByOwner = false;

  constructor(socket: PausableSocket) {
    this.#socket = socket;
  }

  /** A read has been handled; `patient` when nobody waits for what comes next. */
  after(patient: boolean): void {
    if (!patient) {
      this.#moderatedUntil = 0;
      this.#reads = 0;
      return;
    }
    if (this.#moderatedUntil > 0) return this.#moderate();
    if (this.#reads++ === 0) this.#windowStart = performance.now();
    if (this.#reads < windowReads) return;
    const now = performance.now();
    if (now - this.#windowStart < busyWindowMs) this.#moderatedUntil = now + moderatedMs;
    this.#reads = 0;
  }

  #moderate(): void {
    const now = performance.now();
    if (now > this.#moderatedUntil) {
      this.#moderatedUntil = 0;
      return;
    }
    if (this.#rest !== undefined) return;
    this.#socket.pause();
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
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
    if (this.#rest === undefined) this.#socket.resume();
  }

  /** The socket is closed. */
  stop(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
  }
}
