/**
 * The admin interface: eKuiper's REST routes over the engine.
 *
 * @example
 * ```ts
 * const app = createAdmin({ rules, streams, configs, states, info, log });
 * await app.request("/streams", { method: "POST", body: '{"sql":"CREATE STREAM demo () WITH ()"}' });
 * ```
 * @module
 */
import { Hono, type MiddlewareHandler } from "hono";
import type { Accounts } from "../auth/accounts.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { CertificateReport } from "../certificates/keeper.ts";
import type { Logger } from "../connector/context.ts";
import type { ConfigRegistry } from "../runtime/configs.ts";
import type { DeadLetters } from "../runtime/durable/dead_letters.ts";
import type { KeyedStates } from "../runtime/keyed_states.ts";
import type { Rules } from "../runtime/rules.ts";
import type { StreamRegistry } from "../runtime/streams.ts";
import type { Struct } from "../value/value.ts";
import { accountRoutes } from "./accounts.ts";
import { audited, auditRoute, type AuditRoutes } from "./audit.ts";
import { type AgentSettings, agentSettingsRoute } from "./agent_settings.ts";
import { configReloadRoute, type Reload } from "./config_reload.ts";
import { connectionRoutes, type LiveConnections } from "./connections.ts";
import { deadLetterRoutes } from "./dead_letters.ts";
import { type AdminEnv, answerError } from "./failure.ts";
import { type ManagedRoutes, managedRoutes } from "./managed.ts";
import { type MetadataOptions, metadataRoutes } from "./metadata.ts";
import { guard } from "./guard.ts";
import { type HealthCheck, healthRoute } from "./health.ts";
import { metricsRoutes } from "./metrics.ts";
import { hostGuard, originGuard } from "./origin.ts";
import { listedRoutes } from "./route_roles.ts";
import { json } from "./reply.ts";
import { ruleRoutes } from "./rules.ts";
import { type SchemaRoutes, schemaRoutes } from "./schemas.ts";
import { stateRoutes } from "./state.ts";
import { streamRoutes } from "./streams.ts";
import { type SystemInfo, systemRoutes } from "./system.ts";
import { type TraceRoutes, traceRoutes } from "./traces.ts";
import { type TransferRoutes, transferRoutes } from "./transfer.ts";
import { type TrialRoutes, trialRoutes } from "./trials.ts";
import { type UploadRoutes, uploadRoutes } from "./uploads.ts";

export interface AdminOptions extends Omit<MetadataOptions, "configs"> {
  readonly rules: Rules;
  readonly streams: StreamRegistry;
  readonly configs: ConfigRegistry;
  readonly states: KeyedStates;
  /** Without it their routes do not exist. */
  readonly schemas?: SchemaRoutes;
  readonly transfer?: Omit<TransferRoutes, "log">;
  readonly settings?: AgentSettings;
  readonly trials?: TrialRoutes;
  readonly traces?: TraceRoutes;
  readonly uploads?: UploadRoutes;
  readonly managed?: ManagedRoutes;
  readonly info: () => SystemInfo;
  /** Of the servers that speak HTTPS, for the metrics. */
  readonly certificates?: () => readonly CertificateReport[];
  readonly log: Logger;
  readonly ready?: () => boolean;
  readonly stop?: () => void;
  /** Parts that know by themselves whether they are well; rules and connections are always looked at. */
  readonly health?: readonly HealthCheck[];
  /** Without it their routes do not exist. */
  readonly deadLetters?: DeadLetters;
  /** Open connections; without it every connection shows as disconnected. */
  readonly live?: LiveConnections;
  /** The columns that running rules ask a schemaless stream for. */
  readonly wantedColumns?: (stream: string) => readonly string[];
  /** The newest row that running rules have of a stream. */
  readonly newestRow?: (stream: string) => Struct | undefined;
  /** Origins of web pages that may call; none when absent. */
  readonly allowOrigins?: readonly string[];
  /** True where only this machine can connect; names in the Host header are then refused. */
  readonly loopbackOnly?: boolean;
  /** Without it its route does not exist. */
  readonly reload?: Reload;
  /** Without it nothing is recorded. */
  readonly audit?: AuditRoutes;
  /** Largest request body in bytes. */
  readonly maxBodyBytes?: number;
  /** Who may ask what; everybody everything when absent. */
  readonly auth?: {
    readonly authenticator: Authenticator;
    readonly accounts: Accounts;
    readonly openMetrics?: boolean;
  };
}

