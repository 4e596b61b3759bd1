/**
 * Where a request goes: the parts of a URL that a client needs.
 * @module
 */
import { Buffer } from "node:buffer";

export interface HttpTarget {
  readonly secure: boolean;
  /** A name or an address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
  /** Equal for targets that can share a connection: `https://plant.local:8443`. */
  readonly origin: string;
  /** Path and query, as they stand in the request. */
  readonly path: string;
  /** The value of the header `Authorization` for a URL with user and password. */
  readonly authorization: string | undefined;
}

/** The request can never be sent: its URL, a header or its place is wrong. */
export class BadRequest extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadRequest";
  }
}

/** @throws {BadRequest} for what is no URL of HTTP */
export function parseTarget(url: string): HttpTarget {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new BadRequest(`"${withoutSecrets(url)}" is not a URL`);
  }
  const { protocol, hostname, pathname, search, username, password } = parsed;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new BadRequest(`"${withoutSecrets(url)}" is not a URL of http or https`);
  }
  const secure = protocol === "https:";
  const user = `${decoded(username)}:${decoded(password)}`;
  return {
    secure,
    host: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
    port: parsed.port === "" ? (secure ? 443 : 80) : Number(parsed.port),
    origin: parsed.origin,
    path: `${pathname}${search}`,
    authorization: user === ":" ? undefined : `Basic ${Buffer.from(user).toString("base64")}`,
  };
}

/** A percent sign that escapes nothing stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A URL for messages: without user, password and query, where keys like to stand. */
export function withoutSecrets(url: string): string {
  return url.replace(/(:\/\/)[^/@\s]*@/, "$1…@").replace(/\?.*$/s, "?…");
}
