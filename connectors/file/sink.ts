/**
 * Writes messages to files, one for each path that the template of `path` gives.
 *
 * Invariants: a batch that comes again after it could be written in part is not written twice, unless the process ended
 * meanwhile. However many paths there are, few files are open.
 * @module
 */
import { Buffer } from "node:buffer";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import type { MessageSettings, Payload, PayloadSink } from "../../src/connector/sink.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { FileWriter, type RestedFile, type WriterOptions } from "./file_writer.ts";
import type { sinkSettings } from "./mod.ts";
import { recordFormat } from "./record_format.ts";

type SinkSettings = InferOutput<typeof sinkSettings>;
type SinkContext = ConnectorContext & Pick<OpenContext, "durability" | "payloads">;

/** Files that are open at a time; the one that was written to longest ago is closed for another. */
const openMax = 64;
/** Files that were closed for others, of which is known where to go on. */
const restedMax = 10_000;

/** The messages of a batch that were written before the rest of it failed. */
interface Begun {
  readonly batch: readonly Payload[];
  readonly ids: readonly string[] | undefined;
  /** Indexes. */
  readonly done: Set<number>;
}

/** Messages of a batch that go to one file, by their indexes, and how many of them are written. */
interface Group {
  readonly indexes: readonly number[];
  written: number;
}

export class FileSink implements PayloadSink {
  readonly #settings: SinkSettings;
  readonly #context: SinkContext;
  readonly #options: WriterOptions;
  /** By path; the one that was written to last is the last. */
  readonly #writers = new Map<string, FileWriter>();
  readonly #rested = new Map<string, RestedFile>();
  /** Paths that were emptied, as `ifExists` says: once is enough. */
  readonly #emptied = new Set<string>();
  #begun: Begun | undefined;
  /** One write after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(settings: SinkSettings, context: SinkContext) {
    this.#settings = settings;
    this.#context = context;
    const { clock, log, durability, payloads } = context;
    const { fileType, compression, compressionProps, encryption, encProps } = settings;
    const key = encryption === "" ? undefined : payloads?.aesKey;
    const iv = encProps.iv === undefined || encProps.iv === "" ? undefined : Buffer.from(encProps.iv, "hex");
    this.#options = {
      ...settings,
      flushes: durability === "power",
      clock,
      log,
      output: {
        format: recordFormat(fileType, payloads?.hasHeader === true),
        compression: compression === "" ? undefined : compression,
        level: compressionProps.level,
        body: { key, iv },
        survivesPower: durability === "power",
      },
    };
  }

  /**
   * @throws {DiagnosticError} E403 when the path is a folder or not allowed.
   * @throws {Disconnected} when the file cannot be opened now.
   * @throws {RetryLater} when the disk is full.
   */
  static async open(settings: SinkSettings, context: SinkContext): Promise<FileSink> {
    const sink = new FileSink(settings, context);
    // The files of a template are known with the messages.
    if (!settings.path.includes("{{")) await sink.#writer(sink.#resolved(settings.path));
    return sink;
  }

