/**
 * The statements that make changes: many rows with one, where they have the same columns and follow each other.
 *
 * Numbers of rows are powers of two, so that the statements of all batches are a few, which the server keeps prepared.
 * @module
 */
import type { Change } from "./change.ts";
import type { Dialect } from "./dsn.ts";
import { placeholder } from "./names.ts";
import type { Bound } from "./session.ts";
import type { TableShape } from "./table_shape.ts";

export interface ChangeStatement {
  readonly text: string;
  readonly values: readonly Bound[];
}

export interface StatementSettings {
  readonly dialect: Dialect;
  readonly table: TableShape;
  readonly keys: readonly string[];
  readonly idColumn: string;
}

/** Values in one statement, below the limits of all databases; a file gains nothing from more. */
const valuesMax: Readonly<Record<Dialect, number>> = { sqlite: 500, postgres: 16_000, mysql: 16_000 };
const rowsMax = 512;

/** In their order, as few statements as it allows. */
export function statementsOf(changes: readonly Change[], settings: StatementSettings): ChangeStatement[] {
  const statements: ChangeStatement[] = [];
  for (let start = 0; start < changes.length;) {
    let end = start + 1;
    while (end < changes.length && changes[end]!.form === changes[start]!.form) end++;
    const run = changes.slice(start, end);
    statements.push(...statementsOfRun(run[0]!.kind === "upsert" ? lastOfEachKey(run) : run, settings));
    start = end;
  }
  return statements;
}

/** One statement may not write a row twice; the last values are the ones that would stay. */
function lastOfEachKey(changes: readonly Change[]): readonly Change[] {
  const byKey = new Map<string, Change>();
  for (const change of changes) {
    const key = change.key.map((value) => `${typeof value} ${String(value)}`).join("\0");
    byKey.delete(key);
    byKey.set(key, change);
  }
  return byKey.size === changes.length ? changes : [...byKey.values()];
}

function statementsOfRun(changes: readonly Change[], settings: StatementSettings): ChangeStatement[] {
  const { kind, values } = changes[0]!;
  if (kind === "update") return changes.flatMap((change) => updateOf(change, settings));
  const width = Math.max(1, values.length);
  const most = Math.max(1, Math.min(rowsMax, Math.floor(valuesMax[settings.dialect] / width)));
  const statements: ChangeStatement[] = [];
  for (let at = 0; at < changes.length;) {
    const size = 2 ** Math.floor(Math.log2(Math.min(most, changes.length - at)));
    const part = changes.slice(at, at + size);
    const text = kind === "delete" ? deletion(size, settings) : insertion(part[0]!, size, settings);
    statements.push({ text, values: part.flatMap((change) => change.values) });
    at += size;
  }
  return statements;
}

function places(dialect: Dialect, width: number, rows: number): string[] {
  let number = 0;
  const row = () => Array.from({ length: width }, () => placeholder(dialect, ++number)).join(", ");
  return Array.from({ length: rows }, () => `(${row()})`);
}

function insertion(
  { kind, columns }: Change,
  rows: number,
  { dialect, table, keys, idColumn }: StatementSettings,
): string {
  const names = columns.map((name) => table.quoted(name));
  const text = `INSERT INTO ${table.name} (${names.join(", ")}) VALUES ${
    places(dialect, names.length, rows).join(", ")
  }`;
  if (kind === "insert") {
    const isTold = dialect !== "mysql" && idColumn !== "" && columns.includes(idColumn);
    return isTold ? `${text} ON CONFLICT (${table.quoted(idColumn)}) DO NOTHING` : text;
  }
  const keyNames = keys.map((name) => table.quoted(name));
  const others = names.filter((name) => !keyNames.includes(name));
  if (dialect === "mysql") {
    const set = others.length === 0
      ? [`${keyNames[0]} = ${keyNames[0]}`]
      : others.map((name) => `${name} = VALUES(${name})`);
    return `${text} ON DUPLICATE KEY UPDATE ${set.join(", ")}`;
  }
  const target = `${text} ON CONFLICT (${keyNames.join(", ")}) DO`;
  return others.length === 0
    ? `${target} NOTHING`
    : `${target} UPDATE SET ${others.map((name) => `${name} = excluded.${name}`).join(", ")}`;
}

function updateOf({ columns, values, key }: Change, { dialect, table, keys }: StatementSettings): ChangeStatement[] {
  const set: string[] = [];
  const bounds: Bound[] = [];
  const equals = (name: string, value: Bound) => {
    bounds.push(value);
    return `${table.quoted(name)} = ${placeholder(dialect, bounds.length)}`;
  };
  for (const [i, name] of columns.entries()) if (!keys.includes(name)) set.push(equals(name, values[i]!));
  // Nothing but the key: there is nothing to change.
  if (set.length === 0) return [];
  const where = keys.map((name, i) => equals(name, key[i]!));
  return [{ text: `UPDATE ${table.name} SET ${set.join(", ")} WHERE ${where.join(" AND ")}`, values: bounds }];
}

function deletion(rows: number, { dialect, table, keys }: StatementSettings): string {
  const names = keys.map((name) => table.quoted(name));
  const all = places(dialect, names.length, rows);
  if (names.length === 1) {
    return `DELETE FROM ${table.name} WHERE ${names[0]} IN (${all.map((each) => each.slice(1, -1)).join(", ")})`;
  }
  let number = 0;
  const conditions = all.map(() => names.map((name) => `${name} = ${placeholder(dialect, ++number)}`).join(" AND "));
  return `DELETE FROM ${table.name} WHERE ${conditions.map((each) => `(${each})`).join(" OR ")}`;
}
