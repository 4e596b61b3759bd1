/**
 * Writes the messages of one path, and starts a new file when the current one is due.
 * @module
 */
import { rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Logger } from "../../src/connector/context.ts";
import type { Payload } from "../../src/connector/sink.ts";
import { flushFolder, OutputFile, type OutputOptions } from "./output_file.ts";
import { byteLength } from "./record_format.ts";
import { prefixed, suffixed } from "./rolled_name.ts";

export interface WriterOptions {
  readonly rollingInterval: number;
  readonly rollingCount: number;
  readonly rollingSize: number;
  readonly rollingNamePattern: "" | "prefix" | "suffix" | "none";
  /** With `durability` `power`. */
  readonly flushes: boolean;
  readonly output: OutputOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A file that was closed to make room for others, to be gone on with. */
export interface RestedFile {
  readonly path: string;
  readonly started: number;
  readonly messages: number;
}

/**
 * Messages count as written when the operating system has them, and with `flushes` when the disk has them, and the file
 * its name there. Closing and each roll force them to the disk in either case.
 */
export class FileWriter {
  readonly #options: WriterOptions;
  readonly #path: string;
  /** Undefined while the next one cannot be opened. */
  #file: OutputFile | undefined;
  /** Writes and rolls happen one after the other; the last one that was started. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelAge: () => void = () => {};

  private constructor(path: string, file: OutputFile, options: WriterOptions) {
    this.#path = path;
    this.#file = file;
    this.#options = options;
    this.#watchAge();
  }

  /** Throws as {@linkcode OutputFile.open}. */
  static async open(path: string, truncate: boolean, options: WriterOptions, rested?: RestedFile): Promise<FileWriter> {
    if (rested === undefined) return new FileWriter(path, await openNew(path, truncate, options), options);
    const file = await OutputFile.open(rested.path, rested.started, false, options.output);
    file.messages = rested.messages;
    return new FileWriter(path, file, options);
  }

  /**
   * Tells `progress` how many messages are written, from time to time; throws as {@linkcode OutputFile.append}, and
   * with the signal's reason.
   */
  write(messages: readonly Payload[], signal: AbortSignal, progress: (written: number) => void): Promise<void> {
    return this.#inTurn(async () => {
      let next = 0;
      while (next < messages.length) {
        signal.throwIfAborted();
        let file = this.#file ?? await this.#openNext();
        if (!await file.continue(messages)) file = await this.#putAside(file);
        const end = this.#endOfPart(file, messages, next);
        await file.append(messages.slice(next, end), messages);
        // A second try of a flush that failed would tell nothing: the messages are written again.
        if (this.#options.flushes) await file.flush();
        next = end;
        progress(next);
        if (this.#isFull(file)) await this.#roll(file);
      }
    });
  }

  /** Gives what is needed to go on with the file. */
  close(): Promise<RestedFile | undefined> {
    this.#cancelAge();
    return this.#inTurn(async () => {
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
      return file;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    // The caller sees a failure; the next in turn must not fail with it.
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** The index after the last message that still belongs into the current file. */
  #endOfPart(file: OutputFile, messages: readonly Payload[], start: number): number {
    const { rollingCount, rollingSize } = this.#options;
    const byCount = rollingCount === 0
      ? messages.length
      : Math.min(messages.length, start + Math.max(1, rollingCount - file.messages));
    if (rollingSize === 0) return byCount;
    let { bytes } = file;
    for (let i = start; i < byCount; i++) {
      bytes += byteLength(messages[i]!) + 1;
      if (bytes >= rollingSize) return i + 1;
    }
    return byCount;
  }

  #isFull({ messages, bytes }: OutputFile): boolean {
    const { rollingCount, rollingSize } = this.#options;
    return (rollingCount > 0 && messages >= rollingCount) || (rollingSize > 0 && bytes >= rollingSize);
  }

  /** A file that cannot get its name is written on: its messages are in it, and must not be written again for that. */
  async #roll(old: OutputFile): Promise<void> {
    this.#file = undefined;
    try {
      await old.close();
      if (this.#options.rollingNamePattern === "") await this.#rename(old);
    } catch (error) {
      this.#options.log.error("Cannot finish a full file", { path: old.path, reason: (error as Error).message });
    }
    await this.#openNext();
  }

  /** One that cannot be gone on with is kept as it is, under another name. */
  async #putAside(file: OutputFile): Promise<OutputFile> {
    const { path } = file;
    this.#options.log.warn("A file was written in another way, and is kept under another name", { path });
    this.#file = undefined;
    await file.abandon();
    await this.#rename(file);
    return await this.#openNext();
  }

  async #rename({ path, started }: OutputFile): Promise<void> {
    await rename(path, await freeName(suffixed, path, started));
    if (this.#options.flushes) await flushFolder(dirname(path));
  }

  async #openNext(): Promise<OutputFile> {
    const file = await openNew(this.#path, this.#options.rollingNamePattern === "none", this.#options);
    this.#file = file;
    this.#watchAge();
    return file;
  }

  /** Rolls the current file when its time has come, also if no more messages arrive. */
  #watchAge(from = this.#file?.started ?? 0): void {
    this.#cancelAge();
    const { rollingInterval, clock, log } = this.#options;
    const due = this.#file;
    if (rollingInterval === 0 || due === undefined) return;
    // A clock that was set back makes no file older than it should be.
    const wait = Math.min(rollingInterval, Math.max(0, from + rollingInterval - clock.now()));
    this.#cancelAge = clock.after(wait, () => {
      this.#inTurn(async () => {
        if (this.#file !== due) return;
        // An empty file is not worth a name of its own.
        if (due.messages > 0) await this.#roll(due);
        else this.#watchAge(clock.now());
      }).catch((error) => {
        log.error("Cannot start a new file", { path: this.#path, error: (error as Error).message });
      });
    });
  }
}

async function openNew(base: string, truncate: boolean, options: WriterOptions): Promise<OutputFile> {
  const { rollingNamePattern: pattern, clock, output } = options;
  const now = clock.now();
  const path = pattern === "prefix" || pattern === "suffix"
    ? await freeName(pattern === "prefix" ? prefixed : suffixed, base, now)
    : base;
  return await OutputFile.open(path, now, truncate, output);
}

/** The name for a file of this time; where one exists, of the next free millisecond. */
async function freeName(name: (path: string, ms: number) => string, path: string, ms: number): Promise<string> {
  for (let at = ms;; at++) {
    const candidate = name(path, at);
    const exists = await stat(candidate).then(() => true, () => false);
    if (!exists) return candidate;
  }
}
