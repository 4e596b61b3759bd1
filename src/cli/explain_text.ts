/**
 * The steps of a rule as lines: a tree on the left, what each has done on the right.
 * @module
 */
import type { ExplainedStep, ExplainedWork } from "../runtime/explain_tree.ts";
import { tableText } from "./client.ts";

const heads = ["STEP", "IN", "OUT", "TIME", "HELD", "STATE", "NOTES"];

export function explainText(root: ExplainedStep): string {
  const rows: string[][] = [];
  const add = (step: ExplainedStep, first: string, rest: string): void => {
    rows.push([`${first}${step.step}  ${step.does}`, ...(step.work === undefined ? [] : workTexts(step.work))]);
    step.inputs.forEach((input, i) => {
      const isLast = i === step.inputs.length - 1;
      add(input, `${rest}${isLast ? "└─ " : "├─ "}`, `${rest}${isLast ? "   " : "│  "}`);
    });
  };
  add(root, "", "");
  const runs = rows.some((row) => row.length > 1);
  if (!runs) return rows.map(([step]) => `${step}\n`).join("");
  return tableText(heads, rows.map((row) => heads.map((_, i) => row[i] ?? "")));
}

function workTexts(work: ExplainedWork): string[] {
  const notes = [
    ...(work.errors > 0 ? [`${work.errors} failed`] : []),
    ...(work.dropped > 0 ? [`${work.dropped} dropped`] : []),
    ...(work.watermark === undefined ? [] : [`watermark ${new Date(work.watermark).toISOString()}`]),
  ];
  return [
    String(work.in),
    String(work.out),
    timeText(work.spentMs),
    work.heldRows === undefined ? "" : String(work.heldRows),
    work.stateBytes === undefined ? "" : bytesText(work.stateBytes),
    notes.join(", "),
  ];
}

function timeText(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
