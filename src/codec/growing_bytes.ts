/**
 * Bytes that grow while a payload is written, within a limit. The writers of the binary formats build on it.
 * @module
 */
import { RowError } from "../diagnostics/row_error.ts";

/** What a row holds may be many times as long written out, since its parts may be one and the same value. */
const sizeMax = 32 * 1024 * 1024;

export class GrowingBytes {
  /** What was written, and room behind it; another one after each {@linkcode GrowingBytes.reserve}, as is `view`. */
  protected buffer = new Uint8Array(256);
  protected view = new DataView(this.buffer.buffer);
  /** Bytes written of this payload. */
  protected length = 0;

  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** What `write` writes as one payload; nothing of it is left when it throws. */
  written(write: () => void): Uint8Array {
    try {
      write();
      return this.buffer.slice(0, this.length);
    } finally {
      this.length = 0;
    }
  }

  /**
   * Where the next `size` bytes stand, to be filled.
   *
   * @throws {RowError} E508 when the payload becomes too large.
   */
  protected reserve(size: number): number {
    const at = this.length;
    const end = at + size;
    if (end > this.buffer.length) {
      if (end > sizeMax) throw new RowError("E508", `Cannot encode a payload of over ${sizeMax} bytes`);
      const larger = new Uint8Array(Math.min(Math.max(end, this.buffer.length * 2), sizeMax));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    this.length = end;
    return at;
  }
}
