/**
 * What a case expects against what it found: whether they match, and how they differ, for people.
 * @module
 */
import type { Case, Outcome } from "./case_file.ts";
import type { CaseRun } from "./run_case.ts";

/** Whether a line is what was expected: the text of an error may be cut short. */
export function lineMatches(expected: string, found: string): boolean {
  return found === expected || (/^(?:@\S+ )?! E\d+/.test(expected) && found.startsWith(expected));
}

/** Whether `found` is what `expected` says. */
export function linesMatch(expected: readonly string[], found: readonly string[]): boolean {
  return expected.length === found.length && expected.every((line, i) => lineMatches(line, found[i]!));
}

/** Whether a case gave what it should. */
export function outcomeMatches(expected: Outcome | undefined, found: Outcome): boolean {
  return expected !== undefined && expected.kind === found.kind && linesMatch(expected.lines, found.lines);
}

/** What to write as the expectation: what was found, in the words of the file where these say the same. */
export function updatedOutcome(expected: Outcome | undefined, found: Outcome): Outcome {
  if (expected?.kind !== found.kind) return found;
  const lines = found.lines.map((line, i) => {
    const written = expected.lines[i];
    return written !== undefined && lineMatches(written, line) ? written : line;
  });
  return { kind: found.kind, lines };
}

/** Lines without a difference that are shown around one. */
const contextLines = 2;

/**
 * The difference as text, one line each, without a final line break. `-` is expected, `+` found; the first difference is
 * marked, and where both are JSON the keys that differ are named.
 */
export function outcomeDiff(c: Case, { outcome: found, refusal }: CaseRun): string {
  const { expected } = c;
  if (expected === undefined) {
    return ['no "gives" or "refused" yet, --update writes it:', ...block("+", [found.kind, ...found.lines])].join("\n");
  }
  if (expected.kind !== found.kind) {
    if (refusal !== undefined) return `the rule is refused:\n${refusal}`;
    const both = [...block("-", ["refused", ...expected.lines]), ...block("+", ["gives", ...found.lines])];
    return ["the rule is not refused:", ...both].join("\n");
  }
  return linesDiff(expected.lines, found.lines);
}

function block(sign: string, lines: readonly string[]): string[] {
  return lines.map((line) => `${sign} ${line}`);
}

/** The difference of two lists of lines, as {@linkcode outcomeDiff} shows it. */
export function linesDiff(expected: readonly string[], found: readonly string[]): string {
  const steps = align(expected, found);
  const shown: string[] = [];
  const isNear = (i: number) => steps.slice(Math.max(0, i - contextLines), i + contextLines + 1).some(isDifferent);
  let marked = false;
  let skipped = 0;
  for (const [i, step] of steps.entries()) {
    if (!isNear(i)) {
      skipped++;
      continue;
    }
    if (skipped > 0) shown.push(`  (${skipped} line${skipped === 1 ? "" : "s"} as expected)`);
    skipped = 0;
    if (!isDifferent(step)) {
      shown.push(`  ${step.found}`);
      continue;
    }
    if (step.expected !== undefined) shown.push(`- ${step.expected}`);
    if (step.found !== undefined) shown.push(`+ ${step.found}`);
    const { remark, column } = compare(step);
    if (!marked && column !== undefined) shown.push(`  ${" ".repeat(column)}^ ${remark ?? "the first difference"}`);
    else if (remark !== undefined) shown.push(`  ${remark}`);
    marked = true;
  }
  if (skipped > 0) shown.push(`  (${skipped} line${skipped === 1 ? "" : "s"} as expected)`);
  return shown.join("\n");
}

/** A line of both, or of one of them. */
interface Step {
  readonly expected: string | undefined;
  readonly found: string | undefined;
}

function isDifferent({ expected, found }: Step): boolean {
  return expected === undefined || found === undefined || !lineMatches(expected, found);
}

/** Beyond this many pairs of lines the two are compared line by line, without looking for what moved. */
const pairsMax = 4_000_000;

/** Puts lines that match beside each other, by their longest common subsequence. */
function align(expected: readonly string[], found: readonly string[]): Step[] {
  const [rows, columns] = [expected.length, found.length];
  if (rows === columns || rows * columns > pairsMax) {
    return Array.from({ length: Math.max(rows, columns) }, (_, i) => ({ expected: expected[i], found: found[i] }));
  }
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      lengths[i * width + j] = lineMatches(expected[i]!, found[j]!)
        ? lengths[(i + 1) * width + j + 1]! + 1
        : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const steps: Step[] = [];
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && lineMatches(expected[i]!, found[j]!)) {
      steps.push({ expected: expected[i++], found: found[j++] });
    } else if (j === columns || (i < rows && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      steps.push({ expected: expected[i++], found: undefined });
    } else {
      steps.push({ expected: undefined, found: found[j++] });
    }
  }
  return paired(steps);
}

/** Lines that are only expected stand beside those that are only found in the same place: they are likely the same. */
function paired(steps: readonly Step[]): Step[] {
  const all: Step[] = [];
  for (let i = 0; i < steps.length;) {
    const run: Step[] = [];
    while (i < steps.length && (steps[i]!.expected === undefined || steps[i]!.found === undefined)) {
      run.push(steps[i++]!);
    }
    const wanted = run.filter(({ expected }) => expected !== undefined);
    const instead = run.filter(({ found }) => found !== undefined);
    for (let n = 0; n < Math.max(wanted.length, instead.length); n++) {
      all.push({ expected: wanted[n]?.expected, found: instead[n]?.found });
    }
    if (i < steps.length) all.push(steps[i++]!);
  }
  return all;
}

/** Where two lines part company, and in which keys when both are JSON. */
function compare({ expected, found }: Step): { column?: number; remark?: string } {
  if (expected === undefined || found === undefined) return {};
  let column = 0;
  while (column < expected.length && expected[column] === found[column]) column++;
  const [a, b] = [rowsOf(expected), rowsOf(found)];
  if (a === undefined || b === undefined) return { column };
  if (a.length !== b.length) return { column, remark: `${a.length} expected, ${b.length} found` };
  const parts = a.flatMap((row, i) => {
    const keys = keysThatDiffer(row, b[i]!);
    if (keys.length === 0) return [];
    return [`${a.length === 1 ? "" : `row ${i + 1}: `}${keys.join(", ")}`];
  });
  return parts.length === 0 ? { column } : { column, remark: `differs in ${parts.join("; ")}` };
}

type JsonRow = Readonly<Record<string, unknown>>;

function rowsOf(line: string): JsonRow[] | undefined {
  try {
    const value: unknown = JSON.parse(line.replace(/^@\S+ /, ""));
    const isRow = (each: unknown) => typeof each === "object" && each !== null && !Array.isArray(each);
    return Array.isArray(value) && value.every(isRow) ? value as JsonRow[] : undefined;
  } catch {
    return undefined;
  }
}

function keysThatDiffer(expected: JsonRow, found: JsonRow): string[] {
  return [...new Set([...Object.keys(expected), ...Object.keys(found)])].flatMap((key) => {
    if (!Object.hasOwn(found, key)) return [`"${key}" (missing)`];
    if (!Object.hasOwn(expected, key)) return [`"${key}" (not expected)`];
    return JSON.stringify(expected[key]) === JSON.stringify(found[key]) ? [] : [`"${key}"`];
  });
}
