/**
 * Programs that others have written to read compressed and encrypted files: gzip, zstd, openssl.
 * @module
 */
import { execFileSync } from "node:child_process";

const outputBytesMax = 256 * 1024 * 1024;

/** What a compressed file holds; throws when the program finds anything wrong with it. */
export function unpack(method: "gzip" | "zstd", bytes: Uint8Array): string {
  return execFileSync(method, ["-dc"], { input: bytes, maxBuffer: outputBytesMax, stdio: ["pipe", "pipe", "pipe"] })
    .toString();
}

/** What AES in CFB mode hides, with a key of 16, 24 or 32 bytes. */
export function decrypt(key: Uint8Array, iv: Uint8Array, sealed: Uint8Array): Uint8Array {
  const cipher = `-aes-${key.length * 8}-cfb`;
  const options = { input: sealed, maxBuffer: outputBytesMax };
  return execFileSync("openssl", ["enc", "-d", cipher, "-K", hex(key), "-iv", hex(iv)], options);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
