/**
 * Statements that a user writes as a template: the values in it stay values, whatever they hold.
 *
 * What the template prints is made to fit where it stands: a text outside of quotes becomes a parameter of the statement,
 * inside of quotes it is escaped, and in comments and other places where nothing can be made safe it is refused. The
 * template's own text is the user's and stays as it is.
 *
 * @example
 * ```ts
 * const statement = sqlTemplate("postgres", "SELECT * FROM t WHERE kind = {{.kind}} AND id > {{.id}}", "templateSql");
 * statement({ kind: "x' OR 1=1", id: 5n }); // { text: "… kind = $1 AND id > 5", values: ["x' OR 1=1"] }
 * ```
 * @module
 */
import type { Struct, Value } from "../../src/connector/source.ts";
import { compileTemplate } from "../../src/template/template.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { bound, timeText, UnboundValue } from "./bind.ts";
import type { Dialect } from "./dsn.ts";
import { placeholder } from "./names.ts";
import type { Bound } from "./session.ts";
import { SqlScanner } from "./sql_place.ts";

export interface Statement {
  readonly text: string;
  readonly values: readonly Bound[];
}

/**
 * Compiles a template; the closure throws UnboundValue or RowError for data that does not fit in it.
 *
 * @param path of the setting, for messages
 * @throws {DiagnosticError} E409
 */
export function sqlTemplate(dialect: Dialect, text: string, path: string): (data: Struct) => Statement {
  let scanner = new SqlScanner(dialect);
  let values: Bound[] = [];
  const fit = (printed: string, value: Value, before: string): string => {
    const place = scanner.read(before);
    if (place.kind === "closed") throw new UnboundValue(`a value cannot stand ${place.what}`);
    if (place.kind === "quoted") return inQuotes(dialect, printed, value, place);
    return inCode(value, (param) => {
      values.push(bound(dialect, param));
      return placeholder(dialect, values.length);
    });
  };
  const template = compileTemplate(text, { path, fit });
  return (data) => {
    scanner = new SqlScanner(dialect);
    values = [];
    return { text: template(data), values };
  };
}

/** Numbers stand as they are, so that the database does not take them for texts; all others become parameters. */
function inCode(value: Value, parameter: (value: Value) => string): string {
  if (value === undefined || value === null) return "NULL";
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  if (typeof value === "bigint" || typeof value === "number") {
    if (typeof value === "number" && !Number.isFinite(value)) throw new UnboundValue(`${value} is no number of SQL`);
    // Two minus signs would begin a comment.
    return value < 0 ? `(${value})` : String(value);
  }
  return parameter(value);
}

function inQuotes(
  dialect: Dialect,
  printed: string,
  value: Value,
  { sign, escapes }: { readonly sign: string; readonly escapes: boolean },
): string {
  if (value === undefined || value === null) throw new UnboundValue("there is no value for the quotes");
  const text = value instanceof DateTime ? timeText(dialect, value) : printed;
  if (text.includes("\0")) throw new UnboundValue("a text with a zero byte cannot stand in quotes");
  const doubled = text.replaceAll(sign, sign + sign);
  return escapes ? doubled.replaceAll("\\", "\\\\") : doubled;
}
