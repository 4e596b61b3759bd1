/**
 * The options of CoAP that weir knows, and how their values are read and written (RFC 7252, section 5.10; RFC 7641;
 * RFC 7959).
 * @module
 */
import type { Message, Option } from "./message.ts";

/** Numbers of options. Odd ones are critical: who does not know one must refuse the message. */
export const optionNumbers = {
  ifMatch: 1,
  uriHost: 3,
  etag: 4,
  ifNoneMatch: 5,
  observe: 6,
  uriPort: 7,
  locationPath: 8,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  block2: 23,
  block1: 27,
  size2: 28,
  size1: 60,
} as const;

type Has = Pick<Message, "options">;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A number without leading zero bytes. */
export function uintOption(number: number, value: number): Option {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [number, Uint8Array.from(bytes)];
}

export function textOption(number: number, value: string): Option {
  return [number, encoder.encode(value)];
}

/** The first value; undefined without one, or when it is longer than four bytes, which no option here may be. */
export function uintOf({ options }: Has, number: number): number | undefined {
  const found = options.find((option) => option[0] === number);
  if (found === undefined || found[1].length > 4) return undefined;
  return found[1].reduce((sum, byte) => sum * 256 + byte, 0);
}

export function bytesOf({ options }: Has, number: number): Uint8Array | undefined {
  return options.find((option) => option[0] === number)?.[1];
}

/** All values of an option that may be repeated. */
export function textsOf({ options }: Has, number: number): string[] {
  return options.filter((option) => option[0] === number).map(([, value]) => decoder.decode(value));
}

/** Where a response is taken apart into several messages, or a request. */
export interface Block {
  readonly num: number;
  readonly more: boolean;
  /** Bytes of each block but the last: 16 to 1024. */
  readonly size: number;
}

export function blockOption(number: number, { num, more, size }: Block): Option {
  return uintOption(number, num * 16 + (more ? 8 : 0) + Math.log2(size) - 4);
}

/** Undefined without the option; "bad" for one of a reserved size, or longer than three bytes. */
export function blockOf(message: Has, number: number): Block | "bad" | undefined {
  const bytes = bytesOf(message, number);
  if (bytes === undefined) return undefined;
  if (bytes.length > 3) return "bad";
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  if ((value & 7) === 7) return "bad";
  return { num: Math.floor(value / 16), more: (value & 8) !== 0, size: 2 ** ((value & 7) + 4) };
}

/** Seconds that a response is good for; the protocol's default without the option. */
export function maxAgeOf(message: Has): number {
  return uintOf(message, optionNumbers.maxAge) ?? 60;
}
