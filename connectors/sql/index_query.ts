/**
 * The query of a source that reads a table along index columns: what stands behind the last row that was read.
 *
 * Several index columns are compared one after the other, as ORDER BY does it, so that rows that are equal in the first are
 * told apart by the next. Rows that are equal in all of them are given together or not at all: one that a limit left
 * out would never be behind the last row.
 * @module
 */
import type { Struct } from "../../src/connector/source.ts";
import { getOwn } from "../../src/value/value.ts";
import type { Dialect } from "./dsn.ts";
import { placeholder } from "./names.ts";
import type { Bound, ExactValue, Session } from "./session.ts";
import type { TableShape } from "./table_shape.ts";

/** Where a source stands: the values of its index columns, undefined for those that have none yet. */
export type IndexValues = readonly (ExactValue | undefined)[];

export interface IndexedRows {
  readonly rows: readonly Struct[];
  /** Of the last row. */
  readonly last: IndexValues;
  /** There may be more already. */
  readonly isFull: boolean;
}

export interface IndexQuery {
  readonly dialect: Dialect;
  readonly table: TableShape;
  /** At least one. */
  readonly indexes: readonly string[];
  /** Most rows of one result, but for those that are equal in all index columns. */
  readonly limit: number;
  /** Most of those. */
  readonly rowsMax: number;
}

/** Parts of a statement with the values in it. */
class Statement {
  readonly #dialect: Dialect;
  readonly values: Bound[] = [];
  text = "";

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  value(value: ExactValue): string {
    // As text MySQL would compare them as floats, which do not tell large ones apart.
    if (typeof value === "bigint") return value < 0n ? `(${value})` : String(value);
    this.values.push(value);
    return placeholder(this.#dialect, this.values.length);
  }
}

/** Reads what stands behind `from`. @throws {SqlError} */
export async function readIndexed(session: Session, query: IndexQuery, from: IndexValues): Promise<IndexedRows> {
  const { dialect, table, indexes, limit, rowsMax } = query;
  const names = indexes.map((name) => table.quoted(name));
  const exact = indexes.map((name) => table.column(name)?.name ?? name);
  const select = (condition: (statement: Statement) => string, rows: number) => {
    const statement = new Statement(dialect);
    const where = condition(statement);
    statement.text = `SELECT * FROM ${table.name} WHERE ${where} ORDER BY ${names.join(", ")}`;
    statement.text += ` LIMIT ${Math.min(rows, rowsMax + 1)}`;
    return session.run(statement.text, statement.values, { rowsMax, exact, isLimited: true });
  };
  // One more tells whether the limit divides rows that belong together.
  const found = await select((statement) => behind(statement, names, from), limit + 1);
  const keys = found.exact;
  if (keys.length <= limit) return { rows: found.rows, last: keys.at(-1) ?? from, isFull: false };
  let end = limit;
  while (end > 0 && isSame(keys[end - 1]!, keys[limit]!)) end--;
  if (end > 0) return { rows: found.rows.slice(0, end), last: keys[end - 1]!, isFull: true };
  const all = await select((statement) => equal(statement, names, keys[0]!), rowsMax + 1);
  return { rows: all.rows, last: keys[0]!, isFull: true };
}

function behind(statement: Statement, names: readonly string[], from: IndexValues): string {
  const given = from.every((value) => value !== undefined && value !== null);
  if (!given) {
    const parts = names.map((name, i) => {
      const value = from[i];
      return value === undefined || value === null ? `${name} IS NOT NULL` : `${name} > ${statement.value(value)}`;
    });
    return parts.join(" AND ");
  }
  const values = from as readonly ExactValue[];
  if (names.length === 1) return `${names[0]} > ${statement.value(values[0]!)}`;
  // The first condition alone is what an index of the table serves everywhere.
  const first = `${names[0]} >= ${statement.value(values[0]!)}`;
  return `${first} AND (${alternatives(statement, names, values)})`;
}

/** `a > 1 OR a = 1 AND b > 2 OR …` */
function alternatives(statement: Statement, names: readonly string[], values: readonly ExactValue[]): string {
  const parts = names.map((name, i) => {
    const before = names.slice(0, i).map((each, j) => `${each} = ${statement.value(values[j]!)}`);
    return [...before, `${name} > ${statement.value(values[i]!)}`].join(" AND ");
  });
  return parts.join(" OR ");
}

function equal(statement: Statement, names: readonly string[], values: readonly ExactValue[]): string {
  return names.map((name, i) => `${name} = ${statement.value(values[i]!)}`).join(" AND ");
}

function isSame(a: readonly ExactValue[], b: readonly ExactValue[]): boolean {
  return a.every((value, i) => value === b[i]);
}

/** The value of a column of a row, whatever its letter case. */
export function columnOf(row: Struct, name: string): ExactValue | undefined {
  const own = getOwn(row, name);
  const key = own === undefined ? Object.keys(row).find((each) => each.toLowerCase() === name.toLowerCase()) : name;
  const value = key === undefined ? undefined : getOwn(row, key);
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? value : undefined;
}
