/**
 * Bundles the binary under Bun: what `bun build --compile` does, with the one thing that only its interface can do.
 *
 * `@platformatic/wasm-utils` reads a file that stands beside it, which a binary has not. The package brings the same code
 * with the file inside, under another name, which is taken instead.
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What {@linkcode bundle} gets, as JSON, in its first argument. */
export interface BundleOptions {
  readonly entries: readonly string[];
  readonly out: string;
  /** `bun-linux-arm64`; absent for this machine. */
  readonly target?: string;
  readonly define: Readonly<Record<string, string>>;
}

/** The part of Bun's interface that is used here; its types belong to another runtime than the one that checks this. */
interface Bundler {
  build(options: Record<string, unknown>): Promise<{ readonly success: boolean; readonly logs: readonly unknown[] }>;
  resolveSync(specifier: string, from: string): string;
}

interface PluginBuilder {
  onLoad(
    filter: { readonly filter: RegExp },
    load: (found: { readonly path: string }) => { readonly contents: string; readonly loader: "ts" },
  ): void;
  onResolve(
    filter: { readonly filter: RegExp },
    resolve: (found: { readonly importer: string }) => { readonly path: string },
  ): void;
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** The modules that declare connectors, as the list of connectors imports them. */
function declarations(): string[] {
  const list = readFileSync(join(root, "connectors/mod.ts"), "utf8");
  return [...list.matchAll(/import\("(\.[^"]+)"\)/g)].map(([, path]) => join(root, "connectors", path!));
}

async function bundle({ entries, out, target, define }: BundleOptions): Promise<boolean> {
  const bun = (globalThis as unknown as { Bun: Bundler }).Bun;
  const result = await bun.build({
    entrypoints: entries,
    // Identifiers keep their names: those of classes appear in logs, and they weigh little beside the engine.
    minify: { syntax: true, whitespace: true },
    sourcemap: "none",
    // Compiled ahead of time, the code starts sooner and needs 2 MB less memory than its text would.
    bytecode: true,
    format: "esm",
    target: "bun",
    // What is imported later is loaded later: in one file, all of it would be there before the first trim.
    splitting: true,
    // Locks on files, which the OPC UA client can do without; it looks for them when it is asked to keep certificates.
    external: ["proper-lockfile"],
    define,
    compile: {
      outfile: out,
      ...(target === undefined ? {} : { target }),
      // An agent must not take settings from files that happen to lie in its working directory.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
    plugins: [{
      // Of modules that are loaded apart, the bundler makes a file of what each combination of them shares; the agent
      // would load ten more of those at each start, at 0.1 MB each. A declaration is loaded by an engine, so that it may
      // as well import it: then all of them share the same.
      name: "declarations share the engine",
      setup: (build: PluginBuilder) => {
        const listed = new Set(declarations());
        const engine = JSON.stringify(join(root, "src/runtime/engine.ts"));
        build.onLoad({ filter: /\/connectors\/[^/]+\/\w+\.ts$/ }, ({ path }) => {
          const text = readFileSync(path, "utf8");
          return { contents: listed.has(path) ? `import ${engine};\n${text}` : text, loader: "ts" };
        });
      },
    }, {
      name: "files inside",
      setup: (build: PluginBuilder) => {
        build.onResolve({ filter: /^@platformatic\/wasm-utils$/ }, ({ importer }) => ({
          path: bun.resolveSync("@platformatic/wasm-utils/bundled", importer),
        }));
      },
    }],
    throw: false,
  });
  for (const log of result.logs) console.error(String(log));
  return result.success;
}

process.exitCode = await bundle(JSON.parse(process.argv[2]!) as BundleOptions) ? 0 : 1;
