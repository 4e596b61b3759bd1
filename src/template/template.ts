/**
 * Templates in the notation of Go's `text/template`, with its functions and those of sprig: texts that actions make of
 * rows.
 *
 * ```ts
 * const print = compileTemplate('{"id":"{{.id}}","t":{{printf "%.1f" .t}}}', { path: "actions.0.log.dataTemplate" });
 * print({ id: "pump-7", t: 20.25 }); // {"id":"pump-7","t":20.2}
 * ```
 * @module
 */
import { type Diagnostic, diagnostic, DiagnosticError } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import type { Struct } from "../value/value.ts";
import type { ParsedTemplate } from "./ast.ts";
import { compileParsed } from "./compile.ts";
import { TemplateMistake } from "./mistake.ts";
import { parseTemplate } from "./parse.ts";
import { type Fit, Run, type Surroundings } from "./run.ts";

/** The text for a row, or for a list of rows. */
export type Template = (data: Struct | Struct[]) => string;

export interface TemplateOptions {
  /** Where the text stands in a configuration, for messages. */
  readonly path?: string;
  /** The clock of `now` and `ago`, in Unix milliseconds; the machine's without it. */
  readonly now?: () => number;
  /** For texts in another language: what the template prints passes through it; its own text does not. */
  readonly fit?: Fit;
}

/** True for a text with an action; any other text is the same for every row. */
export function isTemplate(text: string): boolean {
  return text.includes("{{");
}

/**
 * Compiles `text` once, to be evaluated for many rows.
 *
 * The closure throws a {@linkcode RowError} E516 with the place in the template when a function refuses a value or the
 * result is out of bounds: over 4 Mi characters, half a million steps or 250 bodies inside each other.
 *
 * @throws {DiagnosticError} E409 with every place that is wrong.
 */
export function compileTemplate(text: string, options: TemplateOptions = {}): Template {
  const problems: Diagnostic[] = [];
  const execute = compileParsed(parse(text, options), problems);
  if (problems.length > 0) throw new DiagnosticError(problems.map((problem) => placed(problem, text, options)), text);
  const { fit } = options;
  const surroundings: Surroundings = {
    now: options.now ?? Date.now,
    patterns: new Map(),
    ...(fit === undefined ? {} : { fit }),
  };
  return (data) => {
    const run = new Run(surroundings);
    try {
      execute(run, data);
    } catch (error) {
      throw rowError(error);
    }
    return run.output;
  };
}

function parse(text: string, options: TemplateOptions): ParsedTemplate {
  try {
    return parseTemplate(text);
  } catch (error) {
    if (!(error instanceof TemplateMistake)) throw error;
    const { message, span, hint, opened } = error;
    const problem = diagnostic("E409", message, {
      span,
      ...(hint === undefined ? {} : { hint }),
      ...(opened === undefined ? {} : { notes: [{ message: "It was opened here", span: opened }] }),
    });
    throw new DiagnosticError([placed(problem, text, options)], text);
  }
}

function placed(problem: Diagnostic, text: string, { path }: TemplateOptions): Diagnostic {
  return path === undefined ? problem : { ...problem, text, path };
}

/** Failures of a row as they are, with the code of templates; a defect of ours passes on. */
function rowError(error: unknown): unknown {
  if (error instanceof RangeError) {
    return new RowError("E516", "Template failed: a value is too large", { cause: error });
  }
  if (!(error instanceof RowError) || error.message.startsWith("Template failed")) return error;
  return new RowError("E516", `Template failed: it ${error.message}`, { cause: error });
}
