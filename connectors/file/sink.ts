/**
 * Appends messages to a file, a line each, and starts a new file when the current one is due.
 * @module
 */
import { Buffer } from "node:buffer";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import type { sinkSettings } from "./mod.ts";
import { prefixed, suffixed } from "./rolled_name.ts";

type SinkSettings = InferOutput<typeof sinkSettings>;

/** How long to wait for someone to make room on a full disk. */
const diskFullRetryMs = 5000;

const newline = 0x0a;

/** The file being written. */
interface CurrentFile {
  readonly handle: FileHandle;
  readonly path: string;
  /** Unix milliseconds. */
  readonly started: number;
  messages: number;
  bytes: number;
  closed: boolean;
}

/**
 * A batch counts as written when the operating system has it; `close` and each roll also force it to the disk. On a
 * full disk, the part of a batch that found room is taken back before the error, so that no half line stays.
 */
export class FileSink implements PayloadSink {
  readonly #settings: SinkSettings;
  readonly #context: ConnectorContext;
  readonly #path: string;
  #file: CurrentFile;
  /** Writes and rolls happen one after the other; the last one that was started. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelAge: () => void = () => {};

  private constructor(settings: SinkSettings, context: ConnectorContext, path: string, file: CurrentFile) {
    this.#settings = settings;
    this.#context = context;
    this.#path = path;
    this.#file = file;
    this.#watchAge();
  }

  /**
   * @throws {DiagnosticError} E403 when the path is a folder or not allowed.
   * @throws {Disconnected} when the file cannot be opened now.
   */
  static async open(settings: SinkSettings, context: ConnectorContext): Promise<FileSink> {
    const path = context.resolvePath?.(settings.path) ?? resolve(settings.path);
    const truncate = settings.ifExists === "truncate";
    return new FileSink(settings, context, path, await openFile(path, settings, context.clock.now(), truncate));
  }

  write(batch: readonly Payload[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return this.#inTurn(async () => {
      for (let next = 0; next < batch.length;) {
        signal.throwIfAborted();
        const end = this.#endOfPart(batch, next);
        await this.#append(batch.slice(next, end));
        next = end;
        if (this.#isFull()) await this.#roll();
      }
    });
  }

  close(): Promise<void> {
    this.#cancelAge();
    return this.#inTurn(() => closeFile(this.#file));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    // The caller sees a failure; the next in turn must not fail with it.
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** The index after the last message that still belongs into the current file. */
  #endOfPart(batch: readonly Payload[], start: number): number {
    const { rollingCount, rollingSize } = this.#settings;
    const byCount = rollingCount === 0
      ? batch.length
      : Math.min(batch.length, start + rollingCount - this.#file.messages);
    if (rollingSize === 0) return byCount;
    let bytes = this.#file.bytes;
    for (let i = start; i < byCount; i++) {
      bytes += byteLength(batch[i]!) + 1;
      if (bytes >= rollingSize) return i + 1;
    }
    return byCount;
  }

  async #append(messages: readonly Payload[]): Promise<void> {
    const file = this.#file;
    const data = linesOf(messages);
    try {
      for (let written = 0; written < data.length;) {
        written += (await file.handle.write(data, written, data.length - written)).bytesWritten;
      }
    } catch (error) {
      await file.handle.truncate(file.bytes).catch(() => {});
      throw writeFailure(file.path, error);
    }
    file.bytes += data.length;
    file.messages += messages.length;
  }

  #isFull(): boolean {
    const { rollingCount, rollingSize } = this.#settings;
    const { messages, bytes } = this.#file;
    return (rollingCount > 0 && messages >= rollingCount) || (rollingSize > 0 && bytes >= rollingSize);
  }

  async #roll(): Promise<void> {
    const old = this.#file;
    const { rollingNamePattern } = this.#settings;
    try {
      await closeFile(old);
      if (rollingNamePattern === "") await rename(old.path, await freeName(suffixed, old.path, old.started));
    } catch (error) {
      throw writeFailure(old.path, error);
    }
    const truncate = rollingNamePattern === "none";
    this.#file = await openFile(this.#path, this.#settings, this.#context.clock.now(), truncate);
    this.#watchAge();
  }

  /** Rolls the current file when its time has come, also if no more messages arrive. */
  #watchAge(): void {
    this.#cancelAge();
    const { rollingInterval } = this.#settings;
    if (rollingInterval === 0) return;
    this.#cancelAge = this.#context.clock.after(rollingInterval, () => {
      const due = this.#file;
      this.#inTurn(async () => {
        if (this.#file !== due) return;
        // An empty file is not worth a name of its own.
        if (due.messages > 0) await this.#roll();
        else this.#watchAge();
      }).catch((error) => {
        this.#context.log.error("cannot start a new file", { path: this.#path, error: (error as Error).message });
      });
    });
  }
}

const lineBreak = Buffer.from("\n");

function linesOf(messages: readonly Payload[]): Uint8Array {
  if (messages.every((message) => typeof message === "string")) return Buffer.from(`${messages.join("\n")}\n`);
  return Buffer.concat(messages.flatMap((message) => [bytesOf(message), lineBreak]));
}

function bytesOf(message: Payload): Uint8Array {
  return typeof message === "string" ? Buffer.from(message) : message;
}

function byteLength(message: Payload): number {
  return typeof message === "string" ? Buffer.byteLength(message) : message.length;
}

async function openFile(base: string, settings: SinkSettings, now: number, truncate: boolean): Promise<CurrentFile> {
  const { rollingNamePattern } = settings;
  let path = base;
  try {
    await mkdir(dirname(base), { recursive: true });
    if (rollingNamePattern === "prefix") path = await freeName(prefixed, base, now);
    if (rollingNamePattern === "suffix") path = await freeName(suffixed, base, now);
    const handle = await open(path, "a+");
    try {
      return { handle, path, started: now, messages: 0, bytes: await prepare(handle, truncate), closed: false };
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

/** Empties the file or makes it end with a whole line; its size then. */
async function prepare(handle: FileHandle, truncate: boolean): Promise<number> {
  const { size } = await handle.stat();
  if (truncate) {
    await handle.truncate(0);
    return 0;
  }
  if (size === 0) return 0;
  const end = Buffer.alloc(1);
  await handle.read(end, 0, 1, size - 1);
  if (end[0] === newline) return size;
  // A killed process left half a line: the next message must not be glued to it.
  await handle.write(lineBreak);
  return size + 1;
}

/** A file whose roll failed half-way is closed already. */
async function closeFile(file: CurrentFile): Promise<void> {
  if (file.closed) return;
  file.closed = true;
  try {
    await file.handle.datasync().catch((error) => {
      // Pipes and devices have nothing to force.
      if ((error as { code?: string }).code !== "EINVAL") throw error;
    });
  } finally {
    await file.handle.close();
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
