/**
 * Archives whose bytes depend on nothing but their content: tar (ustar) with sorted entries, one time and root as the
 * owner, and the `ar` around the parts of a Debian package.
 * @module
 */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";

export interface ArchiveFile {
  /** From the root of the archive, without a slash in front. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** 0o644 when absent. */
  readonly mode?: number;
}

const blockBytes = 512;

/** A gzipped tar with the files, and the folders they stand in. `seconds` since 1970 is the time of every entry. */
export function tarball(files: readonly ArchiveFile[], seconds: number, prefix = ""): Uint8Array {
  const folders = new Set<string>(prefix === "" ? [] : [prefix]);
  for (const { path } of files) {
    for (let at = path.indexOf("/", prefix.length); at !== -1; at = path.indexOf("/", at + 1)) {
      folders.add(path.slice(0, at + 1));
    }
  }
  const entries: ArchiveFile[] = [
    ...[...folders].map((path) => ({ path, bytes: new Uint8Array(), mode: 0o755 })),
    ...files,
  ].sort((a, b) => a.path < b.path ? -1 : 1);
  const parts: Uint8Array[] = [];
  for (const { path, bytes, mode = 0o644 } of entries) {
    parts.push(header(path, bytes.length, mode, seconds), bytes);
    parts.push(new Uint8Array((blockBytes - bytes.length % blockBytes) % blockBytes));
  }
  parts.push(new Uint8Array(2 * blockBytes));
  return gzip(Buffer.concat(parts));
}

/** The tenth byte of gzip names the operating system that packed, which must not count. */
export function gzip(bytes: Uint8Array): Uint8Array {
  const packed = gzipSync(bytes, { level: 9 });
  packed[9] = 255;
  return packed;
}

function header(path: string, lengthBytes: number, mode: number, seconds: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (at: number, text: string, lengthMax: number) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > lengthMax) throw new RangeError(`Cannot pack "${path}": "${text}" is longer than ${lengthMax}`);
    block.set(bytes, at);
  };
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  put(0, path, 100);
  put(100, octal(mode, 7), 8);
  put(108, octal(0, 7), 8);
  put(116, octal(0, 7), 8);
  put(124, octal(lengthBytes, 11), 12);
  put(136, octal(seconds, 11), 12);
  put(148, " ".repeat(8), 8);
  put(156, path.endsWith("/") ? "5" : "0", 1);
  put(257, "ustar\x0000", 8);
  put(265, "root", 32);
  put(297, "root", 32);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `, 8);
  return block;
}

/** The archive format of Debian packages. */
export function ar(files: readonly ArchiveFile[], seconds: number): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const { path, bytes } of files) {
    const fields = [path.padEnd(16), String(seconds).padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
    parts.push(Buffer.from(`${fields.join("")}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}
