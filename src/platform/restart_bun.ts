/**
 * Starts this process over with engine options that Bun reads only at its start.
 *
 * JavaScriptCore sizes its heap and its compilers by the machine: with gigabytes and many cores it lets garbage pile up
 * to tens of megabytes, and compiles on several threads. Told of a small machine, a busy agent stays about 10 MB smaller.
 * Told no more than that it would collect the whole heap at every second collection, since an agent's live data is more
 * than half of what such a machine may have; so young garbage gets some room of its own.
 * Bun takes the options from the environment only, so the process replaces itself (`execve`: same process id, same
 * files, some 20 ms more) before it has loaded anything. Options that the environment already has are kept.
 * @module
 */
import process from "node:process";
import { openLibc } from "./libc_bun.ts";

/** What the engine is told, unless the environment says otherwise. */
const engineOptions: Readonly<Record<string, string>> = {
  // What the heap's growth between collections is measured by.
  BUN_JSC_forceRAMSize: "24000000",
  // Room for young garbage, as a multiple of live data of a quarter to half that size; 1.5 unless told.
  BUN_JSC_mediumHeapGrowthFactor: "2",
  // The whole heap is collected when less than this part of it is left for young garbage; a third unless told.
  BUN_JSC_minEdenToOldGenerationRatio: "0.1",
  // The last tier of the compiler takes several megabytes; an agent waits for sockets most of its time.
  BUN_JSC_useFTLJIT: "0",
  // A compiler thread has memory of its own, 3 MB at the peak; without it the code that is compiled waits for that.
  BUN_JSC_useConcurrentJIT: "0",
  BUN_JSC_numberOfGCMarkers: "1",
};

/** Marks a process that has been started over. Set from outside, it leaves the engine as it is: faster, larger. */
const marker = "WEIR_ENGINE_TUNED";

/**
 * Replaces this process by itself with the options set. Returns only when that is not needed, or not possible: then the
 * reason.
 */
export function restartWithOptions(): string | undefined {
  if (process.env[marker] !== undefined) return undefined;
  const environment: Record<string, string> = { ...engineOptions, [marker]: "1" };
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  try {
    const libc = openLibc();
    const path = process.execPath;
    const kept: Uint8Array[] = [];
    const table = (texts: readonly string[]) => pointers(texts, kept, libc.addressOf);
    const argv = table([path, ...process.argv.slice(2)]);
    const envp = table(Object.entries(environment).map(([name, value]) => `${name}=${value}`));
    const file = bytesOf(path);
    libc.symbols.execve(libc.addressOf(file), libc.addressOf(argv), libc.addressOf(envp));
    // Still here: the kernel refused, as it does for a binary that runs under an emulator.
    return "execve was refused";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** A null-terminated array of pointers to C strings; `kept` holds on to the strings. */
function pointers(
  texts: readonly string[],
  kept: Uint8Array[],
  addressOf: (bytes: Uint8Array) => number,
): Uint8Array {
  const table = new BigUint64Array(texts.length + 1);
  for (const [i, text] of texts.entries()) {
    const bytes = bytesOf(text);
    kept.push(bytes);
    table[i] = BigInt(addressOf(bytes));
  }
  return new Uint8Array(table.buffer);
}
