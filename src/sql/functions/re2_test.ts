import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../value/seeded_random.ts";
import { compileRe2, type Re2 } from "./re2.ts";
import { Machine, newSearchBudget } from "./re2_machine.ts";
import { parsePattern } from "./re2_parse.ts";
import { threadMs } from "../../../tests/thread_time.ts";

/** Pattern, text, and the groups of the first match (none: null). */
const cases: readonly [pattern: string, text: string, groups: readonly (string | undefined)[] | null][] = [
  ["abc", "xabcx", ["abc"]],
  ["", "abc", [""]],
  ["a|ab", "ab", ["a"]],
  ["(a+)(b*)", "xaab", ["aab", "aa", "b"]],
  ["(a)|(b)", "b", ["b", undefined, "b"]],
  ["a*?b", "aab", ["aab"]],
  ["(a+?)(a*)", "aaa", ["aaa", "a", "aa"]],
  ["(?U)(a+)(a*?)", "aaa", ["aaa", "a", "aa"]],
  ["a{2}", "aaa", ["aa"]],
  ["a{2,}", "aaaa", ["aaaa"]],
  ["a{1,2}?", "aa", ["a"]],
  ["a{,2}", "a{,2}", ["a{,2}"]],
  ["x{y", "x{y", ["x{y"]],
  ["^b", "ab", null],
  ["(?m)^b$", "a\nb\nc", ["b"]],
  ["^b$", "a\nb", null],
  ["b$", "b\n", null],
  ["\\Aab\\z", "ab", ["ab"]],
  ["a.b", "a\nb", null],
  ["(?s)a.b", "a\nb", ["a\nb"]],
  ["(?i)äB", "ÄB", ["ÄB"]],
  ["(?i:a)b", "Ab", ["Ab"]],
  ["(?i:a)b", "AB", null],
  ["(?i)a(?-i)b", "AB", null],
  ["(?P<x>a)(?<y>b)", "ab", ["ab", "a", "b"]],
  ["[[:alpha:]]+", "12ab3", ["ab"]],
  ["[[:^digit:]]+", "12ab3", ["ab"]],
  ["[^a-c]+", "abcdef", ["def"]],
  ["[]a]+", "x]a", ["]a"]],
  ["[a-]+", "b-a", ["-a"]],
  ["[\\d\\-]+", "a1-2", ["1-2"]],
  ["[\\D]+", "1ab", ["ab"]],
  ["\\w+\\W\\w+", "a-b", ["a-b"]],
  ["\\bb\\w", "ab ba", ["ba"]],
  ["a\\Bb", "ab", ["ab"]],
  ["\\p{Greek}+", "abγδ", ["γδ"]],
  ["\\pL+", "1äb", ["äb"]],
  ["\\P{Lu}+", "ABcd", ["cd"]],
  ["[^\\p{Lu}]+", "ABcd", ["cd"]],
  ["\\Qa.b\\E+", "a.bb", ["a.bb"]],
  ["\\x41\\x{1F600}\\101\\t", "A😀A\t", ["A😀A\t"]],
  ["^.$", "😀", ["😀"]],
  ["\\.\\/\\-", "./-", ["./-"]],
  ["(?:a|b)+c", "abac", ["abac"]],
  ["(a|b)*", "abc", ["ab", "b"]],
  ["(?:ab?){2,3}", "abaab", ["abaab"]],
  ["^([a-z]+\\.)+[a-z]+$", "www.example.org", ["www.example.org", "example."]],
  ["(?:^|x)*a", "a", ["a"]],
  ["(|a)*", "aaa", ["", ""]],
  ["(|a)+", "aaa", ["", ""]],
  ["(a|)*", "aab", ["aa", "a"]],
  ["(?:(a)|b)*", "ab", ["ab", "a"]],
  ["(a*)+b", "aab", ["aab", "aa"]],
];

