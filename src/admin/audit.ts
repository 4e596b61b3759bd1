/**
 * The audit trail of the admin interface: what is asked goes in, and `/api/v1/audit` shows it.
 * @module
 */
import type { Hono, MiddlewareHandler } from "hono";
import type { AuditEntry, AuditLog, ChainEnd } from "../audit/audit_log.ts";
import type { Auditor } from "../audit/auditor.ts";
import type { Principal } from "../auth/role.ts";
import { isRecorded } from "./audited_routes.ts";
import { type AdminEnv, BodyError } from "./failure.ts";
import type { HealthCheck } from "./health.ts";
import { json } from "./reply.ts";

export interface AuditRoutes {
  readonly auditor: Auditor;
  readonly trail: AuditLog;
}

/** One page of the trail, newest first. */
export interface AuditPage {
  /** Of the whole trail. */
  readonly head: ChainEnd;
  readonly entries: readonly AuditEntry[];
  /** There are more before this sequence. */
  readonly next?: number;
}

const limitDefault = 100;
const limitMax = 1000;

/** As it stands in the trail: `user ada`. */
export function actorOf({ kind, name }: Pick<Principal, "kind" | "name">): string {
  return `${kind} ${name}`;
}

/** Stands before everything that may refuse a request. */
export function audited({ auditor }: AuditRoutes): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    await next();
    const { method, path } = context.req;
    const { status } = context.res;
    const isRefused = status === 401 || status === 403 || status === 429;
    if (!isRefused && !isRecorded(method, path)) return;
    const principal = context.get("principal");
    const who = principal === undefined ? {} : { actor: actorOf(principal), role: principal.role };
    const said = context.get("said") ?? "";
    const request = { ...who, address: context.env?.address ?? "", target: `${method} ${path}`, status };
    if (isRefused) auditor.refuse({ action: "refused", ...request, reason: said });
    // Somebody who may do nothing must not be able to fill the disk with what is not there either.
    else if (status === 404 || status === 405) auditor.refuse({ action: "unknown", ...request, reason: said });
    else if (status >= 400) auditor.record({ action: "request", ...request, outcome: "failed", reason: said });
    else auditor.record({ action: "request", ...request, outcome: "done", subject: said });
  };
}

export function auditRoute(app: Hono<AdminEnv>, { trail }: AuditRoutes): void {
  app.get("/api/v1/audit", (c) => {
    const { before, actor, since, limit } = c.req.query();
    const entriesMax = Math.min(wholeOf("limit", limit) ?? limitDefault, limitMax);
    const entries = trail.read({
      limit: entriesMax + 1,
      ...(before === undefined ? {} : { before: wholeOf("before", before)! }),
      ...(actor === undefined ? {} : { actor }),
      ...(since === undefined ? {} : { since: timeOf(since) }),
    });
    const page = entries.slice(0, entriesMax);
    const more = entries.length > page.length ? { next: page.at(-1)!.sequence } : {};
    return json(c, { head: trail.head(), entries: page, ...more } satisfies AuditPage);
  });
}

function wholeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) {
    throw new BodyError(`Invalid query: "${name}" must be a whole number from 1 on`);
  }
  return Number(text);
}

function timeOf(text: string): number {
  const time = /^[0-9]+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(time)) {
    throw new BodyError('Invalid query: "since" must be Unix milliseconds or a time such as 2030-01-31T12:00:00Z');
  }
  return time;
}

/** The part of the health that is about the trail. */
export function auditHealth(auditor: Auditor): HealthCheck {
  return function* () {
    if (!auditor.isFailing) return;
    const message = `The audit trail cannot be written: ${auditor.failed} entries are missing since the start`;
    yield { area: "audit", severity: "problem", message, hint: "the log says why; make room on the disk" };
  };
}
