/**
 * What an admin interface is made of so that every route exists; nothing of it does much.
 * @module
 */
import type { Hono } from "hono";
import type { AdminOptions } from "../../src/admin/app.ts";
import type { AdminEnv } from "../../src/admin/failure.ts";
import { Auditor } from "../../src/audit/auditor.ts";
import { MemoryAuditLog } from "../../src/audit/memory_audit_log.ts";
import { Accounts } from "../../src/auth/accounts.ts";
import { Authenticator, type AuthRules } from "../../src/auth/authenticator.ts";
import type { Logger } from "../../src/connector/context.ts";
import { ConfigRegistry } from "../../src/runtime/configs.ts";
import { DataTransfer, type TransferTarget } from "../../src/runtime/data_transfer.ts";
import { SchemaRegistry } from "../../src/runtime/schemas.ts";
import { StreamRegistry } from "../../src/runtime/streams.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { LogLevels } from "../../src/telemetry/log_levels.ts";
import { MemoryRules } from "./memory_rules.ts";

export async function everyRoute(rules: AuthRules = { mode: "auto" }): Promise<Partial<AdminOptions>> {
  const accounts = new Accounts(new MemoryStore());
  const trail = new MemoryAuditLog();
  const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
  const schemas = await SchemaRegistry.open(new MemoryStore());
  const target = (): TransferTarget => {
    const store = new MemoryStore();
    const configs = new ConfigRegistry({ store });
    const streams = new StreamRegistry({ store, configs });
    return { store, configs, streams, schemas, rules: new MemoryRules(streams) };
  };
  return {
    stop: () => {},
    schemas: { schemas, directory: undefined },
    transfer: { transfer: new DataTransfer(target(), () => Promise.resolve(target())) },
    trials: {
      trials: { create: () => Promise.resolve(), start: () => Promise.resolve(), delete: () => Promise.resolve() },
      port: () => 10_081,
    },
    traces: {
      start: () => Promise.resolve(),
      stop() {},
      ofRule: () => [],
      trace: () => undefined,
      collect: () => Promise.resolve(),
      figures: undefined,
    },
    settings: { timezone: "UTC", setLogLevel() {}, levels: new LogLevels("info") },
    reload: () => Promise.resolve({ now: [], later: [], restart: [] }),
    managed: {
      state: { directory: "/r", state: "applied", hash: "", appliedAt: null, errors: [], managed: [] },
      apply: () => Promise.resolve({ errors: [], changes: [], unchanged: 0 }),
    },
    uploads: {
      list: () => Promise.resolve([]),
      put: () => Promise.resolve("/uploads/a"),
      putFrom: () => Promise.resolve("/uploads/a"),
      delete: () => Promise.resolve(),
    },
    audit: { trail, auditor: new Auditor({ trail, log: silent }) },
    auth: { authenticator: new Authenticator(accounts, rules), accounts },
  };
}

/** `GET /rules` …, each once. */
export function routesOf(app: Hono<AdminEnv>): string[] {
  const routes = app.routes.filter(({ method, path }) => method !== "ALL" && path !== "/*");
  return [...new Set(routes.map(({ method, path }) => `${method} ${path}`))];
}