const maxBodyBytesDefault = 8 * 1024 * 1024;

/** Refuses bodies that say they are too large. Those that do not say are cut off by the server below. */
function bodyLimit(bytesMax: number): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    if (Number(context.req.header("Content-Length") ?? 0) > bytesMax) {
      context.header("Content-Type", "text/plain; charset=utf-8");
      return context.body(`request body too large: at most ${bytesMax} bytes`, 413);
    }
    await next();
  };
}

/** Finds out whether a path would have been served for another method. */
function methodsByPath(app: Hono<AdminEnv>): (path: string) => string[] {
  const routes = app.routes
    .filter(({ method, path }) => method !== "ALL" && !path.includes("*"))
    .map(({ method, path }) => ({ method, pattern: new RegExp(`^${path.replaceAll(/:[A-Za-z]+/g, "[^/]+")}$`) }));
  return (path) => [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
}

/** Of the routes that there are. */
function openApiRoute(app: Hono<AdminEnv>, { info, auth }: AdminOptions): void {
  app.get("/openapi.json", async (c) => {
    const { openApiOf } = await import("./open_api.ts");
    const roles = listedRoutes();
    const served = app.routes.flatMap(({ method, path }) => {
      const needed = roles.get(`${method} ${path}`);
      return needed === undefined ? [] : [[`${method} ${path}`, needed] as const];
    });
    return json(c, openApiOf({ version: info().weirVersion, routes: new Map(served), asksWho: auth !== undefined }));
  });
}

export function createAdmin(options: AdminOptions): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  app.onError(answerError(options.log));
  if (options.audit !== undefined) app.use("*", audited(options.audit));
  if (options.loopbackOnly === true) app.use("*", hostGuard());
  app.use("*", originGuard(options.allowOrigins ?? []));
  app.use("*", bodyLimit(options.maxBodyBytes ?? maxBodyBytesDefault));
  if (options.auth !== undefined) {
    const { auth } = options;
    const openMetrics = () => auth.openMetrics === true;
    app.use("*", guard({ authenticator: auth.authenticator, openMetrics, log: options.log }));
    accountRoutes(app, options.auth.accounts);
  }
  systemRoutes(app, options);
  healthRoute(app, options);
  if (options.audit !== undefined) auditRoute(app, options.audit);
  metricsRoutes(app, options);
  streamRoutes(app, options);
  ruleRoutes(app, options.rules);
  if (options.deadLetters !== undefined) deadLetterRoutes(app, options.deadLetters);
  metadataRoutes(app, options);
  connectionRoutes(app, options.configs, options.live);
  stateRoutes(app, options.states);
  if (options.schemas !== undefined) schemaRoutes(app, options.schemas);
  if (options.transfer !== undefined) transferRoutes(app, { ...options.transfer, log: options.log });
  if (options.settings !== undefined) agentSettingsRoute(app, options.settings);
  if (options.reload !== undefined) configReloadRoute(app, options.reload);
  if (options.trials !== undefined) trialRoutes(app, options.trials);
  if (options.traces !== undefined) traceRoutes(app, options.traces);
  if (options.uploads !== undefined) uploadRoutes(app, options.uploads);
  if (options.managed !== undefined) managedRoutes(app, options.managed);

  openApiRoute(app, options);

  const methodsOf = methodsByPath(app);
  app.notFound((c) => {
    const methods = methodsOf(c.req.path);
    if (methods.length > 0) {
      c.header("Allow", methods.join(", "));
      return c.body(null, 405);
    }
    c.header("Content-Type", "text/plain; charset=utf-8");
    c.header("X-Content-Type-Options", "nosniff");
    return c.body("404 page not found\n", 404);
  });
  return app;
}
