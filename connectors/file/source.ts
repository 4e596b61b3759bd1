/**
 * Reads a file completely, once or at intervals.
 *
 * Invariant: a file is deleted or moved only after everything that was read of it has been acknowledged, and only when it
 * is still the file that was read.
 * @module
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import type { InferOutput } from "valibot";
import type { DeclaredColumn, OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, EndOfInput } from "../../src/connector/errors.ts";
import type { PayloadSlice, Source, SourceBatch, Struct } from "../../src/connector/source.ts";
import { type FileIdentity, removeRead } from "./after_read.ts";
import { CsvReader } from "./csv.ts";
import { jsonItems } from "./json_items.ts";
import { isBlank, readLines } from "./lines.ts";
import { refuseFolder, sourcePath, type sourceSettings } from "./mod.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

/** What `json` and `raw` hold in memory as a whole, compressed or not. */
export const wholeFileBytesMax = 64 * 1024 * 1024;

const itemsPerBatch = 1000;

/** Payloads or rows, as the type of the file has it. */
type Items = readonly (Uint8Array | PayloadSlice)[] | readonly Struct[];

/** Going through the file once. */
interface Pass {
  readonly handle: FileHandle;
  readonly items: AsyncGenerator<Items>;
  readonly identity: FileIdentity;
  /** What was read last, and how much of it has been handed out. */
  waiting: Items;
  next: number;
  unacknowledged: number;
  /** True once everything has been handed out. */
  done: boolean;
}

export class FileSource implements Source {
  readonly #settings: SourceSettings;
  readonly #context: OpenContext;
  readonly #path: string;
  readonly #moveTo: string | undefined;
  #pass: Pass | undefined;
  /** When the next item or the next pass is due, Unix milliseconds. */
  #due: number;
  /** Passes that still have to be acknowledged. */
  readonly #open = new Set<Pass>();
  /** The file is being deleted or moved. */
  #removing: Promise<void> = Promise.resolve();
  #ended = false;

  private constructor(settings: SourceSettings, context: OpenContext, path: string) {
    this.#settings = settings;
    this.#context = context;
    this.#path = path;
    this.#due = context.clock.now();
    const { actionAfterRead, moveTo } = settings;
    this.#moveTo = actionAfterRead === 2 ? context.resolvePath?.(moveTo) ?? resolve(moveTo) : undefined;
  }

