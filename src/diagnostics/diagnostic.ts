/**
 * A user's mistake, told well: a stable code, what is wrong, where, and what to do about it.
 *
 * A stage collects every diagnostic it can find and then throws one {@linkcode DiagnosticError} with all of them.
 * @module
 */
import { type Code, codes } from "./codes.ts";

/** A half-open range of UTF-16 offsets in one text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A second place that helps to understand the first. */
export interface Note {
  readonly message: string;
  readonly span?: Span;
}

/** One mistake. `span` points into the text of the stage; `path` into a configuration (`actions.0.mqtt.qos`). */
export interface Diagnostic {
  readonly code: Code;
  readonly message: string;
  readonly span?: Span;
  /** What `span` points into, where that is not the text of the stage: the expression that stands at `path`. */
  readonly text?: string;
  readonly path?: string;
  readonly hint?: string;
  readonly notes?: readonly Note[];
}

/** Builds a diagnostic; `code` must stand in the table of codes. */
export function diagnostic(code: Code, message: string, place: Omit<Diagnostic, "code" | "message"> = {}): Diagnostic {
  return { code, message, ...place };
}

/** Everything one stage found wrong with one text. */
export class DiagnosticError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  /** The text that the spans point into, when there is one. */
  readonly text: string | undefined;

  constructor(diagnostics: readonly Diagnostic[], text?: string) {
    super(diagnostics.map((d) => `${d.code}: ${d.message}${d.hint ? ` (${d.hint})` : ""}`).join("; "));
    this.name = "DiagnosticError";
    this.diagnostics = diagnostics;
    this.text = text;
  }

  /** The stage the first diagnostic belongs to, from the code table. */
  get stage(): string {
    const first = this.diagnostics[0];
    return first === undefined ? "internal" : codes[first.code].stage;
  }
}

/** Throws all of `diagnostics` when there is at least one. */
export function throwIfAny(diagnostics: readonly Diagnostic[], text?: string): void {
  if (diagnostics.length > 0) throw new DiagnosticError(diagnostics, text);
}

/** A single mistake, thrown at once. */
export function fail(code: Code, message: string, place: Omit<Diagnostic, "code" | "message"> = {}): never {
  throw new DiagnosticError([diagnostic(code, message, place)]);
}
