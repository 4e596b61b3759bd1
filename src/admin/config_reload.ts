/**
 * `POST /api/v1/config/reload`: has the agent read its configuration again.
 * @module
 */
import type { Hono } from "hono";
import type { ReloadChanges } from "../config/reload_table.ts";
import { type AdminEnv, errorCodes, failing } from "./failure.ts";
import { json } from "./reply.ts";

/** The settings that differed, by what became of them. @throws {DiagnosticError} everything that is wrong; nothing changed */
export type Reload = () => Promise<ReloadChanges>;

export function configReloadRoute(app: Hono<AdminEnv>, reload: Reload): void {
  const failure = failing({ prefix: "the configuration was not read again", configuration: errorCodes.configuration });
  app.post("/api/v1/config/reload", failure, async (c) => json(c, await reload()));
}
