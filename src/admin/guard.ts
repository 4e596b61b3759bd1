/**
 * Lets requests through to their routes: who asks, and whether he may.
 * @module
 */
import type { MiddlewareHandler } from "hono";
import type { Authenticator } from "../auth/authenticator.ts";
import { allows, type Principal } from "../auth/role.ts";
import type { Logger } from "../connector/context.ts";
import type { AdminEnv } from "./failure.ts";
import { neededFor } from "./route_roles.ts";

export interface GuardOptions {
  readonly authenticator: Authenticator;
  /** `/metrics` wants no credential. */
  readonly openMetrics?: () => boolean;
  readonly log: Logger;
}

/** Plain text, as eKuiper answers. */
const plain = "text/plain; charset=utf-8";

export function guard({ authenticator, openMetrics, log }: GuardOptions): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    const { method, path } = context.req;
    // A path that is not there tells nobody so who may not look.
    const needed = path === "/metrics" && openMetrics?.() === true ? "open" : neededFor(method, path) ?? "admin";
    if (needed === "open") return await next();
    const address = context.env?.address ?? "";
    const answer = await authenticator.identify({
      authorization: context.req.header("Authorization"),
      address,
      certificate: context.env?.certificate,
    });
    context.header("Cache-Control", "no-store");
    context.header("X-Content-Type-Options", "nosniff");
    context.header("X-Frame-Options", "DENY");
    if ("refused" in answer) {
      const { refused, message, retryAfterSeconds } = answer;
      if (refused !== "missing") log.warn("A request was refused", { reason: message, address, method, path });
      context.set("said", message);
      context.header("Content-Type", plain);
      if (retryAfterSeconds !== undefined) context.header("Retry-After", String(retryAfterSeconds));
      if (refused === "locked") return context.body(message, 429);
      context.header("WWW-Authenticate", 'Bearer realm="weir", Basic realm="weir", charset="UTF-8"');
      return context.body(message, 401);
    }
    const { principal } = answer;
    context.set("principal", principal);
    if (!allows(principal.role, needed)) {
      log.warn("A request was refused", { reason: "role", ...nameOf(principal), needed, address, method, path });
      const message = `${principal.kind} ${principal.name} is ${principal.role}: ${needed} is needed`;
      context.set("said", message);
      context.header("Content-Type", plain);
      return context.body(message, 403);
    }
    await next();
  };
}

function nameOf({ kind, name, role }: Principal): { readonly principal: string; readonly role: string } {
  return { principal: `${kind} ${name}`, role };
}
