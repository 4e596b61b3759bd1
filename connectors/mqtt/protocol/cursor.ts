/**
 * Reads the fields of one packet.
 * @module
 */
import { MqttProtocolError, Reason } from "./reason.ts";
import { decodeUtf8 } from "./utf8.ts";

function malformed(message: string): MqttProtocolError {
  return new MqttProtocolError(Reason.MALFORMED_PACKET, message);
}

/** A read position that never passes its end: running over is a malformed packet, not an undefined. */
export class Cursor {
  readonly bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get left(): number {
    return this.end - this.position;
  }

  /** @returns where `length` bytes begin, having stepped over them */
  skip(length: number): number {
    const start = this.position;
    if (start + length > this.end) throw malformed("packet ends inside a field");
    this.position = start + length;
    return start;
  }

  byte(): number {
    return this.bytes[this.skip(1)]!;
  }

  uint16(): number {
    const at = this.skip(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  uint32(): number {
    const high = this.uint16();
    return high * 0x10000 + this.uint16();
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw malformed("variable byte integer is longer than needed");
        return value;
      }
    }
    throw malformed("variable byte integer is longer than four bytes");
  }

  /** A copy: what rare packets carry must not keep a whole socket read alive. */
  binary(): Uint8Array {
    const length = this.uint16();
    const start = this.skip(length);
    return new Uint8Array(this.bytes.subarray(start, start + length));
  }

  text(): string {
    const length = this.uint16();
    const start = this.skip(length);
    return decodeUtf8(this.bytes, start, start + length);
  }
}
