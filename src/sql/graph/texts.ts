/**
 * The expressions of a graph as one text, in which the spans of all nodes point to different places.
 *
 * What is wrong with an expression is told with the path of the expression and a span inside it.
 * @module
 */
import { type Diagnostic, DiagnosticError, type Span } from "../../diagnostics/diagnostic.ts";
import type { Expr, SelectItem } from "../ast.ts";
import { parseExpression, parseSelectItem } from "../parse.ts";
import type { GraphText } from "./graph.ts";

interface Placed extends GraphText {
  readonly start: number;
}

export class GraphTexts {
  readonly #report: (d: Diagnostic) => void;
  readonly #placed: Placed[] = [];
  #text = "";

  constructor(report: (d: Diagnostic) => void) {
    this.#report = report;
  }

  /** All expressions so far, one a line. */
  get text(): string {
    return this.#text;
  }

  /** An expression, or undefined after a report. */
  expression(from: GraphText): Expr | undefined {
    return this.#parse(from, parseExpression);
  }

  /** An expression with or without AS, or a star; undefined after a report. */
  item(from: GraphText): SelectItem | undefined {
    return this.#parse(from, parseSelectItem);
  }

  #parse<T>(from: GraphText, parse: (text: string) => T): T | undefined {
    const start = this.#text.length;
    this.#placed.push({ ...from, start });
    this.#text += `${from.text}\n`;
    try {
      return shifted(parse(from.text), start);
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      for (const d of error.diagnostics) this.#report({ ...d, path: from.path, text: from.text });
      return undefined;
    }
  }

  #at(span: Span): Placed | undefined {
    return this.#placed.findLast(({ start }) => start <= span.start);
  }

  /** Brings a diagnostic with a span in {@linkcode text} to the expression it is about. */
  locate(d: Diagnostic): Diagnostic {
    if (d.span === undefined || d.text !== undefined) return d;
    const placed = this.#at(d.span);
    if (placed === undefined) return d;
    const { start, path, text } = placed;
    const move = (span: Span): Span => ({ start: span.start - start, end: span.end - start });
    const notes = d.notes?.map((note) => {
      const other = note.span === undefined ? undefined : this.#at(note.span);
      if (other === undefined) return note;
      // The place may be in another expression, which has a text of its own.
      return other === placed
        ? { ...note, span: move(note.span!) }
        : { message: `${note.message}: ${other.path}, ${JSON.stringify(other.text)}` };
    });
    return { ...d, span: move(d.span), path, text, ...(notes === undefined ? {} : { notes }) };
  }
}

/** A copy of a syntax tree with all spans moved by `by`. */
function shifted<T>(tree: T, by: number): T {
  const move = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(move);
    if (typeof value !== "object" || value === null) return value;
    const { start, end } = value as Partial<Span>;
    if (typeof start === "number" && typeof end === "number") return { start: start + by, end: end + by };
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, move(part)]));
  };
  return by === 0 ? tree : move(tree) as T;
}
