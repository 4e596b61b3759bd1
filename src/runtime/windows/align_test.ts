import { test } from "node:test";
import assert from "node:assert/strict";
import type { TimeUnit } from "../../sql/ast.ts";
import { unitMs } from "../../sql/analyze/windows.ts";
import { SeededRandom } from "../../value/seeded_random.ts";
import { align } from "./align.ts";

const cases: readonly [from: string, count: number, unit: TimeUnit, zone: string, to: string][] = [
  ["2026-01-01T12:00:20Z", 90, "ss", "UTC", "2026-01-01T12:01:30Z"],
  ["2026-01-01T22:10:00Z", 5, "hh", "UTC", "2026-01-02T01:00:00Z"],
  ["2026-01-01T12:00:10.400Z", 10, "ss", "UTC", "2026-01-01T12:00:20Z"],
  ["2026-01-01T12:00:10Z", 10, "ss", "UTC", "2026-01-01T12:00:20Z"],
  ["2026-01-01T12:00:09.999Z", 10, "ss", "UTC", "2026-01-01T12:00:10Z"],
  ["2026-01-01T12:59:59Z", 1, "mi", "UTC", "2026-01-01T13:00:00Z"],
  ["2026-01-01T12:50:00Z", 25, "mi", "UTC", "2026-01-01T13:15:00Z"],
  ["2026-01-01T00:00:00.250Z", 100, "ms", "UTC", "2026-01-01T00:00:00.300Z"],
  ["2026-01-01T00:00:00.950Z", 300, "ms", "UTC", "2026-01-01T00:00:01.200Z"],
  ["2026-01-01T00:00:00Z", 1, "dd", "UTC", "2026-01-02T00:00:00Z"],
  ["2026-01-01T13:00:00Z", 7, "dd", "UTC", "2026-01-08T00:00:00Z"],
  ["2026-01-01T13:00:00Z", 1, "dd", "Asia/Tokyo", "2026-01-01T15:00:00Z"],
  ["2026-01-01T00:00:00Z", 2, "hh", "Asia/Kolkata", "2026-01-01T00:30:00Z"],
  ["2026-01-01T00:10:00Z", 1, "hh", "Asia/Kathmandu", "2026-01-01T00:15:00Z"],
  // The night of the change to summer time has 23 hours, that of the change back 25: midnight stays midnight.
  ["2026-03-28T23:30:00Z", 1, "dd", "Europe/Berlin", "2026-03-29T22:00:00Z"],
  ["2026-10-24T23:30:00Z", 1, "dd", "Europe/Berlin", "2026-10-25T23:00:00Z"],
];

for (const [from, count, unit, zone, to] of cases) {
  test(`align() from ${from} by ${count} ${unit} in ${zone} is ${to}`, () => {
    assert.equal(new Date(align(Date.parse(from), count, unit, zone)).toISOString(), new Date(to).toISOString());
  });
}

test("align() is strictly behind the time and not further than it can be, in every zone and season", () => {
  const random = new SeededRandom(5);
  const units: TimeUnit[] = ["dd", "hh", "mi", "ss", "ms"];
  const zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"];
  for (let i = 0; i < 5000; i++) {
    const time = Date.UTC(2026, 0, 1) + random.below(365 * 24 * 3600) * 1000 + random.below(1000);
    const [count, unit, zone] = [1 + random.below(100), random.pick(units), random.pick(zones)];
    const end = align(time, count, unit, zone);
    const what = `align(${time}, ${count}, ${unit}, ${zone}) = ${end}`;
    assert.ok(end > time, what);
    // A change of the clock moves a boundary by an hour at most.
    assert.ok(end - time <= count * unitMs[unit] + 3_600_000, what);
  }
});