/** The same search on the machine, whatever the pattern's shape. */
function onMachine(pattern: string, text: string): readonly (string | undefined)[] | null {
  const captures = new Machine(parsePattern(pattern)).find(text, 0, newSearchBudget());
  if (captures === undefined) return null;
  return Array.from({ length: captures.length / 2 }, (_, i) => {
    return captures[2 * i + 1]! < 0 ? undefined : text.slice(captures[2 * i], captures[2 * i + 1]);
  });
}

for (const [pattern, text, groups] of cases) {
  test(`${JSON.stringify(pattern)} on ${JSON.stringify(text)}, either way`, () => {
    const found = compileRe2(pattern, "f").find(text, 0);
    assert.deepEqual(found === undefined ? null : [...found.groups], groups);
    assert.deepEqual(onMachine(pattern, text), groups);
  });
}

const refused: readonly [pattern: string, reason: RegExp][] = [
  ["(", /missing \)/],
  [")", /unexpected \)/],
  ["[a", /missing \]/],
  ["[b-a]", /goes down/],
  ["a**", /repeated/],
  ["a{2}{3}", /repeated/],
  ["*a", /nothing to repeat/],
  ["a{1001}", /repeat count/],
  ["a{3,2}", /repeat count/],
  ["((a{100}){100})", /over 1000/],
  ["(?=a)", /look-around/],
  ["(?<!a)", /look-around/],
  ["(a)\\1", /back-references/],
  ["\\y", /unknown escape/],
  ["\\Z", /unknown escape/],
  ["\\", /at the end/],
  ["\\p{Klingon}", /unknown character property/],
  ["[[:foo:]]", /unknown class/],
  ["(?P<a>x)(?P<a>y)", /two groups/],
  ["(?z)a", /unknown kind of group/],
  ["\\x{110000}", /no such character/],
  ["(".repeat(300) + ")".repeat(300), /nested over/],
];

for (const [pattern, reason] of refused) {
  test(`compileRe2() refuses ${JSON.stringify(pattern.slice(0, 30))}`, () => {
    assert.throws(() => compileRe2(pattern, "f"), { code: "E506", message: reason });
  });
}

function milliseconds(run: () => void): number {
  const start = threadMs();
  run();
  return threadMs() - start;
}

/** Each takes a backtracking engine exponential, or for long texts polynomial, time. */
const hostile: readonly [pattern: string, text: string][] = [
  ["(a+)+$", "a".repeat(2000) + "!"],
  ["(a|a)*$", "a".repeat(2000) + "!"],
  ["(a|b|ab)*c", "ab".repeat(1000)],
  ["a?".repeat(25) + "a".repeat(25), "a".repeat(25)],
  [".*.*.*x", "a".repeat(5000)],
  ["\\s+$", " ".repeat(20_000) + "x"],
];

for (const [pattern, text] of hostile) {
  test(`${pattern.slice(0, 20)} takes no time to speak of on ${text.length} characters`, () => {
    let compiled: Re2 | undefined;
    const spent = milliseconds(() => {
      compiled = compileRe2(pattern, "f");
      compiled.find(text, 0);
    });
    // Thousands of times what it takes, to be safe on a busy machine, and nothing beside what backtracking would take.
    assert.ok(spent < 5000, `${spent} ms`);
  });
}

test("a text too long for a large pattern is refused instead of searched for minutes", () => {
  const compiled = compileRe2("(?:[ab]{1,5}c?){100}d", "f");
  assert.throws(() => compiled.find("a".repeat(1_000_000), 0), { code: "E506", message: /too long/ });
});

