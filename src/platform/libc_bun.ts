/**
 * The C library through `bun:ffi`. It costs memory and milliseconds, so it is opened only when it is needed.
 * @module
 */
import { readdirSync } from "node:fs";
import process from "node:process";

export interface Libc {
  readonly symbols: {
    madvise(address: bigint, lengthBytes: bigint, advice: number): number;
    /** Pointers as numbers, as {@linkcode Libc.addressOf} gives them. */
    execve(path: number, argv: number, envp: number): number;
    socket(domain: number, type: number, protocol: number): number;
    /** Gives a 64-bit number. */
    sendto(
      socket: number,
      bytes: number,
      lengthBytes: number,
      flags: number,
      address: number,
      addressBytes: number,
    ): number | bigint;
    close(socket: number): number;
  };
  /** Where the bytes stand in memory, for as long as they are held. */
  addressOf(bytes: Uint8Array): number;
}

interface BunFfi {
  dlopen(path: string, symbols: Record<string, { args: string[]; returns: string }>): Pick<Libc, "symbols">;
  ptr(bytes: Uint8Array): number;
}

let opened: Libc | undefined;

/** @throws {Error} when the engine has no `bun:ffi`, or no C library is found. */
export function openLibc(): Libc {
  if (opened !== undefined) return opened;
  // Not an import: a specifier that Deno does not know would fail its type check.
  const ffi = process.getBuiltinModule("bun:ffi") as unknown as BunFfi | undefined;
  if (ffi === undefined) throw new Error("this engine has no bun:ffi");
  const errors: string[] = [];
  for (const name of libcNames()) {
    try {
      const { symbols } = ffi.dlopen(name, {
        madvise: { args: ["u64", "u64", "i32"], returns: "i32" },
        execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
        socket: { args: ["i32", "i32", "i32"], returns: "i32" },
        sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64_fast" },
        close: { args: ["i32"], returns: "i32" },
      });
      opened = { symbols, addressOf: (bytes) => ffi.ptr(bytes) };
      return opened;
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
