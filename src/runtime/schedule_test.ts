import assert from "node:assert/strict";
import { test } from "node:test";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { type RangeOption, readSchedule, type Schedule, slotAt } from "./schedule.ts";

const none = { cron: "", duration: 0, cronDatetimeRange: [] };
const zone = "Europe/Berlin";
const minute = 60_000;
const hour = 60 * minute;

function schedule(cron: string, duration: number, ranges: readonly [begin: string, end: string][] = []): Schedule {
  const problems: Diagnostic[] = [];
  const cronDatetimeRange = ranges.map(([begin, end]): RangeOption => ({
    begin: `${begin}:00`,
    end: `${end}:00`,
    beginTimestamp: 0,
    endTimestamp: 0,
  }));
  const read = readSchedule({ cron, duration, cronDatetimeRange }, zone, problems);
  assert.deepEqual(problems, []);
  return read!;
}

function shown(ms: number | undefined): string {
  if (ms === undefined) return "never";
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 16) : String(ms);
}

test("readSchedule() gives nothing for a rule that runs always, or once for a time", () => {
  assert.equal(readSchedule(none, zone, []), undefined);
  assert.equal(readSchedule({ ...none, duration: 5000 }, zone, []), undefined);
  assert.equal(readSchedule({ ...none, cron: "  " }, zone, []), undefined);
});

const mornings = schedule("0 8 * * *", 2 * hour);
const january = schedule("", 0, [
  ["2026-01-20 00:00", "2026-01-21 00:00"],
  ["2026-01-05 00:00", "2026-01-06 00:00"],
  ["2026-01-06 00:00", "2026-01-07 00:00"],
  ["2026-01-05 12:00", "2026-01-05 13:00"],
  ["2026-01-10 00:00", "2026-01-10 00:00"],
]);
const week = schedule("0 8 * * *", 2 * hour, [["2026-01-05 09:00", "2026-01-07 09:00"], [
  "2026-01-20 12:00",
  "2026-01-20 14:00",
]]);
const often = schedule("* * * * *", 10 * minute);
const overnight = schedule("30 1 * * *", 2 * hour);

type Expected = [runs: boolean, from: string, until: string, nextStart: string];

const table: [name: string, schedule: Schedule, now: string, expected: Expected][] = [
  ["before a slot", mornings, "2026-01-05T06:59", [
    false,
    "2026-01-04T09:00",
    "2026-01-05T07:00",
    "2026-01-05T07:00",
  ]],
  ["at its begin", mornings, "2026-01-05T07:00", [true, "2026-01-05T07:00", "2026-01-05T09:00", "2026-01-06T07:00"]],
  ["inside", mornings, "2026-01-05T08:59", [true, "2026-01-05T07:00", "2026-01-05T09:00", "2026-01-06T07:00"]],
  ["at its end", mornings, "2026-01-05T09:00", [false, "2026-01-05T09:00", "2026-01-06T07:00", "2026-01-06T07:00"]],
  ["before all ranges", january, "2026-01-01T00:00", [false, "-Infinity", "2026-01-04T23:00", "2026-01-04T23:00"]],
  ["in ranges that touch", january, "2026-01-05T11:30", [
    true,
    "2026-01-04T23:00",
    "2026-01-06T23:00",
    "2026-01-19T23:00",
  ]],
  ["between ranges", january, "2026-01-09T23:00", [
    false,
    "2026-01-06T23:00",
    "2026-01-19T23:00",
    "2026-01-19T23:00",
  ]],
  ["in the last range", january, "2026-01-20T12:00", [true, "2026-01-19T23:00", "2026-01-20T23:00", "never"]],
  ["after all ranges", january, "2026-01-20T23:00", [false, "2026-01-20T23:00", "Infinity", "never"]],
  ["cron before the range", week, "2026-01-05T07:30", [false, "-Infinity", "2026-01-05T08:00", "2026-01-05T08:00"]],
  ["a slot whose begin the range cuts off", week, "2026-01-05T08:00", [
    true,
    "2026-01-05T08:00",
    "2026-01-05T09:00",
    "2026-01-06T07:00",
  ]],
  ["a whole slot in the range", week, "2026-01-06T07:30", [
    true,
    "2026-01-06T07:00",
    "2026-01-06T09:00",
    "2026-01-07T07:00",
  ]],
  ["a slot whose end the range cuts off", week, "2026-01-07T07:30", [
    true,
    "2026-01-07T07:00",
    "2026-01-07T08:00",
    "never",
  ]],
  ["cron in a range without a slot", week, "2026-01-20T12:00", [
    false,
    "2026-01-20T11:00",
    "2026-01-20T13:00",
    "never",
  ]],
  ["slots that overlap", often, "2026-01-05T12:00", [true, "2026-01-05T12:00", "2026-01-05T12:01", "2026-01-05T12:01"]],
  ["a slot over the skipped hour lasts as long", overnight, "2026-03-29T02:29", [
    true,
    "2026-03-29T00:30",
    "2026-03-29T02:30",
    "2026-03-29T23:30",
  ]],
  ["a slot over the repeated hour lasts as long", overnight, "2026-10-25T01:29", [
    true,
    "2026-10-24T23:30",
    "2026-10-25T01:30",
    "2026-10-26T00:30",
  ]],
];

for (const [name, schedule, now, expected] of table) {
  test(`slotAt() ${name}`, () => {
    const { runs, from, until, nextStart } = slotAt(schedule, Date.parse(`${now}Z`));
    assert.deepEqual([runs, shown(from), shown(until), shown(nextStart)], expected);
  });
}

test("slotAt() says the same about every time of a slot, and something else after it", () => {
  for (const schedule of [mornings, january, week, often, overnight]) {
    let now = Date.UTC(2026, 0, 1);
    for (let i = 0; i < 30; i++) {
      const slot = slotAt(schedule, now);
      if (slot.until === Infinity) break;
      for (const time of [slot.from, slot.until - 1, (now + slot.until) / 2]) {
        if (Number.isFinite(time)) assert.deepEqual(slotAt(schedule, time), slot);
      }
      assert.ok(slot.until > now);
      now = slot.until;
      assert.equal(slotAt(schedule, now).from, now);
    }
  }
});

test("a year of ranges without a slot is no burden", () => {
  const ranges = Array.from({ length: 1000 }, (_, i): [string, string] => {
    const day = new Date(Date.UTC(2026, 0, 1 + i)).toISOString().slice(0, 10);
    return [`${day} 12:00`, `${day} 13:00`];
  });
  const barren = schedule("0 8 * * *", hour, ranges);
  assert.equal(slotAt(barren, Date.UTC(2026, 0, 1)).nextStart, undefined);
});
