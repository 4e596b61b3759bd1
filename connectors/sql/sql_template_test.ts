import assert from "node:assert/strict";
import { test } from "node:test";
import type { Struct } from "../../src/connector/source.ts";
import { DateTime } from "../../src/value/datetime.ts";
import type { Dialect } from "./dsn.ts";
import { sqlTemplate } from "./sql_template.ts";

const evil = "x' OR 1=1 --";
const at = new DateTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6), "UTC");

const cases: readonly [name: string, Dialect, template: string, Struct, text: string, values?: readonly unknown[]][] = [
  ["texts become parameters", "postgres", "a = {{.a}} AND b = {{.b}}", { a: evil, b: "y" }, "a = $1 AND b = $2", [
    evil,
    "y",
  ]],
  ["of MySQL with question marks", "mysql", "a = {{.a}}", { a: evil }, "a = ?", [evil]],
  ["numbers stand as they are", "sqlite", "a > {{.a}} AND b < {{.b}}", { a: 5n, b: 1.5 }, "a > 5 AND b < 1.5"],
  ["negative numbers begin no comment", "mysql", "a-{{.a}}", { a: -5n }, "a-(-5)"],
  ["what is absent is null", "postgres", "a IS {{.a}}", {}, "a IS NULL"],
  ["booleans are words", "postgres", "a = {{.a}}", { a: true }, "a = TRUE"],
  ["datetimes become parameters", "postgres", "t > {{.t}}", { t: at }, "t > $1", ["2026-01-02 03:04:05.006+00"]],
  ["texts in quotes are escaped", "postgres", "a = '{{.a}}'", { a: evil }, "a = 'x'' OR 1=1 --'"],
  ["datetimes in quotes are in UTC", "mysql", "t > '{{.t}}'", { t: at }, "t > '2026-01-02 03:04:05.006'"],
  ["MySQL knows backslashes", "mysql", "a = '{{.a}}'", { a: "\\' OR 1=1" }, "a = '\\\\'' OR 1=1'"],
  ["PostgreSQL does not", "postgres", "a = '{{.a}}'", { a: "\\' OR 1=1" }, "a = '\\'' OR 1=1'"],
  ["but for E", "postgres", "a = E'{{.a}}'", { a: "\\' OR 1=1" }, "a = E'\\\\'' OR 1=1'"],
  ["names in quotes stay names", "sqlite", 'SELECT "{{.a}}"', { a: 'x"; DROP' }, 'SELECT "x""; DROP"'],
  ["and in backticks", "mysql", "SELECT `{{.a}}`", { a: "x`; DROP" }, "SELECT `x``; DROP`"],
  ["a pattern", "sqlite", "a LIKE '%{{.a}}%'", { a: "o'clock" }, "a LIKE '%o''clock%'"],
  ["behind quotes that are closed", "postgres", "b = 'it''s' AND a = {{.a}}", { a: evil }, "b = 'it''s' AND a = $1", [
    evil,
  ]],
  ["behind a comment that is closed", "postgres", "/* /* ' */ */ a = {{.a}}", { a: evil }, "/* /* ' */ */ a = $1", [
    evil,
  ]],
  ["behind a line of comment", "mysql", "# '\na = {{.a}}", { a: evil }, "# '\na = ?", [evil]],
  ["behind dollars", "postgres", "$x$ ' $x$, {{.a}}", { a: evil }, "$x$ ' $x$, $1", [evil]],
  ["an empty text", "sqlite", "'{{.a}}'||'{{.b}}'", { a: "", b: "'" }, "''||''''"],
  ["made by functions", "sqlite", "a = {{upper .a}} AND n = {{add .n 1}}", { a: "x", n: 1n }, "a = ? AND n = 2", ["X"]],
  ["conditions see the values", "sqlite", '{{if eq .a "x"}}b = {{.a}}{{end}}', { a: "x" }, "b = ?", ["x"]],
  ["lists are JSON", "postgres", "a = {{.a}}", { a: [1n, "x"] }, "a = $1", ['[1,"x"]']],
];

for (const [name, dialect, template, data, text, values = []] of cases) {
  test(`sqlTemplate(): ${name}`, () => {
    assert.deepEqual(sqlTemplate(dialect, template, "x")(data), { text, values });
  });
}

const refused: readonly [name: string, Dialect, template: string, Struct][] = [
  ["in a comment", "postgres", "-- {{.a}}\n", { a: "x" }],
  ["in a block of comment", "mysql", "/*! {{.a}} */", { a: "x" }],
  ["between dollars", "postgres", "$$ {{.a}} $$", { a: "x" }],
  ["in brackets", "sqlite", "[{{.a}}]", { a: "x" }],
  ["behind a backslash", "mysql", "'\\{{.a}}'", { a: "x" }],
  ["nothing in quotes", "sqlite", "'{{.a}}'", {}],
  ["a zero byte in quotes", "sqlite", "'{{.a}}'", { a: "\0" }],
  ["what is no number", "postgres", "a = {{.a}}", { a: NaN }],
];

for (const [name, dialect, template, data] of refused) {
  test(`sqlTemplate() refuses a value ${name}`, () => {
    assert.throws(() => sqlTemplate(dialect, template, "x")(data));
  });
}
