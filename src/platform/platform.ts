/**
 * What weir needs from the engine it runs on and cannot have from web standards or `node:` modules.
 *
 * This folder is the only place that names `Deno` or `Bun`. `main.ts` calls `loadPlatform()` of `mod.ts` and hands the
 * platform in, so that a test can pass its own.
 * @module
 */

import type { HangupHandlers } from "./hangup.ts";
import type { SendDatagram } from "./notify.ts";

export interface HttpServer {
  readonly hostname: string;
  /** The port really bound, also when 0 was asked for. */
  readonly port: number;
  /**
   * Stops accepting, lets running requests end for at most `graceMs` (5,000 when absent), then cuts them off (Bun
   * closes the connection, Deno answers 503). Connections without a request are closed at once. Calling it again waits
   * for the same end.
   */
  close(graceMs?: number): Promise<void>;
}

export interface TlsOptions {
  /** Certificate chain and private key, PEM text. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates, PEM text. When given, a client without a certificate of theirs is refused. */
  readonly ca?: string;
}

export interface ServeOptions {
  /** An address or name of this machine: `127.0.0.1`, `::1`, `0.0.0.0`. */
  readonly hostname: string;
  /** 0 lets the operating system choose. */
  readonly port: number;
  /** Largest request body in bytes; a larger one gets 413. */
  readonly maxBodyBytes: number;
}

/** The other end of a request's connection. */
export interface Peer {
  /** IP address, empty when the engine no longer knows it. */
  readonly address: string;
}

export type RequestHandler = (request: Request, peer: Peer) => Response | Promise<Response>;

/** Resident memory of this process in bytes. */
export interface ResidentMemory {
  readonly residentBytes: number;
  /** At its highest. */
  readonly residentPeakBytes: number;
}

/** What `trimMemory` did: the bytes by which resident memory shrank, or why it could do nothing. */
export type TrimResult = { readonly trimmedBytes: number } | { readonly skipped: string };

/** Resident bytes, and those of them that belong to no file: heap, stacks, compiled code. */
export interface Footprint {
  readonly residentBytes: number;
  readonly anonymousBytes: number;
}

export interface Platform {
  readonly engine: { readonly name: "bun" | "deno"; readonly version: string };
  /** Operating system and processor in Node's words: `linux-x64`, `linux-arm64`. */
  readonly target: string;
  /** True in a binary made by `deno task build`. */
  readonly compiled: boolean;
  /** Command line arguments without the program's name. */
  readonly args: readonly string[];
  /**
   * Serves `handler`, which must not throw: an error that escapes it becomes a bare 500. Over plain HTTP, and with next to
   * no limits on what a client may take: for clients on this machine.
   * Rejects with a {@linkcode ListenError} when the address cannot be bound.
   */
  serve(options: ServeOptions, handler: RequestHandler): Promise<HttpServer>;
  /** Calls `handler` on SIGTERM and SIGINT; returns the way to stop listening. */
  onTerminate(handler: (signal: "SIGTERM" | "SIGINT") => void): () => void;
  /** Calls a handler on SIGHUP; see {@linkcode HangupHandlers}. Returns the way to stop listening. */
  onHangup(handlers: HangupHandlers): () => void;
  memory(): ResidentMemory;
  /** The size of this process now, at the cost of one small read; undefined where the system does not tell. */
  footprint(): Footprint | undefined;
  /** Runs the garbage collector to the end, where the engine lets it be asked. */
  collectGarbage(): void;
  /**
   * Gives back the pages of the binary's own read-only mappings (Linux: `madvise`). Takes under a millisecond and is
   * cheap to call again; pages that are needed come back from the page cache.
   */
  trimMemory(): TrimResult;
  /**
   * Makes the process fit to run for long, before anything else is loaded: starts it over with engine options for a
   * small heap, where the engine takes them only at its start, and gives back what the start has touched. Returns why
   * it could not, or undefined.
   */
  settle(): string | undefined;
  /** How a service manager is told. Linux only. */
  readonly sendDatagram: SendDatagram;
  exit(code: number): never;
}
