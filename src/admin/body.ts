/**
 * Request bodies: JSON whatever the Content-Type says, keys without regard to case, unknown keys ignored.
 * @module
 */
import { parseShallow } from "../codec/json_parse.ts";
import type { Context } from "hono";
import { type AdminEnv, BodyError } from "./failure.ts";

export type Body = Readonly<Record<string, unknown>>;

/**
 * The body as a JSON object.
 *
 * @param what What the text is called in the error: `Invalid body: Error decoding the statement descriptor: …`
 */
export async function readObject(context: Context<AdminEnv>, what: string): Promise<Body> {
  const text = await context.req.text();
  let value: unknown;
  try {
    value = parseShallow(text);
  } catch (error) {
    throw new BodyError(`Invalid body: Error decoding ${what}: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BodyError(`Invalid body: Error decoding ${what}: expected a JSON object`);
  }
  return value as Body;
}

/** The body as a JSON list of texts. */
export async function readTextList(context: Context<AdminEnv>, wanted: string): Promise<string[]> {
  const text = await context.req.text();
  let value: unknown;
  try {
    value = parseShallow(text);
  } catch (error) {
    throw new BodyError(`Invalid body: ${wanted}: ${(error as Error).message}`);
  }
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw new BodyError(`Invalid body: ${wanted}`);
}

/** A value of the body; the key as written first, then any that differs in case only. */
export function field(body: Body, name: string): unknown {
  if (Object.hasOwn(body, name)) return body[name];
  const key = Object.keys(body).find((each) => each.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : body[key];
}

/** A text of the body; "" when absent or null. */
export function textField(body: Body, name: string): string {
  const value = field(body, name) ?? "";
  if (typeof value !== "string") throw new BodyError(`Invalid body: "${name}" must be a string`);
  return value;
}

/** An object of the body; empty when absent or null. */
export function objectField(body: Body, name: string): Record<string, unknown> {
  const value = field(body, name) ?? {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new BodyError(`Invalid body: "${name}" must be an object`);
  }
  return value as Record<string, unknown>;
}

/** A list of texts of the body; empty when absent or null. */
export function textListField(body: Body, name: string): string[] {
  const value = field(body, name) ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw new BodyError(`Invalid body: "${name}" must be an array of strings`);
  }
  return value;
}
