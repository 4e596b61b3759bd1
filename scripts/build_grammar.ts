/**
 * Compiles grammar/sql.peggy to src/sql/grammar.js, which is committed so that nothing is generated at install.
 *
 * ```sh
 * deno run -A scripts/build_grammar.ts          # after a change of the grammar
 * deno run -A scripts/build_grammar.ts --check  # exit code 1 when the committed file is stale
 * ```
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import peggy from "peggy";
import { leanParser } from "./lean_parser.ts";

const grammarFile = new URL("../grammar/sql.peggy", import.meta.url);
const parserFile = new URL("../src/sql/grammar.js", import.meta.url);

/** The entry rules, each for one function of src/sql/parse.ts. */
const startRules = ["StatementText", "SelectText", "ItemText", "ExpressionText"];

const header = '/* @ts-self-types="./grammar.d.ts" */\n// deno-lint-ignore-file\n';

/** The parser module's text, from the grammar on disk. */
export function buildGrammar(): string {
  const source = readFileSync(grammarFile, "utf8");
  const parser = peggy.generate(source, {
    output: "source",
    format: "es",
    cache: false,
    allowedStartRules: startRules,
    grammarSource: "grammar/sql.peggy",
  });
  return header + leanParser(parser);
}

/** True when the committed parser is the one that the grammar gives. */
export function isFresh(): boolean {
  return readFileSync(parserFile, "utf8") === buildGrammar();
}

if (import.meta.main) {
  if (!process.argv.includes("--check")) {
    writeFileSync(parserFile, buildGrammar());
  } else if (!isFresh()) {
    console.error("src/sql/grammar.js is stale: run scripts/build_grammar.ts");
    process.exitCode = 1;
  }
}
