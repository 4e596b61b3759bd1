/**
 * Messages that have come lately, with what was answered, so that a copy of one gets the same answer and no other effect
 * (RFC 7252, section 4.2).
 * @module
 */

/** How long a message identifier stands for the same message (EXCHANGE_LIFETIME). */
export const exchangeLifetimeMs = 247_000;
/** Beyond, the oldest are forgotten; a copy of one of them would count as new. */
const seenMax = 32_768;

export class SeenMessages {
  readonly #entries = new Map<string, { readonly at: number; answer: Uint8Array | undefined }>();

  /** True for a message that is new; it is known from now on. */
  add(key: string, now: number): boolean {
    const known = this.#entries.get(key);
    if (known !== undefined && now - known.at < exchangeLifetimeMs) return false;
    if (known !== undefined) this.#entries.delete(key);
    this.#entries.set(key, { at: now, answer: undefined });
    this.#forget(now);
    return true;
  }

  /** What was answered to it last; undefined while there is no answer. */
  answerOf(key: string): Uint8Array | undefined {
    return this.#entries.get(key)?.answer;
  }

  answer(key: string, bytes: Uint8Array): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.answer = bytes;
  }

  /** The next copy counts as new. */
  delete(key: string): void {
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  #forget(now: number): void {
    // They stand in the order of their arrival.
    for (const [key, { at }] of this.#entries) {
      if (this.#entries.size <= seenMax && now - at < exchangeLifetimeMs) break;
      this.#entries.delete(key);
    }
  }
}
