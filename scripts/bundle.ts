/**
 * Bundles the binary under Bun: what `bun build --compile` does, with the one thing that only its interface can do.
 *
 * `@platformatic/wasm-utils` reads a file that stands beside it, which a binary has not. The package brings the same code
 * with the file inside, under another name, which is taken instead.
 * @module
 */
import process from "node:process";

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
  onResolve(
    filter: { readonly filter: RegExp },
    resolve: (found: { readonly importer: string }) => { readonly path: string },
  ): void;
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
