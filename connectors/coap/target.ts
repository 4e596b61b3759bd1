/**
 * A resource of a server, as those who read and write it see it: errors instead of codes.
 * @module
 */
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import type { Response } from "./request.ts";
import { codeText } from "./protocol/message.ts";
import { maxAgeOf } from "./protocol/options.ts";

/** The message can never be taken as it is. */
export class Refused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Refused";
  }
}

/** Codes of a server that has its own trouble, not with this message: internal error, bad gateway, its time-out. */
const passing = ["5.00", "5.02", "5.04"];
const retryMs = 2000;
/** A server that names a longer time is asked before it. */
const retryMsMax = 600_000;
/** How much of the text of an error is shown. */
const textMax = 200;

/**
 * @throws {RetryLater} for a server that is busy or in trouble
 * @throws {Refused} for all other codes that are no success
 */
export function checkResponse(response: Response): void {
  const kind = response.code >> 5;
  if (kind === 2) return;
  const message = describeCode(response);
  const code = codeText(response.code);
  // 4.29: too many requests (RFC 8516). 4.08: blocks got lost that the server had.
  if (code === "5.03" || code === "4.29") {
    throw new RetryLater(message, Math.min(Math.max(maxAgeOf(response), 1) * 1000, retryMsMax));
  }
  if (passing.includes(code) || code === "4.08") throw new RetryLater(message, retryMs);
  if (kind === 4 || kind === 5) throw new Refused(message);
  throw new Disconnected(message);
}

const texts: Readonly<Record<string, string>> = {
  "4.00": "bad request",
  "4.01": "unauthorized",
  "4.02": "bad option",
  "4.03": "forbidden",
  "4.04": "not found",
  "4.05": "method not allowed",
  "4.06": "not acceptable",
  "4.08": "request entity incomplete",
  "4.12": "precondition failed",
  "4.13": "request entity too large",
  "4.15": "unsupported content format",
  "4.29": "too many requests",
  "5.00": "internal server error",
  "5.01": "not implemented",
  "5.02": "bad gateway",
  "5.03": "service unavailable",
  "5.04": "gateway timeout",
  "5.05": "proxying not supported",
};

/** `4.04 not found: there is no such sensor`. */
export function describeCode({ code, payload }: Response): string {
  const text = codeText(code);
  const said = new TextDecoder().decode(payload.subarray(0, textMax)).trim();
  return `${text} ${texts[text] ?? "response"}${said === "" ? "" : `: ${said}`}`;
}
