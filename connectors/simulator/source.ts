/**
 * Sends configured rows at a steady pace.
 * @module
 */
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { EndOfInput } from "../../src/connector/errors.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import type { sourceSettings } from "./mod.ts";

/** The first row comes at once, the others one `interval` after the one before, however long a reader takes. */
export class SimulatorSource implements Source {
  readonly #rows: readonly Struct[];
  readonly #interval: number;
  readonly #loop: boolean;
  readonly #context: ConnectorContext;
  #next = 0;
  #due: number;

  constructor(settings: InferOutput<typeof sourceSettings>, context: ConnectorContext) {
    // Configuration comes from JSON or YAML, so its values are values of columns; numbers are floats there too.
    this.#rows = settings.data as Struct[];
    this.#interval = settings.interval;
    this.#loop = settings.loop;
    this.#context = context;
    this.#due = context.clock.now();
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    signal.throwIfAborted();
    if (this.#next === this.#rows.length && this.#loop) this.#next = 0;
    if (this.#next >= this.#rows.length) throw new EndOfInput();
    const { clock } = this.#context;
    // Also a wait of 0 gives way to others: an endless loop without interval must not starve them.
    const now = clock.now();
    // A clock that was set back would hold the next row up for as long as it was set back.
    this.#due = Math.min(this.#due, now + this.#interval);
    await clock.sleep(Math.max(0, this.#due - now), signal);
    this.#due = Math.max(this.#due + this.#interval, clock.now());
    return { kind: "rows", rows: [this.#rows[this.#next++]!] };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
