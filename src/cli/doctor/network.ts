/**
 * The agent that may run, the ports it listens on, and the peers of named connections.
 * @module
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Health } from "../../admin/health.ts";
import { expiresSoonMs } from "../../certificates/keeper.ts";
import { checkPair, PairError, type PemPair } from "../../certificates/key_pair.ts";
import type { AgentConfig } from "../../config/schema.ts";
import { formatAddress } from "../../platform/listen_error.ts";
import type { AgentClient } from "../client.ts";
import { area, type Finding, messageOf } from "./finding.ts";

/** What answers at the address of the agent. */
export type Answering =
  | { readonly kind: "weir"; readonly version: string }
  | { readonly kind: "nobody" | "other"; readonly reason: string };

export async function whoAnswers(client: AgentClient): Promise<Answering> {
  try {
    const told = await client.json<{ readonly weir?: string }>("GET", "/");
    if (typeof told.weir === "string") return { kind: "weir", version: told.weir };
    return { kind: "other", reason: "it does not answer like a weir" };
  } catch (error) {
    const [reason = ""] = messageOf(error).split("\n");
    return { kind: reason.startsWith("no weir answers") ? "nobody" : "other", reason };
  }
}

export function agentFinding(answering: Answering, url: string, dataDir: string, holder: number | undefined): Finding {
  const { ok, skipped, warning, problem } = area("agent");
  if (answering.kind === "weir") {
    const what = `weir ${answering.version} answers at ${url}`;
    if (holder !== undefined) return ok(what);
    return warning(`${what}, and keeps its data elsewhere than in ${dataDir}`, "name its directory with --data-dir");
  }
  if (answering.kind === "other") return problem(`${url}: ${answering.reason}`, "see what listens there: ss -ltnp");
  if (holder !== undefined) {
    const who = holder === 0 ? "A process" : `Process ${holder}`;
    return problem(
      `${who} holds the data directory, but nobody answers at ${url}`,
      "it hangs, or listens elsewhere: name it with --server",
    );
  }
  return skipped("No agent runs");
}

export interface Listened {
  readonly hostname: string;
  readonly port: number;
  /** What listens there. */
  readonly what: string;
  /** It listens only while a rule needs it. */
  readonly sometimes?: boolean;
}

export async function portFinding(listened: Listened, answering: Answering): Promise<Finding> {
  const { ok, warning, problem } = area("ports");
  const { hostname, port, what, sometimes = false } = listened;
  const address = `${formatAddress(hostname, port)} of the ${what}`;
  const code = await bindingFails(hostname, port);
  if (code === undefined) return ok(`${address} is free`);
  if (code !== "EADDRINUSE") {
    const hint = code === "EACCES"
      ? "ports below 1024 want CAP_NET_BIND_SERVICE"
      : "it must be an address of this machine";
    return problem(`${address} cannot be bound: ${code}`, hint);
  }
  const free = "see who has it (ss -ltnp), or choose another port";
  if (answering.kind === "weir") {
    return ok(`${address} is in use, by the agent${sometimes ? " when a rule needs it" : ""}`);
  }
  return sometimes ? warning(`${address} is in use`, free) : problem(`${address} is in use, not by a weir`, free);
}

