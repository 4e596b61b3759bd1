/**
 * The memory mappings of a process as Linux lists them in `/proc/self/smaps`, and which of them can be given back.
 * @module
 */

export interface Mapping {
  readonly start: bigint;
  readonly lengthBytes: bigint;
  /** `r-xp`: read, write, execute, private or shared. */
  readonly permissions: string;
  /** The file mapped, empty for anonymous memory. */
  readonly path: string;
  readonly residentBytes: number;
  /** Bytes that differ from the file, because they were written to once. */
  readonly anonymousBytes: number;
}

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s*(.*)$/;
const FIELD = /^(Rss|Anonymous):\s+(\d+) kB$/;

/** Parses the text of `/proc/PID/smaps`. */
export function parseMappings(smaps: string): Mapping[] {
  const mappings: Mapping[] = [];
  let header: { start: bigint; end: bigint; permissions: string; path: string } | undefined;
  let residentBytes = 0;
  let anonymousBytes = 0;
  const finish = () => {
    if (header === undefined) return;
    const { start, end, permissions, path } = header;
    mappings.push({ start, lengthBytes: end - start, permissions, path, residentBytes, anonymousBytes });
  };
  for (const line of smaps.split("\n")) {
    const found = HEADER.exec(line);
    if (found !== null) {
      finish();
      header = {
        start: BigInt(`0x${found[1]}`),
        end: BigInt(`0x${found[2]}`),
        permissions: found[3]!,
        path: found[4]!,
      };
      residentBytes = 0;
      anonymousBytes = 0;
      continue;
    }
    const field = FIELD.exec(line);
    if (field?.[1] === "Rss") residentBytes = Number(field[2]) * 1024;
    else if (field !== null) anonymousBytes = Number(field[2]) * 1024;
  }
  finish();
  return mappings;
}

/**
 * The mappings of `executable` that can be dropped without loss: private, not writable, and equal to the file to the
 * last byte. The last condition leaves out the relocated tables (`RELRO`), which the dynamic linker wrote before it
 * made them read-only: dropping those would undo the relocations.
 */
export function droppableMappings(mappings: readonly Mapping[], executable: string): Mapping[] {
  return mappings.filter((mapping) =>
    mapping.path === executable &&
    (mapping.permissions === "r-xp" || mapping.permissions === "r--p") &&
    mapping.anonymousBytes === 0
  );
}
