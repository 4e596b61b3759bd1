/**
 * JSON Web Tokens as eKuiper takes them: RS256 alone, the issuer naming a public key in a folder.
 *
 * Source: RFC 7519 and RFC 7515; the rules for `iss` and `aud` are those of eKuiper. The role is a claim of weir's own,
 * `role`; a token without it is an admin's, as eKuiper has no roles.
 * @module
 */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRole, type Principal } from "./role.ts";

export interface TokenRules {
  /** The folder with the public keys, PEM; `iss` names a file in it, in any letter case. */
  readonly keysDir: string;
  /** What `aud` must hold; `eKuiper`. */
  readonly audience: string;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** Why a token does not let in; the texts that clients of eKuiper know. */
export class TokenError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TokenError";
  }
}

const lengthMax = 16 * 1024;
/** Clocks differ. */
const leewaySeconds = 5;

/** @throws {TokenError} */
export function readJsonWebToken(token: string, rules: TokenRules): Principal {
  const refuse = (why: string): never => {
    throw new TokenError(`validate token error: ${why}`);
  };
  if (token.length > lengthMax) refuse("token is too long");
  const parts = token.split(".");
  const [header = "", payload = "", signature = ""] = parts;
  if (parts.length !== 3) refuse("token contains an invalid number of segments");
  // Nothing in the header decides what is checked: a token that says `none`, or HS256 with the public key as its
  // secret, is refused before anything else is looked at.
  const { alg, crit } = readPart(header);
  if (alg !== "RS256") refuse(`signing method ${typeof alg === "string" ? alg : "none"} is invalid`);
  if (crit !== undefined) refuse("token has critical headers that are not known");
  const claims = readPart(payload);
  const key = typeof claims.iss === "string" ? keyOf(claims.iss, rules.keysDir) : undefined;
  if (key === undefined) return refuse(`issuer ${JSON.stringify(claims.iss ?? "")} has no public key`);
  const isRight = verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"));
  if (!isRight) refuse("crypto/rsa: verification error");
  checkTimes(claims, (rules.now ?? Date.now)() / 1000, refuse);
  const audience = [claims.aud ?? []].flat();
  if (!audience.includes(rules.audience)) {
    throw new TokenError(`audience field should contain ${rules.audience}, but got [${audience.join(" ")}]`);
  }
  const { role = "admin", sub } = claims;
  if (!isRole(role)) return refuse(`role ${JSON.stringify(role)} is not known`);
  return { name: typeof sub === "string" ? `${claims.iss}/${sub}` : String(claims.iss), kind: "jwt", role };
}

function readPart(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through: what is no JSON is no token.
  }
  throw new TokenError("validate token error: token is malformed");
}

function checkTimes(claims: Record<string, unknown>, now: number, refuse: (why: string) => never): void {
  const read = (name: string): number | undefined => {
    const value = claims[name];
    if (value === undefined) return undefined;
    return typeof value === "number" && Number.isFinite(value) ? value : refuse(`${name} is no time`);
  };
  const [expires, notBefore, issuedAt] = [read("exp"), read("nbf"), read("iat")];
  if (expires !== undefined && now > expires + leewaySeconds) refuse("token is expired");
  if (notBefore !== undefined && now < notBefore - leewaySeconds) refuse("token is not valid yet");
  if (issuedAt !== undefined && now < issuedAt - leewaySeconds) refuse("token used before issued");
}

/** Read anew each time: a key is added by a new file, and revoked by removing it. */
function keyOf(issuer: string, folder: string): KeyObject | undefined {
  try {
    const wanted = issuer.toLowerCase();
    const file = readdirSync(folder).find((name) =>
      name.toLowerCase() === wanted || name.toLowerCase() === `${wanted}.pub`
    );
    if (file === undefined) return undefined;
    const key = createPublicKey(readFileSync(join(folder, file)));
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    return undefined;
  }
}
