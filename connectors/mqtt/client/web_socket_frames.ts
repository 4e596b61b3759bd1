/**
 * Frames of RFC 6455, as a client sends and reads them.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomFillSync } from "node:crypto";

export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

const CONTROL_BYTES_MAX = 125;
/** Keys are taken from a pool: asking for four random bytes at a time is slow. */
const keys = Buffer.alloc(4096);
let keysUsed = keys.length;

/** One frame, final and masked, as every frame of a client is. */
export function maskedFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + 4 + length);
  frame[0] = 0x80 | opcode;
  if (head === 2) frame[1] = 0x80 | length;
  else if (head === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (keysUsed === keys.length) {
    randomFillSync(keys);
    keysUsed = 0;
  }
  for (let i = 0; i < 4; i++) frame[head + i] = keys[keysUsed++]!;
  const start = head + 4;
  for (let i = 0; i < length; i++) frame[start + i] = payload[i]! ^ frame[head + (i & 3)]!;
  return frame;
}

export interface FrameHandler {
  /** A piece of the stream: frames are no boundaries for MQTT, nor are the pieces of a frame. */
  onBinary(bytes: Uint8Array): void;
  onControl(opcode: number, payload: Uint8Array): void;
}

/** Takes the frames off a server's stream. Data is passed on as it comes, in place; only control frames are collected. */
export class FrameParser {
  readonly #handler: FrameHandler;
  /** Bytes of a header that is not complete. */
  #head: number[] = [];
  #opcode = 0;
  /** Payload bytes of the present frame still to come; undefined between frames. */
  #left: number | undefined;
  #control: number[] = [];

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** @returns what is wrong, after which nothing more may be parsed; undefined when all is well */
  parse(chunk: Uint8Array): string | undefined {
    let at = 0;
    while (at < chunk.length || this.#left === 0) {
      if (this.#left === undefined) {
        this.#head.push(chunk[at++]!);
        const trouble = this.#readHead();
        if (trouble !== undefined) return trouble;
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      this.#left -= end - at;
      if (this.#opcode < Opcode.CLOSE) {
        if (end > at) this.#handler.onBinary(chunk.subarray(at, end));
      } else {
        for (let i = at; i < end; i++) this.#control.push(chunk[i]!);
      }
      at = end;
      if (this.#left > 0) continue;
      this.#left = undefined;
      if (this.#opcode >= Opcode.CLOSE) {
        const payload = Uint8Array.from(this.#control);
        this.#control = [];
        this.#handler.onControl(this.#opcode, payload);
      }
    }
    return undefined;
  }

  #readHead(): string | undefined {
    const head = this.#head;
    const opcode = head[0]! & 0x0f;
    if ((head[0]! & 0x70) !== 0) return "reserved bits are set";
    if (opcode > Opcode.BINARY && (opcode < Opcode.CLOSE || opcode > Opcode.PONG)) return `opcode is ${opcode}`;
    if (opcode === Opcode.TEXT) return "a text frame, but MQTT is binary";
    if (head.length < 2) return undefined;
    if ((head[1]! & 0x80) !== 0) return "a masked frame";
    const short = head[1]!;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (head.length < 2 + extra) return undefined;
    const length = extra === 0 ? short : head.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
    if (length > Number.MAX_SAFE_INTEGER) return "a frame without end";
    if (opcode >= Opcode.CLOSE && (length > CONTROL_BYTES_MAX || (head[0]! & 0x80) === 0)) {
      return "a control frame that is long or in pieces";
    }
    this.#head = [];
    this.#opcode = opcode;
    this.#left = length;
    return undefined;
  }
}
