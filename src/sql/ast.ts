/**
 * The syntax tree: frozen plain objects with `kind` and `span`, exactly what the text says and nothing of what it means.
 *
 * Names keep the case they were written in. Spans are UTF-16 offsets into the statement's text.
 * @module
 */
import type { Span } from "../diagnostics/diagnostic.ts";

interface Node {
  readonly span: Span;
}

/** A name as written, without its back quotes. */
export interface Identifier extends Node {
  readonly kind: "identifier";
  readonly name: string;
}

// ---------------------------------------------------------------- expressions

/** An int literal is a bigint (clamped to the int64 maximum), a float literal a number. */
export interface Literal extends Node {
  readonly kind: "literal";
  readonly value: bigint | number | string | boolean;
}

/** A bare name: an alias or a column. */
export interface Name extends Node {
  readonly kind: "name";
  readonly name: string;
}

/** `x.y` at the start of an operand: column y of source x, or key y of column x. */
export interface Qualified extends Node {
  readonly kind: "qualified";
  readonly qualifier: Identifier;
  readonly name: Identifier;
}

/** `base->key`, or `base.key` after the first dot. */
export interface Member extends Node {
  readonly kind: "member";
  readonly base: Expr;
  readonly key: Identifier;
}

/** `base[index]`. */
export interface Index extends Node {
  readonly kind: "index";
  readonly base: Expr;
  readonly index: Expr;
}

/** `base[from:to]`, `base[from:]`, `base[:to]`, `base[:]`, `base[]`. */
export interface Slice extends Node {
  readonly kind: "slice";
  readonly base: Expr;
  readonly from: Expr | undefined;
  readonly to: Expr | undefined;
}

/** `*`, with what it leaves out and overwrites. */
export interface Star extends Node {
  readonly kind: "star";
  readonly except: readonly Identifier[];
  readonly replace: readonly { readonly expr: Expr; readonly name: Identifier }[];
}

/** `s.*`, in the select list only. */
export interface QualifiedStar extends Node {
  readonly kind: "qualified_star";
  readonly qualifier: Identifier;
}

/** A time unit, as the first argument of a window function only. Lower case. */
export interface TimeUnitLiteral extends Node {
  readonly kind: "time_unit";
  readonly unit: TimeUnit;
}

export type TimeUnit = "dd" | "hh" | "mi" | "ss" | "ms";

/** A call. `name` is as written; `over` is there when the text has OVER. */
export interface Call extends Node {
  readonly kind: "call";
  readonly name: Identifier;
  readonly args: readonly (Expr | Star | TimeUnitLiteral)[];
  readonly over: Over | undefined;
}

/** OVER of an analytic function or of row_number. */
export interface Over extends Node {
  readonly kind: "over";
  readonly partitionBy: readonly Expr[];
  readonly orderBy: readonly SortItem[];
  readonly when: Expr | undefined;
}

export type BinaryOperator =
  | "OR"
  | "AND"
  | "="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "+"
  | "-"
  | "|"
  | "^"
  | "*"
  | "/"
  | "%"
  | "&";

export interface Binary extends Node {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
}

/** `x IN (a, b)` has `list`, `x IN arr` has `array`. */
export interface In extends Node {
  readonly kind: "in";
  readonly negated: boolean;
  readonly operand: Expr;
  readonly list: readonly Expr[] | undefined;
  readonly array: Expr | undefined;
}

export interface Between extends Node {
  readonly kind: "between";
  readonly negated: boolean;
  readonly operand: Expr;
  readonly low: Expr;
  readonly high: Expr;
}

export interface Like extends Node {
  readonly kind: "like";
  readonly negated: boolean;
  readonly operand: Expr;
  readonly pattern: Expr;
}

export interface Case extends Node {
  readonly kind: "case";
  readonly operand: Expr | undefined;
  readonly branches: readonly { readonly when: Expr; readonly then: Expr }[];
  readonly otherwise: Expr | undefined;
}

export type Expr = Literal | Name | Qualified | Member | Index | Slice | Call | Binary | In | Between | Like | Case;

// ---------------------------------------------------------------- select

export interface SelectItem extends Node {
  readonly kind: "item";
  readonly expr: Expr | Star | QualifiedStar;
  readonly alias: Identifier | undefined;
  readonly invisible: boolean;
}

