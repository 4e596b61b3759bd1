/**
 * The bytes of a file that is written: as they are, or behind AES, in either case by their places in what was meant.
 * @module
 */
import { Buffer } from "node:buffer";
import { createCipheriv, randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** Every call may fail as those of a file handle do. */
export interface FileBody {
  size(): Promise<number>;
  /** The bytes `[start, end)`, or those of them that there are. */
  read(start: number, end: number): Promise<Buffer>;
  append(data: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
}

export interface BodyOptions {
  /** Absent: not encrypted. 16, 24 or 32 bytes. */
  readonly key?: Uint8Array | undefined;
  /** A fixed IV, which is not written. Absent: a random one stands in front of the bytes. */
  readonly iv?: Uint8Array | undefined;
}

/** @param handle opened for reading and appending */
export function bodyOf(handle: FileHandle, { key, iv }: BodyOptions): FileBody {
  const plain = new PlainBody(handle);
  return key === undefined ? plain : new EncryptedBody(plain, key, iv);
}

class PlainBody implements FileBody {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(start: number, end: number): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.max(0, end - start));
    let read = 0;
    while (read < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, read, bytes.length - read, start + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  }

  async append(data: Uint8Array): Promise<void> {
    for (let written = 0; written < data.length;) {
      written += (await this.#handle.write(data, written, data.length - written)).bytesWritten;
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }
}

const block = 16;

/**
 * AES in CFB mode with segments of a whole block, as one stream over the file (NIST SP 800-38A 6.3). A byte can be read
 * or added with the block in front of it alone, so a file can be gone on with after any cut.
 */
class EncryptedBody implements FileBody {
  readonly #file: FileBody;
  readonly #fixedIv: Uint8Array | undefined;
  readonly #cipher: ReturnType<typeof createCipheriv>;
  #iv: Uint8Array | undefined;

  constructor(file: FileBody, key: Uint8Array, iv: Uint8Array | undefined) {
    this.#file = file;
    this.#fixedIv = iv;
    this.#iv = iv;
    this.#cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null);
    this.#cipher.setAutoPadding(false);
  }

  /** Bytes in front of those that are meant. */
  get #start(): number {
    return this.#fixedIv === undefined ? block : 0;
  }

  async size(): Promise<number> {
    return Math.max(0, await this.#file.size() - this.#start);
  }

  async read(start: number, end: number): Promise<Buffer> {
    const from = start - start % block;
    const [before, sealed] = await this.#sealed(from, end);
    return this.#apply(sealed, before, (_, cipher) => cipher).subarray(start - from);
  }

  async append(data: Uint8Array): Promise<void> {
    const size = await this.size();
    if (size === 0) await this.#begin();
    const from = size - size % block;
    const [before, partial] = await this.#sealed(from, size);
    // What is there of the last block is made again, to the same bytes.
    const clear = Buffer.concat([this.#apply(partial, before, (_, cipher) => cipher), data]);
    await this.#file.append(this.#apply(clear, before, (output) => output).subarray(partial.length));
  }

  async truncate(size: number): Promise<void> {
    await this.#file.truncate(size === 0 ? 0 : size + this.#start);
  }

  /** The block in front of a place where a block begins, and the bytes from there to `end`, both as in the file. */
  async #sealed(from: number, end: number): Promise<[Uint8Array, Buffer]> {
    if (from > 0) {
      const bytes = await this.#file.read(this.#start + from - block, this.#start + end);
      return [bytes.subarray(0, block), bytes.subarray(block)];
    }
    if (this.#fixedIv === undefined) this.#iv = await this.#file.read(0, block);
    return [this.#iv!, await this.#file.read(this.#start, this.#start + end)];
  }

  /** An IV that a crash has cut off is made anew. */
  async #begin(): Promise<void> {
    if (this.#fixedIv !== undefined) return;
    await this.#file.truncate(0);
    await this.#file.append(randomBytes(block));
  }

  /** @param sealedOf which of output and input the ciphertext is: the next block is made with it */
  #apply(
    input: Uint8Array,
    before: Uint8Array,
    sealedOf: (output: Uint8Array, input: Uint8Array) => Uint8Array,
  ): Buffer {
    const output = Buffer.alloc(input.length);
    let previous = before;
    for (let at = 0; at < input.length; at += block) {
      const stream = this.#cipher.update(previous);
      const end = Math.min(input.length, at + block);
      for (let i = at; i < end; i++) output[i] = input[i]! ^ stream[i - at]!;
      previous = sealedOf(output, input).subarray(at, end);
    }
    return output;
  }
}
