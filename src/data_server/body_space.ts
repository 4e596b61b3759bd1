/**
 * What the bodies of all requests may take of the memory together.
 * @module
 */
import { Refusal } from "../connector/data_server.ts";

/** How many bytes the bodies of all requests may take at a time. */
export class BodySpace {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /** @throws {Refusal} 503 when there is no room for them. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#bytesMax) throw Refusal.later("too much data at a time");
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** What one request holds of the space, given back as a whole. */
export class BodyShare {
  readonly #space: BodySpace;
  #bytes = 0;

  constructor(space: BodySpace) {
    this.#space = space;
  }

  /** @throws {Refusal} 503. */
  take(bytes: number): void {
    this.#space.take(bytes);
    this.#bytes += bytes;
  }

  giveAll(): void {
    this.#space.give(this.#bytes);
    this.#bytes = 0;
  }
}
