/**
 * An instant with the zone it is shown in.
 * @module
 */

/** True for what can be an instant: the range of JavaScript dates, less two days so that no zone leads out of it. */
export function isTimestamp(ms: number): boolean {
  return Math.abs(ms) <= 8.64e15 - 2 * 86_400_000;
}

/** An instant with millisecond precision. `zone` is an IANA name, `UTC`, `Local`, or a fixed offset such as `+02:00`. */
export class DateTime {
  readonly ms: number;
  readonly zone: string;

  constructor(ms: number, zone = "Local") {
    this.ms = ms;
    this.zone = zone;
  }

  /** The offset from UTC in minutes at this instant, east positive. */
  get offsetMinutes(): number {
    return zoneOffsetMinutes(this.zone, this.ms);
  }

  /** RFC 3339 with a trimmed fraction, in the datetime's own zone: `2026-01-02T03:04:05.5+02:00`. */
  toString(): string {
    const offset = this.offsetMinutes;
    const shifted = new Date(this.ms + offset * 60_000).toISOString();
    // toISOString always has three digits of fraction.
    const text = shifted.slice(0, -1).replace(/0{1,3}$/, "").replace(/\.$/, "");
    return text + formatOffset(offset);
  }
}

/** `Z` for zero, else `+HH:MM` or `-HH:MM`. */
export function formatOffset(minutes: number): string {
  if (minutes === 0) return "Z";
  const sign = minutes < 0 ? "-" : "+";
  const size = Math.abs(minutes);
  return `${sign}${String(Math.floor(size / 60)).padStart(2, "0")}:${String(size % 60).padStart(2, "0")}`;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/**
 * The offset of a zone from UTC in minutes at one instant.
 *
 * @throws {RangeError} when the zone is not known.
 */
export function zoneOffsetMinutes(zone: string, ms: number): number {
  if (zone === "UTC" || zone === "" || zone === "Z") return 0;
  if (zone === "Local") return -new Date(ms).getTimezoneOffset();
  const fixed = /^([+-])(\d\d):?(\d\d)$/.exec(zone);
  if (fixed !== null) return (fixed[1] === "-" ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3]));
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(zone, formatter);
  }
  const parts: Record<string, number> = {};
  for (const part of formatter.formatToParts(ms)) parts[part.type] = Number(part.value);
  const local = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
  return Math.round((local - Math.floor(ms / 1000) * 1000) / 60_000);
}
