/**
 * Names of tables and columns in statements.
 * @module
 */
import { refuseSetting } from "../../src/connector/settings.ts";
import type { Dialect } from "./dsn.ts";

/** What a column may be called that only the data names. */
export const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Makes any text a name, and nothing but a name. */
export function quoted(dialect: Dialect, name: string): string {
  const sign = dialect === "mysql" ? "`" : '"';
  return `${sign}${name.replaceAll(sign, sign + sign)}${sign}`;
}

const part = /(?:"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|\[([^\]]+)\]|([^."`[\]]+))(\.|$)/y;

/**
 * The forms that a configured table may have in statements: as it is written, and, of PostgreSQL, in lower case, which is
 * what it makes of names without quotes. A schema stands before a point; quotes may be written and keep a point in a name.
 *
 * @throws {DiagnosticError} E403
 */
export function tableNames(dialect: Dialect, table: string, setting = "table"): string[] {
  const names: string[] = [];
  let isFolded = false;
  part.lastIndex = 0;
  for (let end = false; !end;) {
    const match = part.exec(table.trim());
    const name = match?.[1]?.replaceAll('""', '"') ?? match?.[2]?.replaceAll("``", "`") ?? match?.[3] ?? match?.[4];
    if (match === null || name === undefined || names.length === 3 || name.includes("\0")) {
      refuseSetting(
        setting,
        `Cannot read ${JSON.stringify(table)} as the name of a table: wanted table or schema.table`,
      );
    }
    names.push(name);
    isFolded ||= match[4] !== undefined && match[4] !== match[4].toLowerCase();
    end = match[5] === "";
  }
  const form = (each: readonly string[]) => each.map((name) => quoted(dialect, name)).join(".");
  const forms = [form(names)];
  if (dialect === "postgres" && isFolded) forms.push(form(names.map((name) => name.toLowerCase())));
  return forms;
}

/** Where a value stands in a statement. */
export function placeholder(dialect: Dialect, number: number): string {
  return dialect === "postgres" ? `$${number}` : "?";
}
