/**
 * Texts out of binary payloads: short ones without a call into the engine, and keys, which are the same in message after
 * message, without making them again.
 * @module
 */

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longer texts are quicker through the engine's decoder. */
const shortMax = 24;

/** The UTF-8 text from `start` to `end`; invalid bytes become U+FFFD. */
export function textAt(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > shortMax) return utf8.decode(bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > 0x7f) return utf8.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

interface CachedKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const slots = 256;
const keyBytesMax = 40;

/** Keys of structs seen before. */
export class KeyCache {
  readonly #keys: (CachedKey | undefined)[] = new Array(slots).fill(undefined);

  /** As {@linkcode textAt}. */
  keyAt(bytes: Uint8Array, start: number, end: number): string {
    const size = end - start;
    if (size === 0 || size > keyBytesMax) return textAt(bytes, start, end);
    const slot = (size * 31 + bytes[start]! * 17 + bytes[start + (size >> 1)]! * 7 + bytes[end - 1]!) % slots;
    const known = this.#keys[slot];
    if (known !== undefined && known.bytes.length === size && isEqual(known.bytes, bytes, start)) return known.text;
    const text = textAt(bytes, start, end);
    this.#keys[slot] = { bytes: bytes.slice(start, end), text };
    return text;
  }
}

function isEqual(key: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
