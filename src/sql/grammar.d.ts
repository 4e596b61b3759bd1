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

export declare function parse(text: string, options: { readonly startRule: "StatementText" }): Statement;
export declare function parse(text: string, options: { readonly startRule: "SelectText" }): Select;
export declare function parse(text: string, options: { readonly startRule: "ItemText" }): SelectItem;
export declare function parse(text: string, options: { readonly startRule: "ExpressionText" }): Expr;
