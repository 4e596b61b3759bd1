/**
 * Bodies of requests: what they are called in Content-Type, and forms with parts.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import type { Payload } from "../../src/connector/sink.ts";
import { BadRequest } from "./target.ts";

export const bodyTypes = [
  ...["none", "text", "json", "html", "xml", "javascript", "form", "binary", "formdata"] as const,
] as const;

export type BodyType = (typeof bodyTypes)[number];

const contentTypes: Readonly<Record<Exclude<BodyType, "none" | "formdata">, string>> = {
  text: "text/plain",
  json: "application/json",
  html: "text/html",
  xml: "application/xml",
  javascript: "application/javascript",
  form: "application/x-www-form-urlencoded",
  binary: "application/octet-stream",
};

export interface EncodedBody {
  /** Undefined for no body. */
  readonly body: Payload | undefined;
  readonly contentType: string | undefined;
}

/** Parts of a `formdata` body besides the file. */
export interface FormParts {
  readonly fields: Readonly<Record<string, string>>;
  /** The name of the part that holds the payload. */
  readonly fileFieldName: string;
}

/** @throws {BadRequest} for names of parts that would break out of their line */
export function encodeBody(type: BodyType, payload: Payload, form: FormParts): EncodedBody {
  if (type === "none") return { body: undefined, contentType: undefined };
  if (type !== "formdata") return { body: payload, contentType: contentTypes[type] };
  // A boundary that nobody knows beforehand cannot stand in the data.
  const boundary = `weir-${randomUUID()}`;
  const pieces: Buffer[] = [];
  for (const [name, value] of Object.entries(form.fields)) {
    pieces.push(Buffer.from(`--${boundary}\r\n${disposition(name)}\r\n\r\n${value}\r\n`));
  }
  const file = `${disposition(form.fileFieldName)}; filename="${quoted(form.fileFieldName)}"`;
  pieces.push(Buffer.from(`--${boundary}\r\n${file}\r\nContent-Type: application/octet-stream\r\n\r\n`));
  pieces.push(typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload));
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return { body: Buffer.concat(pieces), contentType: `multipart/form-data; boundary=${boundary}` };
}

function disposition(name: string): string {
  if (name === "") throw new BadRequest("A part of the form has no name");
  return `Content-Disposition: form-data; name="${quoted(name)}"`;
}

/** As browsers write names. */
function quoted(name: string): string {
  return name.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}
