/**
 * One file that messages are appended to: what stands in it after a crash, on a full disk, and when it is closed.
 *
 * Invariant: what `append` resolved for stands in the file, readable, whatever happens afterwards; of what it rejected
 * for, at most whole records do.
 * @module
 */
import { Buffer } from "node:buffer";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { Payload } from "../../src/connector/sink.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { bodyOf, type BodyOptions, type FileBody } from "./file_body.ts";
import { type FileCompression, firstMember, membersOf, packMember } from "./members.ts";
import type { RecordFormat } from "./record_format.ts";

export interface OutputOptions {
  readonly format: RecordFormat;
  readonly compression: FileCompression | undefined;
  readonly level: number | undefined;
  readonly body: BodyOptions;
  /** Whether names of new files are forced to the disk. */
  readonly survivesPower: boolean;
}

/** How long to wait for someone to make room on a full disk. */
const diskFullRetryMs = 5000;

const newline = 0x0a;
const lineBreak = Buffer.from("\n");

/** A line cut off by a crash may be so long to be known again in the message that it is the beginning of. */
const tornLineBytesMax = 1024 * 1024;

export class OutputFile {
  readonly path: string;
  /** Unix milliseconds. */
  readonly started: number;
  messages = 0;
  /** As it stands on the disk, without what encryption adds. */
  bytes: number;
  readonly #handle: FileHandle;
  readonly #body: FileBody;
  readonly #options: OutputOptions;
  /** False when it may end with half a record: found so, or left so by a write that failed. */
  #isWhole: boolean;
  /** Something was written since it was opened. */
  #isChanged = false;

  private constructor(path: string, started: number, handle: FileHandle, size: number, options: OutputOptions) {
    this.path = path;
    this.started = started;
    this.bytes = size;
    this.#handle = handle;
    this.#body = bodyOf(handle, options.body);
    this.#options = options;
    // What it ends with is looked at when something is written behind it.
    this.#isWhole = size === 0;
  }

