/**
 * Compressing and decompressing bytes with the platform's libraries, in place.
 * @module
 */
import * as zlib from "node:zlib";
import { zstdFrames } from "./zstd_frames.ts";

/** `flate` is deflate without header and checksum. */
export const compressionMethods = ["gzip", "zlib", "flate", "zstd"] as const;

export type CompressionMethod = typeof compressionMethods[number];

/** Which levels a method has. Without one, each takes its own default: 6, zstd 3. */
export function levelRange(method: CompressionMethod): { readonly min: number; readonly max: number } {
  return method === "zstd" ? { min: 1, max: 22 } : { min: -1, max: 9 };
}

export interface CompressOptions {
  /** Within {@linkcode levelRange}. */
  readonly level?: number;
  /** Larger results are refused. */
  readonly sizeMax?: number;
}

type Coder = (input: Uint8Array, options: zlib.ZlibOptions) => Uint8Array;

const compressors: Readonly<Record<Exclude<CompressionMethod, "zstd">, Coder>> = {
  gzip: zlib.gzipSync,
  zlib: zlib.deflateSync,
  flate: zlib.deflateRawSync,
};

const decompressors: Readonly<Record<Exclude<CompressionMethod, "zstd">, Coder>> = {
  gzip: zlib.gunzipSync,
  zlib: zlib.inflateSync,
  flate: zlib.inflateRawSync,
};

/** @throws {Error} when the result is larger than `sizeMax`. */
export function compress(method: CompressionMethod, input: Uint8Array, options: CompressOptions = {}): Uint8Array {
  const { level, sizeMax } = options;
  const bound = sizeMax === undefined ? {} : { maxOutputLength: sizeMax };
  if (method !== "zstd") {
    return plain(compressors[method](input, level === undefined ? bound : { ...bound, level }));
  }
  const params = level === undefined ? {} : { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } };
  return plain(zlib.zstdCompressSync(input, { ...bound, ...params }));
}

/**
 * The bytes that {@linkcode compress} was given. Parts that follow each other, as in a file that was appended to, are one
 * for `gzip` and `zstd`.
 *
 * @throws {Error} for bytes that are not of the method or cut off, and for a result of more than `sizeMax` bytes: a small
 * input may stand for a huge output.
 */
export function decompress(method: CompressionMethod, input: Uint8Array, sizeMax: number): Uint8Array {
  try {
    return plain(method === "zstd" ? expandFrames(input, sizeMax) : decompressors[method](input, limit(sizeMax)));
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_BUFFER_TOO_LARGE") throw error;
    throw new Error(`the result is larger than ${sizeMax} bytes`, { cause: error });
  }
}

function expandFrames(input: Uint8Array, sizeMax: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const frame of zstdFrames(input)) {
    const part = zlib.zstdDecompressSync(frame, limit(sizeMax - size));
    size += part.length;
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The platform wants a limit of at least 1: a byte more does no harm. */
function limit(sizeMax: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(sizeMax, 1) };
}

/** A Buffer's `slice` is a view, that of everything else a copy: no Buffer may pass for an array of bytes. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
