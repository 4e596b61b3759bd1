import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "./datetime.ts";
import { zonedToUtc } from "./datetime_layout.ts";
import { compilePattern, parseDateTime } from "./datetime_text.ts";

const now = Date.UTC(2026, 4, 6, 7, 8, 9);

/** Text, and the instant it means in the zone Europe/Berlin (UTC+1, in summer UTC+2). */
const readable: readonly [text: string, iso: string, zone?: string][] = [
  ["2026", "2025-12-31T23:00:00.000Z"],
  ["2026-3", "2026-02-28T23:00:00.000Z"],
  ["2026-1-2", "2026-01-01T23:00:00.000Z"],
  ["2026-01-02", "2026-01-01T23:00:00.000Z"],
  ["2026-1-2 15", "2026-01-02T14:00:00.000Z"],
  ["2026-7-2 15:4", "2026-07-02T13:04:00.000Z"],
  ["2026-1-2 15:4:5", "2026-01-02T14:04:05.000Z"],
  ["2026-01-02 15:04:05.678", "2026-01-02T14:04:05.678Z"],
  ["3-4", "2026-03-03T23:00:00.000Z"],
  ["15:4:5", "2026-05-06T13:04:05.000Z"],
  ["15:4", "2026-05-06T13:04:00.000Z"],
  ["15", "2026-05-06T13:00:00.000Z"],
  ["3:04PM", "2026-05-06T13:04:00.000Z"],
  ["12:04AM", "2026-05-05T22:04:00.000Z"],
  ["15:4:5 Jan 2, 2006 UTC", "2006-01-02T15:04:05.000Z", "UTC"],
  ["2026-01-02 15:04:05.123456789 -0700 MST", "2026-01-02T22:04:05.123Z", "-07:00"],
  ["2026-01-02T15:04:05", "2026-01-02T14:04:05.000Z"],
  ["2026-01-02T15:04:05Z", "2026-01-02T15:04:05.000Z", "UTC"],
  ["2026-01-02T15:04:05.5+02:00", "2026-01-02T13:04:05.500Z", "+02:00"],
  ["2026-01-02T15:04:05-0330", "2026-01-02T18:34:05.000Z", "-03:30"],
  ["2026-01-02T15:04:05+02", "2026-01-02T13:04:05.000Z", "+02:00"],
  ["2026-01-02T15:04:05.000+00:00", "2026-01-02T15:04:05.000Z", "UTC"],
  ["2026.1.2", "2026-01-01T23:00:00.000Z"],
  ["2026.01.02 15:04:05.25", "2026-01-02T14:04:05.250Z"],
  ["1/2/2026", "2026-01-01T23:00:00.000Z"],
  ["1/2/2026 3:4:5", "2026-01-02T02:04:05.000Z"],
  ["2026/01/02", "2026-01-01T23:00:00.000Z"],
  ["2026/01/02 15:04:05", "2026-01-02T14:04:05.000Z"],
  ["20260102", "2026-01-01T23:00:00.000Z"],
  ["Fri Jan  2 15:04:05 2026", "2026-01-02T14:04:05.000Z"],
  ["Fri Jan  2 15:04:05 CET 2026", "2026-01-02T14:04:05.000Z"],
  ["Fri Jan 02 15:04:05 -0700 2026", "2026-01-02T22:04:05.000Z", "-07:00"],
  ["02 Jan 26 15:04 GMT", "2026-01-02T15:04:00.000Z", "UTC"],
  ["02 Jan 26 15:04 +0100", "2026-01-02T14:04:00.000Z", "+01:00"],
  ["Friday, 02-Jan-26 15:04:05 UTC", "2026-01-02T15:04:05.000Z", "UTC"],
  ["Fri, 02 Jan 2026 15:04:05 GMT", "2026-01-02T15:04:05.000Z", "UTC"],
  ["Fri, 02 Jan 2026 15:04:05 +0000", "2026-01-02T15:04:05.000Z", "UTC"],
  ["Jan  2 15:04:05.000", "2026-01-02T14:04:05.000Z"],
];

for (const [text, iso, zone = "Europe/Berlin"] of readable) {
  test(`parseDateTime() reads ${text}`, () => {
    const time = parseDateTime(text, "Europe/Berlin", now);
    assert.ok(time !== undefined);
    assert.equal(new Date(time.ms).toISOString(), iso);
    assert.equal(time.zone, zone);
  });
}

const unreadable = [
  "",
  "tomorrow",
  "2026-13-01",
  "2026-02-29",
  "2026-01-02T24:00:00Z",
  "2026-01-02 10:60",
  "2026-01-02T15:04:05Z trailing",
  " 2026-01-02",
  "13:04PM",
  "Foo Jan  2 15:04:05 2026",
  "2026-01-02T15:04:05+25:00",
  `2026-01-02 15:04:05.${"1".repeat(100)}`,
];

for (const text of unreadable) {
  test(`parseDateTime() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.equal(parseDateTime(text, "UTC", now), undefined);
  });
}

const time = new DateTime(Date.UTC(2026, 0, 2, 14, 4, 5, 678), "Europe/Berlin");

const patterns: readonly [pattern: string, text: string][] = [
  ["YYYY-MM-dd HH:mm:ssSSS", "2026-01-02 15:04:05.678"],
  ["yyyy.yy.YY", "2026.26.26"],
  ["ss.SS|SSSSSS", "05.67|.678000"],
  ["M MM MMM MMMM", "1 01 Jan January"],
  ["d dd EEE EEEE", "2 02 Fri Friday"],
  ["h hh a m mm s ss", "3 03 PM 4 04 5 05"],
  ["z Z X XX XXX", "CET +0100 +01 +0100 +01:00"],
  ["G", "AD"],
  ["YYYY'Y''s'T\\Y ''", "2026Y'sTY '"],
  ["日 Q", "日 Q"],
];

for (const [pattern, text] of patterns) {
  test(`compilePattern() writes ${pattern}`, () => assert.equal(compilePattern(pattern).write(time), text));
}

for (const pattern of ["YYY", "H", "MMMMM", "EE", "aa", "XXXX", "'open"]) {
  test(`compilePattern() refuses ${pattern}`, () => assert.throws(() => compilePattern(pattern), /time pattern/));
}

test("a pattern reads what it writes", () => {
  for (const pattern of ["YYYY-MM-dd HH:mm:ssSSS", "EEEE d MMMM YYYY, hh:mm:ss.SSS a", "YYYYMMddHHmmssSSSXXX"]) {
    const { read, write } = compilePattern(pattern);
    assert.equal(read(write(time), "Europe/Berlin", now)?.ms, time.ms, pattern);
  }
  assert.equal(compilePattern("YYYY-MM-dd").read("2026-01-02 ", "UTC", now), undefined);
});

test("zonedToUtc() gives the earlier of two instants, and steps over skipped times", () => {
  const iso = (...wall: [number, number, number, number, number]) =>
    new Date(zonedToUtc(Date.UTC(...wall), "Europe/Berlin").ms).toISOString();
  assert.equal(iso(2026, 9, 25, 2, 30), "2026-10-25T00:30:00.000Z");
  assert.equal(iso(2026, 9, 25, 3, 30), "2026-10-25T02:30:00.000Z");
  assert.equal(iso(2026, 2, 29, 2, 30), "2026-03-29T01:30:00.000Z");
  assert.equal(iso(2026, 2, 29, 3, 30), "2026-03-29T01:30:00.000Z");
});
