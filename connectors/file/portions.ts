/**
 * What a file holds, a portion at a time, and where each item of it ends: one generator for each type of file.
 * @module
 */
import type { PayloadSlice, Struct } from "../../src/connector/source.ts";
import type { CsvReader } from "./csv.ts";
import type { ReadBytes } from "./fingerprint.ts";
import { jsonItems } from "./json_items.ts";
import { isBlank, type LineOptions, readLines } from "./lines.ts";

export type Item = Uint8Array | PayloadSlice | Struct;

export interface Portion {
  /** Payloads, or rows of csv. */
  readonly items: readonly Item[];
  /** For each item, the byte of the content behind it. Each is further on than the one before. */
  readonly ends: readonly number[];
  /** True: the last item is that of the file, and its line has no end (yet). */
  readonly isTorn: boolean;
}

export const itemsPerPortion = 1000;

/** The messages that are lines. */
export async function* linePortions(read: ReadBytes, options: LineOptions): AsyncGenerator<Portion> {
  for await (const block of readLines(read, options)) {
    const items: Uint8Array[] = [];
    const ends: number[] = [];
    for (const [i, line] of block.lines.entries()) {
      if (isBlank(line)) continue;
      items.push(line);
      ends.push(block.ends[i]!);
    }
    yield { items, ends, isTorn: block.isTorn && items.at(-1) === block.lines.at(-1) };
  }
}

/** Rows; from a place in the middle, too, as long as the header in front of it is there. */
export async function* csvPortions(
  read: ReadBytes,
  options: LineOptions,
  csv: CsvReader,
): AsyncGenerator<Portion> {
  if (options.start > 0) await readHeader(read, options, csv);
  for await (const block of readLines(read, options)) {
    const items: Struct[] = [];
    const ends: number[] = [];
    for (const [i, line] of block.lines.entries()) {
      const row = csv.row(line);
      if (row === undefined) continue;
      items.push(row);
      ends.push(block.ends[i]!);
    }
    yield { items, ends, isTorn: block.isTorn && ends.length > 0 && ends.at(-1) === block.ends.at(-1) };
  }
  csv.end();
}

async function readHeader(read: ReadBytes, options: LineOptions, csv: CsvReader): Promise<void> {
  for await (const { lines } of readLines(read, { ...options, start: 0, ignoreEnd: 0, onTooLong: () => {} })) {
    for (const line of lines) {
      if (csv.hasNames) return;
      csv.row(line);
    }
  }
}

/**
 * The elements of an array, without those that end at `start` or before. In portions, so that a long array does not keep
 * everything else from running.
 */
export function* jsonPortions(bytes: Uint8Array, start: number): Generator<Portion> {
  let items: PayloadSlice[] = [];
  let ends: number[] = [];
  for (const item of jsonItems(bytes)) {
    // Where an element is added at the end, what stands between the last one and its bracket often changes.
    const end = withoutBlanks(bytes, item.start, item.end);
    if (end <= start) continue;
    items.push(item);
    ends.push(end);
    if (items.length < itemsPerPortion) continue;
    yield { items, ends, isTorn: false };
    items = [];
    ends = [];
  }
  yield { items, ends, isTorn: false };
}

/** The whole file. */
export function* rawPortions(bytes: Uint8Array): Generator<Portion> {
  yield { items: [bytes], ends: [bytes.length], isTorn: false };
}

function withoutBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && [0x20, 0x09, 0x0a, 0x0d].includes(bytes[at - 1]!)) at--;
  return at;
}
