/**
 * What analyze needs to know about streams, tables and functions.
 * @module
 */
import type { ColumnDefinition } from "./ast.ts";
import type { SqlFunction } from "./functions/declare.ts";

/** A stream or table as SQL sees it. */
export interface SourceSchema {
  readonly name: string;
  readonly kind: "stream" | "scan_table" | "lookup_table";
  /** Undefined when schemaless. */
  readonly columns: readonly ColumnDefinition[] | undefined;
  readonly strictValidation: boolean;
  /** True when the format gives texts, whatever the columns are declared as. */
  readonly givesText?: boolean;
  /** The column of event time. */
  readonly timestamp: string | undefined;
  readonly timestampFormat: string | undefined;
  /** Of a scan table: how many of its newest rows are kept; all when absent. */
  readonly retainSize?: number;
}

export interface Catalog {
  source(name: string): SourceSchema | undefined;
  sourceNames(): Iterable<string>;
  /** How a source that is missing can be made to exist; `create it first with CREATE STREAM` when absent. */
  readonly missingHint?: string;
}

/** The functions a statement may call. */
export interface FunctionSet {
  /** Ignores case for built-in names. */
  lookup(name: string): SqlFunction | undefined;
  names(): Iterable<string>;
}
