/**
 * Which windows there are, computed from all rows at once, to judge the window operators by.
 *
 * Each kind is written down as the reference says it, with every row kept and every window searched for anew.
 * @module
 */

export const unitsMs = { ms: 1, ss: 1000, mi: 60_000, hh: 3_600_000, dd: 86_400_000 };

export type Unit = keyof typeof unitsMs;

export interface NaiveSpec {
  readonly kind: "tumbling" | "hopping" | "sliding" | "session" | "count" | "state";
  readonly unit: Unit;
  /** Of a session the longest duration. */
  readonly length: number;
  /** The hop, delay, gap or interval; undefined for none. */
  readonly second: number | undefined;
  /** Of a state window: one condition instead of two. */
  readonly single: boolean;
  /** Of a sliding window: what is exactly as old as it is long is not in it. */
  readonly openLeft: boolean;
  /** Of a sliding window with a delay: one window up to the trigger, one behind it. */
  readonly twice: boolean;
}

/** A row as it arrives, with what the conditions of the window say about it. */
export interface Arrival {
  /** When it arrives on the clock; all times are Unix milliseconds. */
  readonly at: number;
  /** When it happened: in processing time, `at`. */
  readonly time: number;
  /** FILTER, and WHERE where it comes first. */
  readonly enters: boolean;
  /** OVER (WHEN …). */
  readonly triggers: boolean;
  readonly begins: boolean;
  readonly emits: boolean;
  readonly partition: string;
}

export interface Setting {
  readonly eventTime: boolean;
  readonly lateTolerance: number;
  /** When the rule starts, and where the clock stands when the input ends. */
  readonly start: number;
  readonly until: number;
  /** What local time is ahead of UTC. */
  readonly zoneMs: number;
}

export interface NaiveWindow {
  readonly start: number;
  readonly end: number;
  /** The end, when it is not given. */
  readonly trigger?: number;
  readonly rows: readonly Arrival[];
}

/** What reaches the window at one moment: rows in order, then how far time has come. Infinity is the end of the input. */
interface Step {
  readonly clock: number;
  readonly rows: readonly Arrival[];
  readonly watermark: number;
}

export function naiveWindows(spec: NaiveSpec, arrivals: readonly Arrival[], setting: Setting): NaiveWindow[] {
  const steps = setting.eventTime ? byWatermark(arrivals, setting) : byClock(arrivals, setting);
  const entering = steps.map((step) => ({ ...step, rows: step.rows.filter((row) => row.enters) }));
  const { kind } = spec;
  if (kind === "count") return counts(spec, entering);
  if (kind === "state") return states(spec, entering.flatMap((step) => step.rows));
  if (kind === "sliding") return slides(spec, entering, setting);
  if (kind !== "session") return hops(spec, entering, setting);
  return setting.eventTime
    ? eventSessions(spec, entering, setting)
    : clockSessions(spec, entering.flatMap((step) => step.rows), setting);
}

/** Rows that come too late; none in processing time. */
export function lateRows(arrivals: readonly Arrival[], { eventTime, lateTolerance }: Setting): Set<Arrival> {
  const late = (row: Arrival, i: number) => arrivals.slice(0, i).some((r) => row.time < r.time - lateTolerance);
  return new Set(eventTime ? arrivals.filter(late) : []);
}

function byClock(arrivals: readonly Arrival[], { until }: Setting): Step[] {
  const steps = arrivals.map((row) => ({ clock: row.at, rows: [row], watermark: row.at }));
  return [...steps, { clock: until, rows: [], watermark: until }, { clock: until, rows: [], watermark: Infinity }];
}

