/**
 * Where windows begin and end on the clock.
 * @module
 */
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import { zoneOffsetMinutes } from "../../value/datetime.ts";

/** The unit that encloses each unit, in milliseconds: seconds are counted from the start of the minute, and so on. */
const enclosingMs: Readonly<Record<Exclude<TimeUnit, "dd">, number>> = {
  hh: 86_400_000,
  mi: 3_600_000,
  ss: 60_000,
  ms: 1000,
};

/**
 * The first boundary strictly after `time`, in local time of `zone`: boundaries lie `count`, 2 × `count` … units after
 * the start of the enclosing unit, carried past its end if need be. For days it is local midnight of the day plus
 * `count` days.
 *
 * @example
 * ```ts
 * align(Date.UTC(2026, 0, 1, 12, 0, 20), 90, "ss", "UTC"); // 12:01:30
 * ```
 */
export function align(time: number, count: number, unit: TimeUnit, zone: string): number {
  const offset = zoneOffsetMinutes(zone, time) * 60_000;
  const local = time + offset;
  let boundary: number;
  if (unit === "dd") {
    boundary = Math.floor(local / 86_400_000) * 86_400_000 + count * 86_400_000;
  } else {
    const start = Math.floor(local / enclosingMs[unit]) * enclosingMs[unit];
    const length = count * unitMs[unit];
    boundary = start + (Math.floor((local - start) / length) + 1) * length;
  }
  // The zone may have another offset at the boundary than at `time`.
  const result = boundary - offset;
  const offsetThere = zoneOffsetMinutes(zone, result) * 60_000;
  const corrected = boundary - offsetThere;
  return corrected > time ? corrected : result;
}