export interface Source extends Node {
  readonly kind: "source";
  readonly name: Identifier;
  readonly alias: Identifier | undefined;
}

export type JoinType = "inner" | "left" | "right" | "full" | "cross";

export interface Join extends Node {
  readonly kind: "join";
  readonly type: JoinType;
  readonly source: Source;
  readonly on: Expr | undefined;
}

/** FILTER and OVER as they stand behind a window. */
export interface WindowModifiers {
  readonly filter: Expr | undefined;
  readonly over:
    | { readonly when: Expr | undefined; readonly partitionBy: readonly Expr[]; readonly span: Span }
    | undefined;
}

/** `TUMBLINGWINDOW(ss, 5)` and its kin, as a dimension of GROUP BY. `name` is in lower case: `tumblingwindow`. */
export interface WindowCall extends Node, WindowModifiers {
  readonly kind: "window_call";
  readonly name: WindowFunctionName;
  readonly args: readonly (Expr | Star | TimeUnitLiteral)[];
}

export type WindowFunctionName =
  | "tumblingwindow"
  | "hoppingwindow"
  | "slidingwindow"
  | "sessionwindow"
  | "countwindow"
  | "statewindow";

/** A length in a clause-style window: `5 SECOND`. `unit` is undefined where the text has none. */
export interface WindowLength extends Node {
  readonly kind: "window_length";
  readonly count: bigint;
  readonly unit: TimeUnit | undefined;
}

/** `WINDOW TUMBLING (SIZE 5 SECOND)` and its kin. */
export interface WindowClause extends Node, WindowModifiers {
  readonly kind: "window_clause";
  readonly type: "tumbling" | "hopping" | "sliding" | "session" | "count";
  /** SIZE, or the session's gap. */
  readonly size: WindowLength;
  /** ADVANCE BY, or the session's longest duration. */
  readonly advance: WindowLength | undefined;
}

export interface SortItem extends Node {
  readonly kind: "sort";
  readonly expr: Expr;
  readonly descending: boolean;
}

export interface Select extends Node {
  readonly kind: "select";
  readonly items: readonly SelectItem[];
  readonly from: Source;
  readonly joins: readonly Join[];
  readonly where: Expr | undefined;
  /** In the order of the text; analyze refuses the second. */
  readonly windowClauses: readonly WindowClause[];
  readonly groupBy: readonly (Expr | WindowCall)[];
  readonly having: Expr | undefined;
  readonly orderBy: readonly SortItem[];
  readonly limit: { readonly count: bigint; readonly span: Span } | undefined;
}

// ---------------------------------------------------------------- streams and tables

export type ColumnType =
  | { readonly kind: "bigint" | "float" | "string" | "boolean" | "datetime" | "bytea" }
  | { readonly kind: "array"; readonly element: ColumnType }
  | { readonly kind: "struct"; readonly columns: readonly StructField[] };

/** A key of a struct; `default` is the value of its DEFAULT clause, which stands at `defaultSpan`. */
export interface StructField {
  readonly name: string;
  readonly type: ColumnType;
  readonly default?: Literal["value"];
  readonly defaultSpan?: Span;
}

export interface ColumnDefinition extends Node {
  readonly kind: "column";
  readonly name: Identifier;
  readonly type: ColumnType;
  readonly default: Literal | undefined;
}

/** One `KEY = value` of WITH. `key` is in upper case; `value` is the text, `true`/`false` or the digits. */
export interface StreamOption extends Node {
  readonly kind: "option";
  readonly key: string;
  readonly keySpan: Span;
  readonly value: string;
  readonly valueSpan: Span;
}

export interface CreateStatement extends Node {
  readonly kind: "create";
  readonly target: "stream" | "table";
  readonly name: Identifier;
  readonly columns: readonly ColumnDefinition[];
  readonly options: readonly StreamOption[];
}

export interface ShowStatement extends Node {
  readonly kind: "show";
  readonly target: "streams" | "tables";
}

/** DESCRIBE, EXPLAIN or DROP of one stream or table. */
export interface NamedStatement extends Node {
  readonly kind: "describe" | "explain" | "drop";
  readonly target: "stream" | "table";
  readonly name: Identifier;
}

export type Statement = Select | CreateStatement | ShowStatement | NamedStatement;
