/**
 * Keeps the arrows between folders true: who may import whom, no cycles, and no engine's name outside its place.
 *
 * Tests are free: `*_test.ts` and everything in `tests/` and `scripts/` may import what they like.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { root, sourceFiles } from "./source_files.ts";

/** A source file: its path from the root of the repository, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type`, or every name in the braces is a `type`: gone at run time. */
  readonly typeOnly: boolean;
  /** `import("…")`: loaded later, so it makes no cycle. */
  readonly dynamic: boolean;
}

/**
 * Each folder with the folders it may import besides itself. The lists are spelled out so that a new arrow is a change
 * somebody sees.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "main.ts": [
    "src/managed",
    "src/cli",
    "src/admin",
    "src/config",
    "src/runtime",
    "src/sql",
    "src/codec",
    "src/store",
    "src/telemetry",
    "src/connector",
    "src/value",
    "src/diagnostics",
    "src/platform",
    "connectors",
    // Its command needs no engine.
    "connectors/modbus",
  ],
  "src/cli": [
    "src/policy",
    "src/managed",
    "src/admin",
    "src/audit",
    "src/admin_server",
    "src/auth",
    "src/certificates",
    "src/config",
    "src/data_server",
    "src/rule_test",
    "src/runtime",
    "src/sql",
    "src/codec",
    "src/store",
    "src/telemetry",
    "src/connector",
    "src/value",
    "src/diagnostics",
    "src/platform",
  ],
  "src/admin": [
    "src/policy",
    "src/audit",
    "src/managed",
    "src/auth",
    "src/certificates",
    "src/config",
    "src/runtime",
    "src/sql",
    "src/codec",
    "src/store",
    "src/telemetry",
    "src/connector",
    "src/value",
    "src/diagnostics",
  ],
  "src/rule_test": [
    "src/runtime",
    "src/sql",
    "src/codec",
    "src/connector",
    "src/value",
    "src/diagnostics",
  ],
  "src/audit": ["src/connector"],
  "src/policy": [],
  "src/auth": ["src/store", "src/diagnostics"],
  "src/runtime": [
    "src/policy",
    "src/sql",
    "src/template",
    "src/codec",
    "src/store",
    "src/telemetry",
    "src/connector",
    "src/value",
    "src/diagnostics",
  ],
  "src/managed": ["src/config", "src/policy", "src/sql", "src/store", "src/connector", "src/diagnostics"],
  "src/config": ["src/connector", "src/policy", "src/value", "src/diagnostics"],
  "src/sql": ["src/value", "src/diagnostics"],
  // Templates search with the expressions of SQL functions, whose time is bounded.
  "src/template": ["src/sql", "src/value", "src/diagnostics"],
  "src/codec": ["src/connector", "src/value", "src/diagnostics"],
  "src/store": ["src/audit", "src/connector", "src/value", "src/diagnostics"],
  "src/telemetry": ["src/connector", "src/value", "src/diagnostics"],
  "src/data_server": ["src/connector"],
  // Who counts as one is the same for connections as for guesses.
  "src/admin_server": ["src/auth", "src/certificates", "src/platform"],
  "src/certificates": ["src/connector", "src/diagnostics"],
  "src/connector": ["src/value", "src/diagnostics"],
  "src/value": ["src/diagnostics"],
  "src/diagnostics": [],
  "src/platform": [],
  // The list in connectors/mod.ts. A connector's own folder is an owner of its own: connectors/mqtt.
  connectors: ["src/connector"],
};

/**
 * Values and their types are part of what a connector moves. Requests of HTTP are made of templates that the connector
 * alone can fill in, since they hold tokens and the time of the request; and their client serves several connectors.
 */
const CONNECTOR_MAY_IMPORT = ["src/connector", "src/value", "src/template", "connectors/http"];

/** Protocols that are spoken over another one, whose connector has the client. */
const CONNECTOR_STANDS_ON: Readonly<Record<string, readonly string[]>> = {
  // Sparkplug B is a way to use MQTT.
  "connectors/sparkplug": ["connectors/mqtt"],
};

/** Synchronous computations over bytes that web standards only offer as promises; SQL functions need them in place. */
const PURE_NODE_MODULES = ["node:crypto", "node:zlib"];

