/**
 * Memory and processor time of another process, from Linux's `/proc`.
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseStatus } from "../../src/platform/resident_memory.ts";

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  /** User and system time since its start, in microseconds; precise to a tick, 10 ms as a rule. */
  readonly cpuUs: number;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

export function readProcessUsage(pid: number): ProcessUsage {
  const memory = parseStatus(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (memory === undefined) throw new Error(`Cannot read the memory of process ${pid}: it has ended`);
  // The program's name, in parentheses, may hold anything; fields are counted after it.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { ...memory, cpuUs: (ticks * 1e6) / ticksPerSecond };
}
