/**
 * What happens to a payload between its format and the wire: compression, then encryption; and decompression of payloads
 * that come in.
 * @module
 */
import * as v from "valibot";
import { choice, integer, text } from "../connector/settings.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { compress, type CompressionMethod, compressionMethods, decompress, levelRange } from "../value/compression.ts";
import { type AesMode, aesModes, createEncryptor, ivSizes } from "./aes.ts";

/** Entries to spread into the settings of an action. */
export const packEntries = {
  compression: choice(["", ...compressionMethods], {
    description: "Compresses each payload: `gzip`, `zlib`, `flate` (deflate without a header) or `zstd`.",
    default: "",
  }),
  compressionProps: v.optional(
    v.strictObject({
      level: integer({
        description: "How hard the compression tries: 1 to 9, 1 to 22 for `zstd`. When absent, that of the method.",
        optional: true,
      }),
    }),
    {},
  ),
  encryption: choice(["", "aes"], {
    description:
      "Encrypts each payload, after its compression: `aes`, with the `aesKey` of the configuration. What is " +
      "sent is the IV followed by the ciphertext.",
    default: "",
  }),
  encProps: v.optional(
    v.strictObject({
      mode: choice(aesModes, {
        description: "The mode of AES: `cfb`, or `gcm`, which lets the reader notice forged payloads.",
        default: "cfb",
      }),
      iv: text({
        description:
          "A fixed IV, in base64: 16 bytes for `cfb`, 12 for `gcm`. When absent, each payload has a random one. " +
          "A fixed one lets readers see which payloads begin alike, and breaks `gcm`: it is for tests.",
        optional: true,
      }),
      aad: text({ description: "With `gcm`: a text that is authenticated besides the payload.", default: "" }),
      tagsize: integer({ description: "With `gcm`: bytes of the tag.", default: 16, min: 12, max: 16 }),
    }),
    { mode: "cfb", aad: "", tagsize: 16 },
  ),
};

/** The settings of {@linkcode packEntries} after reading. */
export interface PackSettings {
  readonly compression: "" | CompressionMethod;
  readonly compressionProps: { readonly level?: number | undefined };
  readonly encryption: "" | "aes";
  readonly encProps: {
    readonly mode: AesMode;
    readonly iv?: string | undefined;
    readonly aad: string;
    readonly tagsize: number;
  };
}

export interface PackContext {
  /** The key of the agent: 16, 24 or 32 bytes. */
  readonly aesKey?: Uint8Array | undefined;
  /** Where the settings stand, for messages: `actions.0.mqtt`. */
  readonly path?: string;
}

/** What is sent in place of a payload. */
export type Packer = (payload: string | Uint8Array) => Uint8Array;

const utf8 = new TextEncoder();

/**
 * The packer of one action; undefined when payloads go out as they are.
 *
 * @throws {DiagnosticError} E403 for settings that do not fit together, E404 when there is no key.
 */
export function createPacker(settings: PackSettings, context: PackContext = {}): Packer | undefined {
  const compressor = compressorOf(settings, context);
  const encryptor = encryptorOf(settings, context);
  if (compressor === undefined && encryptor === undefined) return undefined;
  return (payload) => {
    const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
    const small = compressor === undefined ? bytes : compressor(bytes);
    return encryptor === undefined ? small : encryptor(small);
  };
}

function compressorOf({ compression, compressionProps: { level } }: PackSettings, context: PackContext) {
  if (compression === "") return undefined;
  const { min, max } = levelRange(compression);
  if (level !== undefined && (level < min || level > max)) {
    const message =
      `Bad value for setting "compressionProps.level": found ${level}, wanted a whole number from ${min} ` +
      `to ${max} for ${compression}`;
    fail("E403", message, { path: at(context, "compressionProps.level") });
  }
  const options = level === undefined ? {} : { level };
  return (payload: Uint8Array) => compress(compression, payload, options);
}

function encryptorOf({ encryption, encProps }: PackSettings, context: PackContext) {
  if (encryption === "") return undefined;
  const { mode, aad, tagsize } = encProps;
  const { aesKey: key } = context;
  if (key === undefined) {
    fail("E404", "AES Key is not defined", {
      path: at(context, "encryption"),
      hint: "set aesKey in the configuration to the base64 of 16, 24 or 32 random bytes",
    });
  }
  const iv = encProps.iv === undefined || encProps.iv === "" ? {} : { iv: ivOf(encProps.iv, mode, context) };
  try {
    return createEncryptor({ mode, key, ...iv, ...(aad === "" ? {} : { aad: utf8.encode(aad) }), tagSize: tagsize });
  } catch (error) {
    const message = `This engine has no AES in mode ${mode} with a key of ${key.length} bytes: ${
      (error as Error).message
    }`;
    fail("E408", message, { path: at(context, "encProps.mode") });
  }
}

function ivOf(base64: string, mode: AesMode, context: PackContext): Uint8Array {
  const size = ivSizes[mode];
  let found: string;
  try {
    const bytes = Uint8Array.fromBase64(base64);
    if (bytes.length === size) return bytes;
    found = `${bytes.length} bytes`;
  } catch {
    found = "a text that is not base64";
  }
  const message = `Bad value for setting "encProps.iv": found ${found}, wanted the base64 of ${size} bytes for ${mode}`;
  fail("E403", message, { path: at(context, "encProps.iv") });
}

function at({ path = "" }: PackContext, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** What a payload stands for. Throws RowError E501. */
export type Unpacker = (payload: Uint8Array) => Uint8Array;

/** Bytes of a decompressed payload, where nothing else is said. */
export const unpackedBytesMax = 16 * 1024 * 1024;

/** @param sizeMax bytes; payloads that stand for more are refused before they fill the memory */
export function createUnpacker(method: CompressionMethod, { sizeMax = unpackedBytesMax } = {}): Unpacker {
  return (payload) => {
    try {
      return decompress(method, payload, sizeMax);
    } catch (error) {
      const { message } = error as Error;
      throw new RowError("E501", `Cannot decompress the payload with ${method}: ${message}`, { cause: error });
    }
  };
}
