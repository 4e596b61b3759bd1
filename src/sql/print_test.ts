import { test } from "node:test";
import assert from "node:assert/strict";
import { parseExpression, parseSelect, parseSelectItem } from "./parse.ts";
import { printExpression, printLiteral, printName, printSelect, printSelectItem } from "./print.ts";

test("printLiteral() gives text that parses to the same value", () => {
  const values = [
    0n,
    -1n,
    9223372036854775807n,
    0,
    -0,
    0.1,
    1e21,
    1e-7,
    1.5e300,
    5e-324,
    Number.MAX_VALUE,
    -123456.789,
    "",
    'it\'s "x" \\ `y`',
    "\u0000\u0001\n\r\t\u007f\u2028é😀",
    true,
    false,
  ];
  for (const value of values) {
    const tree = parseExpression(printLiteral(value));
    assert.ok(tree.kind === "literal");
    assert.ok(Object.is(tree.value, value), `${typeof value} ${String(value)}`);
  }
});

test("printLiteral() writes floats with a point and without an exponent", () => {
  assert.equal(printLiteral(3), "3.0");
  assert.equal(printLiteral(1e21), "1000000000000000000000.0");
  assert.equal(printLiteral(1.25e-8), "0.0000000125");
  assert.equal(printLiteral(-12.5), "-12.5");
});

test("printName() quotes what is no plain name", () => {
  assert.equal(printName({ name: "a_1" }), "a_1");
  assert.equal(printName({ name: "window" }), "window");
  for (const name of ["end", "Select", "ms", "a-b", "1a", "_a", "é", "a b"]) {
    assert.equal(printName({ name }), "`" + name + "`");
  }
});

test("printExpression() never makes a comment out of two minus signs", () => {
  for (const text of ["a - (-5)", "a - (-5 * b)", "a - (-5)[0]", "a - (-5 - b)"]) {
    const print = printExpression(parseExpression(text));
    assert.ok(!/-\s*-/.test(print), print);
    assert.equal(printExpression(parseExpression(print)), print);
  }
});

test("printSelect() keeps a call in GROUP BY apart from a window", () => {
  const text = "SELECT a FROM s GROUP BY (countwindow(1) + 2), COUNTWINDOW(1)";
  assert.equal(printSelect(parseSelect(text)), text);
});

test("printSelectItem() prints aliases and stars", () => {
  for (const text of ["a + 1 AS b INVISIBLE", "*", "s.*", "* EXCEPT (`end`) REPLACE (1 AS b)"]) {
    assert.equal(printSelectItem(parseSelectItem(text)), text);
  }
});

/** Every pair of operators, nested to the left and to the right: the print keeps the shape with the fewest brackets. */
test("printExpression() keeps the shape of every pair of operators", () => {
  const operators = ["OR", "AND", "=", "!=", "<", "<=", ">", ">=", "+", "-", "|", "^", "*", "/", "%", "&"];
  const tests = [" IN (x)", " NOT IN x", " BETWEEN 1 AND 2", " NOT LIKE x"];
  const shapes = operators.flatMap((outer) => [
    ...operators.flatMap((inner) => [`(a ${inner} b) ${outer} c`, `a ${outer} (b ${inner} c)`]),
    ...tests.flatMap((test) => [`(a ${outer} b)${test}`, `(a${test}) ${outer} b`, `a ${outer} (b${test})`]),
    `a BETWEEN (b ${outer} c) AND (d ${outer} e)`,
    `a LIKE (b ${outer} c)`,
    `(a ${outer} b)[c ${outer} d]`,
    `CASE a ${outer} b WHEN c THEN d END->e`,
  ]);
  const shape = (text: string) =>
    JSON.stringify(parseExpression(text), (key, value) => {
      if (key === "span") return undefined;
      return typeof value === "bigint" ? String(value) : value;
    });
  for (const text of shapes) {
    const print = printExpression(parseExpression(text));
    assert.equal(shape(print), shape(text));
    // No pair of round brackets can be left out, other than those of an IN list.
    for (const match of print.replaceAll("IN (x)", "IN _x__").matchAll(/\(([^()]*)\)/g)) {
      const without = print.slice(0, match.index) + match[1] + print.slice(match.index + match[0].length);
      assert.notEqual(shapeOrNothing(without), shape(text), print);
    }
  }
  function shapeOrNothing(text: string): string | undefined {
    try {
      return shape(text);
    } catch {
      return undefined;
    }
  }
});
