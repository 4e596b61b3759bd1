/**
 * The ed25519 key that releases are signed with.
 *
 * Make one with `openssl genpkey -algorithm ed25519 -out weir-release.pem`, and keep it off the machines that build.
 * @module
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * The key of a PEM file, or of the PEM text in `WEIR_SIGNING_KEY`; undefined when neither is given.
 *
 * @throws {TypeError} when it is no private ed25519 key
 */
export function readSigningKey(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): KeyObject | undefined {
  const text = file === undefined ? environment.WEIR_SIGNING_KEY : readFileSync(file, "utf8");
  if (!text) return undefined;
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType !== "ed25519") {
    throw new TypeError(`Cannot sign with a key of type "${key.asymmetricKeyType}": expected ed25519`);
  }
  return key;
}

/** A key that is forgotten with the process, to try the task with. */
export function makeTestKey(): KeyObject {
  return generateKeyPairSync("ed25519").privateKey;
}

/** The raw signature, 64 bytes: the same for the same bytes and key. */
export function signature(bytes: Uint8Array, key: KeyObject): Uint8Array {
  return sign(null, bytes, key);
}

/** What stands between the lines of a public key in PEM, one line. */
export function publicKeyText(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
}
