/**
 * Reads a busy socket in fewer, larger pieces.
 *
 * A broker writes each message by itself, so a fast subscriber is woken for one or a few messages at a time, and a wake
 * costs many times what a message does. As network cards do with interrupts, a socket that brings more than 500 pieces a
 * second is left alone for four milliseconds after each, so that the next one holds all that came since. A socket that is
 * not that busy is read at once, and so is one whose peer waits for acknowledgements or sends some: there a rest would
 * slow both sides down.
 * @module
 */

export interface RestingSocket {
  /** Stops reading at once: a stream that would go on reading ahead is of no use here. */
  pause(): unknown;
  resume(): unknown;
}

/** This many pieces are timed together. */
const windowPieces = 32;
/** A socket is busy while it makes its reader wait less than this for a piece, on average of a window, rests left out. */
const busyWaitMs = 2;
const restMs = 4;

export class ReadRests {
  readonly #socket: RestingSocket;
  /** Since when the next piece is waited for. */
  #waitingSince = 0;
  #waitedMs = 0;
  #pieces = 0;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pausedByOwner = false;

  constructor(socket: RestingSocket) {
    this.#socket = socket;
  }

  /** A piece has been handled; `patient` when nobody waits for an answer in what comes next. */
  after(patient: boolean): void {
    if (!patient) {
      this.#busy = false;
      this.#pieces = 0;
      return;
    }
    this.#observe();
    if (this.#busy && this.#timer === undefined) this.#rest();
  }

  #observe(): void {
    const now = performance.now();
    if (this.#pieces === 0) this.#waitedMs = 0;
    else this.#waitedMs += now - this.#waitingSince;
    this.#waitingSince = now;
    if (++this.#pieces <= windowPieces) return;
    this.#busy = this.#waitedMs < windowPieces * busyWaitMs;
    this.#pieces = 0;
  }

  #rest(): void {
    this.#socket.pause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#waitingSince = performance.now();
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
