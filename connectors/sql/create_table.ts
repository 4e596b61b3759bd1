/**
 * Makes the table of a sink out of the rows that it gets first.
 * @module
 */
import { getOwn, type Kind, kindOf } from "../../src/value/value.ts";
import type { Change, ChangeSettings } from "./change.ts";
import type { Dialect } from "./dsn.ts";
import { quoted, tableNames } from "./names.ts";

/** By the kind of the first value that a column has. */
const types: Readonly<Record<Dialect, Readonly<Record<Kind, string>>>> = {
  sqlite: {
    null: "TEXT",
    int: "INTEGER",
    float: "REAL",
    string: "TEXT",
    boolean: "BOOLEAN",
    datetime: "DATETIME",
    bytea: "BLOB",
    array: "JSON",
    struct: "JSON",
  },
  postgres: {
    null: "TEXT",
    int: "BIGINT",
    float: "DOUBLE PRECISION",
    string: "TEXT",
    boolean: "BOOLEAN",
    datetime: "TIMESTAMP(3) WITH TIME ZONE",
    bytea: "BYTEA",
    array: "JSONB",
    struct: "JSONB",
  },
  mysql: {
    null: "LONGTEXT",
    int: "BIGINT",
    float: "DOUBLE",
    string: "LONGTEXT",
    boolean: "BOOLEAN",
    datetime: "DATETIME(3)",
    bytea: "LONGBLOB",
    array: "JSON",
    struct: "JSON",
  },
};
/** A text in an index of MySQL must have an end. */
const keyText: Readonly<Record<Dialect, string>> = { sqlite: "TEXT", postgres: "TEXT", mysql: "VARCHAR(255)" };

/** `CREATE TABLE IF NOT EXISTS …`, with the key as primary key and the column of ids unique. */
export function createTable(table: string, changes: readonly Change[], settings: ChangeSettings): string {
  const { dialect, keys, idColumn } = settings;
  const kinds = new Map<string, Kind>();
  for (const { columns, row } of changes) {
    for (const name of columns) {
      const kind = kindOf(getOwn(row, name));
      if ((kinds.get(name) ?? "null") === "null") kinds.set(name, kind);
    }
  }
  const lines = [...kinds].map(([name, kind]) => {
    const isIndexed = keys.includes(name) || name === idColumn;
    const type = name === idColumn || isIndexed && (kind === "string" || kind === "null")
      ? keyText[dialect]
      : types[dialect][kind];
    return `${quoted(dialect, name)} ${type}${name === idColumn ? " NOT NULL UNIQUE" : ""}`;
  });
  if (keys.length > 0) lines.push(`PRIMARY KEY (${keys.map((name) => quoted(dialect, name)).join(", ")})`);
  return `CREATE TABLE IF NOT EXISTS ${tableNames(dialect, table)[0]} (${lines.join(", ")})`;
}
