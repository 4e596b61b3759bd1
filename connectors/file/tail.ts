/**
 * Follows a file that grows, such as a log: lines come as they are complete, and when the file is put aside and begun anew,
 * or emptied, reading goes on with what takes its place.
 *
 * Invariants: a line is handed out once and whole, and only then the position moves behind it. What is written to a file
 * after it was renamed is still read, until it has been quiet for some time. Files that were put aside while nobody read
 * them are read to their ends first, as long as they stand beside the file under names that begin like its own.
 * @module
 */
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { InferOutput } from "valibot";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import type { PayloadSlice, Source, SourceBatch, Struct } from "../../src/connector/source.ts";
import { FileContent, readBytes } from "./content.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { sourceSettings } from "./mod.ts";
import { type Item, itemsPerPortion, type Portion } from "./portions.ts";
import { type FilePosition, parsePosition, printPosition } from "./position.ts";

type SourceSettings = InferOutput<typeof sourceSettings>;

/** How often to look whether there is more. */
const lookMs = 250;

/** A file that was renamed counts as complete when nothing was added to it for so many looks. */
const quietLooks = 4;

/** A folder in which files are renamed all the time is looked at so often at most. */
const looksMax = 10;

/** So much in front of a place must still be as it was: a file that was emptied may be longer than before by then. */
const behindBytes = 256;

const newline = 0x0a;

/** The file that is read, by its path or, after it was renamed, without one. */
interface Followed {
  readonly handle: FileHandle;
  readonly path: string;
  readonly ino: number;
  fingerprint: Fingerprint;
  /** Behind the last line that was handed out. */
  offset: number;
  /** The bytes in front of `offset`. */
  behind: Uint8Array;
  /** How long it was when it was read last. */
  sizeSeen: number;
  /** True for one that was put aside before another one: nothing more comes. */
  readonly isLeft: boolean;
  looksSinceGone: number;
}

export class TailSource implements Source {
  readonly #settings: SourceSettings;
  readonly #context: OpenContext;
  readonly #path: string;
  #file: Followed | undefined;
  #portions: AsyncGenerator<Portion> | undefined;
  #portion: Portion = { items: [], ends: [], isTorn: false };
  #next = 0;
  /** The numbers of files that were put aside and are to be read, the oldest first. Their names change at each rotation. */
  #left: number[] = [];
  /** The number of the file that was read to its end last. */
  #before: number | undefined;
  /** Where the first of them, or the file itself, has been read to. */
  #from: FilePosition | undefined;
  /** The file is there already when it is opened for the first time. */
  #isFirst = true;
  /** A last line without an end is one, too: nothing will be added to it. */
  #takesTorn = false;
  #toldAbsent = false;
  #lastGiven = -Infinity;

  private constructor(settings: SourceSettings, context: OpenContext, path: string) {
    this.#settings = settings;
    this.#context = context;
    this.#path = path;
  }

  static async open(settings: SourceSettings, context: OpenContext, path: string): Promise<TailSource> {
    const source = new TailSource(settings, context, path);
    await source.#resume();
    return source;
  }

