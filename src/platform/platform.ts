/**
 * What weir needs from the engine it runs on and cannot have from web standards or `node:` modules.
 *
 * This folder is the only place that names `Deno` or `Bun`. `main.ts` hands the platform in.
 * @module
 */

export interface HttpServer {
  readonly hostname: string;
  /** The port really bound, also when 0 was asked for. */
  readonly port: number;
  /** Stops accepting, lets running requests end for at most `graceMs`, then cuts them off. */
  close(graceMs?: number): Promise<void>;
}

export interface ServeOptions {
  readonly hostname: string;
  readonly port: number;
  /** Largest request body in bytes; a larger one gets 413. */
  readonly maxBodyBytes: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

/** What `trimMemory` did: the bytes given back, or why it could do nothing. */
export type TrimResult = { readonly trimmedBytes: number } | { readonly skipped: string };

export interface Platform {
  readonly engine: { readonly name: "bun" | "deno" | "node"; readonly version: string };
  /** Operating system and processor: `linux-x64`, `linux-arm64`. */
  readonly target: string;
  /** True in a binary made by `deno task build`. */
  readonly compiled: boolean;
  /** Command line arguments without the program's name. */
  readonly args: readonly string[];
  /** Serves `handler`. Rejects when the address cannot be bound. */
  serve(options: ServeOptions, handler: (request: Request) => Response | Promise<Response>): Promise<HttpServer>;
  /** Calls `handler` on SIGTERM and SIGINT; returns the way to stop listening. */
  onTerminate(handler: (signal: "SIGTERM" | "SIGINT") => void): () => void;
  /** Resident memory of this process in bytes: now and at its highest. */
  memory(): { readonly residentBytes: number; readonly residentPeakBytes: number };
  /**
   * Gives back the pages of the binary's own read-only mappings that are not in use (Linux: `madvise`). Cheap to call
   * again; pages that are needed come back from the page cache.
   */
  trimMemory(): TrimResult;
  exit(code: number): never;
}
