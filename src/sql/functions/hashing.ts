/**
 * Hashes of the plain text of a value. Computing one is as pure as adding numbers, so that nothing speaks against using
 * the platform's fast ones here.
 * @module
 */
import { createHash } from "node:crypto";
import { defineFunction, type SqlFunction, text } from "./declare.ts";

function hash(name: string, title: string, ofAbc: string): SqlFunction {
  return defineFunction({
    name,
    category: "hashing",
    returns: "string",
    nulls: "propagate",
    params: [text("value")],
    doc: `The ${title} hash of \`value\` in UTF-8, as lower-case hexadecimal digits.`,
    examples: [
      { sql: `${name}('abc')`, gives: ofAbc },
      { sql: `${name}(value)`, gives: null },
      { sql: `${name}()`, fails: "E203" },
    ],
    compile: () => (value) => createHash(name).update(value).digest("hex"),
  });
}

export const md5 = hash("md5", "MD5", "900150983cd24fb0d6963f7d28e17f72");
export const sha1 = hash("sha1", "SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d");
export const sha256 = hash(
  "sha256",
  "SHA-256",
  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
);
export const sha384 = hash(
  "sha384",
  "SHA-384",
  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
);
export const sha512 = hash(
  "sha512",
  "SHA-512",
  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
);
