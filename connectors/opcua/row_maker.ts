/**
 * Rows of the readings of nodes.
 * @module
 */
import type { Struct } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type { Reading } from "./node_values.ts";

export type RowShape = "all" | "changed" | "value";

export interface RowMakerOptions {
  readonly shape: RowShape;
  readonly names: readonly string[];
  readonly nodeIds: readonly string[];
  readonly qualityColumn: string;
  readonly timestampColumn: string | undefined;
}

/** A reading with the number of its node. */
export type NodeReading = readonly [index: number, reading: Reading];

export class RowMaker {
  readonly #options: RowMakerOptions;
  readonly #last: (Reading | undefined)[];

  constructor(options: RowMakerOptions) {
    this.#options = options;
    this.#last = options.names.map(() => undefined);
  }

  /** As few rows as can hold all readings in their order: a node that has several makes several. */
  rowsOf(readings: readonly NodeReading[]): Struct[] {
    if (this.#options.shape === "value") return readings.map(([index, reading]) => this.#valueRow(index, reading));
    const rows: Struct[] = [];
    let changed = new Map<number, Reading>();
    const finish = () => {
      if (changed.size > 0) rows.push(this.#row(changed));
      changed = new Map();
    };
    for (const [index, reading] of readings) {
      if (changed.has(index)) finish();
      changed.set(index, reading);
      this.#last[index] = reading;
    }
    finish();
    return rows;
  }

  #row(changed: ReadonlyMap<number, Reading>): Struct {
    const { shape, names, qualityColumn, timestampColumn } = this.#options;
    const row: Struct = {};
    const reasons: Struct = {};
    names.forEach((name, index) => {
      const reading = shape === "changed" ? changed.get(index) : changed.get(index) ?? this.#last[index];
      if (shape === "changed" && reading === undefined) return;
      setOwn(row, name, reading?.value ?? null);
      const failure = reading === undefined ? "no value yet" : reading.failure;
      if (failure !== undefined) setOwn(reasons, name, failure);
    });
    if (Object.keys(reasons).length > 0) setOwn(row, qualityColumn, reasons);
    if (timestampColumn !== undefined) {
      const times = [...changed.values()].flatMap(({ timestamp = [] }) => timestamp);
      setOwn(row, timestampColumn, times.length === 0 ? null : BigInt(Math.max(...times)));
    }
    return row;
  }

  #valueRow(index: number, { value, failure, timestamp }: Reading): Struct {
    return {
      name: this.#options.names[index]!,
      node_id: this.#options.nodeIds[index]!,
      value,
      quality: failure ?? "Good",
      timestamp: timestamp === undefined ? null : BigInt(timestamp),
    };
  }
}
