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
  /** Where in the file it begins. */
  readonly fileOffset: number;
  readonly residentBytes: number;
  /** Bytes that differ from the file, because they were written to once. */
  readonly anonymousBytes: number;
  /** Of one page. */
  readonly pageBytes: number;
}

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+\s*(.*)$/;
const FIELD = /^(Rss|Anonymous|KernelPageSize):\s+(\d+) kB$/;

/** Parses the text of `/proc/PID/smaps`. */
export function parseMappings(smaps: string): Mapping[] {
  const mappings: Mapping[] = [];
  let header: Pick<Mapping, "start" | "lengthBytes" | "permissions" | "path" | "fileOffset"> | undefined;
  let residentBytes = 0;
  let anonymousBytes = 0;
  let pageBytes = 4096;
  const finish = () => {
    if (header !== undefined) mappings.push({ ...header, residentBytes, anonymousBytes, pageBytes });
  };
  for (const line of smaps.split("\n")) {
    const found = HEADER.exec(line);
    if (found !== null) {
      finish();
      const start = BigInt(`0x${found[1]}`);
      header = {
        start,
        lengthBytes: BigInt(`0x${found[2]}`) - start,
        permissions: found[3]!,
        path: found[5]!,
        fileOffset: Number.parseInt(found[4]!, 16),
      };
      residentBytes = 0;
      anonymousBytes = 0;
      continue;
    }
    const field = FIELD.exec(line);
    if (field === null) continue;
    const bytes = Number(field[2]) * 1024;
    if (field[1] === "Rss") residentBytes = bytes;
    else if (field[1] === "Anonymous") anonymousBytes = bytes;
    else pageBytes = bytes;
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

/** Addresses of the process, whole pages. */
export interface PageRange {
  readonly start: bigint;
  readonly lengthBytes: bigint;
  readonly pageBytes: number;
}

/** The whole pages of a part of `executable`, where it is mapped as one piece; undefined where it is not. */
export function pagesOf(
  part: { readonly offset: number; readonly lengthBytes: number },
  mappings: readonly Mapping[],
  executable: string,
): PageRange | undefined {
  const end = part.offset + part.lengthBytes;
  for (const { path, fileOffset, start, lengthBytes, pageBytes } of mappings) {
    if (path !== executable || part.offset < fileOffset || end > fileOffset + Number(lengthBytes)) continue;
    const from = Math.ceil((part.offset - fileOffset) / pageBytes) * pageBytes;
    const to = Math.floor((end - fileOffset) / pageBytes) * pageBytes;
    if (to > from) return { start: start + BigInt(from), lengthBytes: BigInt(to - from), pageBytes };
  }
  return undefined;
}

const pagemapEntryBytes = 8;
const presentBit = 1 << 31;
const fileBit = 1 << 29;
const swappedBit = 1 << 30;

/**
 * Whether every page is as the file has it, by the entries of these pages in `/proc/self/pagemap`, of 64 bits each: bit 63
 * is set for a page that is resident, 62 for one in swap, 61 for one of a file.
 */
export function areUnwritten(pagemap: Uint8Array): boolean {
  const view = new DataView(pagemap.buffer, pagemap.byteOffset, pagemap.byteLength);
  for (let at = 0; at < pagemap.byteLength; at += pagemapEntryBytes) {
    const flags = view.getUint32(at + 4, true);
    if ((flags & (presentBit | swappedBit)) !== 0 && (flags & fileBit) === 0) return false;
  }
  return true;
}
