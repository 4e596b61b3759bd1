/**
 * MQTT 5 reason codes, what they mean, and the error of a peer that broke the protocol.
 * @module
 */

/** The codes that weir itself compares with or sends. */
export const Reason = {
  SUCCESS: 0x00,
  NO_MATCHING_SUBSCRIBERS: 0x10,
  UNSPECIFIED: 0x80,
  MALFORMED_PACKET: 0x81,
  PROTOCOL_ERROR: 0x82,
  UNSUPPORTED_PROTOCOL_VERSION: 0x84,
  CLIENT_IDENTIFIER_NOT_VALID: 0x85,
  BAD_USER_NAME_OR_PASSWORD: 0x86,
  NOT_AUTHORIZED: 0x87,
  SERVER_UNAVAILABLE: 0x88,
  SESSION_TAKEN_OVER: 0x8e,
  TOPIC_FILTER_INVALID: 0x8f,
  TOPIC_NAME_INVALID: 0x90,
  PACKET_IDENTIFIER_NOT_FOUND: 0x92,
  TOPIC_ALIAS_INVALID: 0x94,
  PACKET_TOO_LARGE: 0x95,
  QUOTA_EXCEEDED: 0x97,
  RETAIN_NOT_SUPPORTED: 0x9a,
} as const;

/** From the table in section 2.4 of the specification. */
const texts: Readonly<Record<number, string>> = {
  0x00: "success",
  0x04: "disconnect with will message",
  0x10: "no matching subscribers",
  0x11: "no subscription existed",
  0x18: "continue authentication",
  0x19: "re-authenticate",
  0x80: "unspecified error",
  0x81: "malformed packet",
  0x82: "protocol error",
  0x83: "implementation specific error",
  0x84: "unsupported protocol version",
  0x85: "client identifier not valid",
  0x86: "bad user name or password",
  0x87: "not authorized",
  0x88: "server unavailable",
  0x89: "server busy",
  0x8a: "banned",
  0x8b: "server shutting down",
  0x8c: "bad authentication method",
  0x8d: "keep alive timeout",
  0x8e: "session taken over",
  0x8f: "topic filter invalid",
  0x90: "topic name invalid",
  0x91: "packet identifier in use",
  0x92: "packet identifier not found",
  0x93: "receive maximum exceeded",
  0x94: "topic alias invalid",
  0x95: "packet too large",
  0x96: "message rate too high",
  0x97: "quota exceeded",
  0x98: "administrative action",
  0x99: "payload format invalid",
  0x9a: "retain not supported",
  0x9b: "QoS not supported",
  0x9c: "use another server",
  0x9d: "server moved",
  0x9e: "shared subscriptions not supported",
  0x9f: "connection rate exceeded",
  0xa0: "maximum connect time",
  0xa1: "subscription identifiers not supported",
  0xa2: "wildcard subscriptions not supported",
};

/** @returns the meaning of a reason code, in lower case words */
export function reasonText(code: number): string {
  return texts[code] ?? `reason code 0x${code.toString(16).padStart(2, "0")}`;
}

/** CONNACK return codes of MQTT 3.1 and 3.1.1, as MQTT 5 reason codes. */
const connectReturnCodes = [
  Reason.SUCCESS,
  Reason.UNSUPPORTED_PROTOCOL_VERSION,
  Reason.CLIENT_IDENTIFIER_NOT_VALID,
  Reason.SERVER_UNAVAILABLE,
  Reason.BAD_USER_NAME_OR_PASSWORD,
  Reason.NOT_AUTHORIZED,
] as const;

/** @returns the MQTT 5 reason code for a return code of an older CONNACK */
export function reasonOfReturnCode(returnCode: number): number {
  return connectReturnCodes[returnCode] ?? Reason.UNSPECIFIED;
}

/** The peer sent bytes that are not MQTT, or broke its rules. The connection cannot go on. */
export class MqttProtocolError extends Error {
  /** MQTT 5 reason code to disconnect with. */
  readonly reasonCode: number;

  constructor(reasonCode: number, message: string) {
    super(message);
    this.name = "MqttProtocolError";
    this.reasonCode = reasonCode;
  }
}