/** Returns one line per violation: `path:line: what is wrong`. */
export function checkImports(files: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  const checked = files.filter(({ path }) => isChecked(path));
  const known = new Set(checked.map((file) => file.path));
  const graph = new Map<string, string[]>();

  for (const { path, text } of checked) {
    const code = withoutComments(text);
    const edges: string[] = [];
    for (const found of findImports(code)) {
      const problem = checkArrow(path, found.specifier);
      if (problem !== undefined) problems.push(`${path}:${found.line}: ${problem}`);
      const target = resolveRelative(path, found.specifier);
      if (target !== undefined && known.has(target) && !found.typeOnly && !found.dynamic) edges.push(target);
    }
    graph.set(path, edges);
    if (owner(path) !== "src/platform") {
      for (const match of code.matchAll(/(?<![\w$."'`-])(Deno|Bun)\s*\.\s*[A-Za-z]/g)) {
        problems.push(`${path}:${lineOf(code, match.index)}: names ${match[1]} outside src/platform`);
      }
    }
  }
  for (const cycle of findCycles(graph)) problems.push(`${cycle[0]}: imports itself: ${cycle.join(" -> ")}`);
  return problems;
}

function isChecked(path: string): boolean {
  if (!path.endsWith(".ts") || path.endsWith("_test.ts") || path.endsWith("_bench.ts")) return false;
  return path === "main.ts" || path.startsWith("src/") || path.startsWith("connectors/");
}

/** `src/sql`, `connectors/mqtt`, `connectors` for the list itself, `main.ts`. */
function owner(path: string): string {
  const parts = path.split("/");
  if (parts[0] === "connectors") return parts.length > 2 ? `connectors/${parts[1]}` : "connectors";
  return parts[0] === "src" ? `src/${parts[1]}` : path;
}

function checkArrow(path: string, specifier: string): string | undefined {
  const from = owner(path);
  const target = resolveRelative(path, specifier);
  if (target === undefined) {
    const isPure = path.startsWith("src/sql/functions/") && PURE_NODE_MODULES.includes(specifier);
    if (from === "src/sql" && specifier.startsWith("node:") && !isPure) {
      return `src/sql is pure and may not import "${specifier}"`;
    }
    return undefined;
  }
  const to = owner(target);
  if (to === from) return undefined;
  if (from === "connectors" && to.startsWith("connectors/")) return undefined;
  const allowed = from.startsWith("connectors/")
    ? [...CONNECTOR_MAY_IMPORT, ...CONNECTOR_STANDS_ON[from] ?? []]
    : MAY_IMPORT[from];
  if (allowed === undefined) return `folder "${from}" has no entry in scripts/check_imports.ts`;
  return allowed.includes(to) ? undefined : `${from} may not import ${to} ("${specifier}")`;
}

function resolveRelative(path: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : undefined;
}

/** The imports and re-exports of a module without comments. */
export function findImports(code: string): Import[] {
  const found: Import[] = [];
  const statement = /^[ \t]*(import|export)\b([^;"'`=()]*?)from\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']/gm;
  for (const match of code.matchAll(statement)) {
    const clause = (match[2] ?? "").trim();
    const names = /^\{([^}]*)\}$/.exec(clause)?.[1]?.split(",").map((name) => name.trim()).filter((name) =>
      name !== ""
    );
    const typeOnly = /^type\b/.test(clause) || (names !== undefined && names.every((name) => name.startsWith("type ")));
    const specifier = match[3] ?? match[4]!;
    found.push({ specifier, line: lineOf(code, match.index), typeOnly, dynamic: false });
  }
  for (const match of code.matchAll(/\bimport\(\s*["']([^"']+)["']/g)) {
    found.push({ specifier: match[1]!, line: lineOf(code, match.index), typeOnly: false, dynamic: true });
  }
  return found;
}

/**
 * Blanks comments that begin a line, so that examples in documentation are not taken for code. Lines stay where they
 * are. Comments after code never hold an import and may stay.
 */
export function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|[ \t])\/\/.*$/gm, "$1");
}

function lineOf(code: string, index: number): number {
  return code.slice(0, index).split("\n").length;
}

/** One cycle per strongly connected part of the graph, found by Tarjan's algorithm. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  const visit = (path: string) => {
    order.set(path, order.size);
    low.set(path, order.get(path)!);
    stack.push(path);
    for (const next of graph.get(path) ?? []) {
      if (!order.has(next)) {
        visit(next);
        low.set(path, Math.min(low.get(path)!, low.get(next)!));
      } else if (stack.includes(next)) {
        low.set(path, Math.min(low.get(path)!, order.get(next)!));
      }
    }
    if (low.get(path) !== order.get(path)) return;
    const part = stack.splice(stack.indexOf(path));
    if (part.length > 1 || graph.get(path)?.includes(path)) cycles.push([...part, path]);
  };
  for (const path of graph.keys()) if (!order.has(path)) visit(path);
  return cycles;
}

if (import.meta.main) {
  const files = sourceFiles(".ts").map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
  const problems = checkImports(files);
  for (const problem of problems) console.error(problem);
  console.log(`${files.filter(({ path }) => isChecked(path)).length} files, ${problems.length} wrong imports`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
