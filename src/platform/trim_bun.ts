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
 *
 * The code of weir itself stands in a section of its own, `.bun`. Bun maps it so that it could be written to, and never
 * does; it is dropped as long as none of its pages is another than that of the file, which the kernel tells page by page.
 * @module
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { findSection } from "./elf_section.ts";
import { type Libc, openLibc } from "./libc_bun.ts";
import { areUnwritten, droppableMappings, type PageRange, pagesOf, parseMappings } from "./mappings.ts";
import type { Footprint, TrimResult } from "./platform.ts";

// Advice numbers of Linux, the same on every processor weir runs on.
const MADV_RANDOM = 1;
const MADV_DONTNEED = 4;
const MADV_DONTDUMP = 16;

const codeSection = ".bun";

/** Length of the pieces. A kernel with larger pages refuses to cut, and does not take more than a page or two anyway. */
const pieceBytes = 16_384n;

/** Returns the trim of this process, for Bun on Linux. `bun:ffi` costs memory too, so the first call loads it. */
export function createTrim(footprint: () => Footprint | undefined): () => TrimResult {
  let libc: Libc | undefined;
  // The binary's mappings stay as they are for the life of the process.
  let pieces: Pieces | undefined;
  return () => {
    try {
      libc ??= openLibc();
      const before = footprint()?.residentBytes ?? 0;
      pieces ??= piecesOf(libc);
      const { engine, code } = pieces;
      for (const { start, lengthBytes } of engine) libc.symbols.madvise(start, lengthBytes, MADV_DONTNEED);
      if (code !== undefined && code.isUnwritten()) {
        libc.symbols.madvise(code.pages.start, code.pages.lengthBytes, MADV_DONTNEED);
      }
      return { trimmedBytes: Math.max(0, before - (footprint()?.residentBytes ?? 0)) };
    } catch (error) {
      return { skipped: `madvise is not available: ${error instanceof Error ? error.message : String(error)}` };
    }
  };
}

interface Pieces {
  /** What can be dropped at any time. */
  readonly engine: readonly Pick<PageRange, "start" | "lengthBytes">[];
  /** The bundled program; absent when it is not a section of its own, as when Bun runs a file. */
  readonly code: { readonly pages: PageRange; readonly isUnwritten: () => boolean } | undefined;
}

function piecesOf(libc: Libc): Pieces {
  const executable = readlinkSync("/proc/self/exe");
  const mappings = parseMappings(readFileSync("/proc/self/smaps", "utf8"));
  const engine = droppableMappings(mappings, executable);
  for (const mapping of engine) cut(mapping, libc);
  // Not the path, which may be that of another file by now, after an upgrade.
  const section = findSection("/proc/self/exe", codeSection);
  const pages = section === undefined ? undefined : pagesOf(section, mappings, executable);
  if (pages === undefined) return { engine, code: undefined };
  cut(pages, libc);
  return { engine, code: { pages, isUnwritten: pagesReader(pages) } };
}

/** Reads the flags of the pages anew each time, into the same bytes. */
function pagesReader({ start, lengthBytes, pageBytes }: PageRange): () => boolean {
  const flags = new Uint8Array((Number(lengthBytes) / pageBytes) * 8);
  const offset = Number(start / BigInt(pageBytes)) * 8;
  return () => {
    let file: number | undefined;
    try {
      file = openSync("/proc/self/pagemap", "r");
      return readSync(file, flags, 0, flags.length, offset) === flags.length && areUnwritten(flags);
    } catch {
      // A container may hide it: then nobody knows.
      return false;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  };
}

/**
 * Cuts a mapping into pieces: neighbours that differ in what the kernel is told of them are mappings of their own. What
 * tells them apart is whether a core dump holds them, which it does not do with a program's own pages in any case.
 */
function cut({ start, lengthBytes }: Pick<PageRange, "start" | "lengthBytes">, { symbols }: Libc): void {
  symbols.madvise(start, lengthBytes, MADV_RANDOM);
  const end = start + lengthBytes;
  for (let at = start; at < end; at += 2n * pieceBytes) {
    symbols.madvise(at, at + pieceBytes < end ? pieceBytes : end - at, MADV_DONTDUMP);
  }
}
