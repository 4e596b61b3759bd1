/**
 * Checks of settings that sources, lookups and sinks of HTTP share.
 * @module
 */
import { refuseSetting } from "../../src/connector/settings.ts";
import { isTemplate } from "../../src/template/template.ts";
import { headerLine } from "./header_line.ts";
import { filler } from "./request_template.ts";
import type { OAuthSettings } from "./settings.ts";
import { BadRequest, parseTarget } from "./target.ts";

/** What makes a request bad makes the setting bad. @throws {DiagnosticError} E403 */
export function refusing<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    refuseSetting(name, error.message);
  }
}

/**
 * @param headers those of the requests that the token is for; a text is a template that makes all of them
 * @throws {DiagnosticError} E403, E409
 */
export function checkOAuth(
  { access, refresh }: OAuthSettings,
  headers: Readonly<Record<string, string>> | string,
): void {
  refusing("oAuth.access.url", () => parseTarget(access.url));
  filler(access.expire, "oAuth.access.expire");
  for (const [name, value] of Object.entries(access.headers)) {
    refusing(`oAuth.access.headers.${name}`, () => headerLine(name, value));
  }
  if (refresh !== undefined) {
    refusing("oAuth.refresh.url", () => parseTarget(refresh.url));
    filler(refresh.body, "oAuth.refresh.body");
    for (const [name, value] of Object.entries(refresh.headers)) {
      refusing(`oAuth.refresh.headers.${name}`, () => headerLine(name, isTemplate(value) ? "" : value));
      filler(value, `oAuth.refresh.headers.${name}`);
    }
  }
  if (typeof headers === "string") return;
  for (const [name, value] of Object.entries(headers)) filler(value, `headers.${name}`);
}
