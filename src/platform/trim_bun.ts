/**
 * Memory trim through `bun:ffi`.
 *
 * A binary built by Bun maps about 100 MB of itself and has touched some 30 MB of it when weir is ready, most of that
 * only to start. Those pages count as resident although nobody needs them. `madvise(MADV_DONTNEED)` takes them out of
 * this process at no cost but a minor fault for each that is needed again. (`MADV_PAGEOUT` would also evict them from
 * the page cache, which turns that fault into a read from flash, and it does nothing for a user who does not own the
 * binary.) `MADV_RANDOM` keeps a fault from reading ahead.
 *
 * A fault still takes all that the page cache has of the 64 KiB around it, so that a few functions here and there make
 * four times their size resident. It never looks beyond the mapping, though; so the mappings are cut into pieces, which
 * takes 10 MB off the peak of an agent at work for 1 MB of the kernel's.
 * @module
 */
import { readFileSync, readlinkSync } from "node:fs";
import { type Libc, openLibc } from "./libc_bun.ts";
import { droppableMappings, type Mapping, parseMappings } from "./mappings.ts";
import type { Footprint, TrimResult } from "./platform.ts";

// Advice numbers of Linux, the same on every processor weir runs on.
const MADV_RANDOM = 1;
const MADV_DONTNEED = 4;
const MADV_DONTDUMP = 16;

/** Length of the pieces. A kernel with larger pages refuses to cut, and does not take more than a page or two anyway. */
const pieceBytes = 16_384n;

/** Returns the trim of this process, for Bun on Linux. `bun:ffi` costs memory too, so the first call loads it. */
export function createTrim(footprint: () => Footprint | undefined): () => TrimResult {
  let libc: Libc | undefined;
  // The binary's mappings stay as they are for the life of the process.
  let mappings: readonly Mapping[] | undefined;
  return () => {
    try {
      libc ??= openLibc();
      const before = footprint()?.residentBytes ?? 0;
      if (mappings === undefined) {
        const executable = readlinkSync("/proc/self/exe");
        mappings = droppableMappings(parseMappings(readFileSync("/proc/self/smaps", "utf8")), executable);
        for (const mapping of mappings) cut(mapping, libc);
      }
      for (const { start, lengthBytes } of mappings) libc.symbols.madvise(start, lengthBytes, MADV_DONTNEED);
      return { trimmedBytes: Math.max(0, before - (footprint()?.residentBytes ?? 0)) };
    } catch (error) {
      return { skipped: `madvise is not available: ${error instanceof Error ? error.message : String(error)}` };
    }
  };
}

/**
 * Cuts a mapping into pieces: neighbours that differ in what the kernel is told of them are mappings of their own. What
 * tells them apart is whether a core dump holds them, which it does not do with a program's own pages in any case.
 */
function cut({ start, lengthBytes }: Mapping, { symbols }: Libc): void {
  symbols.madvise(start, lengthBytes, MADV_RANDOM);
  const end = start + lengthBytes;
  for (let at = start; at < end; at += 2n * pieceBytes) {
    symbols.madvise(at, at + pieceBytes < end ? pieceBytes : end - at, MADV_DONTDUMP);
  }
}
