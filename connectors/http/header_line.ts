/**
 * Lines of the head of a request.
 * @module
 */
import { BadRequest } from "./target.ts";

/** A header line. @throws {BadRequest} for a name or value that would break out of its line */
export function headerLine(name: string, value: string): string {
  if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) throw new BadRequest(`"${name}" cannot be the name of a header`);
  // deno-lint-ignore no-control-regex -- just those must not get through.
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw new BadRequest(`The header "${name}" holds a control character, such as the end of a line`);
  }
  return `${name}: ${value}\r\n`;
}

/** Whether one of `headers` is called so, in any letter case. */
export function hasHeader(headers: Readonly<Record<string, string>>, name: string): boolean {
  return Object.keys(headers).some((each) => each.toLowerCase() === name.toLowerCase());
}

/** Headers that say where a request ends, and to whom it goes: those are the client's. */
export const framingHeader = /^(content-length|transfer-encoding|connection|host|upgrade|expect|te|trailer)$/i;