  /**
   * @throws {DiagnosticError} E403 for a path that is not allowed, E408 for a folder.
   * @throws {Disconnected} when the file is not there or cannot be read.
   */
  static async open(settings: SourceSettings, context: OpenContext): Promise<FileSource> {
    const source = new FileSource(settings, context, sourcePath(settings, context));
    source.#pass = await source.#begin();
    return source;
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    signal.throwIfAborted();
    while (true) {
      if (this.#ended) throw new EndOfInput();
      const pass = await this.#currentPass(signal);
      if (pass === undefined) continue;
      await this.#fill(pass);
      if (pass.next === pass.waiting.length) {
        await this.#finish(pass);
        continue;
      }
      await this.#untilDue(signal);
      return this.#batch(pass);
    }
  }

  async close(): Promise<void> {
    await this.#pass?.handle.close();
    this.#pass = undefined;
    await this.#removing;
  }

  // ---------------------------------------------------------------- passes

  /** Undefined when there is nothing to read at this interval. */
  async #currentPass(signal: AbortSignal): Promise<Pass | undefined> {
    if (this.#pass !== undefined) return this.#pass;
    await this.#untilDue(signal);
    await this.#removing;
    const { actionAfterRead, interval } = this.#settings;
    try {
      // What is still to be deleted or moved has been read already.
      if (actionAfterRead === 0 || this.#open.size === 0) return this.#pass = await this.#begin();
    } catch (error) {
      // The next file has not come yet.
      if (actionAfterRead === 0 || codeOf((error as Error).cause) !== "ENOENT") throw error;
    }
    this.#due = this.#context.clock.now() + interval;
    return undefined;
  }

  async #begin(): Promise<Pass> {
    let handle: FileHandle | undefined;
    try {
      const found = await stat(this.#path);
      if (found.isDirectory()) refuseFolder(this.#path);
      // Opening a pipe would wait for its writer, and a device may have no end.
      if (!found.isFile()) throw new Error("it is not a regular file");
      handle = await open(this.#path);
      const { ino, size, mtimeMs } = await handle.stat();
      const pass: Pass = {
        handle,
        items: this.#items(handle, size),
        identity: { ino, size, mtimeMs },
        waiting: [],
        next: 0,
        unacknowledged: 0,
        done: false,
      };
      this.#open.add(pass);
      return pass;
    } catch (error) {
      await handle?.close();
      throw readFailure(this.#path, error);
    }
  }

  async #finish(pass: Pass): Promise<void> {
    this.#pass = undefined;
    pass.done = true;
    await pass.handle.close();
    this.#settle(pass);
    const { interval } = this.#settings;
    if (interval === 0) this.#ended = true;
    this.#due = this.#context.clock.now() + interval;
  }

  #settle(pass: Pass): void {
    if (!pass.done || pass.unacknowledged > 0 || !this.#open.delete(pass)) return;
    if (this.#settings.actionAfterRead === 0) return;
    const { log, clock } = this.#context;
    this.#removing = removeRead(this.#path, pass.identity, this.#moveTo, clock.now()).then(
      (removed) => {
        if (!removed) log.warn("A file changed while it was read, and stays", { path: this.#path });
      },
      (error) => log.error("Cannot remove a file that was read", { path: this.#path, reason: String(error) }),
    );
  }

  // ---------------------------------------------------------------- items

  #untilDue(signal: AbortSignal): Promise<void> | void {
    const wait = this.#due - this.#context.clock.now();
    if (wait > 0) return this.#context.clock.sleep(wait, signal);
  }

  async #fill(pass: Pass): Promise<void> {
    try {
      while (pass.next === pass.waiting.length) {
        const next = await pass.items.next();
        if (next.done === true) return;
        pass.waiting = next.value;
        pass.next = 0;
      }
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }

  #batch(pass: Pass): SourceBatch {
    const { sendInterval, fileType } = this.#settings;
    const count = sendInterval > 0 ? 1 : itemsPerBatch;
    const items = pass.waiting.slice(pass.next, pass.next + count);
    pass.next += items.length;
    if (sendInterval > 0) this.#due = this.#context.clock.now() + sendInterval;
    pass.unacknowledged++;
    const base = {
      meta: () => ({ file: this.#path }),
      ack: () => {
        pass.unacknowledged--;
        this.#settle(pass);
      },
    };
    return fileType === "csv"
      ? { ...base, kind: "rows", rows: items as readonly Struct[] }
      : { ...base, kind: "payloads", payloads: items as readonly (Uint8Array | PayloadSlice)[] };
  }

  #items(handle: FileHandle, size: number): AsyncGenerator<Items> {
    const { fileType } = this.#settings;
    switch (fileType) {
      case "json":
        return this.#jsonItems(handle, size);
      case "raw":
        return this.#rawFile(handle, size);
      case "lines":
        return this.#lines(handle);
      case "csv":
        return this.#csvRows(handle, this.#context.columns);
      default:
        return fileType satisfies never;
    }
  }

  /** In portions, so that a long array does not keep everything else from running. */
  async *#jsonItems(handle: FileHandle, size: number): AsyncGenerator<Items> {
    let items: PayloadSlice[] = [];
    for (const item of jsonItems(await this.#wholeFile(handle, size))) {
      items.push(item);
      if (items.length < itemsPerBatch) continue;
      yield items;
      items = [];
    }
    yield items;
  }

  async *#rawFile(handle: FileHandle, size: number): AsyncGenerator<Items> {
    yield [await this.#wholeFile(handle, size)];
  }

  /** The bytes that were there when the file was opened. */
  async #wholeFile(handle: FileHandle, size: number): Promise<Uint8Array> {
    if (size > wholeFileBytesMax) throw new Error(tooLarge(this.#settings.fileType));
    const bytes = new Uint8Array(size);
    let read = 0;
    while (read < size) {
      const { bytesRead } = await handle.read(bytes, read, size - read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return await decompress(bytes.subarray(0, read), this.#settings);
  }

  async *#lines(handle: FileHandle): AsyncGenerator<Items> {
    for await (const lines of this.#rawLines(handle)) yield lines.filter((line) => !isBlank(line));
  }

  async *#csvRows(handle: FileHandle, declared: readonly DeclaredColumn[] | undefined): AsyncGenerator<Items> {
    const { delimiter, hasHeader, columns } = this.#settings;
    const { log } = this.#context;
    const onUnclosed = (lines: number) =>
      log.warn("Lines behind a quote that is not closed were left out", { path: this.#path, lines });
    const csv = new CsvReader({ delimiter, hasHeader, columns, declared, onUnclosed });
    for await (const lines of this.#rawLines(handle)) {
      yield lines.map((line) => csv.row(line)).filter((row) => row !== undefined);
    }
    csv.end();
  }

  #rawLines(handle: FileHandle): AsyncGenerator<Uint8Array[]> {
    const { ignoreStartLines, ignoreEndLines } = this.#settings;
    return readLines(handle, {
      ignoreStart: ignoreStartLines,
      ignoreEnd: ignoreEndLines,
      onTooLong: (line) => this.#context.log.warn("A line is too long and was left out", { path: this.#path, line }),
    });
  }
}

async function decompress(bytes: Uint8Array, { decompression, fileType }: SourceSettings): Promise<Uint8Array> {
  if (decompression === "") return bytes;
  const work = decompression === "gzip" ? promisify(gunzip) : promisify(zstdDecompress);
  try {
    return await work(bytes, { maxOutputLength: wholeFileBytesMax });
  } catch (error) {
    if (codeOf(error) === "ERR_BUFFER_TOO_LARGE") throw new Error(tooLarge(fileType));
    throw new Error(`it is not ${decompression} data: ${(error as Error).message}`, { cause: error });
  }
}

function tooLarge(fileType: string): string {
  return `a file of type ${fileType} may have ${wholeFileBytesMax} bytes, those of type lines and csv may be larger`;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

function readFailure(path: string, cause: unknown): Error {
  if (cause instanceof Error && cause.name === "DiagnosticError") return cause;
  const reasons: Record<string, string> = { ENOENT: "no such file", EACCES: "no permission", EPERM: "no permission" };
  const reason = reasons[codeOf(cause) ?? ""] ?? (cause instanceof Error ? cause.message : String(cause));
  return new Disconnected(`Cannot read "${path}": ${reason}`, { cause });
}
