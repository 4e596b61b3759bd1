/**
 * Compressed files that can be appended to, cut off by a crash, and gone on with: each write is a gzip member or a zstd
 * frame of its own, with its length where readers skip it, so that the end of the last whole one is found without
 * unpacking the file.
 *
 * `gunzip`, `zstd` and all libraries read such files as one.
 * @module
 */
import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import type { FileBody } from "./file_body.ts";

export type FileCompression = "gzip" | "zstd";

/** A gzip header of ten bytes, the size of the extra field, its name `we`, the size of the length, the length. */
const gzipHead = 20;
const gzipExtra = Buffer.from([8, 0, 0x77, 0x65, 4, 0]);
/** A skippable frame: its magic number, the size of the length, the length. */
const zstdHead = 12;
const zstdSkippable = 0x184d2a50;

/** Reading goes through the file in pieces of this size, whatever the size of the members. */
const chunkBytes = 1024 * 1024;

/** @param level that of the method when undefined */
export function packMember(method: FileCompression, data: Uint8Array, level: number | undefined): Buffer {
  if (method === "gzip") {
    const packed = zlib.gzipSync(data, level === undefined ? {} : { level });
    const member = Buffer.alloc(packed.length + 10);
    packed.copy(member, 0, 0, 10);
    // FLG.FEXTRA
    member[3] = packed[3]! | 4;
    gzipExtra.copy(member, 10);
    member.writeUInt32LE(member.length, 16);
    packed.copy(member, gzipHead, 10);
    return member;
  }
  const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel } = zlib.constants;
  const params = { [ZSTD_c_checksumFlag]: 1, ...(level === undefined ? {} : { [ZSTD_c_compressionLevel]: level }) };
  const packed = zlib.zstdCompressSync(data, { params });
  const head = Buffer.alloc(zstdHead);
  head.writeUInt32LE(zstdSkippable, 0);
  head.writeUInt32LE(4, 4);
  head.writeUInt32LE(packed.length + zstdHead, 8);
  return Buffer.concat([head, packed]);
}

/** What a compressed file holds that was written by {@linkcode packMember}. */
export interface Members {
  /** Behind the last whole one. */
  readonly end: number;
  /** Where the last whole one begins, and what it stands for; undefined in an empty file. */
  readonly last: { readonly start: number; readonly data: Buffer } | undefined;
}

/** Undefined for a file that somebody else has written. */
export async function membersOf(method: FileCompression, body: FileBody): Promise<Members | undefined> {
  const size = await body.size();
  const starts: number[] = [];
  const headBytes = method === "gzip" ? gzipHead : zstdHead;
  let at = 0;
  let chunk: Buffer = Buffer.alloc(0);
  let chunkStart = 0;
  while (at + headBytes <= size) {
    if (at + headBytes > chunkStart + chunk.length) {
      chunk = await body.read(at, Math.min(size, at + chunkBytes));
      chunkStart = at;
    }
    const length = lengthAt(method, chunk, at - chunkStart);
    if (length === undefined) return undefined;
    if (at + length > size) break;
    starts.push(at);
    at += length;
  }
  // What follows the last whole one is the beginning of another, too short to be known.
  return await lastWhole(method, body, starts, at);
}

/** What the first one stands for; undefined when it is not whole. */
export async function firstMember(method: FileCompression, body: FileBody): Promise<Buffer | undefined> {
  const headBytes = method === "gzip" ? gzipHead : zstdHead;
  const head = await body.read(0, headBytes);
  const length = head.length < headBytes ? undefined : lengthAt(method, head, 0);
  return length === undefined ? undefined : unpacked(method, await body.read(0, length));
}

/** The last one may have its length and not its bytes, after a loss of power. */
async function lastWhole(method: FileCompression, body: FileBody, starts: number[], end: number): Promise<Members> {
  let behind = end;
  for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
    const data = unpacked(method, await body.read(start, behind));
    if (data !== undefined) return { end: behind, last: { start, data } };
    behind = start;
  }
  return { end: 0, last: undefined };
}

function lengthAt(method: FileCompression, bytes: Buffer, at: number): number | undefined {
  if (method === "gzip") {
    const isOwn = bytes.readUInt16BE(at) === 0x1f8b && bytes.subarray(at + 10, at + 16).equals(gzipExtra);
    const length = bytes.readUInt32LE(at + 16);
    return isOwn && length > gzipHead ? length : undefined;
  }
  const isOwn = bytes.readUInt32LE(at) === zstdSkippable && bytes.readUInt32LE(at + 4) === 4;
  const length = bytes.readUInt32LE(at + 8);
  return isOwn && length > zstdHead ? length : undefined;
}

function unpacked(method: FileCompression, member: Buffer): Buffer | undefined {
  try {
    return method === "gzip" ? zlib.gunzipSync(member) : zlib.zstdDecompressSync(member.subarray(zstdHead));
  } catch {
    return undefined;
  }
}
