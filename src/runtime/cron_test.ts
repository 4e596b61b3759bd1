import assert from "node:assert/strict";
import { test } from "node:test";
import { type Cron, CronError, parseCron } from "./cron.ts";

const berlin = "Europe/Berlin";

/** `2026-03-29T01:00` as Unix milliseconds. */
function at(minute: string): number {
  return Date.parse(`${minute}:00Z`);
}

function nextOf(cron: Cron, from: string, count: number): string[] {
  const moments: string[] = [];
  for (let time = at(from); moments.length < count;) {
    time = cron.next(time);
    moments.push(new Date(time).toISOString().slice(0, 16));
  }
  return moments;
}

const table: [expression: string, zone: string, from: string, next: string[]][] = [
  ["* * * * *", "UTC", "2026-01-01T00:00", ["2026-01-01T00:01", "2026-01-01T00:02"]],
  ["*/20 * * * *", "UTC", "2026-01-01T00:10", ["2026-01-01T00:20", "2026-01-01T00:40", "2026-01-01T01:00"]],
  ["5/25 * * * *", "UTC", "2026-01-01T00:10", ["2026-01-01T00:30", "2026-01-01T00:55", "2026-01-01T01:05"]],
  ["1,2,10-14/2 8 * * *", "UTC", "2026-01-01T08:01", ["2026-01-01T08:02", "2026-01-01T08:10", "2026-01-01T08:12"]],
  ["30 6 * * MON-FRI", berlin, "2026-01-03T00:00", ["2026-01-05T05:30", "2026-01-06T05:30"]],
  ["0 0 * jan,Mar sun", "UTC", "2026-01-20T00:00", ["2026-01-25T00:00", "2026-03-01T00:00"]],
  ["0 0 ? * 0", "UTC", "2026-01-20T00:00", ["2026-01-25T00:00"]],
  ["0 0 * * 7", "UTC", "2026-01-20T00:00", ["2026-01-25T00:00"]],
  ["0 0 * * MON/2", "UTC", "2026-01-20T00:00", ["2026-01-21T00:00", "2026-01-23T00:00", "2026-01-26T00:00"]],
  ["0 0 13 * FRI", "UTC", "2026-02-10T00:00", ["2026-02-13T00:00", "2026-02-20T00:00"]],
  ["0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]],
  ["0 0 31 * *", "UTC", "2026-01-31T00:00", ["2026-03-31T00:00", "2026-05-31T00:00"]],
  ["  0   12 * * *  ", "UTC", "2026-01-01T00:00", ["2026-01-01T12:00"]],
  ["@hourly", "UTC", "2026-01-01T00:00", ["2026-01-01T01:00"]],
  ["@daily", berlin, "2026-01-01T00:00", ["2026-01-01T23:00"]],
  ["@midnight", "UTC", "2026-01-01T00:00", ["2026-01-02T00:00"]],
  ["@weekly", "UTC", "2026-01-01T00:00", ["2026-01-04T00:00"]],
  ["@monthly", "UTC", "2026-01-01T00:00", ["2026-02-01T00:00"]],
  ["@Yearly", "UTC", "2026-01-01T00:00", ["2027-01-01T00:00"]],
  ["@annually", "UTC", "2026-01-01T00:00", ["2027-01-01T00:00"]],
  ["@every 1h30m", berlin, "1970-01-01T00:00", ["1970-01-01T01:30", "1970-01-01T03:00"]],
  ["CRON_TZ=Asia/Tokyo 0 6 * * *", "UTC", "2026-01-01T00:00", ["2026-01-01T21:00"]],
  ["TZ=America/New_York @daily", "UTC", "2026-01-01T00:00", ["2026-01-01T05:00"]],
  // The clocks jump from 02:00 to 03:00 at 01:00 UTC.
  ["30 2 * * *", berlin, "2026-03-28T00:00", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]],
  ["*/30 2 * * *", berlin, "2026-03-28T01:30", ["2026-03-30T00:00", "2026-03-30T00:30"]],
  ["0 * * * *", berlin, "2026-03-28T23:30", ["2026-03-29T00:00", "2026-03-29T01:00", "2026-03-29T02:00"]],
  // They show 02:00 to 03:00 twice, from 00:00 to 02:00 UTC.
  ["30 2 * * *", berlin, "2026-10-24T00:00", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]],
  ["0 2,3 * * *", berlin, "2026-10-24T22:00", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"]],
  // A day without a midnight.
  ["0 0 * * *", "Asia/Beirut", "2026-03-27T12:00", ["2026-03-27T22:00", "2026-03-28T22:00", "2026-03-29T21:00"]],
  // Clocks that move by half an hour.
  ["0 2 * * *", "Australia/Lord_Howe", "2026-04-03T12:00", ["2026-04-03T15:00", "2026-04-04T15:30"]],
];

for (const [expression, zone, from, next] of table) {
  test(`parseCron() finds the moments of "${expression}" in ${zone} after ${from}`, () => {
    const cron = parseCron(expression, zone);
    assert.deepEqual(nextOf(cron, from, next.length), next);
  });
}

test("previous() gives the moment itself, the one before it, and agrees with next() over changes of the clocks", () => {
  for (const expression of ["30 2 * * *", "*/20 1-3 * * *", "15,45 * * * *", "@every 25m"]) {
    const cron = parseCron(expression, berlin);
    for (const day of ["2026-03-29", "2026-10-25"]) {
      const moments = nextOf(cron, `${day}T00:00`, 12).map(at);
      moments.forEach((moment, i) => {
        assert.equal(cron.previous(moment), moment);
        assert.equal(cron.previous(moment + 999), moment);
        if (i > 0) assert.equal(cron.previous(moment - 1), moments[i - 1], `${expression} before ${moment}`);
      });
    }
  }
});

const wrong: [expression: string, reason: RegExp][] = [
  ["", /wanted five fields .*, found 0/],
  ["   ", /wanted five fields/],
  ["* * * *", /found 4/],
  ["0 * * * * *", /found 6/],
  ["2026-01-01T00:00:00", /found 1/],
  ["60 * * * *", /Invalid value for minute: 60/],
  ["* 24 * * *", /hour: 24/],
  ["* * 0 * *", /day/],
  ["* * * 13 *", /month/],
  ["* * * * 8", /./],
  ["a b c d e", /illegal characters/],
  ["*/0 * * * *", /stepping: 0/],
  ["50-10 * * * *", /larger/],
  ["1, * * * *", /empty|illegal/],
  ["-5 * * * *", /./],
  ["0 0 30 2 *", /a day that never comes/],
  ["@reboot", /unknown descriptor "@reboot": there are @yearly, .* and @every/],
  ["@every", /unknown descriptor/],
  ["@every 5", /no duration/],
  ["@every 999ms", /at least one second/],
  ["@every -1h", /at least one second/],
  ["TZ=Mars/Base 0 0 * * *", /unknown time zone "Mars\/Base"/],
  [`${"1,".repeat(300)}1 * * * *`, /longer than 400 characters/],
];

for (const [expression, reason] of wrong) {
  test(`parseCron() refuses "${expression.slice(0, 40)}"`, () => {
    assert.throws(() => parseCron(expression, "UTC"), (error) => {
      assert.ok(error instanceof CronError, String(error));
      assert.match(error.message, reason);
      return true;
    });
  });
}
