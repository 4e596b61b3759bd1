/**
 * The types of the generated parser, as far as parse.ts uses it.
 * @module
 */
import type { Expr, Select, SelectItem, Statement } from "./ast.ts";

/** One thing the grammar could have read. `description` is the name of a rule, `text` a literal. */
export type Expectation =
  | { readonly type: "literal"; readonly text: string }
  | { readonly type: "other"; readonly description: string }
  | { readonly type: "class" | "any" | "end" };

export declare class SyntaxError extends globalThis.SyntaxError {
  readonly expected: readonly Expectation[] | null;
  readonly location: { readonly start: { readonly offset: number }; readonly end: { readonly offset: number } };
}

/** With `peg$silentFails: 1` an error does not say what was expected, and the parse is faster. */
interface ParseOptions<Rule> {
  readonly startRule: Rule;
  readonly peg$silentFails: 0 | 1;
}

export declare function parse(text: string, options: ParseOptions<"StatementText">): Statement;
export declare function parse(text: string, options: ParseOptions<"SelectText">): Select;
export declare function parse(text: string, options: ParseOptions<"ItemText">): SelectItem;
export declare function parse(text: string, options: ParseOptions<"ExpressionText">): Expr;
