/**
 * Memory trim through `bun:ffi`.
 *
 * A binary built by Bun maps about 100 MB of itself and has touched some 30 MB of it when weir is ready, most of that
 * only to start. Those pages count as resident although nobody needs them. `madvise(MADV_DONTNEED)` takes them out of
 * this process at no cost but a minor fault for each that is needed again. (`MADV_PAGEOUT` would also evict them from
 * the page cache, which turns that fault into a read from flash, and it does nothing for a user who does not own the
 * binary.) `MADV_RANDOM` keeps a fault from reading ahead.
 * @module
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { droppableMappings, parseMappings } from "./mappings.ts";
import type { TrimResult } from "./platform.ts";
import { readResidentMemory } from "./resident_memory.ts";

interface Libc {
  readonly symbols: { madvise(address: bigint, lengthBytes: bigint, advice: number): number };
}

interface BunFfi {
  dlopen(path: string, symbols: Record<string, { args: string[]; returns: string }>): Libc;
}

// Advice numbers of Linux, the same on every processor weir runs on.
const MADV_RANDOM = 1;
const MADV_DONTNEED = 4;

/** Returns the trim of this process, for Bun on Linux. `bun:ffi` costs memory too, so the first call loads it. */
export function createTrim(): () => TrimResult {
  let libc: Libc | undefined;
  return () => {
    try {
      libc ??= openLibc();
      const before = readResidentMemory().residentBytes;
      const executable = readlinkSync("/proc/self/exe");
      const mappings = droppableMappings(parseMappings(readFileSync("/proc/self/smaps", "utf8")), executable);
      for (const { start, lengthBytes } of mappings) {
        libc.symbols.madvise(start, lengthBytes, MADV_RANDOM);
        libc.symbols.madvise(start, lengthBytes, MADV_DONTNEED);
      }
      return { trimmedBytes: Math.max(0, before - readResidentMemory().residentBytes) };
    } catch (error) {
      return { skipped: `madvise is not available: ${error instanceof Error ? error.message : String(error)}` };
    }
  };
}

function openLibc(): Libc {
  // Not an import: a specifier that Deno does not know would fail its type check.
  const ffi = process.getBuiltinModule("bun:ffi") as unknown as BunFfi | undefined;
  if (ffi === undefined) throw new Error("this engine has no bun:ffi");
  const errors: string[] = [];
  for (const name of libcNames()) {
    try {
      return ffi.dlopen(name, { madvise: { args: ["u64", "u64", "i32"], returns: "i32" } });
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(errors.join("; "));
}

/** glibc has one name; musl's carries the processor: `libc.musl-x86_64.so.1`. */
function libcNames(): string[] {
  const names = ["libc.so.6"];
  try {
    names.push(
      ...readdirSync("/lib").filter((name) => /^libc\.musl-.+\.so\.1$/.test(name)).map((name) => `/lib/${name}`),
    );
  } catch {
    // A system without /lib still has the glibc name to try.
  }
  return names;
}
