/**
 * Base64 as RFC 4648 defines it, with padding.
 * @module
 */

/** Groups of four, of which the last may be padded. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes, or undefined when `text` is not base64. Line breaks are skipped, as Go does. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const body = text.replace(/[\r\n]/g, "");
  if (!base64.test(body)) return undefined;
  return Uint8Array.from(atob(body), (unit) => unit.charCodeAt(0));
}
