/**
 * Releases of several versions on a web server, to be installed into scratch roots. Their programs are scripts that run
 * this agent from source, so that nothing has to be compiled.
 * @module
 */
import { spawn } from "node:child_process";
import { type KeyObject } from "node:crypto";
import { chmodSync, createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import process from "node:process";
import { release } from "../../scripts/release.ts";
import { makeTestKey } from "../../scripts/release_key.ts";
import { root } from "../../scripts/source_files.ts";
import type { Target } from "../../scripts/build.ts";

export interface Outcome {
  readonly code: number | null;
  /** Standard output and standard error together. */
  readonly output: string;
}

const main = join(root, "main.ts");

/** The agent of this repository, under the engine that runs the test. */
const agent = process.versions.bun === undefined
  ? `exec '${process.execPath}' run -A --no-check '${main}' "$@"`
  : `exec '${process.execPath}' '${main}' "$@"`;

/** What the program of a version does besides telling its version. */
export const programs = {
  /** Runs the agent. */
  good: `case $1 in user) exit 2 ;; esac\n${agent}`,
  /** Spoils the database and ends. */
  broken: `for each; do folder=$each; [ "$last" != --data-dir ] || break; last=$each; done
echo spoilt >"$folder/weir.db"
echo 'E600: this version is broken' >&2
exit 1`,
  /** Is there, and never gets ready. */
  deaf: `case $1 in serve) exec sleep 60 ;; esac\nexit 2`,
  /** Cannot be run on this machine. */
  foreign: "",
  /** Makes an account as well. */
  withUsers: `case "$1 $2" in
"user --help") exit 0 ;;
"user add") echo "user admin, password correct-horse"; exit 0 ;;
esac
${agent}`,
} as const;

export class Releases {
  /** Where they are, as `--base-url` wants it. */
  readonly url: string;
  readonly folder: string;
  readonly key: KeyObject = makeTestKey();
  readonly #close: () => Promise<void>;

  private constructor(url: string, folder: string, close: () => Promise<void>) {
    this.url = url;
    this.folder = folder;
    this.#close = close;
  }

  static async serve(): Promise<Releases> {
    const folder = mkdtempSync(join(tmpdir(), "weir-releases-"));
    const server = createServer((request, response) => {
      const file = join(folder, normalize(decodeURIComponent(request.url ?? "/")));
      if (!existsSync(file)) response.writeHead(404).end();
      else createReadStream(file).on("error", () => response.destroy()).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return new Releases(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, folder, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    });
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Releases a version; `install.sh` is the newest one's. */
  async add(version: string, program: keyof typeof programs, target: Target = "linux-x64"): Promise<void> {
    const binary = join(this.folder, `${version}.sh`);
    const text = program === "foreign"
      ? "#!/no/such/interpreter\n"
      : `#!/bin/sh\ncase $1 in version) echo 'weir ${version} (test)'; exit 0 ;; esac\n${programs[program]}\n`;
    writeFileSync(binary, text);
    chmodSync(binary, 0o755);
    const code = await release({
      version,
      targets: [target],
      binaries: { [target]: binary },
      out: this.folder,
      key: this.key,
      baseUrl: this.url,
      seconds: 1_700_000_000,
      say: () => {},
    });
    if (code !== 0) throw new Error(`the release of ${version} ended with ${code}`);
  }

  /** A file of a release. */
  path(version: string, name: string): string {
    return join(this.folder, version, name);
  }
}

/** Runs `install.sh` of the newest release, read from standard input as `curl … | sh` does. */
export function install(
  { releases, shell = ["dash"], args, path = process.env.PATH ?? "" }: {
    readonly releases: Releases;
    readonly shell?: readonly string[];
    readonly args: readonly string[];
    /** Where the script finds its tools. */
    readonly path?: string;
  },
): Promise<Outcome> {
  const [program, ...before] = shell;
  const child = spawn(program!, [...before, "-s", "--", "--service", "none", ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, PATH: path },
  });
  let output = "";
  const take = (chunk: Uint8Array) => output += new TextDecoder().decode(chunk);
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  // A script that ends early does not read all of itself.
  child.stdin.on("error", () => {});
  createReadStream(join(releases.folder, "install.sh")).pipe(child.stdin);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

/** A folder that looks like the root of a Debian on x86-64, as far as the script looks. */
export function scratchRoot(loader = "lib64/ld-linux-x86-64.so.2"): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-root-"));
  const file = join(path, loader);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
