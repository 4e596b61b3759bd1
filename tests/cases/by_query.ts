/**
 * A case through `weir query`: its rows in files, the results from standard output.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CaseCatalog } from "../../src/rule_test/case_catalog.ts";
import type { Case } from "../../src/rule_test/case_file.ts";
import { ruleToRun } from "../../src/rule_test/tested_rule.ts";
import { builtInFunctions } from "../../src/sql/functions/built_in.ts";
import { prepareSelect } from "../../src/sql/prepare.ts";
import { weir } from "../cli/fixture.ts";
import { codesOf, drawsAtRandom, errorText, type Observed } from "./observed.ts";

/** What the agent of a rule brings, and no file of rows. */
const outside: readonly string[] = ["state", "properties", "ignoreCase"];

const arrivalField = "__at";

/** A payload with its time and stream or table. */
interface Arrival {
  readonly time: number;
  readonly source: string;
  readonly payload: string;
}

function namesOf(c: Case): string[] {
  try {
    return [...new CaseCatalog(c.streams).sourceNames()];
  } catch {
    return ["refused"];
  }
}

/** The first of FROM, to which rows without a name belong. */
function firstOfFrom(c: Case): string {
  try {
    const { definition, options } = ruleToRun(c);
    return prepareSelect(definition.sql, new CaseCatalog(c.streams), builtInFunctions, options).sources[0]!;
  } catch {
    // It will be refused, whatever its rows are.
    return namesOf(c)[0]!;
  }
}

function arrivalsOf(c: Case): Arrival[] {
  const first = firstOfFrom(c);
  let time = c.start;
  return c.rows.flatMap((row) => {
    time = row.time ?? time;
    return row.payload === undefined ? [] : [{ time, source: row.source ?? first, payload: row.payload }];
  });
}

/** The sources in the order in which their rows come first. */
function sourcesOf(c: Case): string[] {
  return [...new Set([...arrivalsOf(c).map(({ source }) => source), ...namesOf(c)])];
}

/** Why a case cannot go through `weir query`; undefined when it can. */
export function whyNotByQuery(c: Case): string | undefined {
  if (c.rows.some(({ meta }) => meta !== undefined)) return "rows of files have no metadata";
  if (c.streams.some((text) => /\bFORMAT\s*=\s*"(?!json")/i.test(text))) return "weir query reads NDJSON and CSV";
  if (Object.keys(c.options).some((name) => outside.includes(name))) return "reads what only an agent has";
  if (drawsAtRandom(c)) return "draws at random";
  if (isTimed(c) && arrivalsOf(c).some(({ payload }) => payload.startsWith("["))) {
    return "a line with several rows has no place for the time of its arrival";
  }
  const order = sourcesOf(c);
  const arrivals = arrivalsOf(c);
  const kept = arrivals.every(({ time, source }, i) => {
    const before = arrivals[i - 1];
    if (before === undefined || time > before.time) return true;
    return order.indexOf(source) >= order.indexOf(before.source);
  });
  return kept ? undefined : "rows of several streams arrive at one moment, in an order that files do not keep";
}

function isTimed(c: Case): boolean {
  return c.timed || namesOf(c).length > 1;
}

/** The payload with the time of its arrival; one that is no object is no row either, and fails without. */
function line(c: Case, { time, payload }: Arrival): string {
  if (!isTimed(c) || !payload.startsWith("{")) return payload;
  const rest = payload.slice(1);
  return `{"${arrivalField}":${time}${/^\s*\}/.test(rest) ? "" : ","}${rest}`;
}

function argumentsOf(c: Case, folder: string): string[] {
  const args: string[] = [];
  const { start: _start, timezone, ruleId, ...options } = c.options;
  if (c.rule.kind === "sql" && ruleId === undefined) {
    args.push(c.rule.sql);
    for (const [name, value] of Object.entries(options)) {
      args.push("--option", `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
    }
  } else {
    const rule = c.rule.kind === "sql" ? JSON.stringify({ id: ruleId, sql: c.rule.sql, options }) : undefined;
    const file = join(folder, "rule.json");
    if (c.rule.kind !== "file") writeFileSync(file, rule ?? (c.rule as { json: string }).json);
    args.push("--rule", c.rule.kind === "file" ? join(c.file, "..", c.rule.path) : file);
  }
  for (const text of c.streams) args.push("--create", text);
  for (const name of sourcesOf(c)) {
    const file = join(folder, `${name}.ndjson`);
    const lines = arrivalsOf(c).filter(({ source }) => source === name).map((arrival) => `${line(c, arrival)}\n`);
    writeFileSync(file, lines.join(""));
    args.push("--stream", `${name}=${file}`);
  }
  if (isTimed(c)) args.push("--arrival-time", arrivalField);
  const last = c.rows.reduce((time, row) => Math.max(time, row.time ?? time), c.start);
  args.push("--start", String(c.start), "--until", String(last), "--timezone", String(timezone ?? "UTC"));
  return args;
}

/** Runs the command in this process. */
export async function byQuery(c: Case): Promise<Observed> {
  const folder = mkdtempSync(join(tmpdir(), "weir-case-"));
  try {
    const { code, stdout, stderr } = await weir(["query", ...argumentsOf(c, folder)]);
    if (code !== 0 && !/^E\d+:/.test(stderr)) throw new Error(`weir query ended with ${code}: ${stderr}`);
    if (code !== 0) return { refused: codesOf(stderr.split("\n")), results: [], errors: [], dropped: [] };
    const told = stderr.split(/^weir query: /m).slice(1).map((text) => text.trimEnd());
    const errors: string[] = [];
    const dropped: string[] = [];
    for (const text of told) {
      const [, count, reason] = /^(\d+) rows dropped: (.*)$/.exec(text) ?? [];
      const [, errorCode, message] = /^(?:\S+\.ndjson:\d+: )?(E\d+): ([^]*)$/.exec(text) ?? [];
      if (reason !== undefined) dropped.push(`${reason} ${count}`);
      else if (errorCode !== undefined) errors.push(errorText(errorCode, message!));
      else throw new Error(`weir query tells what nobody expects: ${text}`);
    }
    return { refused: [], results: stdout.split("\n").slice(0, -1), errors, dropped: dropped.sort() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
