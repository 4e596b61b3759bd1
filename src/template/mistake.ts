/**
 * A mistake in the text of a template, on its way to a diagnostic.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";

/** Thrown where reading cannot go on. */
export class TemplateMistake extends Error {
  readonly span: Span;
  readonly hint: string | undefined;
  /** Where the construct that misses its end begins. */
  readonly opened: Span | undefined;

  constructor(message: string, span: Span, hint?: string, opened?: Span) {
    super(message);
    this.name = "TemplateMistake";
    this.span = span;
    this.hint = hint;
    this.opened = opened;
  }
}
