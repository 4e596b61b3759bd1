/**
 * Appends messages to a file, a line each, and starts a new file when the current one is due.
 * @module
 */
import { Buffer } from "node:buffer";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import type { sinkSettings } from "./mod.ts";
import { prefixed, suffixed } from "./rolled_name.ts";

type SinkSettings = InferOutput<typeof sinkSettings>;
type SinkContext = ConnectorContext & Pick<OpenContext, "durability">;

/** How long to wait for someone to make room on a full disk. */
const diskFullRetryMs = 5000;

const newline = 0x0a;

/** A line cut off by a crash may be so long to be known again in the message that it is the beginning of. */
const tornLineBytesMax = 1024 * 1024;

/** The file being written. */
interface CurrentFile {
  readonly handle: FileHandle;
  readonly path: string;
  /** Unix milliseconds. */
  readonly started: number;
  messages: number;
  bytes: number;
  /** False when it may end with half a line: found so, or left so by a write that failed. */
  isWhole: boolean;
}

/** The part of a batch that was written before the rest of it failed. */
interface Begun {
  readonly batch: readonly Payload[];
  readonly ids: readonly string[] | undefined;
  readonly count: number;
}

/**
 * A batch counts as written when the operating system has it, and with durability `power` when the disk has it, and the
 * file its name there. `close` and each roll force it to the disk in either case. On a full disk, the part of a batch
 * that found room is taken back before the error, so that no half line stays.
 */
export class FileSink implements PayloadSink {
  readonly #settings: SinkSettings;
  readonly #context: SinkContext;
  readonly #path: string;
  /** Undefined while the next one cannot be opened. */
  #file: CurrentFile | undefined;
  #begun: Begun | undefined;
  /** Writes and rolls happen one after the other; the last one that was started. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelAge: () => void = () => {};

  private constructor(settings: SinkSettings, context: SinkContext, path: string, file: CurrentFile) {
    this.#settings = settings;
    this.#context = context;
    this.#path = path;
    this.#file = file;
    this.#watchAge();
  }

  /**
   * @throws {DiagnosticError} E403 when the path is a folder or not allowed.
   * @throws {Disconnected} when the file cannot be opened now.
   * @throws {RetryLater} when the disk is full.
   */
  static async open(settings: SinkSettings, context: SinkContext): Promise<FileSink> {
    const path = context.resolvePath?.(settings.path) ?? resolve(settings.path);
    const truncate = settings.ifExists === "truncate";
    return new FileSink(settings, context, path, await openFile(path, settings, context, truncate));
  }

  write(batch: readonly Payload[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return this.#inTurn(async () => {
      let next = this.#alreadyWritten(batch, ids);
      try {
        while (next < batch.length) {
          signal.throwIfAborted();
          const file = this.#file ?? await this.#openNext();
          const end = this.#endOfPart(file, batch, next);
          await append(file, batch.slice(next, end), batch);
          // A second try of a flush that failed would tell nothing: the messages are written again.
          if (this.#context.durability === "power") await flush(file);
          next = end;
          if (this.#isFull(file)) await this.#roll(file);
        }
      } catch (error) {
        this.#begun = { batch, ids, count: next };
        throw error;
      }
    });
  }

  close(): Promise<void> {
    this.#cancelAge();
    return this.#inTurn(async () => {
      const file = this.#file;
      this.#file = undefined;
      if (file !== undefined) await closeFile(file);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    // The caller sees a failure; the next in turn must not fail with it.
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** How many messages stand in the file already, of a batch that comes again since the rest of it failed. */
  #alreadyWritten(batch: readonly Payload[], ids: readonly string[] | undefined): number {
    const begun = this.#begun;
    this.#begun = undefined;
    if (begun === undefined) return 0;
    const { count, ids: known } = begun;
    const isSame = ids === undefined || known === undefined
      ? batch === begun.batch
      : ids[0] === known[0] && ids[count - 1] === known[count - 1];
    return isSame ? count : 0;
  }

  /** The index after the last message that still belongs into the current file. */
  #endOfPart(file: CurrentFile, batch: readonly Payload[], start: number): number {
    const { rollingCount, rollingSize } = this.#settings;
    const byCount = rollingCount === 0 ? batch.length : Math.min(batch.length, start + rollingCount - file.messages);
    if (rollingSize === 0) return byCount;
    let { bytes } = file;
    for (let i = start; i < byCount; i++) {
      bytes += byteLength(batch[i]!) + 1;
      if (bytes >= rollingSize) return i + 1;
    }
    return byCount;
  }

