/**
 * Breaking a text into lines at its spaces.
 * @module
 */
import type { Run } from "../run.ts";

/** Lines of at most `width` characters. Longer words are broken only when `breaksWords`. */
export function wrap(text: string, width: number, lineBreak: string, breaksWords: boolean, run: Run): string {
  const chars = Array.from(text);
  run.spend(chars.length);
  const size = Math.max(1, width);
  run.spendText(text.length + Math.ceil(chars.length / size) * lineBreak.length);
  const lines: string[] = [];
  let at = 0;
  while (chars.length - at > size) {
    if (chars[at] === " ") {
      at++;
      continue;
    }
    // The last space that still leaves a line of at most `size`.
    let space = at + size;
    while (space > at && chars[space] !== " ") space--;
    if (space > at) {
      lines.push(chars.slice(at, space).join(""));
      at = space + 1;
    } else if (breaksWords) {
      lines.push(chars.slice(at, at + size).join(""));
      at += size;
    } else {
      let next = chars.indexOf(" ", at + size);
      if (next === -1) next = chars.length;
      lines.push(chars.slice(at, next).join(""));
      if (next === chars.length) return lines.join(lineBreak);
      at = next + 1;
    }
  }
  lines.push(chars.slice(at).join(""));
  return lines.join(lineBreak);
}