function byWatermark(arrivals: readonly Arrival[], setting: Setting): Step[] {
  const late = lateRows(arrivals, setting);
  const steps: Step[] = [];
  let waiting: Arrival[] = [];
  let watermark = -Infinity;
  const release = (clock: number) => {
    const rows = waiting.filter((row) => row.time <= watermark).sort((a, b) => a.time - b.time);
    waiting = waiting.filter((row) => row.time > watermark);
    steps.push({ clock, rows, watermark });
  };
  // How rows come together in batches makes no difference.
  for (const row of arrivals) {
    watermark = Math.max(watermark, row.time - setting.lateTolerance);
    if (!late.has(row)) waiting.push(row);
    release(row.at);
  }
  watermark = Infinity;
  release(setting.until);
  return steps;
}

function align(time: number, count: number, unit: Unit, { zoneMs }: Setting): number {
  const local = time + zoneMs;
  const enclosing = { ms: 1000, ss: 60_000, mi: 3_600_000, hh: 86_400_000, dd: 86_400_000 }[unit];
  let boundary = Math.floor(local / enclosing) * enclosing;
  while (boundary <= local) boundary += count * unitsMs[unit];
  return boundary - zoneMs;
}

/** Tumbling and hopping windows. */
function hops({ kind, unit, length, second }: NaiveSpec, steps: readonly Step[], setting: Setting): NaiveWindow[] {
  const rows = steps.flatMap((step) => step.rows);
  const opening = setting.eventTime ? rows[0]?.time : setting.start;
  if (opening === undefined) return [];
  const [lengthMs, hop] = [length * unitsMs[unit], second ?? length];
  const last = rows.at(-1)?.time ?? -Infinity;
  // The clock, the watermark or the last row says that a window is over. At the end of the input those follow that still
  // hold a row.
  const now = Math.max(steps.at(-2)?.watermark ?? -Infinity, setting.eventTime ? last : -Infinity);
  const all: NaiveWindow[] = [];
  let previous = opening;
  for (let end = align(opening, hop, unit, setting); end <= now || last >= end - lengthMs; end += hop * unitsMs[unit]) {
    const from = kind === "tumbling" ? previous : end - lengthMs;
    all.push({ start: from, end, rows: rows.filter((row) => row.time >= from && row.time < end) });
    previous = end;
  }
  return all;
}

function slides({ unit, length, second, openLeft, twice }: NaiveSpec, steps: readonly Step[], setting: Setting) {
  const [lengthMs, delay] = [length * unitsMs[unit], (second ?? 0) * unitsMs[unit]];
  const all: NaiveWindow[] = [];
  const rows: Arrival[] = [];
  let pending: { due: number; part: number; time: number }[] = [];
  const windowOf = ({ part, time }: (typeof pending)[number]): NaiveWindow => {
    const window = (start: number, end: number, isIn: (time: number) => boolean, trigger = end) => ({
      ...{ start, end, trigger },
      rows: rows.filter((row) => isIn(row.time)),
    });
    const [from, to] = [time - lengthMs, time + delay];
    if (part === 1) return window(from, time, (t) => from < t && t <= time);
    if (part === 2) return window(time, to, (t) => time < t && t <= to, time);
    return window(from, to, (t) => (openLeft ? from < t : from <= t) && (delay === 0 ? t <= to : t < to));
  };
  const emit = (now: number) => {
    const due = pending.filter((window) => window.due <= now).sort((a, b) => a.due - b.due || a.part - b.part);
    all.push(...due.map(windowOf));
    pending = pending.filter((window) => window.due > now);
  };
  for (const step of steps) {
    if (!setting.eventTime) emit(step.clock);
    rows.push(...step.rows);
    for (const { time } of step.rows.filter((row) => row.triggers)) {
      if (twice && delay > 0) pending.push({ due: time, part: 1, time }, { due: time + delay, part: 2, time });
      else pending.push({ due: time + delay, part: 0, time });
    }
    emit(step.watermark);
  }
  return all;
}

