/**
 * A payload of a format whose payloads are text, whichever way it was kept.
 * @module
 */
const utf8 = new TextDecoder();

export function payloadText(payload: string | Uint8Array): string {
  return typeof payload === "string" ? payload : utf8.decode(payload);
}
