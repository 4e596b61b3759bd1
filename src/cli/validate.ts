/**
 * `weir validate`: checks files without an agent and without running anything.
 *
 * All streams and tables of all files are created in memory first, so that rules may stand in other files than the
 * streams they read.
 * @module
 */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { loadConfig } from "../config/load.ts";
import { type AgentConfig, configSchema } from "../config/schema.ts";
import { type Diagnostic, diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderDiagnostic, renderError } from "../diagnostics/render.ts";
import { ConfigRegistry } from "../runtime/configs.ts";
import { connectorConfigs } from "../runtime/connector_configs.ts";
import { schemaOf } from "../runtime/source_schema.ts";
import { StreamRegistry } from "../runtime/streams.ts";
import type { Catalog } from "../sql/catalog.ts";
import { builtInFunctions } from "../sql/functions/built_in.ts";
import { parseStatement } from "../sql/parse.ts";
import { statementWarnings } from "../sql/prepare.ts";
import { nextToken } from "../sql/scan.ts";
import { splitStatements } from "../sql/split_statements.ts";
import { MemoryStore } from "../store/memory.ts";
import { createLog } from "../telemetry/log.ts";
import { checkNamedSettings } from "./check_named_settings.ts";
import { configured } from "./configured.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";

/** One thing in a file that is checked by itself. */
interface Part {
  /** Where it stands: the file, and inside a ruleset the section and name. */
  readonly origin: string;
  readonly kind: "definition" | "rule" | "select";
  readonly text: string;
}

interface FileReport {
  readonly file: string;
  readonly errors: Finding[];
  /** What is wrong unless the agent knows more than this command does. */
  readonly warnings: Finding[];
  readonly parts: number;
}

interface Finding {
  readonly origin: string;
  readonly error: DiagnosticError;
}

