/**
 * `/api/v1/managed`: the rules that a folder of files holds.
 * @module
 */
import type { Hono } from "hono";
import type { Applied, ManagedState } from "../managed/managed_rules.ts";
import type { AdminEnv } from "./failure.ts";
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
    if (applied.errors.length > 0) c.status(422);
    return json(c, { ...applied, changes });
  });
}
