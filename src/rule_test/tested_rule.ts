/**
 * The rule that a case tests: its statement and options, from `sql` and `options` or from the JSON of a rule.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import type { QueryOptions } from "../runtime/query.ts";
import { planOptionsOf, readRule, type RuleDefinition } from "../runtime/rule_definition.ts";
import type { PlanOptions } from "../sql/plan.ts";
import { type Case, CaseFileError } from "./case_file.ts";

export interface RuleToRun {
  readonly definition: RuleDefinition;
  /** Its options, with those that only a case can set. */
  readonly options: PlanOptions;
  /** IANA name, or `Local`. */
  readonly timezone: string;
}

/** What `get_keyed_state()` and `props()` read. */
export function outsideOf({ options }: Case): Pick<QueryOptions, "state" | "properties"> {
  const { state = {}, properties = {} } = options as Pick<QueryOptions, "state" | "properties">;
  return { state, properties };
}

/** Options of a case that are none of the rule. */
const ownOptions: readonly string[] = ["start", "timezone", "ruleId", "state", "properties"];

/** Options of a plan that are settings of the agent. */
const planOptions: readonly (keyof PlanOptions)[] = ["ignoreCase"];

/** Nothing of an action runs, so the JSON need not name one. */
const noActions = [{ nop: {} }];

/**
 * @throws {DiagnosticError} what is wrong with the JSON of the rule.
 * @throws {CaseFileError} what is wrong with the options of the case, or why the file of the rule cannot be read.
 */
export function ruleToRun(c: Case): RuleToRun {
  const timezone = timezoneOf(c);
  const given = Object.entries(c.options).filter(([name]) => !ownOptions.includes(name));
  const isOfPlan = ([name]: [string, unknown]) => planOptions.some((each) => each === name);
  const rest = Object.fromEntries(given.filter((each) => !isOfPlan(each)));
  const ofPlan = Object.fromEntries(given.filter(isOfPlan)) as Partial<PlanOptions>;
  const id = c.options.ruleId === undefined ? undefined : String(c.options.ruleId);
  if (c.rule.kind !== "sql") {
    const [first] = Object.keys(rest);
    if (first !== undefined) fail(c, `option "${first}" stands in the JSON of the rule`);
    const definition = readTestedRule(textOf(c), id);
    return { definition, options: { ...planOptionsOf(definition.options), ...ofPlan }, timezone };
  }
  try {
    const json = JSON.stringify({ sql: c.rule.sql, options: rest });
    const definition = readTestedRule(json, id);
    return { definition, options: { ...planOptionsOf(definition.options), ...ofPlan }, timezone };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    fail(c, renderError(error));
  }
}

function fail(c: Case, message: string): never {
  throw new CaseFileError(c.file, c.line, message);
}

/**
 * The rule of a JSON that need not have actions, nor an id: `query`.
 *
 * @throws {DiagnosticError} as {@linkcode readRule}.
 */
export function readTestedRule(json: string, id?: string): RuleDefinition {
  return readRule(withActions(json), { generateId: () => "query" }, id);
}

function textOf(c: Case): string {
  if (c.rule.kind !== "file") return c.rule.kind === "json" ? c.rule.json : c.rule.sql;
  const path = resolve(dirname(c.file), c.rule.path);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    fail(c, `cannot read the rule ${c.rule.path}: ${(error as Error).message}`);
  }
}

/** Text that is no JSON object stays as it is, to be refused as it would be elsewhere. */
function withActions(json: string): string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return json;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return json;
  return Object.keys(value).some((key) => key.toLowerCase() === "actions")
    ? json
    : JSON.stringify({ ...value, actions: noActions });
}

function timezoneOf(c: Case): string {
  const zone = String(c.options.timezone ?? "UTC");
  try {
    if (zone !== "Local") new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    fail(c, `option "timezone": expected an IANA name such as Europe/Berlin, found "${zone}"`);
  }
  return zone;
}
