/**
 * The parts of a parsed template, each with its place in the text.
 *
 * Variables are resolved to slots while parsing, so that running needs no names: slot 0 holds `$`.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";
import type { Value } from "../value/value.ts";

/** Something that stands where a value is wanted. */
export type Operand =
  | { readonly kind: "dot"; readonly span: Span }
  | { readonly kind: "nil"; readonly span: Span }
  | { readonly kind: "literal"; readonly span: Span; readonly value: Value }
  | { readonly kind: "variable"; readonly span: Span; readonly slot: number }
  | { readonly kind: "function"; readonly span: Span; readonly name: string }
  | { readonly kind: "pipeline"; readonly span: Span; readonly pipeline: Pipeline }
  | { readonly kind: "field"; readonly span: Span; readonly base: Operand; readonly name: string };

/** Operands side by side: a function with its arguments, or one value. */
export interface Command {
  readonly span: Span;
  readonly operands: readonly [Operand, ...Operand[]];
}

/** Commands joined by `|`, with the slots of the variables that get the value. */
export interface Pipeline {
  readonly span: Span;
  readonly slots: readonly number[];
  /** `=` instead of `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly [Command, ...Command[]];
}

/** One piece of a template. */
export type TemplateNode =
  | { readonly kind: "text"; readonly span: Span; readonly text: string }
  | { readonly kind: "print"; readonly span: Span; readonly pipeline: Pipeline }
  | {
    readonly kind: "if" | "with" | "range";
    readonly span: Span;
    readonly pipeline: Pipeline;
    readonly body: readonly TemplateNode[];
    readonly otherwise: readonly TemplateNode[];
  }
  | {
    readonly kind: "template";
    readonly span: Span;
    readonly name: string;
    readonly nameSpan: Span;
    readonly pipeline: Pipeline | undefined;
  }
  | { readonly kind: "break"; readonly span: Span }
  | { readonly kind: "continue"; readonly span: Span };

/** A body with the number of slots its variables need. */
export interface Definition {
  readonly nodes: readonly TemplateNode[];
  readonly slots: number;
}

/** A whole text: its own body and what `define` and `block` name. */
export interface ParsedTemplate {
  readonly text: string;
  readonly main: Definition;
  readonly definitions: ReadonlyMap<string, Definition>;
}
