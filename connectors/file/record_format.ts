/**
 * How messages stand in a file: as lines, as the elements of one JSON array, or as CSV under one header.
 *
 * Each record ends with a line break, so that one that a crash has cut off is known by the lack of it.
 * @module
 */
import { Buffer } from "node:buffer";
import type { Payload } from "../../src/connector/sink.ts";

export type RecordType = "lines" | "json" | "csv";

export interface RecordFormat {
  /**
   * The bytes of messages.
   *
   * @param isFirst nothing stands in the file yet
   */
  encode(messages: readonly Payload[], isFirst: boolean): Buffer;
  /**
   * Whether a last line without an end is what a crash has left of a record, and not somebody's own: it says so itself,
   * or one of these messages, which are written again, has a line that begins with it.
   */
  isTorn(line: Buffer, messages: readonly Payload[]): boolean;
  /** What ends a file with messages, and goes when it is gone on with. */
  readonly closing: string;
  /** Whether a message can stand in a file that begins so; `firstLine` is without its end. */
  fits(firstLine: string, message: Payload): boolean;
}

const lineBreak = Buffer.from("\n");

/** @param hasHeader CSV: each message begins with a line that names the columns */
export function recordFormat(type: RecordType, hasHeader: boolean): RecordFormat {
  switch (type) {
    case "lines":
      return { encode: linesOf, isTorn: beginsLine, closing: "", fits: () => true };
    case "json":
      return {
        encode: (messages, isFirst) =>
          linesOf(messages.map((message, i) => Buffer.concat([element(isFirst && i === 0), bytesOf(message)]))),
        isTorn: (line) => !isElement(line),
        closing: "]\n",
        fits: (firstLine) => firstLine.startsWith("["),
      };
    case "csv":
      return hasHeader ? headed : {
        encode: (messages) => linesOf(messages.filter((message) => byteLength(message) > 0)),
        isTorn: beginsLine,
        closing: "",
        fits: () => true,
      };
    default:
      return type satisfies never;
  }
}

/** A file has the header of its first message; it is left out of the others. */
const headed: RecordFormat = {
  encode: (messages, isFirst) => {
    const parts = messages.filter((message) => byteLength(message) > 0).map(splitHeader);
    const header = isFirst ? parts.find((part) => part.header !== undefined)?.header : undefined;
    return linesOf([...(header === undefined ? [] : [header]), ...parts.map(({ rows }) => rows)]);
  },
  isTorn: beginsLine,
  closing: "",
  fits: (firstLine, message) => {
    const { header } = splitHeader(message);
    return header === undefined || header === firstLine;
  },
};

/** A message of a single line has no header: it comes from a template. */
function splitHeader(message: Payload): { readonly header: string | undefined; readonly rows: string } {
  const text = typeof message === "string" ? message : bytesOf(message).toString();
  const end = text.indexOf("\n");
  return end === -1
    ? { header: undefined, rows: text }
    : { header: text.slice(0, end), rows: text.slice(end + 1).replace(/\n$/, "") };
}

function element(isFirst: boolean): Buffer {
  return Buffer.from(isFirst ? "[" : ",");
}

function isElement(line: Buffer): boolean {
  try {
    JSON.parse(line.subarray(1).toString());
    return true;
  } catch {
    return line.toString() === "]";
  }
}

function beginsLine(torn: Buffer, messages: readonly Payload[]): boolean {
  return messages.some((message) =>
    splitLines(message).some((line) => line.length > torn.length && line.subarray(0, torn.length).equals(torn))
  );
}

function linesOf(messages: readonly Payload[]): Buffer {
  if (messages.length === 0) return Buffer.alloc(0);
  if (messages.every((message) => typeof message === "string")) return Buffer.from(`${messages.join("\n")}\n`);
  return Buffer.concat(messages.flatMap((message) => [bytesOf(message), lineBreak]));
}

function splitLines(message: Payload): Buffer[] {
  const bytes = bytesOf(message);
  if (!bytes.includes(0x0a)) return [bytes];
  const lines: Buffer[] = [];
  let at = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, at)) {
    lines.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return [...lines, bytes.subarray(at)];
}

function bytesOf(message: Payload): Buffer {
  return typeof message === "string"
    ? Buffer.from(message)
    : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
}

export function byteLength(message: Payload): number {
  return typeof message === "string" ? Buffer.byteLength(message) : message.length;
}
