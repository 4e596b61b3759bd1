/**
 * Answers with the headers that clients of eKuiper know.
 * @module
 */
import type { Context } from "hono";
import type { AdminEnv } from "./failure.ts";

/** A plain-text sentence. */
export function sentence(context: Context<AdminEnv>, text: string, status: 200 | 201 = 200): Response {
  context.set("said", text);
  context.header("Content-Type", "text/plain; charset=utf-8");
  return context.body(text, status);
}

/** A JSON text that exists already. */
export function jsonText(context: Context<AdminEnv>, text: string): Response {
  context.header("Content-Type", "application/json");
  return context.body(text);
}

export function json(context: Context<AdminEnv>, value: unknown): Response {
  return jsonText(context, JSON.stringify(value));
}

/** 200 without a body. */
export function empty(context: Context<AdminEnv>): Response {
  return context.body(null, 200);
}
