import assert from "node:assert/strict";
import { test } from "node:test";
import { linesDiff, linesMatch, updatedOutcome } from "./diff.ts";

test("linesMatch() lets the text of an error be cut short, and nothing else", () => {
  assert.ok(linesMatch(["! E502"], ["! E502 Cannot add 1 and text"]));
  assert.ok(linesMatch(["@9s ! E502 Cannot add"], ["@9s ! E502 Cannot add 1 and text"]));
  assert.ok(!linesMatch(["! E502 Cannot add"], ["! E502 Cannot"]));
  assert.ok(!linesMatch(["@9s ! E502"], ["@8s ! E502 Cannot add"]));
  assert.ok(!linesMatch(['[{"a":1}'], ['[{"a":1}]']));
  assert.ok(!linesMatch(["[{}]"], ["[{}]", "[{}]"]));
});

const cases: readonly { readonly name: string; readonly expected: string; readonly found: string; diff: string }[] = [
  {
    name: "a line that is missing stands alone among those around it",
    expected: "a b c d e f g h",
    found: "a b c e f g h",
    diff: `  (1 line as expected)
  b
  c
- d
  e
  f
  (2 lines as expected)`,
  },
  {
    name: "a line too many",
    expected: "a b",
    found: "a x b",
    diff: "  a\n+ x\n  b",
  },
  {
    name: "lines in the same place are compared, only the first difference is marked",
    expected: '[{"a":1}] same [{"b":1,"c":2}]',
    found: '[{"a":2}] same [{"b":1,"d":2}] more',
    diff: `- [{"a":1}]
+ [{"a":2}]
        ^ differs in "a"
  same
- [{"b":1,"c":2}]
+ [{"b":1,"d":2}]
  differs in "c" (missing), "d" (not expected)
+ more`,
  },
  {
    name: "rows of a list are numbered",
    expected: '[{"a":1},{"a":2}]',
    found: '[{"a":1},{"a":3}]',
    diff: `- [{"a":1},{"a":2}]
+ [{"a":1},{"a":3}]
                ^ differs in row 2: "a"`,
  },
  {
    name: "lists of different lengths",
    expected: '[{"a":1}]',
    found: '[{"a":1},{"a":3}]',
    diff: `- [{"a":1}]
+ [{"a":1},{"a":3}]
          ^ 1 expected, 2 found`,
  },
  {
    name: "times differ, rows do not",
    expected: "@1s[{}]",
    found: "@2s[{}]",
    diff: "- @1s[{}]\n+ @2s[{}]\n   ^ the first difference",
  },
];

for (const { name, expected, found, diff } of cases) {
  test(`linesDiff() ${name}`, () => assert.equal(linesDiff(expected.split(" "), found.split(" ")), diff));
}

test("linesDiff() of very many lines compares them one by one", () => {
  const many = Array.from({ length: 3000 }, (_, i) => `line ${i}`);
  const diff = linesDiff(many, many.slice(1));
  assert.match(diff, /^- line 0\n\+ line 1\n/);
});

test("updatedOutcome() keeps lines that say the same in fewer words", () => {
  const expected = { kind: "gives" as const, lines: ["! E502", "[{}]"] };
  const found = { kind: "gives" as const, lines: ["! E502 Cannot add", '[{"a":1}]', "[{}]"] };
  assert.deepEqual(updatedOutcome(expected, found).lines, ["! E502", '[{"a":1}]', "[{}]"]);
  const refused = { kind: "refused" as const, lines: ["E101"] };
  assert.equal(updatedOutcome(expected, refused), refused);
});
