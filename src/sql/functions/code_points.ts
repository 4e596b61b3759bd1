/**
 * Positions in text counted in characters (code points) instead of UTF-16 units.
 * @module
 */

const surrogate = /[\ud800-\udfff]/;

/** True when every character of `text` is one UTF-16 unit, so that both ways of counting agree. */
function isFlat(text: string): boolean {
  return !surrogate.test(text);
}

/** The number of characters. */
export function characterCount(text: string): number {
  if (isFlat(text)) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** The characters from `start` up to, not including, `end`; both from 0 and clipped to the text. */
export function sliceCharacters(text: string, start: number, end: number): string {
  return isFlat(text) ? text.slice(start, end) : [...text].slice(start, end).join("");
}

/** The position of `part` in `text`, or -1. */
export function characterIndexOf(text: string, part: string): number {
  const index = text.indexOf(part);
  return index <= 0 ? index : characterCount(text.slice(0, index));
}
