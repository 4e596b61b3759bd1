/**
 * The content of a file, unpacked where it is compressed, as portions from any place where an item ends.
 * @module
 */
import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { zstdFrames } from "../../src/value/zstd_frames.ts";
import { CsvReader, recordLinesMax } from "./csv.ts";
import type { LineOptions } from "./lines.ts";
import type { sourceSettings } from "./mod.ts";
import { csvPortions, jsonPortions, linePortions, type Portion, rawPortions } from "./portions.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

/** What is held in memory as a whole: files of type `json` and `raw`, and all that are compressed. */
export const wholeFileBytesMax = 64 * 1024 * 1024;

/** A file that was appended to again and again has as many. */
const framesMax = 1_000_000;

export class FileContent {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #bytes: number;
  readonly #settings: SourceSettings;
  readonly #context: OpenContext;
  readonly #isGrowing: boolean;
  #whole: Promise<Uint8Array> | undefined;

  /**
   * @param bytes how many there were when the file was opened
   * @param isGrowing what has not come to its end yet will go on
   */
  constructor(
    path: string,
    handle: FileHandle,
    bytes: number,
    settings: SourceSettings,
    context: OpenContext,
    isGrowing = false,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#bytes = bytes;
    this.#settings = settings;
    this.#context = context;
    this.#isGrowing = isGrowing;
  }

  /** Bytes, unpacked. */
  async size(): Promise<number> {
    return this.#isWhole ? (await this.#wholeFile()).length : this.#bytes;
  }

  /** The bytes `[start, end)`, or those of them that there are. */
  readonly read = async (start: number, end: number): Promise<Uint8Array> =>
    this.#isWhole ? (await this.#wholeFile()).subarray(start, end) : await readBytes(this.#handle, start, end);

  /** The items behind `start`, where another one ends; all of them without it. */
  async *portions(start?: number): AsyncGenerator<Portion> {
    const { fileType } = this.#settings;
    switch (fileType) {
      case "json":
        return yield* jsonPortions(await this.#wholeFile(), start ?? 0);
      case "raw":
        // One message: behind it there is nothing.
        if (start === undefined) yield* rawPortions(await this.#wholeFile());
        return;
      case "lines":
        return yield* linePortions(this.read, this.#lineOptions(start));
      case "csv":
        return yield* csvPortions(this.read, this.#lineOptions(start), this.#csvReader());
      default:
        return fileType satisfies never;
    }
  }

  /**
   * Where the items behind `offset` begin. A last line without an end, that began behind `torn`, has got one since, and
   * was whole; or it goes on, and has to be read again.
   */
  async placeBehind(offset: number, torn: number | undefined): Promise<number> {
    if (torn === undefined) return offset;
    const text = new TextDecoder().decode(await this.read(offset, offset + 2));
    const end = /^(\r?\n|\r?$)/.exec(text);
    return end === null ? torn : offset + end[0].length;
  }

  get #isWhole(): boolean {
    const { fileType, decompression } = this.#settings;
    return fileType === "json" || fileType === "raw" || decompression !== "";
  }

  #lineOptions(start = 0): LineOptions {
    const { ignoreStartLines, ignoreEndLines } = this.#settings;
    return {
      start,
      ignoreStart: ignoreStartLines,
      ignoreEnd: ignoreEndLines,
      onTooLong: (byte) => this.#context.log.warn("A line is too long and was left out", { path: this.#path, byte }),
    };
  }

  #csvReader(): CsvReader {
    const { delimiter, hasHeader, columns } = this.#settings;
    const { columns: declared, log } = this.#context;
    const onUnclosed = (lines: number) => {
      if (this.#isGrowing && lines < recordLinesMax) return;
      log.warn("Lines behind a quote that is not closed were left out", { path: this.#path, lines });
    };
    return new CsvReader({ delimiter, hasHeader, columns, declared, onUnclosed });
  }

  /** Read once, when it is asked for. */
  #wholeFile(): Promise<Uint8Array> {
    return this.#whole ??= (async () => {
      if (this.#bytes > wholeFileBytesMax) throw new Error(tooLarge(this.#settings));
      return await decompress(await readBytes(this.#handle, 0, this.#bytes), this.#settings);
    })();
  }
}

export async function readBytes(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let read = 0;
  while (read < bytes.length) {
    const { bytesRead } = await handle.read(bytes, read, bytes.length - read, start + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

async function decompress(bytes: Uint8Array, settings: SourceSettings): Promise<Uint8Array> {
  const { decompression } = settings;
  if (decompression === "") return bytes;
  try {
    if (decompression === "gzip") return await promisify(gunzip)(bytes, { maxOutputLength: wholeFileBytesMax });
    return await expandFrames(bytes);
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw new Error(tooLarge(settings));
    throw new Error(`it is not ${decompression} data: ${(error as Error).message}`, { cause: error });
  }
}

/** The platforms read the first of several frames only, or take one that is cut off for whole. */
async function expandFrames(bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const frame of zstdFrames(bytes, framesMax)) {
    const maxOutputLength = Math.max(1, wholeFileBytesMax - size);
    const part = await promisify(zstdDecompress)(frame, { maxOutputLength });
    parts.push(part);
    size += part.length;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function tooLarge({ fileType, decompression }: SourceSettings): string {
  if (decompression !== "") return `a compressed file may have ${wholeFileBytesMax} bytes, also when it is unpacked`;
  return `a file of type ${fileType} may have ${wholeFileBytesMax} bytes, those of type lines and csv may be larger`;
}
