/**
 * The lines of a file, without reading more of it than has to be in memory.
 * @module
 */
import type { FileHandle } from "node:fs/promises";

/** A longer line is left out: no file may fill the memory. */
export const lineBytesMax = 16 * 1024 * 1024;

/** Empty lines matter inside quotes of CSV only; there may be many of them in a file that has nothing else. */
const heldEmptyMax = 1000;
const chunkBytes = 64 * 1024;
const newline = 0x0a;
const carriageReturn = 0x0d;

export interface LineOptions {
  /** Lines that are not empty to leave out at the start and at the end. */
  readonly ignoreStart: number;
  readonly ignoreEnd: number;
  /** A line was longer than {@linkcode lineBytesMax}. Lines count from 1. */
  readonly onTooLong: (line: number) => void;
}

/** Lines without their ends, many at once; a byte order mark is no part of the first. Empty lines are among them. */
export async function* readLines(handle: FileHandle, options: LineOptions): AsyncGenerator<Uint8Array[]> {
  let toSkip = options.ignoreStart;
  /** What may turn out to be the end of the file. */
  let held: Uint8Array[] = [];
  let heldFull = 0;
  for await (const lines of allLines(handle, options.onTooLong)) {
    const ready: Uint8Array[] = [];
    for (const line of lines) {
      const isEmpty = isBlank(line);
      if (toSkip > 0) {
        if (!isEmpty) toSkip--;
        continue;
      }
      if (isEmpty && held.length >= options.ignoreEnd + heldEmptyMax) continue;
      held.push(line);
      if (!isEmpty) heldFull++;
      while (heldFull > options.ignoreEnd) {
        const oldest = held.shift()!;
        if (!isBlank(oldest)) heldFull--;
        ready.push(oldest);
      }
    }
    if (options.ignoreEnd === 0) {
      ready.push(...held);
      held = [];
    }
    yield ready;
  }
}

async function* allLines(handle: FileHandle, onTooLong: (line: number) => void): AsyncGenerator<Uint8Array[]> {
  /** The pieces of a line that goes on in the next chunk. */
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let count = 0;
  const finish = (last: Uint8Array, lines: Uint8Array[]) => {
    count++;
    if (bytes + last.length > lineBytesMax) onTooLong(count);
    else lines.push(withoutEnd(joined([...pieces, last], bytes + last.length), count === 1));
    pieces = [];
    bytes = 0;
  };
  while (true) {
    // Lines are views of their chunk, so each chunk has its own memory.
    const buffer = new Uint8Array(chunkBytes);
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      finish(chunk.subarray(start, end), lines);
      start = end + 1;
    }
    if (start < chunk.length) {
      bytes += chunk.length - start;
      if (bytes <= lineBytesMax) pieces.push(chunk.subarray(start));
      else pieces = [];
    }
    yield lines;
  }
  if (bytes > 0) {
    const lines: Uint8Array[] = [];
    finish(new Uint8Array(), lines);
    yield lines;
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
