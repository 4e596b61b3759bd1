/**
 * Requests that arrive block by block (RFC 7959, section 2.5), put together within limits.
 * @module
 */
import type { Block } from "./protocol/options.ts";

/** What to answer for a block, or all bytes when it was the last. */
export type Upload =
  | { readonly kind: "continue" }
  | { readonly kind: "whole"; readonly payload: Uint8Array }
  | { readonly kind: "incomplete" }
  | { readonly kind: "too large" }
  | { readonly kind: "busy" };

interface Begun {
  readonly parts: Uint8Array[];
  length: number;
  at: number;
}

/** The largest request of one device. */
export const uploadBytesMax = 1024 * 1024;
/** Of all requests under way together. */
const allBytesMax = 16 * 1024 * 1024;
const allMax = 1000;
/** A device that sends no further block for so long has given up. */
const uploadLifetimeMs = 120_000;

export class Uploads {
  readonly #begun = new Map<string, Begun>();
  #bytes = 0;

  /** `key` tells requests under way from each other: the peer and the resource. */
  add(key: string, { num, more, size }: Block, payload: Uint8Array, now: number): Upload {
    this.#forget(now);
    const start = num * size;
    if (num === 0) this.#drop(key);
    const known = this.#begun.get(key);
    if (num > 0 && known?.length !== start || more && payload.length !== size || payload.length > size) {
      this.#drop(key);
      return { kind: "incomplete" };
    }
    if (start + payload.length > uploadBytesMax) {
      this.#drop(key);
      return { kind: "too large" };
    }
    if (more && (this.#bytes + payload.length > allBytesMax || known === undefined && this.#begun.size >= allMax)) {
      return { kind: "busy" };
    }
    const begun = known ?? { parts: [], length: 0, at: now };
    begun.parts.push(payload.slice());
    begun.length += payload.length;
    if (more) {
      // The last one that went on stands at the end.
      this.#begun.delete(key);
      this.#begun.set(key, begun);
      begun.at = now;
      this.#bytes += payload.length;
      return { kind: "continue" };
    }
    if (known !== undefined) {
      this.#begun.delete(key);
      this.#bytes -= begun.length - payload.length;
    }
    const whole = new Uint8Array(begun.length);
    let at = 0;
    for (const part of begun.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return { kind: "whole", payload: whole };
  }

  get bytes(): number {
    return this.#bytes;
  }

  #drop(key: string): void {
    this.#bytes -= this.#begun.get(key)?.length ?? 0;
    this.#begun.delete(key);
  }

  #forget(now: number): void {
    for (const [key, { at }] of this.#begun) {
      if (now - at < uploadLifetimeMs) break;
      this.#drop(key);
    }
  }
}
