/**
 * The names a statement can use: its sources and their columns.
 * @module
 */
import { type Diagnostic, diagnostic, type Span } from "../../diagnostics/diagnostic.ts";
import { didYouMean } from "../../diagnostics/suggest.ts";
import type { ColumnDefinition, Source, Star } from "../ast.ts";
import type { Bound } from "../bound.ts";
import type { Catalog, SourceSchema } from "../catalog.ts";
import { typeOfColumn } from "../types.ts";

/** One source of FROM; both its name and its alias are valid everywhere. */
export interface ScopeSource {
  readonly name: string;
  readonly alias: string | undefined;
  readonly schema: SourceSchema;
  /** Where a statement names it; undefined in graphs. */
  readonly span?: Span;
  /** Columns the statement names, or `all`. Grows while expressions are bound. */
  wanted: Set<string> | "all";
}

/** For a source that is unknown: with any column, so that what else is wrong in the statement is told with it. */
function standIn(name: string): SourceSchema {
  const none = { columns: undefined, timestamp: undefined, timestampFormat: undefined };
  return { name, kind: "stream", strictValidation: false, ...none };
}

export class Scope {
  readonly sources: ScopeSource[] = [];
  readonly #report: (d: Diagnostic) => void;
  readonly #ignoreCase: boolean;

  constructor(from: readonly Source[], catalog: Catalog, report: (d: Diagnostic) => void, ignoreCase = false) {
    this.#report = report;
    this.#ignoreCase = ignoreCase;
    for (const source of from) {
      const schema = catalog.source(source.name.name);
      if (schema === undefined) {
        report(diagnostic("E201", `Unknown stream or table "${source.name.name}"`, {
          span: source.name.span,
          hint: didYouMean(source.name.name, catalog.sourceNames()) ?? catalog.missingHint ??
            "create it first with CREATE STREAM",
        }));
      }
      const { name } = source.name;
      const known = (source.alias ?? source.name).name;
      if (this.sources.some((s) => (s.alias ?? s.name) === known)) {
        report(diagnostic("E216", `"${known}" names two sources`, {
          span: (source.alias ?? source.name).span,
          hint: `give each its own name: ${name} AS other`,
        }));
      }
      this.sources.push({
        name,
        alias: source.alias?.name,
        schema: schema ?? standIn(name),
        span: source.name.span,
        wanted: new Set(),
      });
    }
  }

  /** True when every source declares its columns, so that unknown names can be refused. */
  get typed(): boolean {
    return this.sources.length > 0 && this.sources.every((s) => s.schema.columns !== undefined);
  }

  /** The position of a source by name or alias, or -1. */
  find(name: string): number {
    const byAlias = this.sources.findIndex((s) => s.alias === name);
    return byAlias !== -1 ? byAlias : this.sources.findIndex((s) => s.name === name);
  }

  want(source: number, column: string | "*"): void {
    for (const s of source === -1 ? this.sources : [this.sources[source]!]) {
      if (column === "*") s.wanted = "all";
      else if (s.wanted !== "all") s.wanted.add(column);
    }
  }

  /** The column that a schema declares by this name. */
  #declared({ columns }: SourceSchema, name: string): ColumnDefinition | undefined {
    const exact = columns?.find((c) => c.name.name === name);
    if (exact !== undefined || !this.#ignoreCase) return exact;
    return columns?.find((c) => c.name.name.toLowerCase() === name.toLowerCase());
  }

  /** A bare column name. */
  column(name: string, span: Span): Bound {
    if (this.sources.length === 1) return this.columnOf(0, name, span);
    if (!this.typed) {
      this.want(-1, name);
      return { kind: "column", source: -1, name, type: "unknown", span };
    }
    const owners = this.sources.flatMap((s, i) => (this.#declared(s.schema, name) === undefined ? [] : [i]));
    if (owners.length === 1) return this.columnOf(owners[0]!, name, span);
    if (owners.length > 1) {
      this.#report(diagnostic("E215", `Ambiguous column "${name}"`, {
        span,
        hint: `write ${owners.map((i) => `${this.sources[i]!.alias ?? this.sources[i]!.name}.${name}`).join(" or ")}`,
      }));
    } else if (this.sources.length > 0) {
      this.#unknown(name, span);
    }
    return { kind: "column", source: 0, name, type: "unknown", span };
  }

  /** The columns that EXCEPT names: where columns are declared, some source must have each. */
  checkExcept({ except, replace }: Star): void {
    if (!this.typed) return;
    for (const { name, span } of except) {
      const known = this.sources.some(({ schema }) => this.#declared(schema, name) !== undefined) ||
        replace.some((replacement) => replacement.name.name === name);
      if (!known) this.#unknown(name, span);
    }
  }

  #unknown(name: string, span: Span): void {
    const all = this.sources.flatMap((s) => s.schema.columns!.map((c) => c.name.name));
    this.#report(diagnostic("E204", `Cannot resolve column "${name}": no source of the statement has such a column`, {
      span,
      ...hintOf(didYouMean(name, all)),
    }));
  }

  /** Column `name` of the source at `position`. */
  columnOf(position: number, name: string, span: Span): Bound {
    const source = this.sources[position]!;
    this.want(position, name);
    const columns = source.schema.columns;
    if (columns === undefined) return { kind: "column", source: position, name, type: "unknown", span };
    const column = this.#declared(source.schema, name);
    if (column === undefined) {
      this.#report(diagnostic(
        "E204",
        `Cannot resolve column "${name}": ${
          source.schema.kind === "stream" ? "stream" : "table"
        } "${source.name}" has no such column`,
        { span, ...hintOf(didYouMean(name, columns.map((c) => c.name.name))) },
      ));
      return { kind: "column", source: position, name, type: "unknown", span };
    }
    return {
      kind: "column",
      source: position,
      name: column.name.name,
      type: typeOfColumn(column.type, source.schema),
      span,
    };
  }
}

/** Leaves the key out when there is no hint, so that diagnostics compare well in tests. */
export function hintOf(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