  #isFull({ messages, bytes }: CurrentFile): boolean {
    const { rollingCount, rollingSize } = this.#settings;
    return (rollingCount > 0 && messages >= rollingCount) || (rollingSize > 0 && bytes >= rollingSize);
  }

  /** A file that cannot get its name is written on: its messages are in it, and must not be written again for that. */
  async #roll(old: CurrentFile): Promise<void> {
    const { rollingNamePattern } = this.#settings;
    this.#file = undefined;
    try {
      await closeFile(old);
      if (rollingNamePattern === "") {
        await rename(old.path, await freeName(suffixed, old.path, old.started));
        if (this.#context.durability === "power") await flushFolder(dirname(old.path));
      }
    } catch (error) {
      this.#context.log.error("Cannot finish a full file", { path: old.path, reason: (error as Error).message });
    }
    await this.#openNext();
  }

  async #openNext(): Promise<CurrentFile> {
    const truncate = this.#settings.rollingNamePattern === "none";
    const file = await openFile(this.#path, this.#settings, this.#context, truncate);
    this.#file = file;
    this.#watchAge();
    return file;
  }

  /** Rolls the current file when its time has come, also if no more messages arrive. */
  #watchAge(): void {
    this.#cancelAge();
    const { rollingInterval } = this.#settings;
    if (rollingInterval === 0) return;
    this.#cancelAge = this.#context.clock.after(rollingInterval, () => {
      const due = this.#file;
      this.#inTurn(async () => {
        if (due === undefined || this.#file !== due) return;
        // An empty file is not worth a name of its own.
        if (due.messages > 0) await this.#roll(due);
        else this.#watchAge();
      }).catch((error) => {
        this.#context.log.error("Cannot start a new file", { path: this.#path, error: (error as Error).message });
      });
    });
  }
}

/** `batch` has the messages, and those in front of and behind them that belong to other files. */
async function append(file: CurrentFile, messages: readonly Payload[], batch: readonly Payload[]): Promise<void> {
  let data: Uint8Array = linesOf(messages);
  try {
    if (await endsTorn(file, batch)) data = Buffer.concat([lineBreak, data]);
    for (let written = 0; written < data.length;) {
      written += (await file.handle.write(data, written, data.length - written)).bytesWritten;
    }
  } catch (error) {
    await takeBack(file, data, batch);
    throw writeFailure(file.path, error);
  }
  file.isWhole = true;
  file.bytes += data.length;
  file.messages += messages.length;
}

/** Leaves the file as it was before a write that failed, or at least no half line at its end. */
async function takeBack(file: CurrentFile, data: Uint8Array, batch: readonly Payload[]): Promise<void> {
  try {
    const { size } = await file.handle.stat();
    // How much of it was written, a failed write does not tell.
    const added = size - file.bytes;
    if (
      added >= 0 && added <= data.length &&
      (await readEnd(file.handle, file.bytes, size)).equals(data.subarray(0, added))
    ) {
      return await file.handle.truncate(file.bytes);
    }
    // Others write to the same file: only what is known to be ours may go.
    file.isWhole = false;
    await endsTorn(file, batch);
  } catch {
    file.isWhole = false;
  }
}