  async read(signal: AbortSignal): Promise<SourceBatch> {
    while (true) {
      signal.throwIfAborted();
      if (this.#next < this.#portion.items.length) return await this.#batch(signal);
      try {
        if (await this.#fill()) continue;
        if (await this.#goOn()) continue;
      } catch (error) {
        throw this.#failure(error);
      }
      await this.#context.clock.sleep(lookMs, signal);
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  // ---------------------------------------------------------------- which file

  async #resume(): Promise<void> {
    const { position: text, log } = this.#context;
    if (text === undefined) return;
    this.#isFirst = false;
    const position = parsePosition(text);
    if (position === undefined || position.path !== this.#path) {
      log.warn("A file is read from its start: the position is not of it", { path: this.#path });
      return;
    }
    this.#from = position;
    const found = await stat(this.#path).catch(() => undefined);
    if (found?.ino === position.ino) return;
    this.#left = await filesPutAside(this.#path, position.ino);
    if (this.#left.length > 0) return;
    this.#from = undefined;
    log.warn("A file was put aside, and is not there to be read to its end", { path: this.#path });
  }

  /** True when there is something to look at at once. */
  async #goOn(): Promise<boolean> {
    const file = this.#file;
    if (file === undefined) return await this.#openNext();
    const { size } = await file.handle.stat();
    if (await this.#wasEmptied(file, size)) {
      this.#context.log.info("A file was emptied, and is read from its start", { path: file.path });
      this.#rewind(file);
      return true;
    }
    if (size > file.sizeSeen) {
      this.#begin(file, size, false);
      return true;
    }
    if (!file.isLeft && !await this.#isGone(file)) {
      file.looksSinceGone = 0;
      return false;
    }
    if (!file.isLeft && ++file.looksSinceGone < quietLooks) return false;
    if (file.offset < size && !this.#takesTorn) {
      this.#begin(file, size, true);
      return true;
    }
    // Another one may have come and been put aside since the last look.
    if (this.#left.length === 0) this.#left = (await filesPutAside(this.#path, file.ino)).slice(1);
    await file.handle.close();
    this.#file = undefined;
    this.#before = file.ino;
    return true;
  }

  async #isGone({ ino }: Followed): Promise<boolean> {
    const found = await stat(this.#path).catch(() => undefined);
    return found?.ino !== ino;
  }

  async #wasEmptied(file: Followed, size: number): Promise<boolean> {
    if (size < file.offset) return true;
    // Only what was added says that something happened at all.
    if (size === file.sizeSeen || file.behind.length === 0) return false;
    const { length } = file.behind;
    const bytes = await readBytes(file.handle, file.offset - length, file.offset);
    return !bytes.every((byte, i) => byte === file.behind[i]);
  }

  #rewind(file: Followed): void {
    file.offset = 0;
    file.sizeSeen = 0;
    file.behind = new Uint8Array();
    file.fingerprint = new Fingerprint((start, end) => readBytes(file.handle, start, end));
    this.#portions = undefined;
  }

  /** The next one that was put aside, or the file itself; false while there is none that can be read. */
  async #openNext(): Promise<boolean> {
    const left = this.#left.shift();
    const path = left === undefined ? this.#path : await nameOf(this.#path, left);
    if (path === undefined) {
      this.#context.log.warn("A file that was put aside is gone before it was read", { path: this.#path });
      return true;
    }
    let handle: FileHandle | undefined;
    try {
      // Opening a pipe would wait for its writer.
      if (!(await stat(path)).isFile()) throw new Error("it is not a regular file");
      handle = await open(path);
      if (left === undefined ? await this.#hasMissed() : (await handle.stat()).ino !== left) {
        await handle.close();
        // It was renamed again in the meantime.
        if (left !== undefined) this.#left.unshift(left);
        return true;
      }
      // Its writer may not have noticed yet that the newest one was put aside.
      this.#file = await this.#follow(handle, path, this.#left.length > 0);
      this.#toldAbsent = false;
    } catch (error) {
      await handle?.close();
      // A reader that is opened anew would not know any more what it has read.
      if (!this.#toldAbsent) this.#context.log.warn("A file is waited for", { path, reason: (error as Error).message });
      this.#toldAbsent = true;
      this.#isFirst = false;
      return left !== undefined;
    }
    return true;
  }

  /** True when files were put aside between the end of the last one and the opening of the next: they come first. */
  async #hasMissed(): Promise<boolean> {
    if (this.#before !== undefined) this.#left = (await filesPutAside(this.#path, this.#before)).slice(1);
    return this.#left.length > 0;
  }

  async #follow(handle: FileHandle, path: string, isLeft: boolean): Promise<Followed> {
    const { ino, size } = await handle.stat();
    const read = (start: number, end: number) => readBytes(handle, start, end);
    const file: Followed = {
      handle,
      path,
      ino,
      fingerprint: new Fingerprint(read),
      offset: 0,
      behind: new Uint8Array(),
      sizeSeen: 0,
      isLeft,
      looksSinceGone: 0,
    };
    const from = this.#from;
    const isFirst = this.#isFirst;
    this.#from = undefined;
    this.#isFirst = false;
    this.#takesTorn = false;
    if (from === undefined) {
      if (isFirst && this.#settings.startAt === "end") await this.#moveTo(file, await lastLineEnd(read, size));
      return file;
    }
    const isSame = ino === from.ino && size >= from.offset &&
      await file.fingerprint.upTo(from.offset) === from.fingerprint;
    if (isSame) await this.#moveTo(file, from.offset);
    else {
      file.fingerprint = new Fingerprint(read);
      this.#context.log.warn("A file is read from its start, not from where its reader stood", { path });
    }
    return file;
  }

  async #moveTo(file: Followed, offset: number): Promise<void> {
    file.offset = offset;
    file.sizeSeen = offset;
    file.behind = await readBytes(file.handle, Math.max(0, offset - behindBytes), offset);
  }

  // ---------------------------------------------------------------- lines

  #begin(file: Followed, size: number, takesTorn: boolean): void {
    file.sizeSeen = size;
    file.looksSinceGone = 0;
    this.#takesTorn = takesTorn;
    const content = new FileContent(file.path, file.handle, size, this.#settings, this.#context, !takesTorn);
    this.#portions = content.portions(file.offset);
  }

  /** True when there is something to hand out. */
  async #fill(): Promise<boolean> {
    const file = this.#file;
    while (file !== undefined && this.#portions !== undefined) {
      const next = await this.#portions.next();
      if (next.done === true) {
        this.#portions = undefined;
        break;
      }
      const portion = next.value;
      this.#portion = portion.isTorn && !this.#takesTorn ? withoutLast(portion) : portion;
      this.#next = 0;
      if (this.#portion.items.length > 0) return true;
    }
    return false;
  }

  async #batch(signal: AbortSignal): Promise<SourceBatch> {
    const { sendInterval, fileType } = this.#settings;
    const { clock } = this.#context;
    const file = this.#file!;
    if (sendInterval > 0) {
      const pause = Math.min(this.#lastGiven + sendInterval - clock.now(), sendInterval);
      if (pause > 0) await clock.sleep(pause, signal);
      this.#lastGiven = clock.now();
    }
    const { items: all, ends } = this.#portion;
    const end = Math.min(all.length, this.#next + (sendInterval > 0 ? 1 : itemsPerPortion));
    const items: readonly Item[] = all.slice(this.#next, end);
    this.#next = end;
    file.offset = ends[end - 1]!;
    try {
      if (end === all.length) file.behind = await this.#bytesBehind(file);
      const { path } = file;
      const base = { meta: () => ({ file: path }), ...await this.#positionOf(file) };
      return fileType === "csv"
        ? { ...base, kind: "rows", rows: items as readonly Struct[] }
        : { ...base, kind: "payloads", payloads: items as readonly (Uint8Array | PayloadSlice)[] };
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #bytesBehind({ handle, offset }: Followed): Promise<Uint8Array> {
    return readBytes(handle, Math.max(0, offset - behindBytes), offset);
  }

  async #positionOf({ ino, offset, fingerprint }: Followed): Promise<{ readonly position?: string }> {
    if (this.#context.keepsPosition !== true) return {};
    const kind = `${this.#settings.fileType}, followed`;
    return {
      position: printPosition({ path: this.#path, kind, ino, offset, fingerprint: await fingerprint.upTo(offset) }),
    };
  }

  #failure(error: unknown): unknown {
    if (error instanceof Disconnected || (error instanceof Error && error.name === "DiagnosticError")) return error;
    const { code, message } = error as { code?: string; message: string };
    const reason = code === "EACCES" || code === "EPERM" ? "no permission" : message;
    return new Disconnected(`Cannot read "${this.#path}": ${reason}`, { cause: error });
  }
}

function withoutLast({ items, ends }: Portion): Portion {
  return { items: items.slice(0, -1), ends: ends.slice(0, -1), isTorn: false };
}

/** Behind the last line that has an end; 0 where a file has none in its last part. */
async function lastLineEnd(read: (start: number, end: number) => Promise<Uint8Array>, size: number): Promise<number> {
  const start = Math.max(0, size - 1024 * 1024);
  const at = (await read(start, size)).lastIndexOf(newline);
  return at === -1 ? start : start + at + 1;
}

interface Beside {
  readonly name: string;
  readonly ino: number;
  readonly mtimeMs: number;
}

/** The files in the folder of `path`, but for itself. Looked at until nothing is renamed meanwhile. */
async function filesBeside(path: string): Promise<Beside[]> {
  let found = await lookBeside(path);
  for (let looks = 1; looks < looksMax; looks++) {
    const again = await lookBeside(path);
    const isSame = again.length === found.length &&
      again.every(({ name, ino }, i) => name === found[i]!.name && ino === found[i]!.ino);
    found = again;
    if (isSame) break;
  }
  return found;
}

async function lookBeside(path: string): Promise<Beside[]> {
  const folder = dirname(path);
  const found: Beside[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (name === basename(path)) continue;
    const stats = await stat(join(folder, name)).catch(() => undefined);
    if (stats?.isFile() === true) found.push({ name, ino: stats.ino, mtimeMs: stats.mtimeMs });
  }
  return found;
}

/** Where the file with the number `ino` stands now, which was once at `path`; undefined when it is gone. */
async function nameOf(path: string, ino: number): Promise<string | undefined> {
  const found = (await filesBeside(path)).find((each) => each.ino === ino);
  return found === undefined ? undefined : join(dirname(path), found.name);
}

/**
 * The numbers of the files beside `path` that it was before, from the one with the number `ino` on, the oldest first:
 * `app.log.1`, `app-20260101.log`. Empty when that one is not there; packed ones cannot be read where they were left.
 */
async function filesPutAside(path: string, ino: number): Promise<number[]> {
  const found = await filesBeside(path);
  const own = found.find((each) => each.ino === ino);
  if (own === undefined) return [];
  const later = found.filter(({ name, mtimeMs }) =>
    name !== own.name && mtimeMs > own.mtimeMs && isPutAside(name, basename(path))
  );
  // A file that was renamed while the folder was looked through may have been met twice.
  return [...new Set([own, ...later.sort((a, b) => a.mtimeMs - b.mtimeMs)].map((each) => each.ino))];
}

/** Numbers and dates, behind the name or in front of its ending. */
function isPutAside(name: string, base: string): boolean {
  const ending = extname(base);
  const stem = basename(base, ending);
  if (!name.startsWith(stem) || /\.(gz|zst|bz2|xz)$/.test(name)) return false;
  const rest = name.startsWith(base) ? name.slice(base.length) : name.slice(stem.length, name.length - ending.length);
  return /^[-._](\d[\dT:._-]*|old)$/.test(rest) && (name.startsWith(base) || name.endsWith(ending));
}
