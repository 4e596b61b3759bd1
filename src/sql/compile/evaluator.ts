/**
 * What a compiled expression is.
 * @module
 */
import type { Row } from "../../value/row.ts";
import type { Value } from "../../value/value.ts";
import type { RuleContext } from "../functions/declare.ts";

/** A compiled expression: pure row work. Throws `RowError` when the row cannot be evaluated. */
export type Evaluator = (row: Row) => Value;

/** A compiled condition: true keeps; null counts as false. Throws `RowError` E504 for anything but a boolean. */
export type Condition = (row: Row) => boolean;

/** What has passed a clause before. */
export interface Hits {
  readonly count: bigint;
  /** When it passed last, Unix milliseconds; 0 before. */
  readonly time: bigint;
}

/** What compiled code may ask the running rule. */
export interface CompileContext {
  readonly rule: RuleContext;
  /** True when a column that a row has not may be one written in other letters. */
  readonly ignoreCase?: boolean;
  /** True when rows are of several sources, or joined ones. */
  readonly severalSources?: boolean;
  /** Slots of aliases to empty where a row leaves a window or is given aggregates; see `StatementPlan`. */
  readonly changingSlots: readonly number[];
  /** Of the clause that is compiled; absent where none are counted. */
  readonly hits?: Hits;
}
