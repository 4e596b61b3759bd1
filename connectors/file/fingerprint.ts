/**
 * Whether the beginning of a file is still what was read of it.
 * @module
 */
import { createHash } from "node:crypto";

/** Reads the bytes `[start, end)`, or those of them that there are. */
export type ReadBytes = (start: number, end: number) => Promise<Uint8Array>;

/** The start of a file counts with every byte: a change anywhere in a file of usual size is noticed. */
const headBytesMax = 16 * 1024 * 1024;
/** Of a longer one, this much before the place asked for: files so long are logs, which only grow. */
const tailBytes = 64 * 1024;
const chunkBytes = 256 * 1024;

/** Hashes what is in front of places in a file, each further on than the one before, reading it once. */
export class Fingerprint {
  readonly #read: ReadBytes;
  readonly #head = createHash("sha256");
  #hashed = 0;

  constructor(read: ReadBytes) {
    this.#read = read;
  }

  /** A short text that is another when `[0, offset)` is. */
  async upTo(offset: number): Promise<string> {
    const headEnd = Math.min(offset, headBytesMax);
    while (this.#hashed < headEnd) {
      const end = Math.min(this.#hashed + chunkBytes, headEnd);
      this.#head.update(await this.#read(this.#hashed, end));
      this.#hashed = end;
    }
    const hash = this.#head.copy();
    if (offset > headBytesMax) hash.update(await this.#read(Math.max(headBytesMax, offset - tailBytes), offset));
    return hash.digest("base64url");
  }
}
