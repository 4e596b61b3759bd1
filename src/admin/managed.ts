/**
 * `/api/v1/managed`: the rules that a folder of files holds.
 * @module
 */
import type { Hono } from "hono";
import type { Applied, ManagedState } from "../managed/managed_rules.ts";
import type { AdminEnv } from "./failure.ts";
import type { HealthCheck } from "./health.ts";
import { json } from "./reply.ts";

export interface ManagedRoutes {
  readonly state: ManagedState;
  apply(dryRun: boolean): Promise<Applied>;
}

export function managedRoutes(app: Hono<AdminEnv>, managed: ManagedRoutes): void {
  app.get("/api/v1/managed", (c) => json(c, managed.state));
  app.post("/api/v1/managed", async (c) => {
    const applied = await managed.apply(c.req.query("dry-run") === "true");
    // Rules hold passwords; what changes is told, not what stands in it.
    const changes = applied.changes.map(({ kind, name, change, file }) => ({ kind, name, change, file }));
    c.set("said", saidOf(applied));
    return json(c, { ...applied, changes });
  });
}

/** For the audit trail. */
function saidOf({ errors, changes }: Applied): string {
  const [first] = errors;
  if (first !== undefined) return `refused: ${first.file}: ${first.message}`;
  return changes.map(({ change, kind, name }) => `${change} ${kind} ${name}`).join(", ");
}

/** The part of the health that is about the files. */
export function managedHealth(managed: { readonly state: ManagedState }): HealthCheck {
  return function* () {
    const { directory, state, errors } = managed.state;
    if (state !== "refused") return;
    const [first] = errors;
    const why = first === undefined ? "" : `: ${first.file}: ${first.message}`;
    const message = `The files of ${directory} are refused, ${errors.length} mistakes${why}`;
    yield {
      area: "files",
      severity: "problem",
      subject: directory,
      message,
      hint: "`weir apply --dry-run` shows them all",
    };
  };
}
