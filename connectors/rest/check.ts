/**
 * What can be known to be wrong with the settings of an action before it sends.
 * @module
 */
import type { InferOutput } from "valibot";
import type { CheckContext, PayloadKind } from "../../src/connector/declare.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { isTemplate } from "../../src/template/template.ts";
import type { BodyType } from "../http/body.ts";
import { checkOAuth, refusing } from "../http/check.ts";
import { headerLine } from "../http/header_line.ts";
import { parseTarget } from "../http/target.ts";
import type { sinkSettings } from "./mod.ts";

export type RestSettings = InferOutput<typeof sinkSettings>;

/** Marks repeats of a message; an internet draft of the IETF, and widely understood. */
export const idHeader = "Idempotency-Key";

/** Formats whose payloads a body type is the name of. */
const formatOf: Partial<Record<BodyType, string>> = { json: "json", form: "urlencoded" };

/** @throws {DiagnosticError} E403, E404, E409 */
export function checkRest(settings: RestSettings, context: CheckContext): void {
  const { url, headers, bodyType, oAuth } = settings;
  if (!isTemplate(url)) refusing("url", () => parseTarget(url));
  if (typeof headers !== "string") {
    for (const [name, value] of Object.entries(headers)) {
      refusing(`headers.${name}`, () => headerLine(name, isTemplate(value) ? "" : value));
    }
  }
  const format = bodyType === undefined ? undefined : formatOf[bodyType];
  if (format !== undefined && context.payloads !== undefined && context.payloads.format !== format) {
    refuseSetting(
      "bodyType",
      `The body type "${bodyType}" needs the format "${format}", not "${context.payloads.format}"`,
    );
  }
  if (oAuth !== undefined) checkOAuth(oAuth, headers);
  tlsOptions(settings);
}

/** What a body is called that the action says nothing about. */
export function bodyTypeOf(method: string, payloads: PayloadKind | undefined): BodyType {
  if (method === "GET" || method === "HEAD") return "none";
  switch (payloads?.format ?? "json") {
    case "json":
      return "json";
    case "urlencoded":
      return "form";
    case "delimited":
      return "text";
    default:
      return "binary";
  }
}
