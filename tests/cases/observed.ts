/**
 * What came out of a case, in the form that every way of running it can give: results, errors and dropped rows apart.
 * @module
 */
import { createJsonEncoder } from "../../src/codec/json_encode.ts";
import { RowError } from "../../src/diagnostics/row_error.ts";
import type { Case } from "../../src/rule_test/case_file.ts";
import type { CaseRun } from "../../src/rule_test/run_case.ts";

export interface Observed {
  /** The codes of the diagnostics; empty when the rule runs. */
  readonly refused: readonly string[];
  /** JSON texts: a list, or where a way tells no lists, a row each. With times where the case has them and the way too. */
  readonly results: readonly string[];
  /** `CODE: text`, in order. */
  readonly errors: readonly string[];
  /** `reason count`, sorted. */
  readonly dropped: readonly string[];
}

/** The code, and the text unless it shows the payload, which is not the same on every way. */
export function errorText(code: string, message: string): string {
  return code === "E501" ? code : `${code}: ${message}`;
}

export function droppedTexts(dropped: ReadonlyMap<string, number>): string[] {
  return [...dropped].map(([reason, count]) => `${reason} ${count}`).sort();
}

/** What the runner of cases saw: lists with their times as the case writes them, or rows without. */
export function observe({ outcome, events, dropped }: CaseRun, form: "lists" | "rows"): Observed {
  if (outcome.kind === "refused") {
    return { refused: codesOf(outcome.lines), results: [], errors: [], dropped: [] };
  }
  const encoder = createJsonEncoder();
  const results: string[] = [];
  const errors: string[] = [];
  for (const [i, { found }] of events.entries()) {
    try {
      if (found instanceof RowError) throw found;
      const rows = found.map((row) => encoder.encodeRow(row) as string);
      // The first lines of an outcome are its events, one each.
      if (form === "lists") results.push(outcome.lines[i]!);
      else results.push(...rows);
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      errors.push(errorText(error.code, error.message));
    }
  }
  return { refused: [], results, errors, dropped: droppedTexts(dropped) };
}

/** The codes at the beginnings of lines, each once. */
export function codesOf(lines: readonly string[]): string[] {
  return [...new Set(lines.flatMap((line) => /^(E\d+)\b/.exec(line)?.[1] ?? []))].sort();
}

/** The runner of cases draws the same number always, a rule does not. */
export function drawsAtRandom({ rule }: Case): boolean {
  const text = rule.kind === "sql" ? rule.sql : rule.kind === "json" ? rule.json : "";
  return /\b(?:rand|newuuid|array_shuffle)\s*\(/i.test(text);
}
