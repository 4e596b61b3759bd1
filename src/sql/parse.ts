/**
 * Text to syntax tree: the grammar of grammar/sql.peggy behind checks of length, strings and depth.
 *
 * ```ts
 * parseSelect("SELECT a FROM demo WHERE a > 3").where; // { kind: "binary", operator: ">", … }
 * ```
 * Every function throws a {@linkcode DiagnosticError} with the text: E101 syntax error, E102 nested too deeply, E103 too
 * long, E104 bad string literal.
 * @module
 */
import { DiagnosticError, throwIfAny } from "../diagnostics/diagnostic.ts";
import type { Expr, Select, SelectItem, Statement } from "./ast.ts";
import { parse, SyntaxError as GrammarError } from "./grammar.js";
import { scan } from "./scan.ts";
import { syntaxError } from "./syntax_error.ts";

/** Any one statement, with or without `;`. Text behind the first `;` of a SELECT is ignored. */
export function parseStatement(text: string): Statement {
  return guarded(
    text,
    (statement, silence) => parse(statement, { startRule: "StatementText", peg$silentFails: silence }),
  );
}

/** One SELECT, as in a rule's `sql`; another statement is a syntax error. */
export function parseSelect(text: string): Select {
  return guarded(text, (statement, silence) => parse(statement, { startRule: "SelectText", peg$silentFails: silence }));
}

/** One item of a select list (`a + 1 AS b`, `*`, `s.*`), as graph rules have them. */
export function parseSelectItem(text: string): SelectItem {
  return guarded(text, (item, silence) => parse(item, { startRule: "ItemText", peg$silentFails: silence }));
}

/** One expression, as graph rules have them. */
export function parseExpression(text: string): Expr {
  return guarded(
    text,
    (expression, silence) => parse(expression, { startRule: "ExpressionText", peg$silentFails: silence }),
  );
}

/** Whether the parser notes what it could have read, for a message: 1 is without, and faster. */
type Silence = 0 | 1;

/** A text of this length is not parsed twice, however wrong it is. */
const quickLengthMax = 8 * 1024;

function guarded<T>(text: string, run: (statement: string, silence: Silence) => T): T {
  const { end, diagnostics } = scan(text);
  throwIfAny(diagnostics, text);
  const statement = text.slice(0, end);
  if (statement.length <= quickLengthMax) {
    try {
      return run(statement, 1);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
  }
  try {
    return run(statement, 0);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new DiagnosticError([syntaxError(statement, error.location.start.offset, error.expected ?? [])], text);
  }
}