/** A random pattern without loops around what can be empty, where JavaScript means something else. */
function randomPattern(random: SeededRandom, depth: number): { text: string; nullable: boolean } {
  switch (depth === 0 ? random.below(4) : random.below(10)) {
    case 0:
    case 1:
      return { text: random.pick(["a", "b", "c", "é", "😀", "\\n"]), nullable: false };
    case 2:
      return { text: random.pick([".", "[ab]", "[^a]", "[b-é]", "\\w", "\\W"]), nullable: false };
    case 3:
      return { text: random.pick(["^", "$", "\\b", "\\B", ""]), nullable: true };
    case 4:
    case 5: {
      const [left, right] = [randomPattern(random, depth - 1), randomPattern(random, depth - 1)];
      return { text: left.text + right.text, nullable: left.nullable && right.nullable };
    }
    case 6: {
      const [left, right] = [randomPattern(random, depth - 1), randomPattern(random, depth - 1)];
      return { text: `(?:${left.text}|${right.text})`, nullable: left.nullable || right.nullable };
    }
    case 7: {
      const body = randomPattern(random, depth - 1);
      return { text: `(${body.text})`, nullable: body.nullable };
    }
    default: {
      const body = randomPattern(random, depth - 1);
      if (body.nullable) return body;
      const count = random.pick(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{1,}"]);
      return { text: `(?:${body.text})${count}`, nullable: /^[*?]|^\{0/.test(count) };
    }
  }
}

test("both engines find what JavaScript finds, for random patterns and texts", () => {
  const random = new SeededRandom(20260102);
  for (let round = 0; round < 3000; round++) {
    const pattern = randomPattern(random, 4).text;
    // V8 finds \B between the halves of a surrogate pair, which nobody wants.
    const characters = ["a", "b", "c", "é", pattern.includes("\\B") ? "d" : "😀", "\n", " "];
    const text = Array.from({ length: random.below(9) }, () => random.pick(characters)).join("");
    const expected = new RegExp(pattern, "u").exec(text);
    const whole = expected === null ? null : [expected.index, expected[0]];
    const found = compileRe2(pattern, "f").find(text, 0);
    const place = `${JSON.stringify(pattern)} on ${JSON.stringify(text)}`;
    assert.deepEqual(found === undefined ? null : [found.start, found.groups[0]], whole, place);
    // Groups in repetitions are kept by RE2 and cleared by JavaScript, so they are compared between the two engines.
    assert.deepEqual(onMachine(pattern, text), found === undefined ? null : [...found.groups], place);
  }
});

test("all searches of one call share one budget", () => {
  const compiled = compileRe2("a(?:b|c)*d|a", "f");
  const text = "a".repeat(20) + "b".repeat(1000);
  const budget = newSearchBudget();
  const before = budget.left;
  for (let from = 0; from < 20; from++) compiled.find(text, from, budget);
  const spent = before - budget.left;
  assert.ok(spent > 1000, `${spent}`);
  budget.left = 5;
  assert.throws(() => compiled.find(text, 0, budget), { code: "E506", message: /too long/ });
});

test("patterns are refused that would take long to compile, and long ones are not printed", () => {
  for (const pattern of ["a".repeat(10_001), "\\pL".repeat(101), "(?i)[\\p{Greek}x]".repeat(101)]) {
    assert.throws(() => compileRe2(pattern, "f"), (error: Error) => error.message.length < 300);
  }
  assert.ok(compileRe2("a".repeat(10_000), "f").find("a".repeat(10_000), 0));
  assert.ok(compileRe2("\\pL".repeat(100), "f").find("ä".repeat(100), 0));
});

test("a search costs what it really does: little without branches, more with groups to copy", () => {
  const stepsOf = (pattern: string, text: string) => {
    const budget = newSearchBudget();
    const before = budget.left;
    new Machine(parsePattern(pattern)).find(text, 0, budget);
    return before - budget.left;
  };
  const text = "b".repeat(300);
  assert.ok(stepsOf(`${"(?:b|c)".repeat(50)}x`, text.slice(0, 100)) > 1000);
  assert.ok(stepsOf("a{200}", text) < 3000, "a pattern that never gets beyond its first character");
  const few = stepsOf("(?:b)*", text);
  const many = stepsOf(`${"(".repeat(100)}b${")".repeat(100)}*`, text);
  assert.ok(many > 20 * few, `${few} steps without groups, ${many} with a hundred`);
});
