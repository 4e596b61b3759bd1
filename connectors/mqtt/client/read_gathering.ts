/**
 * Handles what a busy socket brings in fewer, larger pieces.
 *
 * A broker writes each message by itself, so a fast subscriber is woken for one or two messages at a time, and a batch
 * of one costs several times what a message in a batch of twenty does: rules run, results are written and promises
 * settle once for each batch. As network cards do with interrupts, the pieces of a socket that brings more than 1,600 of
 * them a second are gathered for two milliseconds and handled together. Pieces of a socket that is not that busy are
 * handled at once, and so are those of one whose peer waits for acknowledgements or sends some: there a rest would slow
 * both sides down.
 *
 * Pausing the socket instead would save the wakes as well, but what the platform has read ahead by then comes back one
 * piece for each rest, and a queue of hundreds of milliseconds builds up.
 * @module
 */
import { Buffer } from "node:buffer";

/** This many pieces are timed together. */
const windowPieces = 64;
/** A window that is over sooner makes the socket a busy one. */
const busyWindowMs = 40;
const gatherMs = 2;
/** So long a busy socket is gathered before it is looked at again without. */
const busyMs = 250;
/** Enough for one batch. */
const gatheredBytesMax = 65_536;

export class ReadGathering {
  readonly #handle: (chunk: Uint8Array) => void;
  readonly #isPatient: () => boolean;
  #windowStart = 0;
  #pieces = 0;
  #busyUntil = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `isPatient` tells, after `handle`, whether nobody waits for an answer in what comes next. */
  constructor(handle: (chunk: Uint8Array) => void, isPatient: () => boolean) {
    this.#handle = handle;
    this.#isPatient = isPatient;
  }

  /** Takes a piece that the socket has brought, and handles it now or with those that follow. */
  take(chunk: Uint8Array): void {
    if (this.#busyUntil === 0) {
      this.#handle(chunk);
      this.#observe();
      return;
    }
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes >= gatheredBytesMax) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  #observe(): void {
    if (!this.#isPatient()) {
      this.#pieces = 0;
      return;
    }
    if (this.#pieces++ === 0) this.#windowStart = performance.now();
    if (this.#pieces < windowPieces) return;
    const now = performance.now();
    if (now - this.#windowStart < busyWindowMs) this.#busyUntil = now + busyMs;
    this.#pieces = 0;
  }

  /** Handles what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const gathered = this.#gathered;
    if (gathered.length === 0) return;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#handle(gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered));
    if (!this.#isPatient() || performance.now() > this.#busyUntil) this.#busyUntil = 0;
  }

  /** Forgets what was gathered: the socket is closed by this side. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gathered = [];
  }
}
