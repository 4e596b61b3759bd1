/**
 * Holds the documentation to the product: links lead somewhere, examples are valid, and what a page lists is what there
 * is.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import * as v from "valibot";
import { parseDocument } from "yaml";
import { allConnectors } from "./all_connectors.ts";
import { root, sourceFiles } from "../scripts/source_files.ts";
import { checkNamedSettings } from "../src/cli/check_named_settings.ts";
import { commands } from "../src/cli/commands.ts";
import { loadConfig } from "../src/config/load.ts";
import { configSchema, namesAt } from "../src/config/schema.ts";
import type { Logger } from "../src/connector/context.ts";
import { DiagnosticError } from "../src/diagnostics/diagnostic.ts";
import { ConfigRegistry } from "../src/runtime/configs.ts";
import { connectorConfigs } from "../src/runtime/connector_configs.ts";
import { createEngine } from "../src/runtime/engine.ts";
import { StreamRegistry } from "../src/runtime/streams.ts";
import { MemoryStore } from "../src/store/memory.ts";
import { parseGoDuration } from "../src/value/go_duration.ts";
import { everyRoute, routesOf } from "./admin/every_route.ts";
import { admin } from "./admin/fixture.ts";
import { weir } from "./cli/fixture.ts";
import { ConnectorList } from "../src/connector/connector_list.ts";

interface Page {
  /** From the root. */
  readonly path: string;
  readonly text: string;
}

interface CodeBlock {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const pages: readonly Page[] = sourceFiles(".md").map((path) => ({
  path,
  text: readFileSync(join(root, path), "utf8"),
}));

function page(path: string): string {
  const found = pages.find((each) => each.path === path);
  assert.ok(found !== undefined, `${path} is missing`);
  return found.text;
}

/** The blocks fenced by three backquotes. */
function codeBlocks({ path, text }: Page): CodeBlock[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", block = ""]) => ({
    page: path,
    language,
    text: block,
  }));
}

const blocks = pages.flatMap(codeBlocks);

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** The anchor that a heading gets on the usual hosts. */
function anchors(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm)];
  return new Set(
    headings.map(([, heading = ""]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-")
    ),
  );
}

