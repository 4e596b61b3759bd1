/**
 * Messages of CoAP as bytes (RFC 7252, section 3).
 * @module
 */

export type MessageType = "CON" | "NON" | "ACK" | "RST";

/** An option: its number and its value. */
export type Option = readonly [number: number, value: Uint8Array];

export interface Message {
  readonly type: MessageType;
  /** Class and detail in one byte, `0x45` for 2.05; 0 is an empty message. */
  readonly code: number;
  /** Of the message layer: pairs acknowledgements with messages and tells copies. */
  readonly id: number;
  /** Pairs responses with requests: up to eight bytes as hexadecimal digits. */
  readonly token: string;
  /** Sorted by number. */
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** Bytes that are no message of this protocol. `id` is there when a rejection can name the message. */
export class BadMessage extends Error {
  readonly id: number | undefined;

  constructor(message: string, id?: number) {
    super(message);
    this.name = "BadMessage";
    this.id = id;
  }
}

const types: readonly MessageType[] = ["CON", "NON", "ACK", "RST"];
const headerBytes = 4;
const tokenBytesMax = 8;
const payloadMarker = 0xff;
const none = new Uint8Array(0);

/**
 * Reads one datagram. Values are views of it.
 *
 * @throws {BadMessage} with `id` where the header of a confirmable message could be read
 */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length < headerBytes) throw new BadMessage(`found ${bytes.length} bytes, wanted at least ${headerBytes}`);
  const first = bytes[0]!;
  if (first >> 6 !== 1) throw new BadMessage(`found version ${first >> 6}, wanted 1`);
  const type = types[first >> 4 & 3]!;
  const id = bytes[2]! << 8 | bytes[3]!;
  const fail = (message: string): never => {
    throw new BadMessage(message, type === "CON" ? id : undefined);
  };
  const code = bytes[1]!;
  const tokenBytes = first & 15;
  if (tokenBytes > tokenBytesMax) fail(`found a token of ${tokenBytes} bytes`);
  let at = headerBytes + tokenBytes;
  if (at > bytes.length) fail("the message ends in its token");
  if (code === 0 && bytes.length > headerBytes) fail("an empty message has more than a header");
  const token = hexOf(bytes.subarray(headerBytes, at));

  const options: Option[] = [];
  let number = 0;
  while (at < bytes.length && bytes[at] !== payloadMarker) {
    const head = bytes[at++]!;
    const part = (nibble: number): number => {
      if (nibble < 13) return nibble;
      if (nibble === 15) return fail("an option begins with a reserved value");
      if (nibble === 13 ? at + 1 > bytes.length : at + 2 > bytes.length) return fail("the message ends in an option");
      return nibble === 13 ? bytes[at++]! + 13 : (bytes[at++]! << 8 | bytes[at++]!) + 269;
    };
    number += part(head >> 4);
    const length = part(head & 15);
    if (number > 0xffff) fail(`found option ${number}`);
    if (at + length > bytes.length) fail(`the message ends in option ${number}`);
    options.push([number, bytes.subarray(at, at += length)]);
  }
  if (at === bytes.length) return { type, code, id, token, options, payload: none };
  if (at + 1 === bytes.length) fail("a payload is announced and there is none");
  return { type, code, id, token, options, payload: bytes.subarray(at + 1) };
}

/** One datagram of `message`; its options may stand in any order. */
export function encodeMessage({ type, code, id, token, options, payload }: Message): Uint8Array {
  const sorted = [...options].sort(([a], [b]) => a - b);
  const tokenBytes = token.length / 2;
  const optionBytes = sorted.reduce((sum, [, value]) => sum + 5 + value.length, 0);
  const bytes = new Uint8Array(headerBytes + tokenBytes + optionBytes + 1 + payload.length);
  bytes[0] = 1 << 6 | types.indexOf(type) << 4 | tokenBytes;
  bytes[1] = code;
  bytes[2] = id >> 8;
  bytes[3] = id;
  let at = headerBytes;
  for (let i = 0; i < tokenBytes; i++) bytes[at++] = parseInt(token.slice(2 * i, 2 * i + 2), 16);
  let last = 0;
  for (const [number, value] of sorted) {
    const head = at++;
    const part = (size: number): number => {
      if (size < 13) return size;
      if (size < 269) {
        bytes[at++] = size - 13;
        return 13;
      }
      bytes[at++] = size - 269 >> 8;
      bytes[at++] = size - 269;
      return 14;
    };
    const delta = part(number - last);
    bytes[head] = delta << 4 | part(value.length);
    bytes.set(value, at);
    at += value.length;
    last = number;
  }
  if (payload.length > 0) {
    bytes[at++] = payloadMarker;
    bytes.set(payload, at);
    at += payload.length;
  }
  return bytes.subarray(0, at);
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** `2.05` of a code. */
export function codeText(code: number): string {
  return `${code >> 5}.${String(code & 31).padStart(2, "0")}`;
}

/** The code of `2.05`, or of the class and detail of any other. */
export function codeOf(text: string): number {
  const [high, low] = text.split(".") as [string, string];
  return Number(high) << 5 | Number(low);
}
