/**
 * Reads a file completely, once or at intervals, and goes on where it stood.
 *
 * Invariants: a file is deleted or moved only after everything that was read of it has been acknowledged, and only when it
 * is still the file that was read. Behind a position come exactly the rows that were not in front of it; where the file is
 * another one by then, all of its rows.
 * @module
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, EndOfInput } from "../../src/connector/errors.ts";
import type { PayloadSlice, Source, SourceBatch, Struct } from "../../src/connector/source.ts";
import { type FileIdentity, removeRead } from "./after_read.ts";
import { FileContent } from "./content.ts";
import { Fingerprint } from "./fingerprint.ts";
import { sourcePath, type sourceSettings } from "./mod.ts";
import { itemsPerPortion, type Portion } from "./portions.ts";
import { type FilePosition, parsePosition, printPosition } from "./position.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

/**
 * Bytes of the file in batches that are not acknowledged: beyond it, reading waits. The engine holds its sources back,
 * too; this bounds the memory also where what it keeps is much larger or smaller than the bytes here.
 */
const bytesInFlightMax = 8 * 1024 * 1024;

/** Going through the file once. */
interface Pass {
  readonly handle: FileHandle;
  readonly identity: FileIdentity;
  readonly fingerprint: Fingerprint;
  readonly portions: AsyncGenerator<Portion>;
  /** What was read last, and how many items of it have been handed out. */
  portion: Portion;
  next: number;
  /** Behind the last item that was handed out; `torn` as in a position. */
  offset: number;
  torn: number | undefined;
  unacknowledged: number;
  /** The end has been reached, and whoever keeps positions has been told. */
  toldEnd: boolean;
  /** True once everything has been handed out. */
  done: boolean;
}

const nothing: Portion = { items: [], ends: [], isTorn: false };

export class FileSource implements Source {
  readonly #settings: SourceSettings;
  readonly #context: OpenContext;
  readonly #path: string;
  readonly #kind: string;
  readonly #moveTo: string | undefined;
  #pass: Pass | undefined;
  /** When the next item or the next pass is due, Unix milliseconds. */
  #due: number;
  /** How long the pause before it is, in milliseconds. */
  #pauseMs = 0;
  /** Passes that still have to be acknowledged. */
  readonly #open = new Set<Pass>();
  /** The file is being deleted or moved. */
  #removing: Promise<void> = Promise.resolve();
  /** The end of a file that could not be removed: what has been read of it must not be read again. */
  #kept: FilePosition | undefined;
  #ended = false;
  #bytesInFlight = 0;
  #acknowledged = Promise.withResolvers<void>();

  private constructor(settings: SourceSettings, context: OpenContext, path: string) {
    this.#settings = settings;
    this.#context = context;
    this.#path = path;
    this.#due = context.clock.now();
    const { actionAfterRead, moveTo, fileType, decompression } = settings;
    this.#kind = decompression === "" ? fileType : `${fileType}, ${decompression}`;
    this.#moveTo = actionAfterRead === 2 ? context.resolvePath?.(moveTo) ?? resolve(moveTo) : undefined;
  }

