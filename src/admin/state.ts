/**
 * `/api/v1/state`: the external state that rules read with `get_keyed_state()`. Keys are any text, values JSON.
 * @module
 */
import type { Context, Hono } from "hono";
import type { KeyedStates } from "../runtime/keyed_states.ts";
import { type AdminEnv, failing } from "./failure.ts";
import { empty, json, jsonText } from "./reply.ts";

function keyOf(context: Context<AdminEnv>): string {
  return context.req.param("key") ?? "";
}

export function stateRoutes(app: Hono<AdminEnv>, states: KeyedStates): void {
  const failure = failing({ prefix: "state error" });
  app.get("/api/v1/state", (c) => json(c, states.keys()));

  app.get("/api/v1/state/:key", failure, (c) => jsonText(c, states.text(keyOf(c))));

  app.put("/api/v1/state/:key", failure, async (c) => {
    states.put(keyOf(c), await c.req.text());
    return empty(c);
  });

  app.delete("/api/v1/state/:key", failure, (c) => {
    states.delete(keyOf(c));
    return empty(c);
  });
}
