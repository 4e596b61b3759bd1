import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePosition, printPosition } from "./position.ts";

const of = ["readings", "at", "id"];

test("a position comes back as it was printed, large ints and absent values, too", () => {
  const values = ["2026-01-02 03:04:05.123456", 9007199254740993n, 1.5, undefined];
  assert.deepEqual(parsePosition(printPosition(of, values), of), values);
});

test("a position may be written by hand, with plain numbers", () => {
  assert.deepEqual(parsePosition('{"of":["readings","at","id"],"values":["2026-01-02",7]}', of), ["2026-01-02", 7]);
});

for (
  const text of [
    "",
    "{}",
    "no position",
    '{"of":["others","at","id"],"values":["2026-01-02",7]}',
    '{"of":["readings","at","id"],"values":[{"int":"x"}]}',
    '{"of":["readings","at","id"],"values":[true]}',
  ]
) {
  test(`parsePosition() refuses ${text}`, () => assert.equal(parsePosition(text, of), undefined));
}
