/**
 * The machine's monotonic clock, which all processes share. `process.hrtime` of Bun counts from the start of its own
 * process, so a latency across processes needs the system call itself.
 * @module
 */
import process from "node:process";

interface Ffi {
  dlopen(path: string, symbols: Record<string, { args: string[]; returns: string }>): {
    readonly symbols: { clock_gettime(clock: number, timespec: BigInt64Array): number };
  };
}

const CLOCK_MONOTONIC = 1;

/** Returns a function that gives microseconds of `CLOCK_MONOTONIC`. Needs Bun on glibc. */
export function openMonotonicClock(): () => number {
  const ffi = process.getBuiltinModule("bun:ffi") as unknown as Ffi | undefined;
  if (ffi === undefined) throw new Error("Cannot read the monotonic clock: benchmarks run on Bun");
  const { symbols } = ffi.dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
  const timespec = new BigInt64Array(2);
  return () => {
    symbols.clock_gettime(CLOCK_MONOTONIC, timespec);
    return Number(timespec[0]!) * 1e6 + Math.floor(Number(timespec[1]!) / 1e3);
  };
}
