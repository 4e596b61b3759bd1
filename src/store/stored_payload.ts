/**
 * Payloads as SQLite keeps them. A text with the character 0 is written as JSON after a mark, since an engine may read
 * a text back only up to there; so is a text that begins with the mark. Everything else stands as it is.
 * @module
 */
import type { Payload } from "./delivery_store.ts";

const mark = "\u0001";

export function toStored<P extends Payload>(payload: P): P | string {
  if (typeof payload !== "string" || !(payload.includes("\0") || payload.startsWith(mark))) return payload;
  return mark + JSON.stringify(payload);
}

export function fromStored(stored: unknown): Payload {
  if (typeof stored === "string" && stored.startsWith(mark)) return JSON.parse(stored.slice(mark.length));
  return stored as Payload;
}