  write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly MessageSettings[],
  ): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const turn = this.#last.then(() => this.#write(batch, signal, ids, settings));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    await this.#last;
    const writers = [...this.#writers.values()];
    this.#writers.clear();
    const closed = await Promise.allSettled(writers.map((writer) => writer.close()));
    const failed = closed.find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids: readonly string[] | undefined,
    settings: readonly MessageSettings[] | undefined,
  ): Promise<void> {
    const done = this.#alreadyWritten(batch, ids);
    const failed = new Map<number, string>();
    const groups: Group[] = [];
    try {
      for (const [path, indexes] of this.#byPath(batch, settings, done, failed)) {
        const messages = indexes.length === batch.length ? batch : indexes.map((index) => batch[index]!);
        const group: Group = { indexes, written: 0 };
        groups.push(group);
        try {
          const writer = await this.#writer(path);
          await writer.write(messages, signal, (written) => (group.written = written));
        } catch (error) {
          // Other messages have other paths; the one path of an action without template can never be right.
          if (!isRefusal(error) || settings === undefined) throw error;
          for (const index of indexes) failed.set(index, error.message);
        }
      }
    } catch (error) {
      for (const { indexes, written } of groups) for (const index of indexes.slice(0, written)) done.add(index);
      this.#begun = { batch, ids, done };
      throw error;
    }
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  /** What stands in files already, of a batch that comes again since the rest of it failed. */
  #alreadyWritten(batch: readonly Payload[], ids: readonly string[] | undefined): Set<number> {
    const begun = this.#begun;
    this.#begun = undefined;
    if (begun === undefined) return new Set();
    if (begun.ids === undefined || ids === undefined) return batch === begun.batch ? begun.done : new Set();
    const known = new Set([...begun.done].map((index) => begun.ids![index]));
    return new Set(ids.flatMap((id, index) => known.has(id) ? [index] : []));
  }

  #byPath(
    batch: readonly Payload[],
    settings: readonly MessageSettings[] | undefined,
    done: ReadonlySet<number>,
    failed: Map<number, string>,
  ): ReadonlyMap<string, readonly number[]> {
    if (settings === undefined && done.size === 0) {
      return new Map(batch.length === 0 ? [] : [[this.#resolved(this.#settings.path), [...batch.keys()]]]);
    }
    const byPath = new Map<string, number[]>();
    for (let index = 0; index < batch.length; index++) {
      if (done.has(index)) continue;
      try {
        const path = this.#pathOf(settings?.[index]?.path);
        const indexes = byPath.get(path);
        if (indexes === undefined) byPath.set(path, [index]);
        else indexes.push(index);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        failed.set(index, error.message);
      }
    }
    return byPath;
  }

  // ---------------------------------------------------------------- paths

  #pathOf(given: unknown): string {
    if (given === undefined) return this.#resolved(this.#settings.path);
    const text = String(given);
    const root = this.#resolved(rootOf(this.#settings.path));
    // Data decides about names, not about places.
    const path = text === "" || text.endsWith("/") || text.includes("\0") ? undefined : this.#resolved(text);
    const inside = path === undefined ? ".." : relative(root, path);
    if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
      refuseSetting("path", `The path ${JSON.stringify(text.slice(0, 200))} is not one of a file in "${root}"`);
    }
    return path!;
  }

  #resolved(path: string): string {
    return this.#context.resolvePath?.(path) ?? resolve(path);
  }

  async #writer(path: string): Promise<FileWriter> {
    let writer = this.#writers.get(path);
    if (writer === undefined) {
      while (this.#writers.size >= openMax) await this.#rest();
      const rested = this.#rested.get(path);
      const truncate = this.#settings.ifExists === "truncate" && rested === undefined && !this.#emptied.has(path);
      writer = await FileWriter.open(path, truncate, this.#options, rested);
      if (truncate) this.#emptied.add(path);
      this.#rested.delete(path);
    } else {
      this.#writers.delete(path);
    }
    this.#writers.set(path, writer);
    return writer;
  }

  async #rest(): Promise<void> {
    const [path, writer] = this.#writers.entries().next().value!;
    this.#writers.delete(path);
    const rested = await writer.close();
    if (rested === undefined) return;
    const { path: file, started, messages } = rested;
    this.#rested.set(path, { path: file, started, messages });
    if (this.#rested.size > restedMax) this.#rested.delete(this.#rested.keys().next().value!);
  }
}

function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === "DiagnosticError";
}

/** The folder that all files of a template are in: what stands in front of its first variable part. */
function rootOf(template: string): string {
  const fixed = template.slice(0, template.indexOf("{{"));
  const folder = fixed.endsWith("/") ? fixed : dirname(fixed);
  return folder === "" ? "." : folder;
}
