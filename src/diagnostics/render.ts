/**
 * Diagnostics as text for people: the message, the place with its line and a caret, the hint.
 * @module
 */
import type { Diagnostic, DiagnosticError, Span } from "./diagnostic.ts";

const excerptColumnsMax = 160;

/** Line and column of an offset, both counted from 1. */
export function position(text: string, offset: number): { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  for (let i = text.indexOf("\n"); i !== -1 && i < offset; i = text.indexOf("\n", i + 1)) {
    line++;
    lineStart = i + 1;
  }
  return { line, column: offset - lineStart + 1 };
}

/** Characters that take two columns of a terminal, and marks that take none. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const mark = /\p{M}|\u200d/u;

/** How many columns a terminal needs for the text. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) width += mark.test(char) ? 0 : wide.test(char) ? 2 : 1;
  return width;
}

function excerpt(text: string, span: Span, remark: string, origin: string | undefined): string[] {
  const { line, column } = position(text, span.start);
  const lineStart = span.start - (column - 1);
  const newline = text.indexOf("\n", span.start);
  const lineEnd = newline === -1 ? text.length : newline;
  // A very long line is cut around the place, so that the caret stays visible.
  const from = column > excerptColumnsMax / 2 ? span.start - excerptColumnsMax / 2 : lineStart;
  const to = Math.min(lineEnd, from + excerptColumnsMax);
  const cut = text.slice(from, to).replaceAll("\t", " ").replace(/\r$/, "");
  const shown = (from > lineStart ? "…" : "") + cut + (to < lineEnd ? "…" : "");
  const indent = widthOf(text.slice(from, span.start)) + (from > lineStart ? 1 : 0);
  const carets = "^".repeat(Math.max(1, widthOf(text.slice(span.start, Math.min(span.end, to)).replace(/\r$/, ""))));
  const gutter = String(line);
  return [
    `${" ".repeat(gutter.length)}--> ${origin ?? "sql"}:${line}:${column}`,
    `${gutter} | ${shown}`,
    `${" ".repeat(gutter.length)} | ${" ".repeat(indent)}${carets}${remark === "" ? "" : ` ${remark}`}`,
  ];
}

/** One diagnostic as lines of text without a final line break. `ofStage` is what its spans point into. */
export function renderDiagnostic(d: Diagnostic, ofStage?: string, ofFile?: string): string {
  const lines = [`${d.code}: ${d.message}`];
  const text = d.text ?? ofStage;
  const origin = d.text === undefined ? ofFile : [ofFile ?? [], d.path ?? []].flat().join(": ");
  if (d.span !== undefined && text !== undefined) {
    lines.push(...excerpt(text, d.span, d.hint ?? "", origin));
  } else {
    if (d.path !== undefined) lines.push(` --> ${origin === undefined ? "" : `${origin}: `}${d.path}`);
    if (d.hint !== undefined) lines.push(`  hint: ${d.hint}`);
  }
  for (const note of d.notes ?? []) {
    lines.push(`  note: ${note.message}`);
    if (note.span !== undefined && text !== undefined) lines.push(...excerpt(text, note.span, "", origin));
  }
  return lines.join("\n");
}

/** Every diagnostic of an error, one after the other. */
export function renderError(error: DiagnosticError, origin?: string): string {
  return error.diagnostics.map((d) => renderDiagnostic(d, error.text, origin)).join("\n");
}
