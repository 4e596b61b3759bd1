/**
 * Abbreviations of time zones, as Go prints them: `CET`, `CEST`, `CST`, or `+03` where the zone has no letters.
 * @module
 */
import { formatOffset, zoneOffsetMinutes } from "./datetime.ts";

/** Abbreviations of the time zone database that no English locale of Intl knows, by zone; they have no summer time. */
const withoutLocale: Readonly<Record<string, string>> = {
  "Asia/Shanghai": "CST",
  "Asia/Chongqing": "CST",
  "Asia/Harbin": "CST",
  "Asia/Taipei": "CST",
  "Asia/Hong_Kong": "HKT",
  "Asia/Tokyo": "JST",
  "Asia/Seoul": "KST",
  "Asia/Manila": "PST",
  "Asia/Jakarta": "WIB",
  "Asia/Karachi": "PKT",
  "Asia/Kolkata": "IST",
  "Asia/Calcutta": "IST",
  "Africa/Lagos": "WAT",
  "Africa/Nairobi": "EAT",
  "Africa/Johannesburg": "SAST",
};

/** Each of these knows the letters of its own part of the world only, and says `GMT+2` elsewhere. */
const locales = ["en-US", "en-GB", "en-AU", "en-NZ", "en-ZA", "en-IN"];

const cache = new Map<string, string>();

/**
 * The abbreviation of `zone` (as in `DateTime.zone`) at one instant.
 *
 * @throws {RangeError} when the zone is not known.
 */
export function zoneAbbreviation(zone: string, ms: number): string {
  if (zone === "UTC" || zone === "" || zone === "Z") return "UTC";
  const offset = zoneOffsetMinutes(zone, ms);
  // Go gives a fixed offset no name and prints the offset again.
  if (/^[+-]\d/.test(zone)) return offsetText(offset);
  const key = `${zone} ${offset}`;
  let name = cache.get(key);
  if (name === undefined) {
    name = lookUp(zone === "Local" ? new Intl.DateTimeFormat().resolvedOptions().timeZone : zone, offset, ms);
    cache.set(key, name);
  }
  return name;
}

/** `+0200`. */
export function offsetText(minutes: number): string {
  return minutes === 0 ? "+0000" : formatOffset(minutes).replace(":", "");
}

function lookUp(zone: string, offset: number, ms: number): string {
  if (zone === "UTC" || zone === "Etc/UTC") return "UTC";
  const known = Object.hasOwn(withoutLocale, zone) ? withoutLocale[zone] : undefined;
  if (known !== undefined) return known;
  for (const locale of locales) {
    const parts = new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "short" }).formatToParts(ms);
    const name = parts.find((part) => part.type === "timeZoneName")?.value;
    if (name !== undefined && /^[A-Z]+$/.test(name) && !(name === "GMT" && offset !== 0)) return name;
  }
  return offset % 60 === 0 ? offsetText(offset).slice(0, 3) : offsetText(offset);
}
