/**
 * The files that the configuration names for HTTPS.
 * @module
 */
import { readFileSync } from "node:fs";
import type { AgentConfig } from "../config/schema.ts";
import type { TlsOptions } from "../platform/platform.ts";
import { CliError } from "./command.ts";

/** @throws {CliError} for a file that cannot be read */
export function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws {CliError} for a file of the collector of traces that cannot be read */
export function checkTracingFiles({ tracing: { tls } }: AgentConfig): void {
  for (const file of [tls?.caFile, tls?.certFile, tls?.keyFile]) if (file !== undefined) readPem(file);
}

/** Undefined for plain HTTP. @throws {CliError} for files that cannot be read */
export function readTls(config: AgentConfig): TlsOptions | undefined {
  const { tls } = config;
  if (tls === undefined) return undefined;
  const ca = tls.clientCaFile === undefined ? {} : { ca: readPem(tls.clientCaFile) };
  return { cert: readPem(tls.certFile), key: readPem(tls.keyFile), ...ca };
}