/** Rows on the clock: what it does by itself comes before the row of the same moment. */
function clockSessions(spec: NaiveSpec, rows: readonly Arrival[], setting: Setting): NaiveWindow[] {
  const [longest, timeout] = [spec.length * unitsMs[spec.unit], spec.second! * unitsMs[spec.unit]];
  const all: NaiveWindow[] = [];
  let open: Arrival[] = [];
  let closedBy: number | undefined;
  let tick = align(setting.start, spec.length, spec.unit, setting);
  const close = (end: number, byTick: boolean) => {
    all.push({ start: closedBy ?? open[0]!.time, end, rows: open });
    open = [];
    closedBy = byTick ? end : undefined;
  };
  const gapEnd = () => (open.length === 0 ? Infinity : open.at(-1)!.time + timeout);
  const runTo = (time: number) => {
    while (Math.min(tick, gapEnd()) <= time) {
      if (gapEnd() <= tick) {
        close(gapEnd(), false);
        continue;
      }
      if (open.length > 0 && tick - open[0]!.time >= longest) close(tick, true);
      tick += longest;
    }
  };
  for (const row of rows) {
    runTo(row.time);
    open.push(row);
  }
  runTo(setting.until);
  while (open.length > 0) runTo(Math.min(tick, gapEnd()));
  return all;
}

function eventSessions(spec: NaiveSpec, steps: readonly Step[], setting: Setting): NaiveWindow[] {
  const [longest, timeout] = [spec.length * unitsMs[spec.unit], spec.second! * unitsMs[spec.unit]];
  const all: NaiveWindow[] = [];
  let buffered: Arrival[] = [];
  let closedBy: number | undefined;
  const nextClose = (watermark: number): { end: number; byTick: boolean } | undefined => {
    if (buffered.length === 0) return undefined;
    const first = buffered[0]!.time;
    let tick = align(first, spec.length, spec.unit, setting);
    for (let i = 1; i < buffered.length; i++) {
      const [before, now] = [buffered[i - 1]!.time, buffered[i]!.time];
      const gapEnd = now - before > timeout ? before + timeout : Infinity;
      for (; now > tick; tick += longest) {
        if (tick - longest > first && tick < gapEnd) return { end: tick, byTick: true };
      }
      if (gapEnd < Infinity) return { end: gapEnd, byTick: false };
    }
    const last = buffered.at(-1)!.time;
    return watermark - last > timeout ? { end: last + timeout, byTick: false } : undefined;
  };
  for (const { rows, watermark } of steps) {
    buffered.push(...rows);
    for (let close = nextClose(watermark); close !== undefined; close = nextClose(watermark)) {
      const { end, byTick } = close;
      all.push({ start: closedBy ?? buffered[0]!.time, end, rows: buffered.filter((row) => row.time < end) });
      buffered = buffered.filter((row) => row.time >= end);
      closedBy = byTick ? end : undefined;
    }
  }
  return all;
}

function counts({ length, second }: NaiveSpec, steps: readonly Step[]): NaiveWindow[] {
  const all: NaiveWindow[] = [];
  const rows: Arrival[] = [];
  for (const step of steps) {
    for (const row of step.rows) {
      rows.push(row);
      if (rows.length % (second ?? length) !== 0 || rows.length < length) continue;
      all.push({ start: step.clock, end: step.clock, rows: rows.slice(-length) });
    }
  }
  return all;
}

function states({ single }: NaiveSpec, rows: readonly Arrival[]): NaiveWindow[] {
  const all: NaiveWindow[] = [];
  const stored = new Map<string, Arrival[]>();
  for (const row of rows) {
    const open = stored.get(row.partition) ?? [];
    const emit = (list: readonly Arrival[]) => all.push({ start: list[0]!.time, end: row.time, rows: list });
    if (single && row.begins) {
      if (open.length > 0) emit(open);
      stored.set(row.partition, [row]);
    } else if (open.length > 0) {
      open.push(row);
      if (single || !row.emits) continue;
      emit(open);
      stored.delete(row.partition);
    } else if (row.begins) {
      stored.set(row.partition, [row]);
    }
  }
  return all;
}
