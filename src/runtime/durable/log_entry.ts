/**
 * An entry of a rule's log as text: what entered its state with one batch, and when.
 *
 * The text is a list of events in their order: `[now]` for time that has come so far, `[now, tap, rows, window]` for
 * rows at a tap, the window being null for rows that stand by themselves. Rows and values are those of the state codec.
 * @module
 */
import type { Row, WindowSpan } from "../../value/row.ts";
import type { Struct, Value } from "../../value/value.ts";
import type { Batch } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { decodeState, encodeState } from "../state_codec.ts";

export interface LogEvent {
  readonly now: number;
  /** Undefined for time alone. */
  readonly tap?: number;
  readonly batch?: Batch;
}

export function timeText(now: number): string {
  return `[${now}]`;
}

/** To be called before the batch goes on: steps write into its rows. */
export function rowsText(now: number, tap: number, { rows, window }: Batch): string {
  const texts: string[] = [];
  for (let i = 0; i < rows.length; i++) texts.push(rowText(rows[i]!));
  return `[${now},${tap},[${texts.join(",")}],${window === undefined ? "null" : windowText(window)}]`;
}

/** Most rows are columns and a time, of values that JSON has a form for. */
function rowText(row: Row): string {
  const { values, time } = row;
  const isBare = row.meta === undefined && row.slots === undefined && row.parts === undefined && row.source === 0;
  if (!isBare) return encodeState(rowToValue(row));
  return `[${isPlain(values) ? JSON.stringify(values) : encodeState(values)},${time}]`;
}

function isPlain(values: Struct): boolean {
  for (const name in values) {
    const value = values[name];
    if (typeof value === "string" || typeof value === "boolean" || value === null) continue;
    if (typeof value !== "number" || !Number.isFinite(value) || Object.is(value, -0)) return false;
  }
  return true;
}

function windowText({ start, end, trigger, empty }: WindowSpan): string {
  return JSON.stringify([start ?? null, end ?? null, trigger, empty ?? null]);
}

/** @throws {SyntaxError} for a text that is none of these */
export function readEntry(text: string): LogEvent[] {
  return (decodeState(text) as Value[][]).map(([now, tap, rows, window]) =>
    tap === undefined ? { now: now as number } : {
      now: now as number,
      tap: tap as number,
      batch: { rows: (rows as Value[]).map(rowFromValue), window: spanOf(window as Value[] | null) },
    }
  );
}

function spanOf(window: Value[] | null): WindowSpan | undefined {
  if (window === null) return undefined;
  const [start, end, trigger, empty] = window as [number | null, number | null, number, boolean | null];
  return {
    start: start ?? undefined,
    end: end ?? undefined,
    trigger,
    ...(empty === null ? {} : { empty }),
  };
}
