/**
 * Reads the bodies of requests within bounds, and takes their encodings off. Loaded when the data server first listens.
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import * as zlib from "node:zlib";
import { Refusal } from "../connector/data_server.ts";
import type { BodyShare } from "./body_space.ts";

type Decompress = (
  input: Uint8Array,
  options: { readonly maxOutputLength: number },
  done: (error: Error | null, output: Uint8Array) => void,
) => void;

const encodings: Readonly<Record<string, Decompress>> = {
  gzip: zlib.gunzip,
  "x-gzip": zlib.gunzip,
  deflate: zlib.inflate,
  br: zlib.brotliDecompress,
  zstd: zlib.zstdDecompress,
};

/** Nobody compresses more often than that but to exhaust a server. */
const encodingsMax = 2;

/** @throws {Refusal} 400, 413, 415 or 503. */
export async function readBody(request: IncomingMessage, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  const names = encodingsOf(request);
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  let body = await collect(request, bytesMax, share);
  for (const name of names.reverse()) {
    body = await decompressed(body, name, bytesMax);
    share.take(body.length);
  }
  return body;
}

function encodingsOf(request: IncomingMessage): string[] {
  const header = request.headers["content-encoding"];
  if (header === undefined) return [];
  const names = header.split(",").map((name) => name.trim().toLowerCase()).filter((name) =>
    name !== "" && name !== "identity"
  );
  const unknown = names.find((name) => !Object.hasOwn(encodings, name));
  if (unknown === undefined && names.length <= encodingsMax) return names;
  const what = unknown === undefined ? `${names.length} encodings` : `the encoding "${unknown}"`;
  throw new Refusal(415, `cannot read ${what} of the body`, {
    "Accept-Encoding": Object.keys(encodings).filter((name) => !name.startsWith("x-")).join(", "),
  });
}

function collect(request: IncomingMessage, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const fail = (refusal: Refusal) => {
    request.off("data", onData);
    chunks.length = 0;
    reject(refusal);
  };
  const onData = (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > bytesMax) return fail(tooLarge(bytesMax));
    try {
      share.take(chunk.length);
    } catch (error) {
      return fail(error as Refusal);
    }
    chunks.push(chunk);
  };
  request.on("data", onData);
  request.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
  // Nobody is left to read the answer.
  request.on("close", () => reject(new Refusal(400, "the body ends early")));
  request.on("error", () => {});
  return promise;
}

function decompressed(body: Uint8Array, name: string, bytesMax: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  encodings[name]!(body, { maxOutputLength: bytesMax }, (error, output) => {
    if (error === null) resolve(output);
    else if ((error as { readonly code?: string }).code === "ERR_BUFFER_TOO_LARGE") reject(tooLarge(bytesMax));
    else reject(new Refusal(400, `the body is no ${name}: ${error.message}`));
  });
  return promise;
}

function tooLarge(bytesMax: number): Refusal {
  return new Refusal(413, `the body is too large: at most ${bytesMax} bytes`);
}
