/**
 * Session windows: rows that follow each other closely, up to a longest duration.
 *
 * Invariants: each row is in exactly one session; sessions are handed on in order and are never empty. A session ends at
 * its gap, `gap` after its latest row, or at a tick of the longest duration, whichever comes first; the gap wins where
 * both fall on one moment. A tick ends only a session that is old enough, so one moment per session is known when it
 * opens: its *last tick*.
 *
 * In processing time a session ends as soon as the clock reaches such a moment. In event time it ends when a row lies
 * behind it; a watermark by itself ends it only by the gap. A row that lies exactly on the last tick is therefore not
 * decided yet: it belongs to this session if the gap ends it, and to the next one if a later row makes the tick end it.
 * @module
 */
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import { sizeOfRows } from "../limits/state_size.ts";
import type { Batch, Operator, OperatorContext, Output, Progress } from "../operator.ts";
import { rowFromValue, rowToValue } from "../row_state.ts";
import { align } from "./align.ts";
import type { WindowContent } from "./content.ts";
import type { RowZone } from "./row_zone.ts";

export interface SessionShape {
  /** The longest duration, in units. */
  readonly length: number;
  /** How long no row may come, in units. */
  readonly gap: number;
  readonly unit: TimeUnit;
  readonly eventTime: boolean;
  /** In event time, the zone in which the first row of a session is aligned; that of the agent when absent. */
  readonly zoneOf?: RowZone;
}

/** The session that stands open; all times are Unix milliseconds. */
interface OpenSession {
  /** What `window_start()` will be. */
  start: number;
  /** The time of its first row. */
  first: number;
  /** The time of its latest row. */
  latest: number;
  /** The first tick that may end it. */
  lastTick: number;
}

export class SessionWindow implements Operator {
  readonly #shape: SessionShape;
  readonly #lengthMs: number;
  readonly #gapMs: number;
  readonly #content: WindowContent;
  readonly #context: OperatorContext;
  readonly #output: Output;
  #session: OpenSession | undefined;
  /** Event time: rows exactly on the last tick. */
  #onTick: Row[] = [];
  /** The tick that ended the previous session; undefined when its gap did. */
  #endedByTick: number | undefined;
  /** Processing time: one of the ticks, from which the others are counted. */
  #tick: number;

  constructor(shape: SessionShape, content: WindowContent, context: OperatorContext, output: Output) {
    this.#shape = shape;
    this.#lengthMs = shape.length * unitMs[shape.unit];
    this.#gapMs = shape.gap * unitMs[shape.unit];
    this.#content = content;
    this.#context = context;
    this.#output = output;
    this.#tick = this.#align(context.rule.ruleStart);
  }

  #align(time: number, zone = this.#context.rule.timezone): number {
    return align(time, this.#shape.length, this.#shape.unit, zone);
  }

  push(batch: Batch): void {
    for (const row of batch.rows) {
      this.#closeBefore(row.time);
      this.#add(row);
    }
  }

  #add(row: Row): void {
    this.#session ??= {
      // A row that was on its way while the clock passed the tick, or was set back, is older than the tick.
      start: Math.min(this.#endedByTick ?? row.time, row.time),
      first: row.time,
      latest: row.time,
      lastTick: this.#lastTickOf(row.time, this.#shape.zoneOf?.(row)),
    };
    this.#session.latest = row.time;
    if (this.#shape.eventTime && row.time === this.#session.lastTick) this.#onTick.push(row);
    else this.#content.add(row);
  }

  /** The first tick that may end a session whose first row is of time `first`. */
  #lastTickOf(first: number, zone?: string): number {
    // The first tick behind the row never ends its session in event time, because it is not more than a length away.
    if (this.#shape.eventTime) return this.#align(first, zone) + this.#lengthMs;
    const oldEnough = first + this.#lengthMs;
    return this.#tick + Math.ceil((oldEnough - this.#tick) / this.#lengthMs) * this.#lengthMs;
  }

  /** Ends every session that ends before a row of this time. */
  #closeBefore(time: number): void {
    while (this.#session !== undefined) {
      const due = dueOf(this.#session, this.#gapMs);
      if (this.#shape.eventTime ? time <= due : time < due) return;
      this.#close(due, due < this.#session.latest + this.#gapMs);
    }
  }

  #close(end: number, byTick: boolean): void {
    const rest = this.#onTick;
    this.#onTick = [];
    if (!byTick) { for (const row of rest) this.#content.add(row); }
    const { start } = this.#session!;
    this.#session = undefined;
    this.#endedByTick = byTick ? end : undefined;
    const list = this.#content.close({ start, end, trigger: end });
    if (byTick) { for (const row of rest) this.#add(row); }
    if (list !== undefined) this.#output.push(list);
  }

  advance(progress: Progress): void {
    if (this.#shape.eventTime) this.#advanceWatermark(progress.watermark);
    else this.#advanceClock(progress.processing);
    this.#output.advance(progress);
  }

  #advanceWatermark(watermark: number): void {
    if (this.#session === undefined) return;
    const gapEnd = this.#session.latest + this.#gapMs;
    if (watermark > gapEnd) this.#close(gapEnd, false);
  }

  #advanceClock(now: number): void {
    const session = this.#session;
    if (session !== undefined && now < session.latest) {
      // The clock was set back: the session would stand open until the old time has come again. It goes on from now, as
      // old as it was. Streams that are read together may differ by some milliseconds, which changes next to nothing.
      session.first += now - session.latest;
      session.start = Math.min(session.start, now);
      session.latest = now;
      session.lastTick = this.#lastTickOf(session.first);
    }
    this.#closeBefore(now);
  }

  /** The open session ends where it would if nothing came any more. */
  end(): void {
    const session = this.#session;
    if (session === undefined) return;
    const gapEnd = session.latest + this.#gapMs;
    const due = this.#shape.eventTime ? gapEnd : dueOf(session, this.#gapMs);
    this.#close(due, due < gapEnd);
  }

  deadline(): number {
    if (this.#shape.eventTime || this.#session === undefined) return Infinity;
    return dueOf(this.#session, this.#gapMs);
  }

  held(): number {
    return this.#content.held + this.#onTick.length;
  }

  stateBytes(): number {
    return this.#content.stateBytes() + sizeOfRows(this.#onTick);
  }

  snapshot(): Value {
    const session = this.#session;
    return [
      session === undefined ? null : [session.start, session.first, session.latest, session.lastTick],
      this.#onTick.map(rowToValue),
      this.#endedByTick ?? null,
      this.#tick,
      this.#content.snapshot(),
    ];
  }

  restore(state: Value): void {
    const [session, onTick, endedByTick, tick, content] = state as [
      [start: number, first: number, latest: number, lastTick: number] | null,
      Value[],
      number | null,
      number,
      Value,
    ];
    this.#session = undefined;
    if (session !== null) {
      const [start, first, latest, lastTick] = session;
      this.#session = { start, first, latest, lastTick };
    }
    this.#onTick = onTick.map(rowFromValue);
    this.#endedByTick = endedByTick ?? undefined;
    this.#tick = tick;
    this.#content.restore(content);
  }
}

/** When the session ends if no row comes. */
function dueOf(session: OpenSession, gapMs: number): number {
  return Math.min(session.latest + gapMs, session.lastTick);
}
