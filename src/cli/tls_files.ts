/**
 * The certificates that the configuration names for HTTPS.
 * @module
 */
import { readFileSync } from "node:fs";
import type { CertificateKeeper, CertificateReport } from "../certificates/keeper.ts";
import type { AgentConfig } from "../config/schema.ts";
import type { Logger } from "../connector/context.ts";
import { CliError } from "./command.ts";

/** Of the servers that speak HTTPS. */
export interface ServerCertificates {
  readonly admin?: CertificateKeeper;
  readonly data?: CertificateKeeper;
}

/** @throws {DiagnosticError} E716 for files that cannot be read or used */
export async function openCertificates(
  { tls, source: { httpServerTls } }: AgentConfig,
  log: Logger,
): Promise<ServerCertificates> {
  if (tls === undefined && httpServerTls === undefined) return {};
  const { CertificateKeeper } = await import("../certificates/keeper.ts");
  const ca = tls?.clientCaFile === undefined ? {} : { ca: tls.clientCaFile };
  const admin = tls && CertificateKeeper.open({
    server: "admin",
    files: { cert: tls.certFile, key: tls.keyFile, ...ca },
    settings: { cert: "tls.certFile", key: "tls.keyFile", ca: "tls.clientCaFile" },
    log,
  });
  const section = "source.httpServerTls";
  const data = httpServerTls && CertificateKeeper.open({
    server: "data",
    files: { cert: httpServerTls.certfile, key: httpServerTls.keyfile },
    settings: { cert: `${section}.certfile`, key: `${section}.keyfile`, ca: section },
    log,
  });
  return { ...(admin === undefined ? {} : { admin }), ...(data === undefined ? {} : { data }) };
}

/** Begins to look for new files, or ends it. */
export function watchCertificates({ admin, data }: ServerCertificates, watch: "start" | "stop"): void {
  for (const keeper of [admin, data]) keeper?.[watch]();
}

export function reportsOf({ admin, data }: ServerCertificates): CertificateReport[] {
  return [admin, data].flatMap((keeper) => keeper === undefined ? [] : [keeper.report]);
}

/** @throws {CliError} for a file of the collector of traces that cannot be read */
export function checkTracingFiles({ tracing: { tls } }: AgentConfig): void {
  for (const file of [tls?.caFile, tls?.certFile, tls?.keyFile]) if (file !== undefined) readPem(file);
}

function readPem(file: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
