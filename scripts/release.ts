/**
 * Makes all that is released: `deno task release --key FILE [--base-url URL] [--out DIR] [--target TARGET…]
 * [--binary TARGET=FILE…] [--version VERSION] [--test-key]`.
 *
 * Below `--out` (`dist/release`) stand `install.sh` and a folder named after the version: tarballs for all targets,
 * Debian packages, `SHA256SUMS` with its ed25519 signature, the parts list and the manual page. Any web server can serve
 * it; `--base-url` is where, and what `install.sh` asks unless it is told otherwise.
 *
 * The same commit gives the same bytes in the same folder: archives have the time of the commit, or
 * `SOURCE_DATE_EPOCH`, sorted entries and fixed owners; the signature depends on the key and the content alone. Exit
 * codes: 0 made, 1 failed, 2 wrong arguments.
 * @module
 */
import { createHash, type KeyObject } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { build, type Target, targets } from "./build.ts";
import { run } from "./engines.ts";
import { commonFiles, debianPackage, releaseTarball } from "./release_files.ts";
import { makeTestKey, publicKeyText, readSigningKey, signature } from "./release_key.ts";
import { root } from "./source_files.ts";

export interface ReleaseOptions {
  readonly version: string;
  readonly targets: readonly Target[];
  /** Files to take in the place of those that would be built. */
  readonly binaries: Readonly<Partial<Record<Target, string>>>;
  readonly out: string;
  readonly key: KeyObject;
  /** Where `out` will be found; `install.sh` has to be told when it is empty. */
  readonly baseUrl: string;
  /** The time of all files, seconds since 1970. */
  readonly seconds: number;
  /** Takes lines for people. */
  readonly say: (line: string) => void;
}

/** Makes the release below `options.out`, in the place of one of the same version. Returns the exit code. */
export async function release(options: ReleaseOptions): Promise<number> {
  const { version, seconds, out, key, say } = options;
  const folder = join(out, version);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const installer = stamped(readFileSync(join(root, "install.sh"), "utf8"), {
    release_version: version,
    release_url: options.baseUrl,
    release_key: publicKeyText(key),
  });
  const common = await commonFiles(version, seconds, installer);
  const sums: string[] = [];
  const put = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`);
    say(`${name}  ${(bytes.length / 1_000_000).toFixed(1)} MB`);
  };
  for (const target of options.targets) {
    const binary = await binaryOf(target, options);
    if (binary === undefined) return 1;
    put(`weir-${version}-${target}.tar.gz`, releaseTarball(target, binary, common));
    const debian = debianPackage(target, binary, common);
    if (debian !== undefined) put(debian.name, debian.bytes);
  }
  put("install.sh", installer);
  put("sbom.cdx.json", common.sbom);
  put("weir.1", common.manual);
  const list = new TextEncoder().encode(sums.toSorted((a, b) => a.slice(66) < b.slice(66) ? -1 : 1).join(""));
  writeFileSync(join(folder, "SHA256SUMS"), list);
  writeFileSync(join(folder, "SHA256SUMS.sig"), signature(list, key));
  writeFileSync(join(out, "install.sh"), installer);
  chmodSync(join(out, "install.sh"), 0o755);
  say(`${folder}: signed, public key ${publicKeyText(key)}`);
  return 0;
}

/** Fills in the variables at the top of `install.sh`. */
function stamped(script: string, values: Readonly<Record<string, string>>): string {
  let text = script;
  for (const [name, value] of Object.entries(values)) {
    if (value.includes("'")) throw new TypeError(`Cannot write "${value}" into install.sh: it holds a quote`);
    const line = new RegExp(`^${name}=''$`, "m");
    if (!line.test(text)) throw new Error(`Cannot fill in install.sh: it has no line ${name}=''`);
    text = text.replace(line, () => `${name}='${value}'`);
  }
  return text;
}

async function binaryOf(target: Target, { binaries }: ReleaseOptions): Promise<Uint8Array | undefined> {
  const given = binaries[target];
  if (given !== undefined) return readFileSync(given);
  const out = join(root, "dist", `weir-${target}`);
  return await build({ engine: "bun", target, out }) === 0 ? readFileSync(out) : undefined;
}

/** `SOURCE_DATE_EPOCH`, or the time of the commit; without git, as in an archive of the source, the beginning of 1980. */
async function readSeconds(): Promise<number> {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) {
    if (!/^\d+$/.test(given)) throw new TypeError(`Cannot take SOURCE_DATE_EPOCH "${given}": expected seconds`);
    return Number(given);
  }
  const commit = await run("git", ["log", "-1", "--format=%ct"], "collect");
  return commit.code === 0 ? Number(commit.output.trim()) : 315_532_800;
}

function toTarget(name: string): Target {
  const target = targets.find((each) => each === name);
  if (target === undefined) throw new TypeError(`Cannot release "${name}": expected one of ${targets.join(", ")}`);
  return target;
}

async function parseOptions(args: string[]): Promise<ReleaseOptions> {
  const { values } = parseArgs({
    args,
    options: {
      version: { type: "string" },
      target: { type: "string", multiple: true },
      binary: { type: "string", multiple: true },
      out: { type: "string" },
      key: { type: "string" },
      "test-key": { type: "boolean", default: false },
      "base-url": { type: "string" },
    },
  });
  const manifest: { version: string } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
  const version = values.version ?? manifest.version;
  if (!/^\d+\.\d+\.\d+[A-Za-z0-9.+~-]*$/.test(version)) throw new TypeError(`Cannot release version "${version}"`);
  const key = values["test-key"] ? makeTestKey() : readSigningKey(values.key, process.env);
  if (key === undefined) {
    throw new TypeError("Cannot sign: give --key FILE or WEIR_SIGNING_KEY, or --test-key to try it out");
  }
  const binaries = (values.binary ?? []).map((each) => {
    const at = each.indexOf("=");
    return [toTarget(each.slice(0, at)), resolve(each.slice(at + 1))] as const;
  });
  return {
    version,
    targets: values.target?.map(toTarget) ?? targets,
    binaries: Object.fromEntries(binaries),
    out: resolve(values.out ?? join(root, "dist", "release")),
    key,
    baseUrl: (values["base-url"] ?? "").replace(/\/+$/, ""),
    seconds: await readSeconds(),
    say: (line) => console.log(line),
  };
}

if (import.meta.main) {
  let options: ReleaseOptions | undefined;
  try {
    options = await parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
  }
  process.exit(options === undefined ? 2 : await release(options));
}
