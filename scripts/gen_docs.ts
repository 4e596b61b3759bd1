/**
 * Writes the reference pages that are generated from declarations, so that none of them can tell another story than the
 * code.
 *
 * ```sh
 * deno run -A scripts/gen_docs.ts          # after a change of a function, connector, code, command or option
 * deno run -A scripts/gen_docs.ts --check  # exit code 1 when a committed page is stale
 * ```
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { connectors as entries } from "../connectors/mod.ts";
import { ConnectorList } from "../src/connector/connector_list.ts";
import { cliPage } from "./gen_docs_cli.ts";
import { connectorPage, connectorsPage } from "./gen_docs_connectors.ts";
import { diagnosticsPage } from "./gen_docs_diagnostics.ts";
import { functionsPage } from "./gen_docs_functions.ts";
import { rulesPage } from "./gen_docs_rules.ts";
import { templatesPage } from "./gen_docs_templates.ts";
import { root } from "./source_files.ts";

const connectorFolder = "docs/reference/connectors";

/** Every generated page by its path in the repository. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  const connectors = await new ConnectorList(entries).all();
  return new Map([
    ["docs/reference/functions.md", functionsPage()],
    ["docs/reference/rules.md", rulesPage()],
    ["docs/reference/templates.md", templatesPage()],
    ["docs/reference/diagnostics.md", diagnosticsPage()],
    ["docs/reference/cli.md", await cliPage()],
    [`${connectorFolder}/README.md`, connectorsPage(connectors)],
    ...connectors.map((connector): [string, string] => [
      `${connectorFolder}/${connector.name}.md`,
      connectorPage(connector),
    ]),
  ]);
}

/** The committed pages that differ from what the declarations give, and those of connectors that are gone. */
export async function stalePages(): Promise<string[]> {
  const pages = await generatedPages();
  const stale = [...pages].filter(([path, text]) => readCommitted(path) !== text).map(([path]) => path);
  const orphans = readdirSync(join(root, connectorFolder)).map((name) => `${connectorFolder}/${name}`)
    .filter((path) => !pages.has(path));
  return [...stale, ...orphans];
}

function readCommitted(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const stale = await stalePages();
    for (const path of stale) console.error(`${path} is stale: run scripts/gen_docs.ts`);
    if (stale.length > 0) process.exitCode = 1;
  } else {
    for (const [path, text] of await generatedPages()) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
}
