/**
 * What an answer says: whether the request was good, and what to tell people when it was not.
 * @module
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../src/connector/context.ts";
import type { HttpResponse } from "./response_reader.ts";
import { type HttpTarget, withoutSecrets } from "./target.ts";

/** `code` looks at the status alone; `body` also at the number `code` of a JSON body. */
export type ResponseType = "code" | "body";

const excerptCharacters = 200;

/** Why the answer is bad, or undefined. `body` is not compressed any more. */
export function refusalOf({ status }: HttpResponse, body: Uint8Array, type: ResponseType): string | undefined {
  if (status < 200 || status > 299) return `response code error: ${status}`;
  return type === "body" ? codeRefusal(body) : undefined;
}

function codeRefusal(body: Uint8Array): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(textOf(body));
  } catch {
    return `the answer is no JSON with a "code"`;
  }
  for (const each of Array.isArray(parsed) ? parsed : [parsed]) {
    const code: unknown = typeof each === "object" && each !== null ? (each as { code?: unknown }).code : undefined;
    if (typeof code !== "number") return `the answer has no number "code"`;
    if (code < 200 || code > 299) return `the answer has the code ${code}`;
  }
  return undefined;
}

/** `POST http://light/api/phase`: what was asked, without what may be secret. */
export function requestText(method: string, { origin, path }: Pick<HttpTarget, "origin" | "path">): string {
  return `${method} ${withoutSecrets(`${origin}${path}`)}`;
}

/** The start of a body, for messages and the log. */
export function excerpt(body: Uint8Array): string {
  const text = textOf(body.subarray(0, excerptCharacters * 4)).replace(/\s+/g, " ").trim();
  return text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}…` : text;
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
}

/** An hour: a server that asks for more is asked again nevertheless. */
const retryAfterMsMax = 3_600_000;

/** The wait that the answer asks for, in milliseconds: seconds, or a date. Undefined when it asks for none. */
export function retryAfter({ headers }: HttpResponse, clock: Clock): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), retryAfterMsMax);
}
