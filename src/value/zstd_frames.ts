/**
 * Where the frames of zstd data begin and end (RFC 8878).
 *
 * The platform's decoders take data that was cut off for complete, and one of them reads the first of several frames only.
 * @module
 */

const magic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;

/** Each frame costs a call of the decoder; what is written by appending has some, an attack has millions. */
const framesMaxDefault = 1024;

/** Bytes of the dictionary id and of the content size by their flags. */
const dictionaryBytes = [0, 1, 2, 4] as const;
const contentSizeBytes = [0, 2, 4, 8] as const;

/**
 * The frames that hold data, in their order; skippable ones are left out.
 *
 * @throws {Error} for what is not zstd, is cut off, or has more than `framesMax` frames.
 */
export function zstdFrames(bytes: Uint8Array, framesMax = framesMaxDefault): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) throw new Error("unexpected end of data");
    const found = view.getUint32(at, true);
    let end: number;
    if ((found & 0xfffffff0) >>> 0 === skippableMagic) {
      end = at + 8 + view.getUint32(at + 4, true);
    } else if (found === magic) {
      end = frameEnd(view, at + 4);
      if (frames.length === framesMax) throw new Error(`more than ${framesMax} frames`);
      frames.push(bytes.subarray(at, end));
    } else {
      throw new Error("not zstd data");
    }
    if (end > bytes.length) throw new Error("unexpected end of data");
    at = end;
  }
  if (frames.length === 0) throw new Error("unexpected end of data");
  return frames;
}

/** @param at behind the magic number. The end may lie behind the data. */
function frameEnd(view: DataView, at: number): number {
  const descriptor = view.getUint8(at);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : contentSizeBytes[sizeFlag]!;
  let next = at + 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes[descriptor & 3]! + sizeBytes;
  for (let isLast = false; !isLast;) {
    if (next + 3 > view.byteLength) throw new Error("unexpected end of data");
    const header = view.getUint16(next, true) | view.getUint8(next + 2) << 16;
    isLast = (header & 1) === 1;
    // A block of type 1 is one byte repeated.
    next += 3 + ((header >> 1 & 3) === 1 ? 1 : header >> 3);
  }
  return next + ((descriptor & 4) === 0 ? 0 : 4);
}
