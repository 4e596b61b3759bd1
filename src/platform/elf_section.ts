/**
 * Where a section stands in an executable, by its name.
 *
 * Reads what it needs of a file of 64 bits and little endian, as every processor has that weir runs on; the layout is that
 * of elf(5).
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";

export interface ElfSection {
  /** In the file. */
  readonly offset: number;
  readonly lengthBytes: number;
}

const headerBytes = 64;
const sectionHeaderBytes = 64;
const magic = 0x7f454c46;
const class64 = 2;
const littleEndian = 1;

/**
 * Undefined for a file without such a section, or of another kind.
 *
 * @throws {Error} for a file that cannot be read
 */
export function findSection(path: string, name: string): ElfSection | undefined {
  const file = openSync(path, "r");
  try {
    const read = (offset: number, lengthBytes: number): DataView => {
      const bytes = new Uint8Array(lengthBytes);
      const got = readSync(file, bytes, 0, lengthBytes, offset);
      return new DataView(bytes.buffer, 0, got);
    };
    const header = read(0, headerBytes);
    if (header.byteLength < headerBytes || header.getUint32(0) !== magic) return undefined;
    if (header.getUint8(4) !== class64 || header.getUint8(5) !== littleEndian) return undefined;
    const tableOffset = Number(header.getBigUint64(40, true));
    const entryBytes = header.getUint16(58, true);
    const count = header.getUint16(60, true);
    const namesIndex = header.getUint16(62, true);
    const table = read(tableOffset, entryBytes * count);
    if (entryBytes < sectionHeaderBytes || table.byteLength < entryBytes * count || namesIndex >= count) {
      return undefined;
    }
    const sectionAt = (index: number): ElfSection => ({
      offset: Number(table.getBigUint64(index * entryBytes + 24, true)),
      lengthBytes: Number(table.getBigUint64(index * entryBytes + 32, true)),
    });
    const { offset, lengthBytes } = sectionAt(namesIndex);
    const names = new TextDecoder("latin1").decode(read(offset, lengthBytes));
    for (let index = 0; index < count; index++) {
      const start = table.getUint32(index * entryBytes, true);
      if (names.slice(start, names.indexOf("\0", start)) === name) return sectionAt(index);
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}
