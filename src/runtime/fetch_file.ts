/**
 * Reads a file from a web server, for those that name one instead of its content.
 *
 * Who may name one must not reach by it what the agent reaches and he does not, where `network` of the configuration says
 * so: each address is looked at before it is asked, also those that answers lead to.
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { fail } from "../diagnostics/diagnostic.ts";

export interface FetchLimits {
  readonly bytesMax: number;
  /** For all of it, in milliseconds. */
  readonly timeoutMs?: number;
  /** See `addressGuard`. */
  readonly refusesAddress?: ((host: string, address: string) => string | undefined) | undefined;
}

const timeoutMsDefault = 30_000;
const redirectsMax = 5;

/** @throws {DiagnosticError} E703 when it cannot be had */
export async function fetchFile(url: string, limits: FetchLimits): Promise<Uint8Array> {
  try {
    return await read(url, limits, AbortSignal.timeout(limits.timeoutMs ?? timeoutMsDefault));
  } catch (error) {
    return fail("E703", `Cannot read ${JSON.stringify(url)}: ${reasonOf(error)}`, { path: "file" });
  }
}

async function read(url: string, { bytesMax, refusesAddress }: FetchLimits, signal: AbortSignal): Promise<Uint8Array> {
  let at = new URL(url);
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    if (!/^https?:$/.test(at.protocol)) throw new Error(`${at.protocol} is neither http: nor https:`);
    if (refusesAddress !== undefined) await checkHost(at.hostname, refusesAddress);
    const response = await fetch(at, { redirect: "manual", signal });
    const location = response.headers.get("Location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      at = new URL(location, at);
      continue;
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`it answered ${response.status}`);
    }
    return await bytesOf(response, bytesMax);
  }
  throw new Error(`it leads on more than ${redirectsMax} times`);
}

async function checkHost(hostname: string, refusesAddress: NonNullable<FetchLimits["refusesAddress"]>): Promise<void> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host }];
  for (const { address } of addresses) {
    const refusal = refusesAddress(host, address);
    if (refusal !== undefined) throw new Error(refusal);
  }
}

async function bytesOf(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** What `fetch` says first is that it failed; why stands behind. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
