import { test } from "node:test";
import assert from "node:assert/strict";
import { diagnosticsOf } from "../../tests/diagnostics_of.ts";
import { parseExpression, parseStatement } from "./parse.ts";
import { printExpression } from "./print.ts";
import { threadMs } from "../../tests/thread_time.ts";

/** What makes a chain: its head, what follows again and again, and how many tokens that is. */
const chains: readonly (readonly [string, string, string, number])[] = [
  ["sums", "a", " + a", 2],
  ["sums and products", "a", " - b * c", 4],
  ["conditions", "a", " OR b = 1 AND c", 6],
  ["comparisons", "a", " = b", 2],
  ["tests", "a", " NOT IN (1) BETWEEN 2 AND 3 LIKE d", 11],
  ["postfixes", "a", "[0]->b", 5],
];

for (const [name, head, tail, tokens] of chains) {
  test(`parseExpression() reads and prints long chains of ${name} without deep recursion`, () => {
    const text = head + tail.repeat(Math.min(10_000, Math.floor(31_000 / tokens)));
    assert.equal(printExpression(parseExpression(text)), text);
  });
}

/** What nests: the opening text of one level, the innermost text, and the closing text of one level. */
const nests: readonly (readonly [string, string, string])[] = [
  ["(", "a", ")"],
  ["f(", "a", ")"],
  ["tumblingwindow(", "a", ")"],
  ["x IN (", "a", ")"],
  ["x NOT BETWEEN (", "a", ") AND 2"],
  ["a[", "0", "]"],
  ["a[1:", "2", "]"],
  ["CASE ", "a", " WHEN 1 THEN 2 END"],
  ["CASE WHEN ", "a", " THEN 2 END"],
  ["CASE WHEN 1 THEN 2 ELSE ", "a", " END"],
  ["f(* REPLACE (", "a", " AS b))"],
  ["f() OVER (WHEN ", "a", ")"],
];

for (const [open, inner, close] of nests) {
  const levels = open.match(/[([]|CASE/g)!.length - (open.match(/[)\]]/g)?.length ?? 0);
  const depth = Math.floor(200 / levels);
  test(`parseExpression() reads ${JSON.stringify(open)} 200 levels deep and refuses one more with E102`, () => {
    // A call without arguments inside a level needs one level more than the nest itself.
    const spare = open.includes("()") ? 1 : 0;
    const fine = open.repeat(depth - spare) + inner + close.repeat(depth - spare);
    printExpression(parseExpression(fine));
    const [tooDeep] = diagnosticsOf(() => parseExpression(open.repeat(depth + 1) + inner + close.repeat(depth + 1)));
    assert.equal(tooDeep?.code, "E102");
    const broken = open.repeat(depth - spare) + inner + " ~ " + close.repeat(depth - spare);
    const start = threadMs();
    assert.equal(diagnosticsOf(() => parseExpression(broken))[0]?.code, "E101");
    // Exponential time would be years; the limit only has to bear a busy machine.
    assert.ok(threadMs() - start < 1000);
  });
}

test("E102 points at the bracket that is too deep", () => {
  const [first] = diagnosticsOf(() => parseExpression("(".repeat(5000)));
  assert.deepEqual([first?.code, first?.span], ["E102", { start: 200, end: 201 }]);
});

test("brackets inside strings, comments and quoted names do not nest", () => {
  const many = "(".repeat(300);
  parseExpression(`'${many}' + \`${many}\` /* ${many} */ -- ${many}`);
  parseExpression("((a))".concat(" + ((a))".repeat(300)));
  parseExpression("CASE a WHEN 1 THEN 2 END".concat(" + CASE a WHEN 1 THEN 2 END".repeat(300)));
});

test("E103 refuses more text and more tokens than the limits", () => {
  assert.equal(diagnosticsOf(() => parseStatement(`SELECT a FROM s ${" ".repeat(256 * 1024)}`))[0]?.code, "E103");
  assert.equal(diagnosticsOf(() => parseExpression("a" + "+a".repeat(16_000)))[0]?.code, "E103");
  const text = `SELECT a FROM s WHERE a = '`;
  parseStatement(text + "x".repeat(256 * 1024 - text.length - 1) + "'");
});
