/**
 * Rows that come one after the other, as aligned columns with a heading.
 * @module
 */

/** Each column is as wide as its widest cell so far. */
export class GrowingTable {
  readonly #heading: readonly string[];
  readonly #write: (text: string) => void;
  #widths: number[] | undefined;

  constructor(heading: readonly string[], write: (text: string) => void) {
    this.#heading = heading;
    this.#write = write;
  }

  add(rows: readonly (readonly string[])[]): void {
    const all = this.#widths === undefined ? [this.#heading, ...rows] : rows;
    this.#widths = this.#heading.map((_, i) => Math.max(this.#widths?.[i] ?? 0, ...all.map((row) => row[i]!.length)));
    const widths = this.#widths;
    this.#write(
      all.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()}\n`).join(""),
    );
  }
}