/** The code of the error; undefined when the address is free. */
function bindingFails(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Of the REST interface and of the data server; none for a server without HTTPS. */
export function certificateFindings({ tls, source: { httpServerTls } }: AgentConfig, now: number): Finding[] {
  const found: Finding[] = [];
  if (tls !== undefined) {
    const files = { cert: tls.certFile, key: tls.keyFile, ca: tls.clientCaFile };
    found.push(certificateFinding(files, { cert: "tls.certFile", key: "tls.keyFile", ca: "tls.clientCaFile" }, now));
  }
  if (httpServerTls !== undefined) {
    const files = { cert: httpServerTls.certfile, key: httpServerTls.keyfile, ca: undefined };
    const section = "source.httpServerTls";
    const settings = { cert: `${section}.certfile`, key: `${section}.keyfile`, ca: section };
    found.push(certificateFinding(files, settings, now));
  }
  return found;
}

function certificateFinding(
  files: Readonly<Record<keyof PemPair, string | undefined>>,
  settings: Readonly<Record<keyof PemPair, string>>,
  now: number,
): Finding {
  const { ok, warning, problem } = area("certificate");
  const texts: Partial<Record<keyof PemPair, string>> = {};
  for (const part of ["cert", "key", "ca"] as const) {
    if (files[part] === undefined) continue;
    try {
      texts[part] = readFileSync(files[part], "utf8");
    } catch (error) {
      return problem(`${files[part]} cannot be read: ${messageOf(error)}`, `${settings[part]} names a file in PEM`);
    }
  }
  try {
    const { subject, beginsMs, expiresMs } = checkPair(texts as PemPair);
    const until = new Date(expiresMs).toISOString().slice(0, 10);
    const what = `${subject.replaceAll("\n", ", ")} (${files.cert}), valid to ${until}`;
    if (now < beginsMs || now > expiresMs) {
      return problem(`${what}: it is not valid now`, "renew it, or look at the clock");
    }
    return expiresMs - now < expiresSoonMs ? warning(what, "renew it: no restart is needed") : ok(what);
  } catch (error) {
    if (!(error instanceof PairError)) throw error;
    const { part, message } = error;
    return problem(`${files[part]} cannot be used: ${message}`, `${settings[part]} names a file in PEM`);
  }
}

interface ListedConnection {
  readonly id: string;
  readonly typ: string;
  readonly status: string;
  readonly err?: string;
}

/** As the running agent has them. */
export async function connectionFindings(client: AgentClient): Promise<Finding[]> {
  const { ok, warning, problem, skipped } = area("connections");
  let all: ListedConnection[];
  try {
    all = await client.json<ListedConnection[]>("GET", "/connections");
  } catch (error) {
    return [
      warning(
        `The agent does not tell: ${messageOf(error).split("\n")[0]}`,
        "give a credential with --token or WEIR_TOKEN",
      ),
    ];
  }
  if (all.length === 0) return [skipped("No connection is configured")];
  return all.map(({ id, typ, status, err = "" }) => {
    if (status === "connected") return ok(`${id} (${typ}) is connected`);
    return problem(
      `${id} (${typ}) is ${status}${err === "" ? "" : `: ${err}`}`,
      "see whether its peer runs and lets this machine in",
    );
  });
}

/** What else the running agent says of itself; its connections have findings of their own. */
export async function healthFindings(client: AgentClient): Promise<Finding[]> {
  const { ok, warning, problem, skipped } = area("health");
  try {
    const { status, reasons } = await client.json<Health>("GET", "/api/v1/health");
    const others = reasons.filter((reason) => reason.area !== "connections");
    if (others.length === 0) return [ok(`The agent is ${status === "ok" ? "well" : status}`)];
    return others.map(({ severity, message, hint }) => (severity === "problem" ? problem : warning)(message, hint));
  } catch (error) {
    return [skipped(`The agent does not tell: ${messageOf(error).split("\n")[0]}`)];
  }
}

/** Tries each once. */
export function reachFindings(
  connections: readonly { readonly id: string; readonly type: string }[],
  reach: (id: string) => Promise<void>,
): Promise<Finding[]> {
  const { ok, problem, skipped } = area("connections");
  if (connections.length === 0) return Promise.resolve([skipped("No connection is configured")]);
  return Promise.all(connections.map(async ({ id, type }) => {
    try {
      await reach(id);
      return ok(`${id} (${type}) can be reached`);
    } catch (error) {
      return problem(`${id} (${type}): ${messageOf(error)}`, "see whether its peer runs and lets this machine in");
    }
  }));
}
