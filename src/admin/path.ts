/**
 * Names in paths.
 * @module
 */
import type { Context } from "hono";
import { requireName } from "../runtime/names.ts";
import type { AdminEnv } from "./failure.ts";

/**
 * The part `:part` of the path.
 *
 * @throws {DiagnosticError} E704 when it cannot be the name of anything.
 */
export function pathName(context: Context<AdminEnv>, part = "name"): string {
  const name = context.req.param(part) ?? "";
  requireName(name);
  return name;
}
