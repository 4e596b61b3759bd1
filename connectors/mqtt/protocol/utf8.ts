/**
 * UTF-8 as MQTT wants it: well formed, and without U+0000.
 * @module
 */
import { MqttProtocolError, Reason } from "./reason.ts";

// A byte order mark is a character like any other in MQTT, so it must not be stripped.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes `[start, end)` of `bytes`.
 *
 * @throws {MqttProtocolError} when it is not well formed or holds U+0000
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  let text: string;
  try {
    text = decoder.decode(bytes.subarray(start, end));
  } catch {
    throw new MqttProtocolError(Reason.MALFORMED_PACKET, "text field is not UTF-8");
  }
  if (text.includes("\0")) throw new MqttProtocolError(Reason.MALFORMED_PACKET, "text field holds U+0000");
  return text;
}
