/**
 * The definitions of a folder: `*.sql`, `*.json`, `*.yaml` and `*.yml`, each with CREATE statements, rules or rulesets.
 *
 * Names that begin with a dot are passed over, and with them `..data` of a ConfigMap, whose files are links into it.
 * Folders inside are not looked into.
 * @module
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DiagnosticError, fail } from "../diagnostics/diagnostic.ts";
import { parseStatement } from "../sql/parse.ts";
import { splitStatements } from "../sql/split_statements.ts";
import { keyOf, type ManagedItem, type ManagedMistake, mistake, mistakesOf } from "./managed_item.ts";

const filesMax = 20_000;
const bytesMax = 64 * 1024 * 1024;

export interface FolderContent {
  readonly items: readonly ManagedItem[];
  readonly mistakes: readonly ManagedMistake[];
  /** Of the names and bytes of all files. */
  readonly hash: string;
}

/** Names of the files that count, sorted. @throws what `readdir` throws */
function fileNames(directory: string): string[] {
  return readdirSync(directory).filter((name) => !name.startsWith(".") && /\.(sql|json|ya?ml)$/i.test(name)).sort();
}

/** Changes when a file may have changed; reads none. */
export function fingerprint(directory: string): string {
  try {
    return fileNames(directory).map((name) => {
      const { ino, size, mtimeMs } = statSync(join(directory, name));
      return `${name} ${ino} ${size} ${mtimeMs}`;
    }).join("\n");
  } catch (error) {
    return (error as Error).message;
  }
}

export async function readFolder(directory: string): Promise<FolderContent> {
  const hash = createHash("sha256");
  const items: ManagedItem[] = [];
  const mistakes: ManagedMistake[] = [];
  let names: string[] = [];
  try {
    names = fileNames(directory);
  } catch (error) {
    mistakes.push(mistake(directory, `The folder cannot be read: ${(error as Error).message}`));
  }
  if (names.length > filesMax) mistakes.push(mistake(directory, `The folder has more than ${filesMax} files`));
  let bytes = 0;
  for (const name of names.slice(0, filesMax)) {
    let text: string;
    try {
      const stat = statSync(join(directory, name));
      if (stat.isDirectory()) continue;
      if (!stat.isFile()) {
        mistakes.push(mistake(name, "This is not a file"));
        continue;
      }
      bytes += stat.size;
      if (bytes > bytesMax) {
        mistakes.push(mistake(name, `The files have more than ${bytesMax} bytes`));
        break;
      }
      text = readFileSync(join(directory, name), "utf8");
    } catch (error) {
      mistakes.push(mistake(name, `The file cannot be read: ${(error as Error).message}`));
      continue;
    }
    hash.update(`${name}\0${text.length}\0${text}`);
    try {
      items.push(...await readItems(name, text));
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      mistakes.push(...mistakesOf(name, error, text));
    }
  }
  mistakes.push(...doubles(items));
  return { items, mistakes, hash: hash.digest("hex").slice(0, 16) };
}

/** Streams and tables share their names. */
function doubles(items: readonly ManagedItem[]): ManagedMistake[] {
  const first = new Map<string, ManagedItem>();
  return items.flatMap((item) => {
    const key = item.kind === "rule" ? keyOf(item) : `stream/${item.name}`;
    const other = first.get(key);
    if (other === undefined) first.set(key, item);
    return other === undefined
      ? []
      : [mistake(item.file, `The ${item.kind} ${item.name} stands twice: also in ${other.file}`)];
  });
}

async function readItems(file: string, text: string): Promise<ManagedItem[]> {
  if (/\.sql$/i.test(file)) return splitStatements(text).map((statement) => created(file, statement, true));
  const values = /\.json$/i.test(file) ? [readJson(text)] : await readYamlDocuments(text);
  return values.flatMap((value) => itemsOf(file, value));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail("E713", `Not valid JSON: ${(error as Error).message}`);
  }
}

async function readYamlDocuments(text: string): Promise<unknown[]> {
  const { readYamlAll } = await import("../config/yaml_document.ts");
  return readYamlAll(text).filter((value) => value !== null && value !== undefined);
}

function created(file: string, statement: string, inPlace: boolean, expected?: readonly [string, string]): ManagedItem {
  const ast = (() => {
    try {
      return parseStatement(statement);
    } catch (error) {
      // Its spans point into this statement, which begins with the blanks of what stands before it.
      if (error instanceof DiagnosticError && !inPlace) throw new DiagnosticError(error.diagnostics, statement);
      throw error;
    }
  })();
  if (ast.kind !== "create") {
    return fail("E713", "Only CREATE STREAM and CREATE TABLE may stand here", { span: ast.span });
  }
  const { target: kind, name: { name } } = ast;
  if (expected !== undefined && (expected[0] !== kind || expected[1] !== name)) {
    fail("E713", `The text of ${expected.join(" ")} creates the ${kind} ${name}`);
  }
  return { kind, name, text: statement.trim(), checked: statement, file, inPlace };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const rulesetKeys = ["streams", "tables", "rules"];

/** A rule, a list of rules, or a ruleset. */
function itemsOf(file: string, value: unknown): ManagedItem[] {
  if (Array.isArray(value)) return value.map((rule) => ruleOf(file, rule));
  if (!isRecord(value)) return fail("E713", "Neither a rule nor a ruleset");
  if (!rulesetKeys.some((key) => Object.hasOwn(value, key))) return [ruleOf(file, value)];
  const foreign = Object.keys(value).find((key) => !rulesetKeys.includes(key));
  if (foreign !== undefined) {
    fail("E713", `A ruleset has no ${JSON.stringify(foreign)}`, { hint: `it has ${rulesetKeys.join(", ")}` });
  }
  return rulesetKeys.flatMap((key) => {
    const section = value[key] ?? {};
    if (!isRecord(section)) return fail("E713", `"${key}" of a ruleset must be an object`);
    return Object.entries(section).map(([name, definition]) => {
      if (key === "rules") {
        return ruleOf(file, typeof definition === "string" ? readJson(definition) : definition, name);
      }
      if (typeof definition !== "string") return fail("E713", `"${key}.${name}" must be a CREATE statement`);
      return created(file, definition, false, [key.slice(0, -1), name]);
    });
  });
}

function ruleOf(file: string, rule: unknown, beside?: string): ManagedItem {
  if (!isRecord(rule)) return fail("E713", "A rule must be an object");
  const { id = beside } = rule;
  if (typeof id !== "string" || id === "") {
    return fail("E713", "A rule of a file needs an id", {
      hint: "by it the rule is found again when the file changes",
    });
  }
  if (beside !== undefined && id !== beside) fail("E713", `The rule ${beside} has the id ${JSON.stringify(id)}`);
  const text = JSON.stringify({ ...rule, id });
  return { kind: "rule", name: id, text, checked: text, file, inPlace: false };
}
