/**
 * What a reload of the configuration does with each setting. A test holds the table to the schema.
 * @module
 */
import type { AgentConfig } from "./schema.ts";

/**
 * `now`: it holds as soon as the reload is done. `later`: for rules that start, and connections that open, afterwards.
 * `restart`: it wants a new start of the agent.
 */
export type ReloadEffect = "now" | "later" | "restart";

/** By setting or section; of several that fit a setting, the longest counts. */
export const reloadTable: Readonly<Record<string, ReloadEffect>> = {
  listen: "restart",
  dataDir: "restart",
  rulesDir: "restart",
  "log.level": "now",
  "log.levels": "now",
  "log.format": "restart",
  timezone: "restart",
  properties: "restart",
  aesKey: "restart",
  ignoreCase: "restart",
  reportedVersion: "restart",
  network: "restart",
  "cors.allowOrigins": "now",
  // The files are read again by every reload; other paths are not.
  "tls.certFile": "restart",
  "tls.keyFile": "restart",
  "tls.clientCaFile": "restart",
  "tls.clientRoles": "now",
  auth: "now",
  policies: "now",
  secrets: "later",
  audit: "restart",
  limits: "restart",
  tracing: "restart",
  rule: "restart",
  sink: "restart",
  source: "restart",
  rulePatrolInterval: "restart",
  ekuiperDir: "later",
  sources: "later",
  sinks: "later",
  connections: "later",
};

export interface ReloadChanges {
  readonly now: readonly string[];
  readonly later: readonly string[];
  readonly restart: readonly string[];
}

/** The settings, as the table calls them, that differ. Values are never shown: some are secret. */
export function changesOf(before: AgentConfig, after: AgentConfig): ReloadChanges {
  const found: Record<ReloadEffect, string[]> = { now: [], later: [], restart: [] };
  for (const [path, effect] of Object.entries(reloadTable)) {
    if (textAt(before, path) !== textAt(after, path)) found[effect].push(path);
  }
  return found;
}

function textAt(config: AgentConfig, path: string): string {
  let value: unknown = config;
  for (const step of path.split(".")) value = (value as Readonly<Record<string, unknown>> | undefined)?.[step];
  return JSON.stringify(value, sorted) ?? "";
}

/** The order of keys means nothing, and bytes are their numbers. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
}
