import { test } from "node:test";
import assert from "node:assert/strict";
import { SeededRandom } from "../../value/seeded_random.ts";
import { likeMatcher } from "./like.ts";
import { threadMs } from "../../../tests/thread_time.ts";

const cases: readonly [text: string, pattern: string, matches: boolean][] = [
  ["", "", true],
  ["", "%", true],
  ["a", "", false],
  ["abc", "abc", true],
  ["abc", "a%", true],
  ["abc", "%c", true],
  ["abc", "%b%", true],
  ["abc", "a_c", true],
  ["abc", "a_", false],
  ["abc", "%%%", true],
  ["abc", "_%_", true],
  ["a", "_%_", false],
  ["abab", "%ab", true],
  ["aXbXc", "a%X%c", true],
  ["a.c", "a.c", true],
  ["abc", "a.c", false],
  ["100%", "100\\%", true],
  ["100x", "100\\%", false],
  ["a_b", "a\\_b", true],
  ["axb", "a\\_b", false],
  ["a\\b", "a\\b", true],
  ["a\\", "a\\", true],
  ["😀x", "_x", true],
  ["😀x", "__x", false],
  ["a\nb", "a%b", false],
  ["a\nb", "a_b", false],
  ["a\nb", "a\nb", true],
  ["a1\nb2", "a%\n%2", true],
  ["a\n", "a", false],
  ["x\ny", "x%", false],
  ["\ud83d\ude00", "\ud83d%", false],
  ["\ud83d\ude00", "%\ude00", false],
  ["\ud83dx", "\ud83d%", true],
  ["x😀", "%😀", true],
  ["x😀y", "%😀%", true],
  ["abc", "%", true],
  ["abc", "%%", true],
  ["abc", "%x%", false],
];

for (const [text, pattern, matches] of cases) {
  test(`${JSON.stringify(text)} ${matches ? "is" : "is not"} LIKE ${JSON.stringify(pattern)}`, () => {
    assert.equal(likeMatcher(pattern)(text), matches);
  });
}

test("LIKE agrees with a regular expression on random patterns", () => {
  const random = new SeededRandom(3);
  const draw = (letters: string, most: number) =>
    Array.from({ length: random.below(most) }, () => random.pick([...letters])).join("");
  for (let i = 0; i < 5000; i++) {
    const [text, pattern] = [draw("ab\n", 8), draw("ab%_\n", 6)];
    const source = pattern.replaceAll("%", "[^\\n]*").replaceAll("_", "[^\\n]");
    assert.equal(likeMatcher(pattern)(text), new RegExp(`^(?:${source})$`).test(text), JSON.stringify([text, pattern]));
  }
});

test("LIKE takes no exponential time", () => {
  const begin = threadMs();
  assert.equal(likeMatcher(`${"%a".repeat(40)}b`)("a".repeat(5000)), false);
  assert.ok(threadMs() - begin < 5000);
});