function sqlParts(file: string, text: string): Part[] {
  return splitStatements(text).map((statement) => {
    const isSelect = /^\s*select\b/i.test(statement.slice(nextToken(statement, 0).start));
    return { origin: file, kind: isSelect ? "select" : "definition", text: statement };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAFile(message: string): DiagnosticError {
  return new DiagnosticError([diagnostic("E703", message)]);
}

/** A ruleset holds texts; a rule in it may also be an object. */
function rulesetParts(file: string, ruleset: Record<string, unknown>): Part[] {
  const parts: Part[] = [];
  for (const [section, kind] of [["streams", "definition"], ["tables", "definition"], ["rules", "rule"]] as const) {
    const entries = ruleset[section] ?? {};
    if (!isRecord(entries)) throw notAFile(`"${section}" of a ruleset must be an object`);
    for (const [name, value] of Object.entries(entries)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      parts.push({ origin: `${file} (${section}.${name})`, kind, text });
    }
  }
  return parts;
}

function jsonParts(file: string, text: string): Part[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notAFile(`Not valid JSON: ${(error as Error).message}`);
  }
  if (Array.isArray(value)) {
    return value.map((rule, i) => ({ origin: `${file} (${i})`, kind: "rule", text: JSON.stringify(rule) }));
  }
  if (!isRecord(value)) throw notAFile("Neither a rule nor a ruleset");
  if (["streams", "tables", "rules"].some((section) => section in value)) return rulesetParts(file, value);
  return [{ origin: file, kind: "rule", text }];
}

function readParts(file: string): Part[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw notAFile(`Cannot read the file: ${(error as Error).message}`);
  }
  return /\.sql$/i.test(file) || !/^\s*[[{]/.test(text) ? sqlParts(file, text) : jsonParts(file, text);
}

async function attempt(report: FileReport, origin: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    report.errors.push({ origin, error });
  }
}

/** What is not known here may well be known to the agent: with its configuration, only schemas. */
function doubtUnknownNames(report: FileReport, withConfig: boolean): FileReport {
  const doubted: readonly string[] = withConfig ? ["E410"] : ["E406", "E410"];
  const pick = (wanted: boolean, of: (d: Diagnostic) => Diagnostic) =>
    report.errors.flatMap(({ origin, error }) => {
      const found = error.diagnostics.filter(({ code }) => doubted.includes(code) === wanted).map(of);
      return found.length === 0 ? [] : [{ origin, error: new DiagnosticError(found, error.text) }];
    });
  const settings =
    "give the agent's weir.yaml with --config to check it; settings made through REST are not known here";
  const hintOf = ({ code }: Diagnostic) =>
    code === "E410" ? "the agent that runs the rule has to have the schema" : settings;
  return {
    ...report,
    errors: pick(false, (d) => d),
    warnings: [...report.warnings, ...pick(true, (d) => ({ ...d, hint: hintOf(d) }))],
  };
}

/** The configuration of `--config`, without the environment: what is checked is the file. */
async function readConfig(
  file: string | undefined,
  known: ReturnType<typeof connectorConfigs>,
): Promise<AgentConfig> {
  if (file === undefined) return v.parse(configSchema, {});
  return await configured(file, async () => {
    const { config, document } = await loadConfig({ file });
    await known.loading(() => checkNamedSettings(config, known, document));
    return config;
  });
}

function catalogOf(streams: StreamRegistry): Catalog {
  return {
    source: (name) => {
      const stream = streams.get(name);
      return stream === undefined ? undefined : schemaOf(stream);
    },
    sourceNames: () => streams.names(),
  };
}

/** The statement of a rule; a graph has none. */
function ruleSql(json: string): string {
  const { sql } = JSON.parse(json) as { readonly sql?: unknown };
  return typeof sql === "string" ? sql : "";
}

async function check(
  files: readonly string[],
  configFile: string | undefined,
  context: CliContext,
): Promise<FileReport[]> {
  const { connectors, create } = await context.loadEngine();
  const known = connectorConfigs(connectors);
  const config = await readConfig(configFile, known);
  const store = new MemoryStore();
  const configs = new ConfigRegistry({ store, file: config, ...known });
  const streams = new StreamRegistry({ store, configs });
  const log = createLog({ level: "error", format: "human", write: context.stderr });
  const catalog = catalogOf(streams);
  const engine = await create({ store, streams, configs, config, log });
  try {
    const loaded: { report: FileReport; parts: Part[] }[] = [];
    for (const file of files) {
      const report: FileReport = { file, errors: [], warnings: [], parts: 0 };
      let parts: Part[] = [];
      await attempt(report, file, () => void (parts = readParts(file)));
      loaded.push({ report: { ...report, parts: parts.length }, parts });
    }
    for (const { report, parts } of loaded) {
      for (const part of parts.filter(({ kind }) => kind === "definition")) {
        await attempt(report, part.origin, () => known.loading(() => void streams.execute(part.text)));
      }
    }
    for (const { report, parts } of loaded) {
      for (const { kind, origin, text } of parts) {
        if (kind === "definition") continue;
        await attempt(report, origin, async () => {
          if (kind === "select") parseStatement(text);
          const rule = kind === "rule" ? text : JSON.stringify({ id: "query", sql: text, actions: [{ nop: {} }] });
          await engine.rules.validate(rule);
          const sql = kind === "select" ? text : ruleSql(text);
          const warnings = statementWarnings(sql, catalog, builtInFunctions);
          if (warnings.length > 0) report.warnings.push({ origin, error: new DiagnosticError(warnings, sql) });
        });
      }
    }
    return loaded.map(({ report }) => doubtUnknownNames(report, configFile !== undefined));
  } finally {
    await engine.close();
  }
}

function diagnosticsOf(findings: readonly Finding[]): readonly (Diagnostic & { readonly origin: string })[] {
  return findings.flatMap(({ origin, error }) => error.diagnostics.map((d) => ({ origin, ...d })));
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const config = args.text("config");
  if (args.positionals.length === 0 && config === undefined) throw new UsageError("no file to check was given");
  const reports = await check(args.positionals, config, context);
  if (args.flag("json")) {
    const json = reports.map((report) => ({
      file: report.file,
      valid: report.errors.length === 0,
      diagnostics: diagnosticsOf(report.errors),
      warnings: diagnosticsOf(report.warnings),
    }));
    context.stdout(`${JSON.stringify(json)}\n`);
  } else {
    if (config !== undefined) context.stdout(`${config}: ok\n`);
    for (const { file, errors, warnings, parts } of reports) {
      const doubts = warnings.length === 0 ? "" : `, ${count(diagnosticsOf(warnings).length, "warning")}`;
      if (errors.length === 0) context.stdout(`${file}: ok (${count(parts, "definition")}${doubts})\n`);
      for (const { origin, error } of warnings) {
        for (const d of error.diagnostics) context.stderr(`warning: ${renderDiagnostic(d, error.text, origin)}\n`);
      }
      for (const { origin, error } of errors) context.stderr(`${renderError(error, origin)}\n`);
    }
  }
  return reports.every(({ errors }) => errors.length === 0) ? 0 : 1;
}

export const validate: Command = {
  usage: ["weir validate FILE… [--config FILE] [--json]"],
  flags: {
    config: {
      type: "string",
      short: "c",
      value: "FILE",
      summary: "the agent's configuration, for confKeys and connections",
    },
    json: { type: "boolean", summary: "print a JSON array with a report for each file" },
  },
  details: `
A FILE holds a rule or an array of rules as JSON, a ruleset ({"streams","tables","rules"}), or SQL statements separated by
semicolons. Give the file with its CREATE STREAM along with a rule. A confKey or connection that is not known is a warning,
which does not change the exit code; with --config, which is checked too, it is a mistake (E406). A schema that is not
known (E410) is a warning. Operands whose types are known and do not fit (E213) are warnings too: rows that have values
there will fail.`,
  run,
};
