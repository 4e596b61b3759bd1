/**
 * The part of a request that is the same for many messages: method, target and headers.
 * @module
 */
import type { PayloadKind } from "../../src/connector/declare.ts";
import type { Struct } from "../../src/value/value.ts";
import { type BodyType, bodyTypes, encodeBody, type EncodedBody, type FormParts } from "../http/body.ts";
import { framingHeader, hasHeader, headerLine } from "../http/header_line.ts";
import { type Filler, filler } from "../http/request_template.ts";
import { BadRequest, type HttpTarget, parseTarget } from "../http/target.ts";
import { bodyTypeOf, idHeader, type RestSettings } from "./check.ts";
import { methods } from "./mod.ts";

/** Settings that may differ from message to message; those of one message are texts of any kind. */
export type RequestSettings = Pick<
  RestSettings,
  "url" | "method" | "bodyType" | "headers" | "formData" | "fileFieldName"
>;

export interface RequestPlan {
  readonly method: string;
  readonly target: HttpTarget;
  /** Header lines that do not depend on the body. */
  readonly headers: string;
  /** Content-Type is not among the headers of the user, or must name the boundary of a form. */
  readonly namesType: boolean;
  /** The action marks repeats itself. */
  readonly hasOwnId: boolean;
  /** It says itself what trace its messages belong to. */
  readonly hasOwnTrace: boolean;
  readonly bodyType: BodyType;
  readonly form: FormParts;
}

/** Of W3C Trace Context. */
const traceHeader = "traceparent";

/** Coding names of the compressions that have one. */
const contentEncodings: Readonly<Record<string, string>> = { gzip: "gzip", zstd: "zstd", zlib: "deflate" };

/** Makes plans for the messages of one action. */
export class RequestPlanner {
  readonly #settings: RequestSettings;
  readonly #payloads: PayloadKind | undefined;
  /** Of actions with a token: the headers that may be filled in from it. */
  readonly #tokenHeaders: ReadonlyMap<string, Filler>;

  /** @throws {DiagnosticError} E409 for templates with mistakes */
  constructor(settings: RestSettings, payloads: PayloadKind | undefined) {
    this.#settings = settings;
    this.#payloads = payloads;
    const { headers, oAuth } = settings;
    const texts = oAuth === undefined || typeof headers === "string" ? [] : Object.entries(headers);
    this.#tokenHeaders = new Map(texts.map(([name, text]) => [name, filler(text, `headers.${name}`)]));
  }

  /**
   * @param own settings of the message; they win
   * @param token the fields of a token
   * @throws {BadRequest} for settings of the message that make no request
   */
  plan(own: Partial<RequestSettings> | undefined, token: Struct | undefined): RequestPlan {
    const settings = own === undefined ? this.#settings : { ...this.#settings, ...own };
    const method = String(settings.method).toUpperCase();
    if (!methods.some((each) => each === method)) throw new BadRequest(`"${settings.method}" is not a method`);
    const target = parseTarget(settings.url);
    const headers = this.#headersOf(settings, token);
    const bodyType = this.#bodyTypeOf(settings, method);
    const encoding = this.#payloads?.encryption ? undefined : contentEncodings[this.#payloads?.compression ?? ""];
    const lines: string[] = [];
    const addUnlessSet = (name: string, value: string | undefined) => {
      if (value !== undefined && !hasHeader(headers, name)) lines.push(headerLine(name, value));
    };
    addUnlessSet("User-Agent", "weir");
    addUnlessSet("Accept", "*/*");
    addUnlessSet("Authorization", target.authorization);
    // The parts of a form are not compressed: its file is.
    if (bodyType !== "none" && bodyType !== "formdata") addUnlessSet("Content-Encoding", encoding);
    for (const [name, value] of Object.entries(headers)) {
      const isOurs = framingHeader.test(name) || (bodyType === "formdata" && name.toLowerCase() === "content-type");
      if (!isOurs) lines.push(headerLine(name, value));
    }
    const { formData, fileFieldName } = settings;
    return {
      method,
      target,
      headers: lines.join(""),
      namesType: bodyType === "formdata" || !hasHeader(headers, "Content-Type"),
      hasOwnId: hasHeader(headers, idHeader),
      hasOwnTrace: hasHeader(headers, traceHeader),
      bodyType,
      form: { fields: textsOf(formData, "formData"), fileFieldName },
    };
  }

  #headersOf({ headers }: RequestSettings, token: Struct | undefined): Record<string, string> {
    const texts = textsOf(headers, "headers");
    if (token === undefined) return texts;
    const filled = Object.entries(texts).map(([name, text]) => [name, this.#tokenHeaders.get(name)?.(token) ?? text]);
    return Object.fromEntries(filled);
  }

  #bodyTypeOf({ bodyType }: RequestSettings, method: string): BodyType {
    if (bodyType === undefined) return bodyTypeOf(method, this.#payloads);
    const lower = String(bodyType).toLowerCase();
    const known = bodyTypes.find((each) => each === lower);
    if (known === undefined) throw new BadRequest(`"${bodyType}" is not a body type`);
    return known;
  }
}

/** A map of texts; a template for the whole of it makes a JSON object. */
function textsOf(value: unknown, name: string): Record<string, string> {
  if (typeof value !== "string") return value as Record<string, string>;
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return Object.fromEntries(Object.entries(parsed).map(([key, each]) => [key, String(each)]));
    }
  } catch {
    // Said below.
  }
  throw new BadRequest(`The template of "${name}" makes no JSON object`);
}

/** What the engine sends along with a message. */
export interface MessageMarks {
  /** What receivers tell repeats by. */
  readonly id: string | undefined;
  /** The trace of the message. */
  readonly traceparent: string | undefined;
}

/** The header lines and the body of a message. */
export function withPayload(
  plan: RequestPlan,
  payload: string | Uint8Array,
  { id, traceparent }: MessageMarks,
): { readonly headers: string; readonly body: EncodedBody["body"] } {
  const { body, contentType } = encodeBody(plan.bodyType, payload, plan.form);
  let { headers } = plan;
  if (contentType !== undefined && plan.namesType) headers += `Content-Type: ${contentType}\r\n`;
  if (id !== undefined && !plan.hasOwnId) headers += headerLine(idHeader, id);
  if (traceparent !== undefined && !plan.hasOwnTrace) headers += headerLine(traceHeader, traceparent);
  return { headers, body };
}