async function readEnd(handle: FileHandle, start: number, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size - start);
  let read = 0;
  while (read < bytes.length) {
    const { bytesRead } = await handle.read(bytes, read, bytes.length - read, start + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

/**
 * True when the file ends with a line that has no end, and that stays: whoever wrote it, it may be all there was to say.
 * A line that a message of the batch begins with is what a crash left of that message, and goes.
 */
async function endsTorn(file: CurrentFile, batch: readonly Payload[]): Promise<boolean> {
  if (file.isWhole) return false;
  const { size } = await file.handle.stat();
  file.bytes = size;
  const [last] = await readEnd(file.handle, Math.max(0, size - 1), size);
  if (last !== undefined && last !== newline) {
    const start = Math.max(0, size - tornLineBytesMax);
    const tail = await readEnd(file.handle, start, size);
    const lineStart = tail.lastIndexOf(newline) + 1;
    const torn = tail.subarray(lineStart);
    const isOwn = (lineStart > 0 || start === 0) &&
      batch.some((message) =>
        byteLength(message) > torn.length && bytesOf(message).subarray(0, torn.length).equals(torn)
      );
    if (!isOwn) return true;
    await file.handle.truncate(size - torn.length);
    file.bytes = size - torn.length;
  }
  file.isWhole = true;
  return false;
}

const lineBreak = Buffer.from("\n");

function linesOf(messages: readonly Payload[]): Uint8Array {
  if (messages.every((message) => typeof message === "string")) return Buffer.from(`${messages.join("\n")}\n`);
  return Buffer.concat(messages.flatMap((message) => [bytesOf(message), lineBreak]));
}

function bytesOf(message: Payload): Buffer {
  return typeof message === "string"
    ? Buffer.from(message)
    : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
}

function byteLength(message: Payload): number {
  return typeof message === "string" ? Buffer.byteLength(message) : message.length;
}

async function openFile(
  base: string,
  { rollingNamePattern }: SinkSettings,
  { clock, durability }: SinkContext,
  truncate: boolean,
): Promise<CurrentFile> {
  const now = clock.now();
  let path = base;
  try {
    const made = await mkdir(dirname(base), { recursive: true });
    if (rollingNamePattern === "prefix") path = await freeName(prefixed, base, now);
    if (rollingNamePattern === "suffix") path = await freeName(suffixed, base, now);
    const handle = await open(path, "a+");
    try {
      if (durability === "power") await flushFolders(dirname(base), made);
      if (truncate) await handle.truncate(0);
      const { size } = await handle.stat();
      // What it ends with is looked at when something is written behind it.
      return { handle, path, started: now, messages: 0, bytes: size, isWhole: size === 0 };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    if ((error as { code?: string }).code === "EISDIR") {
      refuseSetting("path", `Cannot write to "${path}": found a folder, wanted a file`);
    }
    throw writeFailure(path, error);
  }
}

async function closeFile({ handle }: CurrentFile): Promise<void> {
  try {
    await handle.datasync().catch(unlessUnable);
  } finally {
    await handle.close();
  }
}

/** Returns when the disk has what was written. */
async function flush({ handle, path }: CurrentFile): Promise<void> {
  await handle.datasync().catch(unlessUnable).catch((error) => {
    throw writeFailure(path, error);
  });
}

/** Pipes, devices, and the folders of some file systems have nothing to force. */
function unlessUnable(error: unknown): void {
  if ((error as { code?: string }).code !== "EINVAL") throw error;
}

/** Returns when the disk has the names in a folder, and, where folders were made, those on the way to it. */
async function flushFolders(folder: string, firstMade: string | undefined): Promise<void> {
  const first = firstMade === undefined ? folder : dirname(firstMade);
  for (let each = folder;; each = dirname(each)) {
    await flushFolder(each);
    if (each.length <= first.length) return;
  }
}

async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync().catch(unlessUnable);
  } finally {
    await handle.close();
  }
}

/** The name for a file of this time; where one exists, of the next free millisecond. */
async function freeName(name: (path: string, ms: number) => string, path: string, ms: number): Promise<string> {
  for (let at = ms;; at++) {
    const candidate = name(path, at);
    const exists = await stat(candidate).then(() => true, () => false);
    if (!exists) return candidate;
  }
}

function writeFailure(path: string, cause: unknown): Error {
  const { code, message } = cause as { code?: string; message: string };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new RetryLater(`Cannot write to "${path}": no space left on the disk`, diskFullRetryMs, { cause });
  }
  const reasons: Record<string, string> = { EACCES: "no permission", EPERM: "no permission", EROFS: "read-only disk" };
  return new Disconnected(`Cannot write to "${path}": ${reasons[code ?? ""] ?? message}`, { cause });
}
