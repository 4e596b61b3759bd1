/**
 * Reads the files of a folder, one after the other, those that have waited longest first; then waits for new ones and for
 * those that change, or begins again after an interval.
 *
 * Invariants: a file is read once as it is, and again when it is another one by then: from where it had been read where it
 * has only grown, else from its start. One that cannot be read holds up no other. Behind a position come the files, and
 * the rows of the file that was under way, that were not in front of it.
 * @module
 */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { InferOutput } from "valibot";
import * as v from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, EndOfInput } from "../../src/connector/errors.ts";
import type { Source, SourceBatch } from "../../src/connector/source.ts";
import type { sourceSettings } from "./mod.ts";
import { FileSource } from "./source.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

/** How often to look for new files, at least; a folder that takes long to look through is looked at less often. */
const lookMs = 500;
const lookShare = 20;

/** A file that was written so lately may still be on its way, unless it looked the same the last time. */
const settleMs = 1000;

/** Positions name so many files that were read; the others are known by the time of their last change. */
const namedMax = 500;
const namesMax = 900;

/** Positions inside of so many files that were read last are kept, in case they grow. */
const grownMax = 8;
const grownInMemoryMax = 10_000;

/** A file as it was found. */
interface Found {
  readonly name: string;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** Also set by a rename and a change of permissions, and never by hand. */
  readonly ctimeMs: number;
}

const positionSchema = v.strictObject({
  folder: v.string(),
  /** Marks of the states of files that were read. */
  read: v.array(v.string()),
  /** Files whose last change was before, Unix milliseconds, have been read too. */
  readUntilMs: v.number(),
  /** Positions behind the ends of files that were read, the latest last. */
  ends: v.array(v.tuple([v.string(), v.string()])),
  /** The file that is being read, with the position inside of it. */
  current: v.optional(v.tuple([v.string(), v.string()])),
});

type FolderPosition = v.InferOutput<typeof positionSchema>;

export class FolderSource implements Source {
  readonly #settings: SourceSettings;
  readonly #context: OpenContext;
  readonly #folder: string;
  /** The files that were read, or that cannot be read, by their state; with the time of their last change. */
  readonly #read = new Map<string, { readonly mark: string; ctimeMs: number }>();
  /** Those from before a restart, until the folder has been looked through. */
  #marks: ReadonlySet<string> = new Set();
  #readUntilMs = -Infinity;
  /** Positions behind the ends of files, by name. */
  readonly #ends = new Map<string, string>();
  /** The file that a restart interrupted. */
  #interrupted: readonly [string, string] | undefined;
  #waiting: Found[] = [];
  #current: { readonly found: Found; readonly source: FileSource; position: string | undefined } | undefined;
  /** What was found last, by name: a file has settled that is the same twice. */
  #seen = new Map<string, string>();
  #looks = 0;

  constructor(settings: SourceSettings, context: OpenContext, folder: string) {
    this.#settings = settings;
    this.#context = context;
    this.#folder = folder;
    if (context.position === undefined) return;
    const position = parse(context.position);
    if (position?.folder !== folder) {
      context.log.warn("A folder is read from its start: the position makes no sense", { path: folder });
      return;
    }
    this.#marks = new Set(position.read);
    for (const [name, end] of position.ends) this.#ends.set(name, end);
    this.#interrupted = position.current;
    if (position.readUntilMs <= context.clock.now()) this.#readUntilMs = position.readUntilMs;
    else {
      context.log.warn("The clock was set back: files of a folder whose names are not in the position are read again", {
        path: folder,
      });
    }
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    while (true) {
      signal.throwIfAborted();
      if (this.#current === undefined && !await this.#openNext()) {
        await this.#look(signal);
        continue;
      }
      const batch = await this.#readCurrent(signal);
      if (batch !== undefined) return batch;
    }
  }

  async close(): Promise<void> {
    await this.#current?.source.close();
    this.#current = undefined;
  }

  // ---------------------------------------------------------------- one file

  /** False when there is none. */
  async #openNext(): Promise<boolean> {
    const found = this.#waiting.shift();
    if (found === undefined) return false;
    const { name } = found;
    const position = this.#interrupted?.[0] === name ? this.#interrupted[1] : this.#ends.get(name);
    this.#interrupted = undefined;
    const settings = { ...this.#settings, path: "", datasource: join(this.#folder, name), interval: 0 };
    const { position: _, ...context } = this.#context;
    try {
      // Positions are needed for files that grow, too.
      const resume = { ...context, keepsPosition: true, ...(position === undefined ? {} : { position }) };
      const source = await FileSource.open(settings, resume);
      this.#current = { found, source, position };
    } catch (error) {
      this.#giveUp(found, error);
    }
    return true;
  }

