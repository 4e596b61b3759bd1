/**
 * The parts list of the binary, as CycloneDX JSON, from `deno.lock`: the packages that the code imports, those that they
 * need, and the engine.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findImports, withoutComments } from "./check_imports.ts";
import { root, sourceFiles } from "./source_files.ts";

interface Lock {
  /** `npm:NAME@RANGE` to the version, behind which `_` names its peers. */
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>>;
}

interface Component {
  readonly type: "library" | "framework";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes: readonly { readonly alg: "SHA-512"; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
}

/** `seconds` since 1970 is what it says of when it was made. */
export function sbom(version: string, seconds: number): string {
  const lock: Lock = JSON.parse(readFileSync(join(root, "deno.lock"), "utf8"));
  const engine = keyOf("bun", lock);
  const keys = [...reachable(importedNames().map((name) => keyOf(name, lock)), lock)].toSorted();
  const components = [component(engine, lock, "framework"), ...keys.map((key) => component(key, lock, "library"))];
  const self = `pkg:generic/weir@${version}`;
  const dependencies = [
    { ref: self, dependsOn: [engine, ...importedNames().map((name) => keyOf(name, lock))].map(purl).toSorted() },
    ...keys.map((key) => ({ ref: purl(key), dependsOn: dependenciesOf(key, lock).map(purl).toSorted() })),
  ];
  const digest = createHash("sha256").update(JSON.stringify([version, components])).digest("hex");
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    // A UUID of version 8: made of a digest, so that the same parts have the same number.
    serialNumber: `urn:uuid:${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${
      digest.slice(17, 20)
    }-${digest.slice(20, 32)}`,
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1_000).toISOString(),
      component: {
        type: "application",
        "bom-ref": self,
        name: "weir",
        version,
        purl: self,
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
    },
    components,
    dependencies,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The packages that code of the binary imports by name. */
function importedNames(): string[] {
  const known: { imports: Record<string, string> } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
  const paths = sourceFiles(".ts").filter((path) =>
    /^(main\.ts|src\/|connectors\/)/.test(path) && !path.endsWith("_test.ts")
  );
  const found = new Set<string>();
  for (const path of paths) {
    const imports = findImports(withoutComments(readFileSync(join(root, path), "utf8")));
    for (const { specifier, typeOnly } of imports) {
      const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
      if (!typeOnly && Object.hasOwn(known.imports, name)) found.add(name);
    }
  }
  return [...found].toSorted();
}

/** The key in the lock of a package that `deno.json` pins. */
function keyOf(name: string, lock: Lock): string {
  for (const [specifier, version] of Object.entries(lock.specifiers)) {
    if (specifier.slice("npm:".length).startsWith(`${name}@`)) return `${name}@${version}`;
  }
  throw new Error(`Cannot find "${name}" in deno.lock: run deno install`);
}

function reachable(roots: readonly string[], lock: Lock): Set<string> {
  const seen = new Set<string>();
  const visit = (key: string) => {
    if (seen.has(key)) return;
    seen.add(key);
    dependenciesOf(key, lock).forEach(visit);
  };
  roots.forEach(visit);
  return seen;
}

/** The lock leaves the version out where it has one only. */
function dependenciesOf(key: string, lock: Lock): string[] {
  return (lock.npm[key]?.dependencies ?? []).flatMap((dependency) => {
    // `alias@npm:name@1.0.0` and `name@1.0.0` are keys as they stand, without the alias.
    const name = dependency.replace(/^.+@npm:/, "");
    // Nothing of types is left in a binary.
    if (name.startsWith("@types/")) return [];
    if (Object.hasOwn(lock.npm, name)) return [name];
    const found = Object.keys(lock.npm).filter((each) => each.startsWith(`${name}@`) || each.startsWith(`${name}_`));
    return found.slice(0, 1);
  });
}

function parts(key: string): { readonly name: string; readonly version: string } {
  const at = key.indexOf("@", 1);
  return { name: key.slice(0, at), version: key.slice(at + 1).split("_")[0]! };
}

function purl(key: string): string {
  const { name, version } = parts(key);
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function component(key: string, lock: Lock, type: Component["type"]): Component {
  const { name, version } = parts(key);
  const content = Buffer.from(lock.npm[key]!.integrity.replace("sha512-", ""), "base64").toString("hex");
  const license = licenseOf(key);
  return {
    type,
    "bom-ref": purl(key),
    name,
    version,
    purl: purl(key),
    hashes: [{ alg: "SHA-512", content }],
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
  };
}

function licenseOf(key: string): string | undefined {
  const { name, version } = parts(key);
  // Folders leave out peers where there is one version of them.
  for (const folder of [key, `${name}@${version}`]) {
    const file = join(root, "node_modules", ".deno", folder.replaceAll("/", "+"), "node_modules", name, "package.json");
    if (!existsSync(file)) continue;
    const { license }: { license?: unknown } = JSON.parse(readFileSync(file, "utf8"));
    return typeof license === "string" ? license : undefined;
  }
  return undefined;
}
