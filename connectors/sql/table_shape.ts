/**
 * What a table in the database is like: its name as found, and its columns.
 *
 * Columns are found as they are written, and in another letter case where only one fits, since databases do not agree about
 * the case of names.
 * @module
 */
import type { Dialect } from "./dsn.ts";
import { quoted, tableNames } from "./names.ts";
import { type ColumnKind, type FoundColumn, type Session, SqlError } from "./session.ts";

export class TableShape {
  /** As it stands in statements. */
  readonly name: string;
  readonly columns: readonly FoundColumn[];
  readonly #dialect: Dialect;
  readonly #byName = new Map<string, FoundColumn>();

  constructor(dialect: Dialect, name: string, columns: readonly FoundColumn[]) {
    this.#dialect = dialect;
    this.name = name;
    this.columns = columns;
    const folded = Map.groupBy(columns, (column) => column.name.toLowerCase());
    for (const [lower, [column, ...others]] of folded) if (others.length === 0) this.#byName.set(lower, column!);
    for (const column of columns) this.#byName.set(column.name, column);
  }

  /** Undefined for one that the table does not have. */
  column(name: string): FoundColumn | undefined {
    return this.#byName.get(name) ?? this.#byName.get(name.toLowerCase());
  }

  /** The column as it stands in statements; one that is not there as it was asked for, so that the database says so. */
  quoted(name: string): string {
    return quoted(this.#dialect, this.column(name)?.name ?? name);
  }

  kind(name: string): ColumnKind {
    return this.column(name)?.kind ?? "any";
  }
}

/** @throws {SqlError} `missing` when there is no such table. */
export async function readShape(session: Session, dialect: Dialect, table: string): Promise<TableShape> {
  let missing: SqlError | undefined;
  for (const name of tableNames(dialect, table)) {
    try {
      const { columns } = await session.run(`SELECT * FROM ${name} WHERE 1 = 0`, [], { rowsMax: 1 });
      return new TableShape(dialect, name, columns);
    } catch (error) {
      if (!(error instanceof SqlError) || error.kind !== "missing") throw error;
      missing ??= error;
    }
  }
  throw missing;
}
