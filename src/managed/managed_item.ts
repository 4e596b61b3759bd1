/**
 * One definition of the files, and what is wrong with them.
 * @module
 */
import { type Diagnostic, diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import { position } from "../diagnostics/render.ts";

export type ManagedKind = "stream" | "table" | "rule";

/** A definition that a file holds. */
export interface ManagedItem {
  readonly kind: ManagedKind;
  readonly name: string;
  /** As the store keeps it. */
  readonly text: string;
  /** As it is checked: what spans of mistakes point into. */
  readonly checked: string;
  readonly file: string;
  /** True where `checked` begins with the file, so that lines are those of the file. */
  readonly inPlace: boolean;
}

/** A mistake in a file. */
export interface ManagedMistake {
  readonly file: string;
  readonly code: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
  /** The definition, and what in it. */
  readonly path?: string;
  readonly hint?: string;
}

/** `rule/r1`. */
export function keyOf({ kind, name }: Pick<ManagedItem, "kind" | "name">): string {
  return `${kind}/${name}`;
}

export function mistake(file: string, message: string, place: Omit<Diagnostic, "code" | "message"> = {}) {
  return mistakesOf(file, new DiagnosticError([diagnostic("E713", message, place)]))[0]!;
}

/** @param text the file's, where spans point into it */
export function mistakesOf(file: string, error: DiagnosticError, text?: string, of?: string): ManagedMistake[] {
  return error.diagnostics.map(({ code, message, span, path, hint }) => {
    const shown = [of ?? [], path ?? []].flat().join(": ");
    return {
      file,
      code,
      message,
      ...(span === undefined || text === undefined ? {} : position(text, span.start)),
      ...(shown === "" ? {} : { path: shown }),
      ...(hint === undefined ? {} : { hint }),
    };
  });
}