  /**
   * @throws {DiagnosticError} E403 for a path that is not allowed.
   * @throws {Disconnected} when the file is not there or cannot be read.
   */
  static async open(settings: SourceSettings, context: OpenContext): Promise<FileSource> {
    const source = new FileSource(settings, context, sourcePath(settings, context));
    await source.#start();
    return source;
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    signal.throwIfAborted();
    while (true) {
      if (this.#ended) throw new EndOfInput();
      const pass = await this.#currentPass(signal);
      if (pass === undefined) continue;
      await this.#fill(pass);
      if (pass.next === pass.portion.items.length) {
        if (this.#context.keepsPosition === true && !pass.toldEnd) return await this.#endBatch(pass);
        await this.#finish(pass);
        continue;
      }
      await this.#untilDue(signal);
      await this.#untilAcknowledged(signal);
      return await this.#batch(pass);
    }
  }

  async close(): Promise<void> {
    await this.#pass?.handle.close();
    this.#pass = undefined;
    await this.#removing;
  }

  // ---------------------------------------------------------------- passes

  async #start(): Promise<void> {
    const { position: text } = this.#context;
    if (text === undefined) {
      this.#pass = await this.#begin();
      return;
    }
    const position = parsePosition(text);
    const { actionAfterRead, interval } = this.#settings;
    if (position === undefined || position.path !== this.#path || position.kind !== this.#kind) {
      this.#tellReplaced(position === undefined ? "the position makes no sense" : `it was that of another file`);
      this.#pass = await this.#begin();
    } else if (position.done !== undefined && interval > 0 && actionAfterRead === 0) {
      // A clock that was set back must not delay the next pass.
      this.#pauseFrom(Math.min(this.#due, position.done.atMs), interval);
    } else {
      this.#pass = await this.#beginAgain(position);
    }
  }

  async #beginAgain(position: FilePosition): Promise<Pass | undefined> {
    try {
      return await this.#begin(position);
    } catch (error) {
      if (position.done === undefined || codeOf((error as Error).cause) !== "ENOENT") throw error;
      // It was deleted or moved as it should be, and the next one has not come.
      if (this.#settings.interval === 0) this.#ended = true;
      return undefined;
    }
  }

  /** Undefined when there is nothing to read at this interval. */
  async #currentPass(signal: AbortSignal): Promise<Pass | undefined> {
    if (this.#pass !== undefined) return this.#pass;
    await this.#untilDue(signal);
    await this.#removing;
    const { actionAfterRead, interval } = this.#settings;
    try {
      // What is still to be deleted or moved has been read already.
      if (actionAfterRead === 0 || this.#open.size === 0) return this.#pass = await this.#begin(this.#kept);
    } catch (error) {
      // The next file has not come yet.
      if (actionAfterRead === 0 || codeOf((error as Error).cause) !== "ENOENT") throw error;
    }
    this.#pauseFrom(this.#context.clock.now(), interval);
    return undefined;
  }

  /** Begins where `from` says, as far as it is the same file. */
  async #begin(from?: FilePosition): Promise<Pass> {
    let handle: FileHandle | undefined;
    try {
      const found = await stat(this.#path);
      // Opening a pipe would wait for its writer, and a device may have no end.
      if (!found.isFile()) throw new Error("it is not a regular file");
      handle = await open(this.#path);
      const { ino, size, mtimeMs } = await handle.stat();
      const pass = await this.#passFrom(from, handle, { ino, size, mtimeMs });
      this.#kept = undefined;
      this.#open.add(pass);
      return pass;
    } catch (error) {
      await handle?.close();
      throw readFailure(this.#path, error);
    }
  }

  async #passFrom(from: FilePosition | undefined, handle: FileHandle, identity: FileIdentity): Promise<Pass> {
    const content = new FileContent(this.#path, handle, identity.size, this.#settings, this.#context);
    const pass = {
      handle,
      identity,
      fingerprint: new Fingerprint(content.read),
      portions: content.portions(),
      portion: nothing,
      next: 0,
      offset: 0,
      torn: undefined,
      unacknowledged: 0,
      toldEnd: false,
      done: false,
    };
    if (from === undefined) return pass;
    const changed = await this.#changeOf(from, identity, await content.size(), pass.fingerprint);
    if (changed !== undefined) {
      this.#tellReplaced(changed, from);
      return { ...pass, fingerprint: new Fingerprint(content.read) };
    }
    const { done, offset, torn } = from;
    // A file that is as it was when all of it had been read needs no other look, and no other word.
    if (done !== undefined && done.size === identity.size) {
      return { ...pass, offset, torn, portions: content.portions(await content.size()), toldEnd: true };
    }
    return { ...pass, offset, torn, portions: content.portions(await content.placeBehind(offset, torn)) };
  }

  /** Why a position does not hold for the file that is there now; undefined when it does. */
  async #changeOf(
    position: FilePosition,
    { ino, size: bytes, mtimeMs }: FileIdentity,
    size: number,
    fingerprint: Fingerprint,
  ): Promise<string | undefined> {
    const { done, offset } = position;
    if (ino !== position.ino) return "another file has taken its place";
    if (size < offset) return "it is shorter than what was read of it";
    if (await fingerprint.upTo(offset) !== position.fingerprint) return "what was read of it has changed";
    const { fileType, actionAfterRead } = this.#settings;
    if (fileType === "raw" && size > offset) return "it has grown, and is one message";
    // Files that go when they were read come anew, also with the same content and at the same place on the disk.
    const isRewritten = done !== undefined && done.size === bytes && done.mtimeMs !== mtimeMs;
    if (actionAfterRead !== 0 && isRewritten) return "it was written anew";
    return undefined;
  }

  #tellReplaced(reason: string, from?: FilePosition): void {
    const { log } = this.#context;
    const fields = { path: this.#path, reason };
    // The next file at this path is what a reader that removes files waits for.
    const isNext = from?.done !== undefined && this.#settings.actionAfterRead !== 0;
    if (isNext) log.info("A new file is read", fields);
    else log.warn("A file is read from its start, not from where its reader stood", fields);
  }

  async #finish(pass: Pass): Promise<void> {
    this.#pass = undefined;
    pass.done = true;
    const { interval, actionAfterRead } = this.#settings;
    this.#pauseFrom(this.#context.clock.now(), interval);
    try {
      if (actionAfterRead !== 0) this.#kept = await this.#positionOf(pass, true);
    } finally {
      await pass.handle.close();
    }
    this.#settle(pass);
    if (interval === 0) this.#ended = true;
  }

  #settle(pass: Pass): void {
    if (!pass.done || pass.unacknowledged > 0 || !this.#open.delete(pass)) return;
    if (this.#settings.actionAfterRead === 0) return;
    const { log, clock } = this.#context;
    this.#removing = removeRead(this.#path, pass.identity, this.#moveTo, clock.now()).then(
      (removed) => {
        if (removed) this.#kept = undefined;
        else log.warn("A file changed while it was read, and stays", { path: this.#path });
      },
      (error) => log.error("Cannot remove a file that was read", { path: this.#path, reason: String(error) }),
    );
  }

  // ---------------------------------------------------------------- batches

  #pauseFrom(now: number, ms: number): void {
    this.#due = now + ms;
    this.#pauseMs = ms;
  }

  #untilDue(signal: AbortSignal): Promise<void> | void {
    // A clock that was set back makes no pause longer than it should be.
    const wait = Math.min(this.#due - this.#context.clock.now(), this.#pauseMs);
    if (wait > 0) return this.#context.clock.sleep(wait, signal);
  }

  async #untilAcknowledged(signal: AbortSignal): Promise<void> {
    while (this.#bytesInFlight >= bytesInFlightMax) {
      this.#acknowledged = Promise.withResolvers();
      const abort = () => this.#acknowledged.reject(signal.reason);
      signal.throwIfAborted();
      signal.addEventListener("abort", abort, { once: true });
      await this.#acknowledged.promise.finally(() => signal.removeEventListener("abort", abort));
    }
  }

  async #fill(pass: Pass): Promise<void> {
    try {
      while (pass.next === pass.portion.items.length) {
        const next = await pass.portions.next();
        if (next.done === true) return;
        pass.portion = next.value;
        pass.next = 0;
      }
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }

  async #batch(pass: Pass): Promise<SourceBatch> {
    const { sendInterval, fileType } = this.#settings;
    const { items: all, ends, isTorn } = pass.portion;
    const next = Math.min(all.length, pass.next + (sendInterval > 0 ? 1 : itemsPerPortion));
    const items = all.slice(pass.next, next);
    const begin = pass.offset;
    pass.offset = ends[next - 1]!;
    pass.torn = isTorn && next === all.length ? (next > 1 ? ends[next - 2]! : begin) : undefined;
    pass.next = next;
    if (sendInterval > 0) this.#pauseFrom(this.#context.clock.now(), sendInterval);
    const base = await this.#tracked(pass, pass.offset - begin, false);
    return fileType === "csv"
      ? { ...base, kind: "rows", rows: items as readonly Struct[] }
      : { ...base, kind: "payloads", payloads: items as readonly (Uint8Array | PayloadSlice)[] };
  }

  /** Says that all of the file has been read, for those who keep positions. */
  async #endBatch(pass: Pass): Promise<SourceBatch> {
    pass.toldEnd = true;
    const base = await this.#tracked(pass, 0, true);
    return this.#settings.fileType === "csv"
      ? { ...base, kind: "rows", rows: [] }
      : { ...base, kind: "payloads", payloads: [] };
  }

  /** What every batch has besides its items. */
  async #tracked(pass: Pass, bytes: number, isEnd: boolean): Promise<Pick<SourceBatch, "meta" | "ack" | "position">> {
    const position = this.#context.keepsPosition === true
      ? { position: printPosition(await this.#positionOf(pass, isEnd)) }
      : {};
    pass.unacknowledged++;
    this.#bytesInFlight += bytes;
    return {
      ...position,
      meta: () => ({ file: this.#path }),
      ack: () => {
        pass.unacknowledged--;
        this.#bytesInFlight -= bytes;
        this.#acknowledged.resolve();
        this.#settle(pass);
      },
    };
  }

  async #positionOf(pass: Pass, isEnd: boolean): Promise<FilePosition> {
    const { offset, torn, identity: { ino, size, mtimeMs } } = pass;
    try {
      return {
        path: this.#path,
        kind: this.#kind,
        ino,
        offset,
        ...(torn === undefined ? {} : { torn }),
        fingerprint: await pass.fingerprint.upTo(offset),
        ...(isEnd ? { done: { atMs: this.#context.clock.now(), size, mtimeMs } } : {}),
      };
    } catch (error) {
      throw readFailure(this.#path, error);
    }
  }
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