/** The rows of every table below a heading, up to the next heading; cells without their outer blanks. */
function tableRows(text: string, heading: string): string[][] {
  const start = text.indexOf(`\n${heading}\n`);
  assert.notEqual(start, -1, `there is no heading "${heading}"`);
  const section = text.slice(start + heading.length + 2).split(/^#+ /m)[0]!;
  return section.split("\n")
    .filter((line) => line.startsWith("|") && !/^\|[\s|-]+\|$/.test(line))
    .map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")));
}

function uncode(cell: string): string {
  return /^`(.*)`$/.exec(cell)?.[1] ?? cell;
}

test("every relative link of a page leads to a file, and its anchor to a heading", () => {
  const broken: string[] = [];
  for (const { path, text } of pages) {
    for (const [, target = ""] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const at = file === "" ? join(root, path) : resolve(root, dirname(path), file);
      if (!existsSync(at)) broken.push(`${path}: ${target}`);
      else if (anchor !== undefined && statSync(at).isFile()) {
        if (!anchors(readFileSync(at, "utf8")).has(anchor)) broken.push(`${path}: ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

test("every page of docs can be reached from the README", () => {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, target = ""] of withoutCode(page(path)).matchAll(/\]\(([^)#\s]+\.md)[^)]*\)/g)) {
      if (!/^[a-z]+:/.test(target)) visit(relative(root, resolve(root, dirname(path), target)));
    }
  };
  visit("README.md");
  assert.deepEqual(pages.map(({ path }) => path).filter((path) => path.startsWith("docs") && !seen.has(path)), []);
});

test("the version of Deno that pages name is the one that is tested", () => {
  const pinned = /^deno_version=(\S+)$/m.exec(readFileSync(join(root, ".ci/run"), "utf8"))?.[1];
  const named = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bdeno@([0-9][0-9.]*[0-9])/g)].map(([, version]) => `${path}: ${version}`)
  );
  assert.ok(named.length > 0);
  for (const each of named) assert.ok(each.endsWith(`: ${pinned}`), `${each}, tested is ${pinned}`);
});

test("the tasks that pages name exist", () => {
  const { tasks }: { tasks: Record<string, unknown> } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
  const named = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bdeno(?:@[0-9.]+)? task ([a-z:-]+)/g)].map(([, task = ""]) => ({ path, task }))
  );
  assert.ok(named.length > 0);
  for (const { path, task } of named) assert.ok(Object.hasOwn(tasks, task), `${path}: deno task ${task}`);
});

test("blocks of JSON and YAML can be read", () => {
  for (const { page, language, text } of blocks) {
    if (language === "json") assert.doesNotThrow(() => JSON.parse(text), `${page}:\n${text}`);
    if (language === "yaml") assert.deepEqual(parseDocument(text).errors, [], `${page}:\n${text}`);
  }
});

test("the commands, verbs and flags of weir that pages show exist", async () => {
  const shown = pages.flatMap(({ path, text }) => {
    const shell = codeBlocks({ path, text }).filter(({ language }) => language === "sh")
      .flatMap(({ text }) => text.replaceAll("\\\n", " ").split("\n"));
    const inline = [...text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
    return [...shell, ...inline].filter((line) => /^(dist\/)?weir /.test(line)).map((line) => ({ path, line }));
  });
  assert.ok(shown.length > 10);
  for (const { path, line } of shown) {
    // What is quoted is text for weir, not words of the command line.
    const [, ...words] = line.replaceAll(/'[^']*('|$)/g, "TEXT").split(/\s+/);
    const name = words[0]!;
    const entry = commands.find((command) => command.name === name);
    assert.ok(entry !== undefined || name === "help", `${path}: ${line}`);
    if (entry === undefined) continue;
    const command = await entry.load();
    for (const word of words.slice(1).filter((word) => word.startsWith("--"))) {
      const flag = word.slice(2).split("=")[0]!;
      assert.ok(flag === "help" || Object.hasOwn(command.flags, flag), `${path}: ${line}: ${word}`);
    }
    const verbs = command.usage.flatMap((usage) => usage.split(" ")[2]!.split("|"));
    if (["stream", "table", "rule", "config"].includes(name)) assert.ok(verbs.includes(words[1]!), `${path}: ${line}`);
  }
});

test("the query of the README gives what the README shows", async () => {
  const text = page("README.md");
  const data = /cat > (\S+) <<'END'\n([\s\S]*?\n)END\n/.exec(text);
  const statement = /^dist\/weir query '([^']+)'([\s\S]*?)\n```/m.exec(text);
  const output = /```text\n(car_count [\s\S]*?)```/.exec(text)?.[1];
  assert.ok(data !== null && statement !== null && output !== undefined);
  const folder = mkdtempSync(join(tmpdir(), "weir-docs-"));
  try {
    const file = join(folder, "rows.ndjson");
    writeFileSync(file, data[2]!);
    const flags = statement[2]!.replaceAll("\\\n", " ").trim().split(/\s+/).map((word) =>
      word.replace(`=${data[1]}`, `=${file}`)
    );
    const { code, stdout, stderr } = await weir(["query", statement[1]!, ...flags]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: output, stderr: "" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the configuration example is what the agent takes", async () => {
  const example = blocks.find((block) => block.page === "docs/reference/config.md" && block.language === "yaml");
  assert.ok(example !== undefined);
  const folder = mkdtempSync(join(tmpdir(), "weir-docs-"));
  try {
    const file = join(folder, "weir.yaml");
    writeFileSync(file, example.text);
    const { config, document } = await loadConfig({ file });
    assert.doesNotThrow(() => checkNamedSettings(config, connectorConfigs(connectors), document));
    assert.equal(config.rule.lateTolerance, 2000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The settings of the configuration by path; the named settings of connectors count as one each. */
function settingPaths(path: readonly string[] = []): string[] {
  return (namesAt(path) ?? []).flatMap((name) => {
    const below = [...path, name];
    const names = namesAt(below);
    return names === undefined || names.length === 0 ? [below.join(".")] : settingPaths(below);
  });
}

function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], value);
}

test("the configuration reference has every setting, with its default", () => {
  const rows = tableRows(page("docs/reference/config.md"), "## Settings").slice(1);
  assert.deepEqual(rows.map(([name = ""]) => uncode(name)).sort(), settingPaths().sort());
  const defaults = v.parse(configSchema, {});
  for (const [cell = "", , shown = ""] of rows) {
    const name = uncode(cell);
    const text = uncode(shown);
    const value = valueAt(defaults, name);
    if (name === "listen") assert.equal(text, `${defaults.listen.hostname}:${defaults.listen.port}`);
    else if (shown === "none" || name === "dataDir") assert.ok(JSON.stringify(value ?? {}) === "{}", name);
    else assert.ok([String(value), JSON.stringify(value)].includes(text) || parseGoDuration(text) === value, name);
  }
});

test("the REST page lists the routes that there are", async () => {
  const listed = page("docs/rest.md").split("\n").flatMap((line) =>
    /^\| `((?:GET|POST|PUT|PATCH|DELETE) \/\S*)` \|/.exec(line)?.[1] ?? []
  );
  const { app } = admin(await everyRoute());
  assert.deepEqual(listed.sort(), routesOf(app).sort());
});

const connectors = new ConnectorList(allConnectors);
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** An engine with the streams that examples name; nothing in it is ever started. */
function checkingEngine() {
  const store = new MemoryStore();
  const configs = new ConfigRegistry({ store, ...connectorConfigs(connectors) });
  const streams = new StreamRegistry({ store, configs });
  for (const name of ["demo", "other"]) {
    streams.execute(`CREATE STREAM ${name} () WITH (TYPE="memory", DATASOURCE="t")`);
  }
  streams.execute('CREATE TABLE items (a BIGINT) WITH (TYPE="memory", DATASOURCE="t", KIND="lookup", KEY="a")');
  return {
    streams,
    configs,
    rules: createEngine({ connectors, store, streams, configs, config: v.parse(configSchema, {}), log: silent }).rules,
  };
}

/** The codes of what is wrong with an example: a SELECT, a CREATE STREAM, or parts of a rule. */
async function codesOf(example: string): Promise<string[]> {
  const { streams, rules } = checkingEngine();
  const rule = (parts: object) =>
    rules.validate(JSON.stringify({ id: "r", sql: "SELECT a FROM demo", actions: [{ nop: {} }], ...parts }));
  try {
    if (example.startsWith("CREATE")) {
      streams.execute(example);
      await rule({ sql: `SELECT a FROM ${/STREAM (\w+)/.exec(example)?.[1]}` });
    } else if (example.startsWith("SELECT")) await rule({ sql: example });
    else await rule(JSON.parse(example));
    return [];
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return error.diagnostics.map(({ code }) => code);
  }
}

test("what the compatibility page calls refused is refused, with that code", async () => {
  const rows = tableRows(page("docs/compatibility.md"), "## What is refused").slice(1);
  assert.ok(rows.length > 8);
  for (const [what, example = "", code = ""] of rows) {
    const found = await codesOf(uncode(example));
    assert.ok(found.length > 0 && found.every((each) => each === code), `${what}: ${found.join(", ")}, page: ${code}`);
  }
});

test("the stream and the rules of the README are valid", async () => {
  const { streams, configs, rules } = checkingEngine();
  streams.execute("DROP STREAM demo");
  const text = page("README.md");
  for (const [, settings = ""] of text.matchAll(/weir config set source mqtt local '([^']+)'/g)) {
    configs.putConfKey("source", "mqtt", "local", JSON.parse(settings));
  }
  for (const [, statement = ""] of text.matchAll(/weir stream create '([^']+)'/g)) streams.execute(statement);
  for (const [, body = ""] of text.matchAll(/curl \S+\/streams -d '([^']+)'/g)) streams.execute(JSON.parse(body).sql);
  const found = [...text.matchAll(/(?:weir rule create|curl \S+\/rules -d) '([^']+)'/g)];
  assert.equal(found.length, 2);
  for (const [, rule = ""] of found) assert.equal((await rules.validate(rule)).sources.length, 1);
});

test("the reference of the configuration says of every setting what a reload does with it", async () => {
  const { reloadTable } = await import("../src/config/reload_table.ts");
  const page = readFileSync(new URL("../docs/reference/config.md", import.meta.url), "utf8");
  const rows = { now: "at once", later: "for rules that start", restart: "after a restart" } as const;
  for (const [effect, begin] of Object.entries(rows)) {
    const row = page.split("\n").find((line) => line.startsWith(`| ${begin}`));
    const said = [...row!.matchAll(/`([\w.]+)`/g)].map(([, name]) => name);
    const meant = Object.entries(reloadTable).filter(([, each]) => each === effect).map(([name]) => name);
    assert.deepEqual(said, meant);
  }
});
