/**
 * Makes rows with random numbers at a steady pace.
 * @module
 */
import type { InferOutput } from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import type { RowBatch, Source } from "../../src/connector/source.ts";
import { setOwn, type Struct, type Value } from "../../src/value/value.ts";
import type { sourceSettings } from "./mod.ts";

/** So many rows are known at most, whatever the settings say. */
const knownMax = 100_000;

/** The first row comes at once, the others one `interval` after the one before. */
export class RandomSource implements Source {
  readonly #settings: InferOutput<typeof sourceSettings>;
  readonly #context: ConnectorContext;
  readonly #random: () => number;
  /** Rows that must not come again, by their numbers; the oldest first. */
  readonly #known = new Set<string>();
  readonly #knownMax: number;
  #due: number;

  /** @param random from 0 to below 1 */
  constructor(
    settings: InferOutput<typeof sourceSettings>,
    context: ConnectorContext,
    random: () => number = Math.random,
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#random = random;
    this.#knownMax = settings.deduplicate < 0 ? knownMax : settings.deduplicate;
    this.#due = context.clock.now();
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    signal.throwIfAborted();
    const { clock } = this.#context;
    const { interval } = this.#settings;
    while (true) {
      // A wait of 0 gives way to others. A clock that was set back holds nothing up.
      this.#due = Math.min(this.#due, clock.now() + interval);
      await clock.sleep(Math.max(0, this.#due - clock.now()), signal);
      this.#due = Math.max(this.#due + interval, clock.now());
      const row = this.#row();
      if (row !== undefined) return { kind: "rows", rows: [row] };
    }
  }

  close(): Promise<void> {
    this.#known.clear();
    return Promise.resolve();
  }

  /** Undefined for one that is known. */
  #row(): Struct | undefined {
    const { pattern, seed } = this.#settings;
    const row: Struct = {};
    const numbers: bigint[] = [];
    for (const [column, value] of Object.entries(pattern)) {
      if (!Number.isInteger(value)) {
        // Configuration comes from JSON or YAML, so its values are values of columns.
        setOwn(row, column, value as Value);
        continue;
      }
      const number = BigInt(value as number) + BigInt(Math.floor(this.#random() * seed));
      numbers.push(number);
      setOwn(row, column, number);
    }
    if (this.#knownMax === 0) return row;
    const key = numbers.join();
    if (this.#known.has(key)) return undefined;
    this.#known.add(key);
    if (this.#known.size > this.#knownMax) this.#known.delete(this.#known.keys().next().value!);
    return row;
  }
}
