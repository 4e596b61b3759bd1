/**
 * Hashes of passwords and tokens: scrypt, whose cost makes guessing dear even for somebody who has the database.
 *
 * A hash is the text `scrypt$N$r$p$salt$key`, salt and key in base64url. Source: RFC 7914.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** 16 MiB and some tens of milliseconds: what a small gateway can pay for a login. */
const cost: Cost = { N: 16_384, r: 8, p: 1 };
const keyBytes = 32;
const saltBytes = 16;

export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const key = await derive(secret, salt, cost);
  return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64url"), key.toString("base64url")].join("$");
}

/** False for another secret, and for a text that is no hash. Takes the same time for both. */
export async function isSecretOf(hash: string, secret: string): Promise<boolean> {
  const [kind, N, r, p, salt = "", key = ""] = hash.split("$");
  const own = { N: Number(N), r: Number(r), p: Number(p) };
  const isKnown = kind === "scrypt" && isCost(own) && key !== "";
  const expected = isKnown ? Buffer.from(key, "base64url") : Buffer.alloc(keyBytes);
  const found = await derive(secret, Buffer.from(salt, "base64url"), isKnown ? own : cost);
  return expected.length === found.length && timingSafeEqual(expected, found) && isKnown;
}

/** A hash that nobody's secret has: checking it takes as long as checking a real one. */
export const nobodysHash = `scrypt$${cost.N}$${cost.r}$${cost.p}$$${Buffer.alloc(keyBytes, 1).toString("base64url")}`;

function isCost({ N, r, p }: Cost): boolean {
  const isPower = Number.isInteger(N) && N > 1 && (N & (N - 1)) === 0;
  return isPower && N <= 1 << 18 && Number.isInteger(r) && r > 0 && r <= 32 && Number.isInteger(p) && p > 0 && p <= 16;
}

function derive(secret: string, salt: Uint8Array, { N, r, p }: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // One form of each text: a keyboard may compose letters otherwise than the one before.
    scrypt(secret.normalize("NFKC"), salt, keyBytes, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      // Bun gives undefined where Node gives null.
      if (error) reject(error);
      else resolve(key);
    });
  });
}
