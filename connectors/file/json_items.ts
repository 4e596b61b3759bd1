/**
 * The elements of a JSON array, each as the bytes it stands in: a large file is decoded in portions, and one bad element
 * spoils no other.
 * @module
 */
import type { PayloadSlice } from "../../src/connector/source.ts";
import { markLength } from "./lines.ts";

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * What a file holds: the elements of an array, or the one value it is. The elements are not checked; text that is no
 * JSON ends up in elements that cannot be decoded.
 */
export function* jsonItems(bytes: Uint8Array): Generator<PayloadSlice> {
  const first = skipBlanks(bytes, markLength(bytes));
  if (first === bytes.length) return;
  if (bytes[first] !== openBracket) return yield { bytes, start: first, end: bytes.length };
  let isAlone = true;
  let start = first + 1;
  let depth = 1;
  let at = start;
  for (; at < bytes.length && depth > 0; at++) {
    switch (bytes[at]) {
      case quote:
        at = endOfText(bytes, at);
        break;
      case openBracket:
      case openBrace:
        depth++;
        break;
      case closeBracket:
      case closeBrace:
        depth--;
        break;
      case comma:
        if (depth === 1) {
          yield { bytes, start, end: at };
          isAlone = false;
          start = at + 1;
        }
        break;
      default:
    }
  }
  const end = depth > 0 ? bytes.length : at - 1;
  // An array without elements has none that is blank; one that is cut off has a last one that is not whole.
  if (!isAlone || skipBlanks(bytes, start) < end) yield { bytes, start, end };
  // Nothing may stand behind the array.
  const rest = depth > 0 ? bytes.length : skipBlanks(bytes, at);
  if (rest < bytes.length) yield { bytes, start: rest, end: bytes.length };
}

/** The position of the quote that ends the text that begins at `start`. */
function endOfText(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === backslash) at++;
    else if (bytes[at] === quote) return at;
  }
  return bytes.length;
}

function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && [0x20, 0x09, 0x0a, 0x0d].includes(bytes[at]!)) at++;
  return at;
}
