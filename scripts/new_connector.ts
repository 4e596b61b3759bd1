/**
 * Makes a folder with a connector that works: `deno task new-connector NAME`.
 *
 * It copies `scripts/connector_skeleton`, lines over TCP with its tests, under the new name, and lists it in
 * `connectors/mod.ts`. What is left is to put another protocol in the place of the lines.
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./source_files.ts";

const skeleton = "scripts/connector_skeleton";

/** @throws {Error} for a name that cannot be one, or is taken */
export function newConnector(name: string, folder: string = root): string[] {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new Error(`"${name}" cannot be the name of a connector: small letters, digits and _, as in opcua`);
  }
  const target = join(folder, "connectors", name);
  if (existsSync(target)) throw new Error(`connectors/${name} is there already`);
  const list = join(folder, "connectors/mod.ts");
  const listed = withConnector(readFileSync(list, "utf8"), name);
  mkdirSync(target);
  const files = readdirSync(join(root, skeleton)).map((file) => {
    const text = readFileSync(join(root, skeleton, file), "utf8");
    const path = `connectors/${name}/${file.replace("skeleton", name)}`;
    writeFileSync(join(folder, path), text.replaceAll("skeleton", name).replaceAll("Skeleton", title(name)));
    return path;
  });
  writeFileSync(list, listed);
  return [...files, "connectors/mod.ts"];
}

function title(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}

/** The list of connectors with one more, in its order. */
function withConnector(text: string, name: string): string {
  const entries = [...text.matchAll(/^ {2}\{\n {4}name: "(\w+)",\n(?: {4}.+\n)+ {2}\},\n/gm)];
  if (entries.length === 0) throw new Error("connectors/mod.ts does not look as expected");
  if (entries.some(([, found]) => found === name)) throw new Error(`connectors/mod.ts lists ${name} already`);
  const before = entries.findLast(([, found]) => found! < name);
  const at = before === undefined ? entries[0]!.index : before.index + before[0].length;
  const entry = `  {
    name: "${name}",
    roles: ["source", "sink"],
    load: async () => (await import("./${name}/mod.ts")).${name},
  },
`;
  return text.slice(0, at) + entry + text.slice(at);
}

function main(args: readonly string[]): number {
  const [name, ...rest] = args;
  if (name === undefined || rest.length > 0 || name.startsWith("-")) {
    console.error("Usage: deno task new-connector NAME");
    return 2;
  }
  try {
    for (const path of newConnector(name)) console.log(path);
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  console.log(`
It works as it is: deno test -A connectors/${name}

1. mod.ts: say what it is, what it promises, and what its settings mean; connectors/mod.ts names its roles.
2. line_socket.ts, source.ts, sink.ts: another protocol in place of the lines; drop the role that you do not need.
3. ${name}_test.ts: a peer that others have written, and its faults.
4. deno run -A scripts/gen_docs.ts writes its page; deno task ok checks everything.`);
  return 0;
}

if (import.meta.main) process.exit(main(process.argv.slice(2)));
