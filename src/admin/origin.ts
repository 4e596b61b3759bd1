/**
 * Which web pages may call weir: none, unless the configuration names their origins.
 *
 * Bodies count as JSON whatever their Content-Type says, so the browser's own protection of cross-site requests does
 * not cover them; a page in somebody's browser must not be able to create a rule on their loopback.
 * @module
 */
import type { MiddlewareHandler } from "hono";
import type { AdminEnv } from "./failure.ts";

const headersAllowed = "Accept, Accept-Language, Content-Type, Content-Language, Origin, Authorization";
const methodsAllowed = "POST, GET, PUT, PATCH, DELETE, HEAD";

function sameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

/** Addresses and `localhost`; a name in the Host header could be somebody's that was pointed at this machine. */
const addressOnly = /^(localhost|\[[0-9a-f:.]+\]|[0-9]{1,3}(\.[0-9]{1,3}){3})(:[0-9]+)?$/i;

/**
 * Refuses names in the Host header: to a browser, a page of `evil.example` that resolves to 127.0.0.1 is of the same
 * origin as weir there.
 */
export function hostGuard(): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    const host = context.req.header("Host");
    if (host !== undefined && !addressOnly.test(host)) {
      context.header("Content-Type", "text/plain; charset=utf-8");
      return context.body("this host is not allowed: use 127.0.0.1 or localhost", 403);
    }
    await next();
  };
}

/** @param allowed Origins such as `https://ui.example`; `*` allows every one. */
export function originGuard(allowed: readonly string[]): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    const origin = context.req.header("Origin");
    const isAllowed = origin !== undefined && (allowed.includes("*") || allowed.includes(origin));
    const isForeign = origin === undefined
      ? context.req.header("Sec-Fetch-Site") === "cross-site" && !allowed.includes("*")
      : !isAllowed && !sameOrigin(origin, context.req.header("Host"));
    if (isForeign) {
      context.header("Content-Type", "text/plain; charset=utf-8");
      return context.body(`origin ${origin ?? "of another site"} is not allowed`, 403);
    }
    if (isAllowed) {
      context.header("Access-Control-Allow-Origin", allowed.includes("*") ? "*" : origin);
      context.header("Vary", "Origin");
      if (context.req.method === "OPTIONS") {
        context.header("Access-Control-Allow-Headers", headersAllowed);
        context.header("Access-Control-Allow-Methods", methodsAllowed);
        return context.body(null, 204);
      }
    }
    await next();
  };
}
