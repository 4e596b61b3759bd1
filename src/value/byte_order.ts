/**
 * The order of strings by their UTF-8 bytes, in which the dialect compares, sorts and prints keys.
 *
 * It is the order of code points. JavaScript's `<` compares UTF-16 units instead and puts a character outside the basic
 * plane (`😀`, a surrogate pair) before U+E000 to U+FFFF, which UTF-8 does not.
 * @module
 */

/**
 * Negative, zero or positive, as `Array.prototype.sort` takes it. A surrogate without its partner sorts as if it were a
 * code point of its own.
 */
export function compareByteOrder(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    // Where both are at or above the surrogates, the surrogates belong behind the rest of the basic plane.
    if (left !== right) return left < 0xd800 || right < 0xd800 ? left - right : rotated(left) - rotated(right);
  }
  return a.length - b.length;
}

/** Moves the surrogates D800–DFFF behind E000–FFFF. */
function rotated(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
