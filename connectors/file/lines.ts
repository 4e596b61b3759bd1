/**
 * The lines of a file, without reading more of it than has to be in memory.
 * @module
 */
import type { ReadBytes } from "./fingerprint.ts";

/** A longer line is left out: no file may fill the memory. */
export const lineBytesMax = 16 * 1024 * 1024;

/** Empty lines matter inside quotes of CSV only; there may be many of them in a file that has nothing else. */
const heldEmptyMax = 1000;
const chunkBytes = 64 * 1024;
const newline = 0x0a;
const carriageReturn = 0x0d;

export interface LineOptions {
  /** The byte to begin at: 0, or where a line ends. */
  readonly start: number;
  /** Lines that are not empty to leave out at the start of the file and at its end. */
  readonly ignoreStart: number;
  readonly ignoreEnd: number;
  /** A line was longer than {@linkcode lineBytesMax}: the byte that it begins at. */
  readonly onTooLong: (start: number) => void;
}

/** Some lines of a file, oldest first. */
export interface LineBlock {
  /** Without their ends. */
  readonly lines: Uint8Array[];
  /** For each line, the byte behind it and its line break. */
  readonly ends: number[];
  /** True: the last line is that of the file, and no line break ends it (yet). */
  readonly isTorn: boolean;
}

/** Many lines at once; a byte order mark is no part of the first. Empty lines are among them. */
export async function* readLines(read: ReadBytes, options: LineOptions): AsyncGenerator<LineBlock> {
  const { ignoreEnd } = options;
  let toSkip = options.start > 0 ? 0 : options.ignoreStart;
  /** What may turn out to be the end of the file. */
  const held: { readonly line: Uint8Array; readonly end: number }[] = [];
  let heldFull = 0;
  for await (const block of allLines(read, options)) {
    if (toSkip === 0 && ignoreEnd === 0) {
      yield block;
      continue;
    }
    const lines: Uint8Array[] = [];
    const ends: number[] = [];
    for (const [i, line] of block.lines.entries()) {
      const isEmpty = isBlank(line);
      if (toSkip > 0) {
        if (!isEmpty) toSkip--;
        continue;
      }
      if (isEmpty && held.length >= ignoreEnd + heldEmptyMax) continue;
      held.push({ line, end: block.ends[i]! });
      if (!isEmpty) heldFull++;
      while (heldFull > ignoreEnd || (ignoreEnd === 0 && held.length > 0)) {
        const oldest = held.shift()!;
        if (!isBlank(oldest.line)) heldFull--;
        lines.push(oldest.line);
        ends.push(oldest.end);
      }
    }
    yield { lines, ends, isTorn: block.isTorn && ignoreEnd === 0 && lines.length > 0 };
  }
}

async function* allLines(read: ReadBytes, { start, onTooLong }: LineOptions): AsyncGenerator<LineBlock> {
  /** The pieces of a line that goes on in the next chunk. */
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  /** Where the line that goes on begins, and where the next chunk does. */
  let lineStart = start;
  let offset = start;
  const finish = (last: Uint8Array, end: number, block: LineBlock) => {
    if (bytes + last.length > lineBytesMax) onTooLong(lineStart);
    else {
      block.lines.push(withoutEnd(joined([...pieces, last], bytes + last.length), lineStart === 0));
      block.ends.push(end);
    }
    pieces = [];
    bytes = 0;
    lineStart = end;
  };
  while (true) {
    // Lines are views of their chunk.
    const chunk = await read(offset, offset + chunkBytes);
    if (chunk.length === 0) break;
    const block: LineBlock = { lines: [], ends: [], isTorn: false };
    let at = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, at)) {
      finish(chunk.subarray(at, end), offset + end + 1, block);
      at = end + 1;
    }
    if (at < chunk.length) {
      bytes += chunk.length - at;
      if (bytes <= lineBytesMax) pieces.push(chunk.subarray(at));
      else pieces = [];
    }
    offset += chunk.length;
    yield block;
  }
  if (bytes > 0) {
    const lines: Uint8Array[] = [];
    const ends: number[] = [];
    finish(new Uint8Array(), offset, { lines, ends, isTorn: true });
    yield { lines, ends, isTorn: lines.length > 0 };
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function withoutEnd(line: Uint8Array, isFirst: boolean): Uint8Array {
  const start = isFirst ? markLength(line) : 0;
  const end = line.at(-1) === carriageReturn ? line.length - 1 : line.length;
  return line.subarray(start, Math.max(start, end));
}

/** Some editors begin a file with a byte order mark. */
export function markLength(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** Nothing, or blanks only. */
export function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09);
}
