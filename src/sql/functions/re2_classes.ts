/**
 * The sets of characters that RE2 has names for, and how JavaScript writes a set.
 * @module
 */

export type Range = readonly [from: number, to: number];

/** Ranges and, for what only JavaScript's tables know, its notation for Unicode properties. */
export interface CharSet {
  readonly ranges: readonly Range[];
  readonly properties: string;
}

export const codePointMax = 0x10ffff;
const digits: readonly Range[] = [[0x30, 0x39]];
const word: readonly Range[] = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const space: readonly Range[] = [[0x09, 0x0a], [0x0c, 0x0d], [0x20, 0x20]];

/** `\d`, `\w` and `\s`, which are ASCII in RE2. */
export const perlClasses: Readonly<Record<string, readonly Range[]>> = { d: digits, w: word, s: space };

/** `[[:alpha:]]` and so on. */
export const posixClasses: Readonly<Record<string, readonly Range[]>> = {
  alnum: [[0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a]],
  alpha: [[0x41, 0x5a], [0x61, 0x7a]],
  ascii: [[0, 0x7f]],
  blank: [[0x09, 0x09], [0x20, 0x20]],
  cntrl: [[0, 0x1f], [0x7f, 0x7f]],
  digit: digits,
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [[0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e]],
  space: [[0x09, 0x0d], [0x20, 0x20]],
  upper: [[0x41, 0x5a]],
  word,
  xdigit: [[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]],
};

/** The characters of `\n` and its like. */
export const controlEscapes: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** All code points that are in none of `ranges`, which are in ascending order. */
export function complement(ranges: readonly Range[]): Range[] {
  const others: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    if (from > next) others.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= codePointMax) others.push([next, codePointMax]);
  return others;
}

/** `set`, or all but `set`, as a class in JavaScript's syntax with the flag `u`. */
export function classSource(set: CharSet, negated: boolean): string {
  const hex = (n: number) => `\\u{${n.toString(16)}}`;
  const ranges = set.ranges.map(([from, to]) => (from === to ? hex(from) : `${hex(from)}-${hex(to)}`));
  return `[${negated ? "^" : ""}${ranges.join("")}${set.properties}]`;
}
