/**
 * Packet identifiers of what this client sends.
 * @module
 */

export class PacketIds {
  readonly #used = new Set<number>();
  #last: number;

  /** Begins anywhere: the broker may still know a message of QoS 2 that an earlier process began with a low number. */
  constructor(random: () => number) {
    this.#last = Math.floor(random() * 65_535);
  }

  /**
   * An identifier that nothing in flight has.
   *
   * Callers keep well below 65 535 in flight, so there always is one.
   */
  take(): number {
    do {
      this.#last = this.#last === 65_535 ? 1 : this.#last + 1;
    } while (this.#used.has(this.#last));
    this.#used.add(this.#last);
    return this.#last;
  }

  release(id: number): void {
    this.#used.delete(id);
  }
}
