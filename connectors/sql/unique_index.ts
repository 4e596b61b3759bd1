/**
 * Whether a table has the unique index that upserts and ids need: without one, MySQL would write rows twice in silence.
 * @module
 */
import type { Dialect } from "./dsn.ts";
import { type Session, SqlError } from "./session.ts";
import type { TableShape } from "./table_shape.ts";

const options = { rowsMax: 10_000 };

/** @throws {SqlError} `missing` when no unique index has exactly these columns; an operator can make one. */
export async function requireUnique(
  session: Session,
  dialect: Dialect,
  table: TableShape,
  columns: readonly string[],
): Promise<void> {
  const wanted = columns.map((name) => table.column(name)?.name ?? name);
  const key = [...wanted].sort().join("\0");
  const indexes = await uniqueIndexes(session, dialect, table.name);
  if (indexes.some((index) => [...index].sort().join("\0") === key)) return;
  throw new SqlError(
    "missing",
    `The table ${table.name} needs a primary key or a unique index on exactly ${wanted.join(", ")}`,
  );
}

/** The columns of each unique index. */
async function uniqueIndexes(session: Session, dialect: Dialect, table: string): Promise<readonly string[][]> {
  if (dialect === "sqlite") return await uniqueIndexesOfFile(session, table);
  const { rows } = dialect === "postgres"
    ? await session.run(
      "SELECT i.indexrelid AS number, a.attname AS name FROM pg_index i " +
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) " +
        "WHERE i.indrelid = $1::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL",
      [table],
      options,
    )
    : await session.run(`SHOW INDEX FROM ${table} WHERE Non_unique = 0`, [], options);
  const byIndex = Map.groupBy(rows, (row) => String(row.number ?? row.Key_name));
  return [...byIndex.values()].map((parts) => parts.map((row) => String(row.name ?? row.Column_name)));
}

async function uniqueIndexesOfFile(session: Session, table: string): Promise<readonly string[][]> {
  const name = table.replace(/^.*\./, "").slice(1, -1).replaceAll('""', '"');
  const { rows: columns } = await session.run("SELECT name FROM pragma_table_info(?) WHERE pk > 0", [name], options);
  const { rows } = await session.run(
    "SELECT l.name AS number, i.name AS name FROM pragma_index_list(?) l, pragma_index_info(l.name) i " +
      'WHERE l."unique" = 1 AND l.partial = 0',
    [name],
    options,
  );
  const byIndex = Map.groupBy(rows, (row) => String(row.number));
  const indexes = [...byIndex.values()].map((parts) => parts.map((row) => String(row.name)));
  // A whole-number key is the row's own number and has no index.
  return [columns.map((row) => String(row.name)), ...indexes];
}
