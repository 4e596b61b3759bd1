/**
 * Resident memory of this process: Linux reports it in `/proc/self/status`; elsewhere `node:process` has to do.
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { ResidentMemory } from "./platform.ts";

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

/** Reads `VmRSS`, `VmHWM` and `RssFile` of a `/proc/PID/status` text; undefined when it lacks one of the first two. */
export function parseStatus(status: string): ResidentMemory | undefined {
  const resident = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  const peak = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  if (resident === undefined || peak === undefined) return undefined;
  const file = /^RssFile:\s*(\d+) kB$/m.exec(status)?.[1];
  return {
    residentBytes: Number(resident) * 1024,
    residentPeakBytes: Number(peak) * 1024,
    ...(file !== undefined && { residentFileBytes: Number(file) * 1024 }),
  };
}
