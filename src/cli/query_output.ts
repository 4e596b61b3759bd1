/**
 * Result rows as NDJSON, CSV or a table.
 * @module
 */
import type { Encoder } from "../codec/codec.ts";
import { compareByteOrder } from "../value/byte_order.ts";
import { floatText } from "../value/float_text.ts";
import { jsonText } from "../value/json_text.ts";
import { getOwn, type Struct, type Value } from "../value/value.ts";

export const outputFormats = ["ndjson", "csv", "table"] as const;
export type OutputFormat = typeof outputFormats[number];

export interface Printer {
  rows(rows: readonly Struct[]): void;
  end(): void;
}

/** So many characters are written at once: a call of the system a row would cost more than all else. */
const charactersPerWrite = 65_536;

export function createPrinter(format: OutputFormat, write: (text: string) => void, encoder: Encoder): Printer {
  switch (format) {
    case "ndjson":
      return ndjsonPrinter(write, encoder);
    case "csv":
      return csvPrinter(write);
    case "table":
      return tablePrinter(write);
    default:
      return format satisfies never;
  }
}

/** Rows are written together when the work at hand is done, so that nothing waits for rows that may come later. */
function ndjsonPrinter(write: (text: string) => void, encoder: Encoder): Printer {
  let text = "";
  let isScheduled = false;
  const flush = () => {
    isScheduled = false;
    if (text !== "") write(text);
    text = "";
  };
  return {
    rows: (rows) => {
      // A list with a row that has no form is left out as a whole, as an action leaves it out.
      let list = "";
      for (let i = 0; i < rows.length; i++) list += `${encoder.encodeRow(rows[i]!)}\n`;
      text += list;
      if (text.length >= charactersPerWrite) flush();
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(flush);
    },
    end: flush,
  };
}

/** The columns of all rows, in byte order as in JSON. */
function columnsOf(rows: readonly Struct[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))].sort(compareByteOrder);
}

function cellText(value: Value): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return typeof value === "number" ? floatText(value) : typeof value === "object" ? jsonText(value) : String(value);
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One by one: a window may have more rows than a call can have arguments. */
function append(all: Struct[], rows: readonly Struct[]): void {
  for (const row of rows) all.push(row);
}

/** A header is one line for the whole file, so the rows are kept until all columns are known. */
function csvPrinter(write: (text: string) => void): Printer {
  const all: Struct[] = [];
  return {
    rows: (rows) => append(all, rows),
    end: () => {
      if (all.length === 0) return;
      const columns = columnsOf(all);
      const line = (cells: readonly string[]) => `${cells.map(quoted).join(",")}\n`;
      write(line(columns) + all.map((row) => line(columns.map((c) => cellText(getOwn(row, c))))).join(""));
    },
  };
}

function tablePrinter(write: (text: string) => void): Printer {
  const all: Struct[] = [];
  return {
    rows: (rows) => append(all, rows),
    end: () => {
      const columns = columnsOf(all);
      const cells = all.map((row) => columns.map((c) => cellText(getOwn(row, c)).replaceAll(/[\r\n\t]/g, " ")));
      const widths = columns.map((c, i) => cells.reduce((width, row) => Math.max(width, row[i]!.length), c.length));
      const isNumber = columns.map((c) =>
        all.every((row) => ["number", "bigint", "undefined"].includes(typeof getOwn(row, c)))
      );
      const line = (row: readonly string[]) =>
        row.map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))).join("  ").trimEnd();
      if (columns.length > 0) {
        write(
          [line(columns), line(widths.map((w) => "-".repeat(w))), ...cells.map(line)].map((text) => `${text}\n`).join(
            "",
          ),
        );
      }
      write(`${all.length} ${all.length === 1 ? "row" : "rows"}\n`);
    },
  };
}