  /**
   * Folders on the way are made.
   *
   * @param started Unix milliseconds
   * @throws {DiagnosticError} E403 when the path is a folder.
   * @throws {Disconnected} when the file cannot be opened now.
   * @throws {RetryLater} when the disk is full.
   */
  static async open(path: string, started: number, truncate: boolean, options: OutputOptions): Promise<OutputFile> {
    try {
      const made = await mkdir(dirname(path), { recursive: true });
      const handle = await open(path, "a+");
      try {
        if (options.survivesPower) await flushFolders(dirname(path), made);
        if (truncate) await handle.truncate(0);
        const size = await bodyOf(handle, options.body).size();
        return new OutputFile(path, started, handle, size, options);
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

  /**
   * Makes the file ready to be gone on with. False: somebody else wrote it in a way that it cannot be, or its header is
   * another.
   *
   * @param messages those that will be written, into this file and others
   */
  async continue(messages: readonly Payload[]): Promise<boolean> {
    if (this.#isWhole) return true;
    try {
      this.bytes = await this.#body.size();
      const { compression } = this.#options;
      const fits = compression === undefined
        ? await this.#continuePlain(messages)
        : await this.#continueMembers(compression, messages);
      this.#isWhole = fits;
      return fits;
    } catch (error) {
      throw writeFailure(this.path, error);
    }
  }

  async #continuePlain(messages: readonly Payload[]): Promise<boolean> {
    const { format } = this.#options;
    const end = await this.#body.read(Math.max(0, this.bytes - tornLineBytesMax), this.bytes);
    if (end.length === 0) return true;
    const lineStart = end.lastIndexOf(newline) + 1;
    const torn = end.subarray(lineStart);
    if (torn.length > 0 && (lineStart > 0 || end.length === this.bytes) && format.isTorn(torn, messages)) {
      await this.#cut(this.bytes - torn.length);
    } else if (torn.length > 0) {
      // Whoever wrote it, it may be all there was to say.
      await this.#body.append(lineBreak);
      this.bytes++;
    } else if (format.closing !== "" && end.toString("utf8", end.length - format.closing.length) === format.closing) {
      await this.#cut(this.bytes - format.closing.length);
    }
    if (this.bytes === 0) return true;
    const [firstLine = ""] = (await this.#body.read(0, Math.min(this.bytes, tornLineBytesMax))).toString().split(
      "\n",
      1,
    );
    return this.#fits(firstLine, messages);
  }

  async #continueMembers(compression: FileCompression, messages: readonly Payload[]): Promise<boolean> {
    const members = await membersOf(compression, this.#body);
    if (members === undefined) return false;
    const { end, last } = members;
    const isClosed = last !== undefined && this.#options.format.closing === last.data.toString();
    const keep = isClosed ? last.start : end;
    if (keep < this.bytes) await this.#cut(keep);
    if (keep === 0) return true;
    const first = await firstMember(compression, this.#body);
    return first !== undefined && this.#fits(first.toString().split("\n", 1)[0]!, messages);
  }

  #fits(firstLine: string, messages: readonly Payload[]): boolean {
    return messages.length === 0 || this.#options.format.fits(firstLine, messages[0]!);
  }

  async #cut(size: number): Promise<void> {
    await this.#body.truncate(size);
    this.bytes = size;
  }

  /**
   * After {@linkcode continue}. `batch` has the messages, and those in front of and behind them that belong to other files.
   *
   * @throws {Disconnected} @throws {RetryLater} of what is not known to be others', nothing stays.
   */
  async append(messages: readonly Payload[], batch: readonly Payload[]): Promise<void> {
    await this.#append(this.#options.format.encode(messages, this.bytes === 0), batch);
    this.messages += messages.length;
    this.#isChanged = true;
  }

  async #append(records: Buffer, batch: readonly Payload[]): Promise<void> {
    if (records.length === 0) return;
    const { compression, level } = this.#options;
    const data = compression === undefined ? records : packMember(compression, records, level);
    try {
      await this.#body.append(data);
    } catch (error) {
      await this.#takeBack(data, batch);
      throw writeFailure(this.path, error);
    }
    this.bytes += data.length;
  }

  /** Leaves the file as it was before a write that failed, or at least no half record at its end. */
  async #takeBack(data: Uint8Array, batch: readonly Payload[]): Promise<void> {
    try {
      const size = await this.#body.size();
      // How much of it was written, a failed write does not tell.
      const added = size - this.bytes;
      if (
        added >= 0 && added <= data.length &&
        (await this.#body.read(this.bytes, size)).equals(data.subarray(0, added))
      ) {
        return await this.#body.truncate(this.bytes);
      }
      // Others write to the same file: only what is known to be ours may go.
      this.#isWhole = false;
      await this.continue(batch);
    } catch {
      this.#isWhole = false;
    }
  }

  /** Returns when the disk has what was written. */
  async flush(): Promise<void> {
    await this.#handle.datasync().catch(unlessUnable).catch((error) => {
      throw writeFailure(this.path, error);
    });
  }

  /** Ends what has an end, such as an array, and forces all of it to the disk. */
  async close(): Promise<void> {
    try {
      await this.#end();
      await this.#handle.datasync().catch(unlessUnable);
    } finally {
      await this.#handle.close();
    }
  }

  /** Closes it as it was found. */
  async abandon(): Promise<void> {
    await this.#handle.close();
  }

  async #end(): Promise<void> {
    const { closing } = this.#options.format;
    if (closing === "") return;
    // What a crash left without an end gets it, also when nothing was written since.
    if (!this.#isChanged && this.bytes > 0 && !await this.continue([])) return;
    if (this.bytes > 0) await this.#append(Buffer.from(closing), []);
  }
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

/** Returns when the disk has the names in a folder. */
export async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync().catch(unlessUnable);
  } finally {
    await handle.close();
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
