/**
 * Bodies that the server compressed.
 * @module
 */
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { Disconnected } from "../../src/connector/errors.ts";
import type { HttpResponse } from "./response_reader.ts";

type Unpack = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Uint8Array>;

const inflate = promisify(zlib.inflate) as Unpack;
const inflateRaw = promisify(zlib.inflateRaw) as Unpack;

const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: promisify(zlib.gunzip) as Unpack,
  "x-gzip": promisify(zlib.gunzip) as Unpack,
  // The standard means the format of zlib; many servers send what is inside it alone.
  deflate: (bytes, options) => (isZlib(bytes) ? inflate : inflateRaw)(bytes, options),
  br: promisify(zlib.brotliDecompress) as Unpack,
  zstd: promisify(zlib.zstdDecompress) as unknown as Unpack,
};

function isZlib(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && (bytes[0]! * 256 + bytes[1]!) % 31 === 0;
}

/**
 * The body as it was before the server compressed it.
 *
 * @throws {Disconnected} for what cannot be read: the answer is as bad as none
 */
export async function bodyOf({ headers, body }: HttpResponse, bytesMax: number): Promise<Uint8Array> {
  const encodings = (headers.get("content-encoding") ?? "").split(",").map((each) => each.trim().toLowerCase());
  let plain = body;
  for (const encoding of encodings.reverse()) {
    if (encoding === "" || encoding === "identity" || plain.length === 0) continue;
    const unpack = Object.hasOwn(unpackers, encoding) ? unpackers[encoding] : undefined;
    if (unpack === undefined) {
      throw new Disconnected(`The answer has the content encoding "${encoding}", which is not known`);
    }
    try {
      plain = await unpack(plain, { maxOutputLength: bytesMax });
    } catch (error) {
      throw new Disconnected(`The answer cannot be decompressed: ${(error as Error).message}`, { cause: error });
    }
  }
  return plain;
}
