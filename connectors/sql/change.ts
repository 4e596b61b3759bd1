/**
 * What a row of a sink does to a table: which change, of which columns, to what values.
 * @module
 */
import type { Struct, Value } from "../../src/connector/source.ts";
import { getOwn } from "../../src/value/value.ts";
import { bound, UnboundValue } from "./bind.ts";
import type { Dialect } from "./dsn.ts";
import { plainName } from "./names.ts";
import type { Bound } from "./session.ts";

export const changeKinds = ["insert", "update", "upsert", "delete"] as const;

export type ChangeKind = typeof changeKinds[number];

export interface Change {
  readonly kind: ChangeKind;
  /** The columns that get values. Of a deletion those of the key. */
  readonly columns: readonly string[];
  /** Equal for changes that one statement can make. */
  readonly form: string;
  readonly values: readonly Bound[];
  /** The values of the key columns; empty without. */
  readonly key: readonly Bound[];
  readonly row: Struct;
}

export interface ChangeSettings {
  readonly dialect: Dialect;
  /** The columns to write; empty: those that a row has. */
  readonly fields: readonly string[];
  readonly keys: readonly string[];
  /** The column that says which change; empty: `kind` is that of all rows. */
  readonly rowkindField: string;
  readonly kind: ChangeKind;
  /** The column that gets the id of the message; empty without. */
  readonly idColumn: string;
}

/**
 * @param id of the message, in a rule that gives one
 * @throws {UnboundValue} with what is wrong with the row
 */
export function changeOf(row: Struct, settings: ChangeSettings, id: string | undefined): Change {
  const { dialect, keys, idColumn, rowkindField } = settings;
  const kind = rowkindField === "" ? settings.kind : kindOf(getOwn(row, rowkindField), rowkindField);
  const key = kind === "insert" ? [] : keys.map((name) => keyValue(row, name, dialect));
  if (kind === "delete") return { kind, columns: keys, form: kind, values: key, key, row };
  const columns = columnsOf(row, settings);
  const values = columns.map((name) => valueOf(row, name, dialect));
  if (id !== undefined && idColumn !== "" && kind !== "update") {
    const at = columns.indexOf(idColumn);
    if (at === -1) columns.push(idColumn);
    values[at === -1 ? values.length : at] = id;
  }
  if (columns.length === 0) throw new UnboundValue("the row has no columns");
  return { kind, columns, form: `${kind} ${columns.join("\0")}`, values, key, row };
}

/** The columns in the data are not the user's, who has written none of them: they must not become a part of a statement. */
function columnsOf(row: Struct, { fields, rowkindField }: ChangeSettings): string[] {
  if (fields.length > 0) return [...fields];
  const columns = Object.keys(row).filter((name) => name !== rowkindField);
  const bad = columns.find((name) => !plainName.test(name));
  if (bad !== undefined) {
    throw new UnboundValue(
      `${JSON.stringify(bad.slice(0, 60))} cannot be a column of a table: wanted letters, digits and _`,
    );
  }
  return columns;
}

function kindOf(value: Value, field: string): ChangeKind {
  if (value === undefined || value === null) return "insert";
  const kind = changeKinds.find((each) => each === value);
  if (kind !== undefined) return kind;
  const found = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : `a ${typeof value}`;
  throw new UnboundValue(`column "${field}" must be one of ${changeKinds.join(", ")}: found ${found}`);
}

function keyValue(row: Struct, name: string, dialect: Dialect): Bound {
  const value = valueOf(row, name, dialect);
  if (value === null) throw new UnboundValue(`column "${name}" must hold the key of the row: found nothing`);
  return value;
}

function valueOf(row: Struct, name: string, dialect: Dialect): Bound {
  try {
    return bound(dialect, getOwn(row, name));
  } catch (error) {
    if (!(error instanceof UnboundValue)) throw error;
    throw new UnboundValue(`column "${name}": ${error.message}`);
  }
}
