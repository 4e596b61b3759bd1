/**
 * AES over whole payloads, in the modes of the dialect: what comes out is the IV followed by the ciphertext, for GCM with
 * the tag at its end.
 *
 * CFB is built here on single blocks, because the engines offer it for some lengths of the key only; AES itself is always
 * that of the platform.
 * @module
 */
import { type CipherGCMTypes, createCipheriv, randomFillSync } from "node:crypto";

/** Bytes of a key: AES-128, AES-192, AES-256. */
export const aesKeySizes: readonly number[] = [16, 24, 32];

export const aesModes = ["cfb", "gcm"] as const;

export type AesMode = typeof aesModes[number];

/** Bytes of the IV. */
export const ivSizes: Readonly<Record<AesMode, number>> = { cfb: 16, gcm: 12 };

export interface AesOptions {
  readonly mode: AesMode;
  /** One of {@linkcode aesKeySizes}. */
  readonly key: Uint8Array;
  /** Of the size in {@linkcode ivSizes}. Absent: a random one for each payload. */
  readonly iv?: Uint8Array;
  /** GCM: what is authenticated besides the payload. */
  readonly aad?: Uint8Array;
  /** GCM: bytes of the tag, 12 to 16. */
  readonly tagSize: number;
}

const blockSize = 16;

/** @throws {Error} when the engine has no such cipher. */
export function createEncryptor(options: AesOptions): (payload: Uint8Array) => Uint8Array {
  return options.mode === "cfb" ? createCfb(options) : createGcm(options);
}

/** Fills in the IV: the fixed one or a random one. */
function begin(output: Uint8Array, size: number, iv: Uint8Array | undefined): Uint8Array {
  const place = output.subarray(0, size);
  if (iv === undefined) randomFillSync(place);
  else place.set(iv);
  return place;
}

/** CFB with segments of a whole block (NIST SP 800-38A 6.3), as `crypto/cipher` of Go has it. */
function createCfb({ key, iv }: AesOptions): (payload: Uint8Array) => Uint8Array {
  const blocks = createCipheriv(`aes-${key.length * 8}-ecb`, key, null);
  blocks.setAutoPadding(false);
  return (payload) => {
    const output = new Uint8Array(blockSize + payload.length);
    let previous = begin(output, blockSize, iv);
    for (let at = 0; at < payload.length; at += blockSize) {
      const stream = blocks.update(previous);
      const size = Math.min(blockSize, payload.length - at);
      const place = output.subarray(blockSize + at, blockSize + at + size);
      for (let i = 0; i < size; i++) place[i] = payload[at + i]! ^ stream[i]!;
      previous = place;
    }
    return output;
  };
}

function createGcm({ key, iv, aad, tagSize }: AesOptions): (payload: Uint8Array) => Uint8Array {
  const name = `aes-${key.length * 8}-gcm` as CipherGCMTypes;
  const size = ivSizes.gcm;
  const encrypt = (payload: Uint8Array): Uint8Array => {
    const output = new Uint8Array(size + payload.length + tagSize);
    const cipher = createCipheriv(name, key, begin(output, size, iv), { authTagLength: tagSize });
    if (aad !== undefined) cipher.setAAD(aad);
    const text = cipher.update(payload);
    output.set(text, size);
    output.set(cipher.final(), size + text.length);
    output.set(cipher.getAuthTag(), size + payload.length);
    return output;
  };
  // An engine without this cipher says so here and not with the first payload.
  encrypt(new Uint8Array());
  return encrypt;
}
