/**
 * Resident memory of this process: Linux reports it in `/proc/self/status`; elsewhere `node:process` has to do.
 * @module
 */
import { Buffer } from "node:buffer";
import { openSync, readFileSync, readSync } from "node:fs";
import process from "node:process";
import type { Footprint, ResidentMemory } from "./platform.ts";

export function readResidentMemory(): ResidentMemory {
  try {
    const memory = parseStatus(readFileSync("/proc/self/status", "utf8"));
    if (memory !== undefined) return memory;
  } catch {
    // No /proc: not Linux, or a container that hides it.
  }
  const residentBytes = process.memoryUsage().rss;
  // `maxRSS` is in kilobytes.
  return { residentBytes, residentPeakBytes: Math.max(residentBytes, process.resourceUsage().maxRSS * 1024) };
}

/** Reads `VmRSS` and `VmHWM` of a `/proc/PID/status` text; undefined when it lacks one. */
export function parseStatus(status: string): ResidentMemory | undefined {
  const resident = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  const peak = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  if (resident === undefined || peak === undefined) return undefined;
  return {
    residentBytes: Number(resident) * 1024,
    residentPeakBytes: Number(peak) * 1024,
  };
}

/** Pages of a process are of one size, which `/proc/self/statm` does not name; these are all that Linux knows. */
const pageSizes = [4096, 16_384, 65_536];

/**
 * Returns a reader of `/proc/self/statm` that keeps the file open, or undefined where there is none.
 */
export function createFootprintReader(): (() => Footprint | undefined) | undefined {
  try {
    const file = openSync("/proc/self/statm", "r");
    const text = Buffer.alloc(128);
    const read = (): [resident: number, shared: number] => {
      const fields = text.toString("latin1", 0, readSync(file, text, 0, text.length, 0)).split(" ");
      return [Number(fields[1]), Number(fields[2])];
    };
    const resident = parseStatus(readFileSync("/proc/self/status", "utf8"))?.residentBytes ?? 0;
    const exact = resident / read()[0];
    const pageBytes = pageSizes.reduce((best, size) => Math.abs(size - exact) < Math.abs(best - exact) ? size : best);
    return () => {
      const [pages, shared] = read();
      return { residentBytes: pages * pageBytes, anonymousBytes: (pages - shared) * pageBytes };
    };
  } catch {
    return undefined;
  }
}
