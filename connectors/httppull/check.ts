/**
 * What can be known to be wrong with the settings before the first request.
 * @module
 */
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { isTemplate } from "../../src/template/template.ts";
import { checkOAuth, refusing } from "../http/check.ts";
import { headerLine } from "../http/header_line.ts";
import { filler } from "../http/request_template.ts";
import { parseTarget } from "../http/target.ts";
import { type RequestSettings, urlOf } from "./request_settings.ts";

/** @throws {DiagnosticError} E403, E404, E409 */
export function checkPull(settings: RequestSettings): void {
  const { headers, body, oAuth } = settings;
  const url = urlOf(settings);
  if (!isTemplate(url)) refusing("url", () => parseTarget(url));
  filler(url, "url");
  filler(body, "body");
  for (const [name, value] of Object.entries(headers)) {
    refusing(`headers.${name}`, () => headerLine(name, isTemplate(value) ? "" : value));
    filler(value, `headers.${name}`);
  }
  if (oAuth !== undefined) checkOAuth(oAuth, headers);
  tlsOptions(settings);
}
