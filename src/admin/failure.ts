/**
 * Errors on the wire: one place turns what a route throws into eKuiper's error body.
 *
 * A route says with {@linkcode failing} how its errors are introduced and numbered; it holds no try/catch.
 * @module
 */
import type { Context, MiddlewareHandler } from "hono";
import type { ClientCertificate } from "../auth/client_certificate.ts";
import type { Principal } from "../auth/role.ts";
import type { Logger } from "../connector/context.ts";
import type { Code } from "../diagnostics/codes.ts";
import { type Diagnostic, diagnostic, DiagnosticError, type Span } from "../diagnostics/diagnostic.ts";
import { position } from "../diagnostics/render.ts";
import { StoreError } from "../store/store_error.ts";

/** Numbers of eKuiper's error bodies. */
export const errorCodes = {
  undefined: 1000,
  general: 1001,
  notFound: 1002,
  io: 1003,
  parser: 2001,
  planner: 2101,
  executor: 2201,
  stream: 3000,
  configuration: 5000,
} as const;

export type ErrorCode = typeof errorCodes[keyof typeof errorCodes];

/** How the errors of a route look. */
export interface Failure {
  /** Stands before the message, with a colon. */
  readonly prefix?: string;
  /** For an unknown name: its number (1002 when absent) and its text, which gets the name of the path. */
  readonly missing?: { readonly code?: ErrorCode; readonly message?: (name: string) => string };
  /** Number of configuration mistakes (E4xx); 2201 when absent. */
  readonly configuration?: ErrorCode;
  /** Number of single codes, before every other rule. */
  readonly codes?: Partial<Readonly<Record<Code, ErrorCode>>>;
  /** Number of everything else; 1000 when absent. */
  readonly other?: ErrorCode;
  /** Answers with this status and the bare text instead of an error body. */
  readonly plainStatus?: 422;
}

export interface AdminEnv {
  Variables: {
    failure: Failure;
    /** Who asks; absent where nobody is asked. */
    principal?: Principal;
    /** What was answered in words, for the audit trail. Never a secret. */
    said?: string;
  };
  Bindings: {
    /** IP address of the other end; empty when it is not known. */
    address?: string;
    /** That the client has shown; of an authority that is trusted. */
    certificate?: ClientCertificate;
  };
}

/** A body that is not what the route takes. It brings its own prefix. */
export class BodyError extends DiagnosticError {
  constructor(message: string) {
    super([diagnostic("E703", message)]);
    this.name = "BodyError";
  }
}

/** Says how errors of the route behind it look. */
export function failing(failure: Failure): MiddlewareHandler<AdminEnv> {
  return async (context, next) => {
    context.set("failure", failure);
    await next();
  };
}

function errorCode(code: Code, failure: Failure): ErrorCode {
  const single = failure.codes?.[code];
  if (single !== undefined) return single;
  if (code === "E701") return failure.missing?.code ?? errorCodes.notFound;
  if (code === "E704") return errorCodes.undefined;
  switch (code[1]) {
    case "1":
      return errorCodes.parser;
    case "2":
    case "3":
      return errorCodes.planner;
    case "4":
      return failure.configuration ?? errorCodes.executor;
    case "6":
      return errorCodes.io;
    default:
      return failure.other ?? errorCodes.undefined;
  }
}

function place(span: Span, text: string | undefined): Record<string, number> {
  return text === undefined ? { ...span } : { ...span, ...position(text, span.start) };
}

function diagnosticJson(d: Diagnostic, ofStage: string | undefined): Record<string, unknown> {
  const text = d.text ?? ofStage;
  return {
    code: d.code,
    message: d.message,
    ...(d.span === undefined ? {} : { span: place(d.span, text) }),
    ...(d.path === undefined ? {} : { path: d.path }),
    ...(d.hint === undefined ? {} : { hint: d.hint }),
    ...(d.notes === undefined ? {} : { notes: d.notes }),
  };
}

function respond(context: Context<AdminEnv>, status: 400 | 403 | 404 | 409 | 422 | 500, body: unknown): Response {
  context.header("Content-Type", "application/json; charset=utf-8");
  context.header("X-Content-Type-Options", "nosniff");
  return context.body(`${JSON.stringify(body)}\n`, status);
}

function messageOf(error: DiagnosticError, failure: Failure, name: string | undefined): string {
  const text = error.diagnostics[0]?.code === "E701" && name !== undefined
    ? failure.missing?.message?.(name)
    : undefined;
  return text ?? error.diagnostics.map((d) => d.message).join("; ");
}

function storeFailure(error: StoreError): DiagnosticError {
  const hint = error.failure === "full" ? "make room on the disk, then ask again" : "see the log, then ask again";
  return new DiagnosticError([diagnostic("E604", error.message, { hint })]);
}

/** The error handler of the whole interface. What is not a diagnostic is a bug of ours: logged, answered with 500. */
export function answerError(log: Logger): (error: Error, context: Context<AdminEnv>) => Response {
  return (thrown, context) => {
    const error = thrown instanceof StoreError ? storeFailure(thrown) : thrown;
    const failure = context.get("failure") ?? {};
    // Of the server below, whose classes are not known here: the client has gone, or will be told 413.
    if (error.name === "RequestBodyError") {
      return respond(context, 400, { error: errorCodes.undefined, message: error.message });
    }
    if (!(error instanceof DiagnosticError)) {
      const { method, path } = context.req;
      log.error("admin request failed unexpectedly", { method, path, error: error.stack ?? String(error) });
      return respond(context, 500, { error: errorCodes.undefined, message: `internal error: ${error.message}` });
    }
    const isBody = error instanceof BodyError;
    const text = messageOf(error, failure, context.req.param("name"));
    const message = isBody || failure.prefix === undefined ? text : `${failure.prefix}: ${text}`;
    context.set("said", message);
    const isForbidden = error.diagnostics.some(({ code }) => code === "E709");
    if (failure.plainStatus !== undefined && !isForbidden) {
      context.header("Content-Type", "text/plain; charset=utf-8");
      return context.body(message, failure.plainStatus);
    }
    const first = error.diagnostics[0]!;
    const code = isBody ? errorCodes.undefined : errorCode(first.code, failure);
    const status = isForbidden ? 403 : first.code === "E712" ? 409 : code === errorCodes.notFound ? 404 : 400;
    return respond(context, status, {
      error: code,
      message,
      diagnostics: error.diagnostics.map((d) => diagnosticJson(d, error.text)),
    });
  };
}