  async #readCurrent(signal: AbortSignal): Promise<SourceBatch | undefined> {
    const current = this.#current!;
    const { found, source } = current;
    try {
      const batch = await source.read(signal);
      current.position = batch.position ?? current.position;
      return this.#withPosition(batch);
    } catch (error) {
      signal.throwIfAborted();
      this.#current = undefined;
      await source.close();
      if (error instanceof EndOfInput) this.#finished(found, current.position);
      else this.#giveUp(found, error);
      return undefined;
    }
  }

  #finished(found: Found, position: string | undefined): void {
    this.#remember(stateOf(found), found.ctimeMs);
    if (position === undefined) return;
    this.#ends.delete(found.name);
    this.#ends.set(found.name, position);
    if (this.#ends.size > grownInMemoryMax) this.#ends.delete(this.#ends.keys().next().value!);
  }

  /** It is tried again when it has changed; a change of its permissions counts as one. */
  #giveUp(found: Found, error: unknown): void {
    if (!(error instanceof Disconnected)) throw error;
    const isGone = (error.cause as { code?: string } | undefined)?.code === "ENOENT";
    if (isGone) return;
    this.#remember(brokenStateOf(found), found.ctimeMs);
    this.#context.log.error("A file is left out until it changes", {
      path: join(this.#folder, found.name),
      reason: error.message,
    });
  }

  #remember(state: string, ctimeMs: number): void {
    this.#read.set(state, { mark: markOf(state), ctimeMs });
  }

  // ---------------------------------------------------------------- the folder

  async #look(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const { interval, actionAfterRead } = this.#settings;
    if (this.#looks > 0 && interval > 0) {
      await clock.sleep(interval, signal);
      if (actionAfterRead === 0) {
        this.#read.clear();
        this.#ends.clear();
      }
    }
    const started = performance.now();
    const all = await this.#found();
    const took = performance.now() - started;
    const isFirst = this.#looks++ === 0;
    const fresh = all.filter((found) => !this.#isKnown(found));
    const seen = new Map(all.map((found) => [found.name, stateOf(found)]));
    const hasSettled = (found: Found) =>
      clock.now() - found.mtimeMs >= settleMs || this.#seen.get(found.name) === stateOf(found);
    this.#waiting = fresh.filter(hasSettled).sort((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1));
    this.#waitForInterrupted(all);
    this.#seen = seen;
    this.#forget(all);
    if (this.#waiting.length > 0) return;
    // What has not settled is looked at again soon, also before the first interval.
    if (interval === 0 || fresh.length > 0) await clock.sleep(Math.max(lookMs, took * lookShare), signal);
    if (fresh.length > 0 && isFirst) this.#looks = 0;
  }

  /** The file that a restart interrupted comes first. */
  #waitForInterrupted(all: readonly Found[]): void {
    const name = this.#interrupted?.[0];
    const found = all.find((each) => each.name === name);
    if (found === undefined) this.#interrupted = undefined;
    else this.#waiting = [found, ...this.#waiting.filter((each) => each !== found)];
  }

  async #found(): Promise<Found[]> {
    const all: Found[] = [];
    try {
      for (const name of await readdir(this.#folder)) {
        // Hidden files, and those that programs write before they give them their names.
        if (name.startsWith(".") || /\.(part|tmp)$/.test(name)) continue;
        const found = await stat(join(this.#folder, name)).catch(() => undefined);
        if (found === undefined || !found.isFile()) continue;
        const { ino, size, mtimeMs, ctimeMs } = found;
        all.push({ name, ino, size, mtimeMs, ctimeMs });
      }
    } catch (error) {
      throw new Disconnected(`Cannot read the folder "${this.#folder}": ${(error as Error).message}`, { cause: error });
    }
    return all;
  }

  #isKnown(found: Found): boolean {
    if (found.ctimeMs < this.#readUntilMs) return true;
    const states = [stateOf(found), brokenStateOf(found)];
    if (states.some((state) => this.#read.has(state))) return true;
    if (this.#marks.size === 0) return false;
    const state = states.find((each) => this.#marks.has(markOf(each)));
    if (state !== undefined) this.#remember(state, found.ctimeMs);
    return state !== undefined;
  }

  /** Files that are gone need no memory. */
  #forget(all: readonly Found[]): void {
    this.#marks = new Set();
    const there = new Map(all.flatMap((found) => [[stateOf(found), found], [brokenStateOf(found), found]]));
    for (const [state, known] of this.#read) {
      const found = there.get(state);
      if (found === undefined) this.#read.delete(state);
      else known.ctimeMs = found.ctimeMs;
    }
    const names = new Set(all.map(({ name }) => name));
    for (const name of this.#ends.keys()) if (!names.has(name)) this.#ends.delete(name);
  }

  // ---------------------------------------------------------------- positions

  #withPosition(batch: SourceBatch): SourceBatch {
    if (this.#context.keepsPosition === true) return { ...batch, position: this.#position() };
    const { position: _, ...rest } = batch;
    return rest as SourceBatch;
  }

  #position(): string {
    const current = this.#current!;
    let read = [...this.#read.values()];
    let readUntilMs = this.#readUntilMs;
    if (read.length > namedMax) {
      read.sort((a, b) => a.ctimeMs - b.ctimeMs);
      // The order of reading is that of another time, so that files which came before may still wait.
      const unread = this.#waiting.reduce((least, { ctimeMs }) => Math.min(least, ctimeMs), current.found.ctimeMs);
      readUntilMs = Math.max(readUntilMs, Math.min(read[read.length - namedMax]!.ctimeMs, unread));
      // Some file systems tell times by the second: all of one such time are named, or else read again.
      read = read.filter(({ ctimeMs }) => ctimeMs >= readUntilMs).slice(-namesMax);
    }
    const position: FolderPosition = {
      folder: this.#folder,
      read: read.map(({ mark }) => mark),
      readUntilMs: Number.isFinite(readUntilMs) ? readUntilMs : 0,
      ends: [...this.#ends].slice(-grownMax),
      ...(current.position === undefined ? {} : { current: [current.found.name, current.position] }),
    };
    return JSON.stringify(position);
  }
}

/** Tells a file, as it is, from others in the folder. */
function stateOf({ name, ino, size, mtimeMs }: Found): string {
  return `${name}\n${ino}\n${size}\n${mtimeMs}`;
}

/** Of one that cannot be read: a change of its permissions makes it another. */
function brokenStateOf(found: Found): string {
  return `${stateOf(found)}\n${found.ctimeMs}`;
}

/** Short, because positions hold many. */
function markOf(state: string): string {
  return createHash("sha256").update(state).digest("base64url").slice(0, 11);
}

function parse(text: string): FolderPosition | undefined {
  try {
    return v.parse(positionSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}
