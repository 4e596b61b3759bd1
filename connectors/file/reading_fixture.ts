/**
 * A file source that is read as an engine reads it, in a folder of the test's own.
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock, LogFields } from "../../src/connector/context.ts";
import { EndOfInput } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Source, SourceBatch } from "../../src/connector/source.ts";
import { file } from "./mod.ts";

/** Waits of any length take some milliseconds; the time of day is that of the machine. */
const hasty: Clock = { ...realClock, sleep: (_, signal) => realClock.sleep(5, signal) };

export interface ReadingOptions {
  readonly position?: string | undefined;
  readonly keepsPosition?: boolean;
  /** What happens between the opening and the first read. */
  readonly waits?: () => Promise<void>;
  /** Batches are left unacknowledged. */
  readonly holds?: boolean;
}

export class Reading {
  /** Payloads as text, rows as they are. */
  readonly items: unknown[] = [];
  readonly batches: SourceBatch[] = [];
  readonly logged: LogFields[] = [];
  readonly files: unknown[] = [];
  error: unknown;
  ended = false;
  readonly #abort = new AbortController();
  #source: Source | undefined;
  #done: Promise<void> = Promise.resolve();

  static async start(raw: Record<string, unknown>, options: ReadingOptions = {}): Promise<Reading> {
    const { position, keepsPosition = true, holds = false } = options;
    const reading = new Reading();
    const settings = readSettings(file.source!.settings, raw, { path: "", where: "file source" });
    file.source!.check!(settings, {});
    reading.#source = await file.source!.open(settings, {
      name: "test",
      clock: hasty,
      log: recordingLogger(reading.logged),
      status: () => {},
      connection: undefined as never,
      keepsPosition,
      ...(position === undefined ? {} : { position }),
    });
    await options.waits?.();
    reading.#done = reading.#read(reading.#source, holds);
    return reading;
  }

  async #read(source: Source, holds: boolean): Promise<void> {
    try {
      while (true) {
        const batch = await source.read(this.#abort.signal);
        this.batches.push(batch);
        this.items.push(...itemsOf(batch));
        this.files.push(...itemsOf(batch).map((_, i) => batch.meta?.(i)?.file));
        if (!holds) batch.ack?.();
      }
    } catch (error) {
      if (error instanceof EndOfInput) this.ended = true;
      else if (!this.#abort.signal.aborted) this.error = error;
    }
  }

  /** Of the last batch that has one. */
  get position(): string | undefined {
    return this.batches.findLast((batch) => batch.position !== undefined)?.position;
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the test stops"));
    await this.#done;
    await this.#source?.close();
  }
}

function itemsOf(batch: SourceBatch): unknown[] {
  if (batch.kind === "rows") return [...batch.rows];
  return batch.payloads.map((payload) => {
    const bytes = payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end);
    return new TextDecoder().decode(bytes);
  });
}

export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-reading-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
