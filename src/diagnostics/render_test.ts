import { test } from "node:test";
import assert from "node:assert/strict";
import { diagnostic } from "./diagnostic.ts";
import { position, renderDiagnostic } from "./render.ts";

/** The excerpt of `text` with `marked` under the carets. */
function excerptOf(text: string, marked: string): string[] {
  const start = text.indexOf(marked);
  const span = { start, end: start + marked.length };
  return renderDiagnostic(diagnostic("E101", "m", { span, hint: "h" }), text).split("\n").slice(1);
}

test("renderDiagnostic() shows the line of the place, carets under it and the hint", () => {
  assert.deepEqual(excerptOf("SELECT a,\n  nosuch(b)\nFROM demo", "nosuch"), [
    " --> sql:2:3",
    "2 |   nosuch(b)",
    "  |   ^^^^^^ h",
  ]);
});

test("renderDiagnostic() puts the carets where a terminal shows the place", () => {
  assert.deepEqual(excerptOf("SELECT '漢字😀', x", "x").slice(1), [
    "1 | SELECT '漢字😀', x",
    "  |                  ^ h",
  ]);
  assert.deepEqual(excerptOf("SELECT 'e\u0301', x", "x").slice(1), ["1 | SELECT 'e\u0301', x", "  |             ^ h"]);
  assert.deepEqual(excerptOf("SELECT '漢', x", "'漢'").slice(1), ["1 | SELECT '漢', x", "  |        ^^^^ h"]);
  assert.deepEqual(excerptOf("SELECT\tx\r\nFROM", "x").slice(1), ["1 | SELECT x", "  |        ^ h"]);
});

test("renderDiagnostic() marks the first line of a place that goes on", () => {
  assert.deepEqual(excerptOf("SELECT f(a,\n b)", "f(a,\n b)").slice(1), ["1 | SELECT f(a,", "  |        ^^^^ h"]);
});

test("renderDiagnostic() points behind the end of the text", () => {
  const text = "SELECT a";
  const d = diagnostic("E101", "m", { span: { start: text.length, end: text.length } });
  assert.deepEqual(renderDiagnostic(d, text).split("\n").slice(2), ["1 | SELECT a", "  |         ^"]);
});

test("renderDiagnostic() cuts a long line around the place", () => {
  const [, line, carets] = excerptOf(`SELECT ${"a, ".repeat(100)}nosuch ${", b".repeat(100)}`, "nosuch");
  assert.ok(line!.startsWith("1 | …") && line!.endsWith("…"));
  assert.equal(line!.indexOf("nosuch"), carets!.indexOf("^"));
});

test("position() counts lines and columns from 1", () => {
  assert.deepEqual(position("ab\ncd", 0), { line: 1, column: 1 });
  assert.deepEqual(position("ab\ncd", 4), { line: 2, column: 2 });
});
