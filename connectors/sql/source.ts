/**
 * Asks a database again and again, and gives what is new.
 *
 * Invariant: with index columns, what one query gives and the place behind it are one batch, so that a position is never in
 * front of rows that nobody has taken. A connection that is lost is the connection's matter: the source stays where it
 * stands and asks again.
 * @module
 */
import type { OpenContext } from "../../src/connector/declare.ts";
import { RetryLater } from "../../src/connector/errors.ts";
import type { RowBatch, Source, Struct } from "../../src/connector/source.ts";
import { UnboundValue } from "./bind.ts";
import type { SqlConnection } from "./connection.ts";
import { columnOf, type IndexedRows, type IndexValues, readIndexed } from "./index_query.ts";
import { parsePosition, printPosition } from "./position.ts";
import { type ExactValue, type Session, SqlError } from "./session.ts";
import { sqlTemplate, type Statement } from "./sql_template.ts";
import { readShape, type TableShape } from "./table_shape.ts";

/** A column that grows from row to row, and the value to begin behind. */
export interface SourceIndex {
  readonly name: string;
  readonly from: ExactValue | undefined;
}

export interface SqlSourceOptions {
  readonly connection: SqlConnection;
  /** What to ask: a table, or a template for the whole statement. */
  readonly query: { readonly table: string } | { readonly template: string };
  readonly indexes: readonly SourceIndex[];
  /** Rows of one result; undefined: as many as there are, in several results. */
  readonly limit: number | undefined;
  readonly rowsMax: number;
  readonly intervalMs: number;
  readonly context: Pick<OpenContext, "clock" | "log" | "keepsPosition" | "position">;
}

/** Rows of one result without a limit of the user. */
const pageRows = 1000;
/** A database that cannot be asked now is asked again after so long, at least. */
const retryMs = 1000;

export class SqlSource implements Source {
  readonly #options: SqlSourceOptions;
  readonly #statement: ((data: Struct) => Statement) | undefined;
  /** What a position is of. */
  readonly #of: readonly string[];
  #shape: TableShape | undefined;
  #values: IndexValues;
  #due: number;

  /** @throws {DiagnosticError} E409 for a template that cannot be read. */
  constructor(options: SqlSourceOptions) {
    const { query, indexes, connection, context } = options;
    this.#options = options;
    const names = indexes.map(({ name }) => name);
    if ("template" in query) {
      this.#statement = sqlTemplate(connection.dialect, query.template, "templateSqlQueryCfg.templateSql");
      this.#of = ["template", ...names];
    } else this.#of = [query.table, ...names];
    this.#due = context.clock.now();
    this.#values = indexes.map(({ from }) => from);
    if (context.position === undefined) return;
    const kept = parsePosition(context.position, this.#of);
    if (kept?.length === indexes.length) this.#values = kept;
    else context.log.warn("A table is read from its start: the position makes no sense, or is that of another query");
  }

  async read(signal: AbortSignal): Promise<RowBatch> {
    const { context: { clock, keepsPosition }, indexes, intervalMs, limit } = this.#options;
    while (true) {
      signal.throwIfAborted();
      // A clock that was set back makes no pause longer than it should be.
      const wait = Math.min(this.#due - clock.now(), intervalMs);
      if (wait > 0) await clock.sleep(wait, signal);
      const { rows, last, isFull } = await this.#ask(signal);
      const now = clock.now();
      const goesOn = isFull && limit === undefined;
      this.#due = goesOn ? now : Math.max(now, Math.min(this.#due, now) + intervalMs);
      if (rows.length === 0) continue;
      this.#values = last;
      const isKept = keepsPosition === true && indexes.length > 0;
      return { kind: "rows", rows, ...(isKept ? { position: printPosition(this.#of, last) } : {}) };
    }
  }

  async #ask(signal: AbortSignal): Promise<IndexedRows> {
    try {
      return await this.#options.connection.use(signal, (session) => this.#query(session));
    } catch (error) {
      if (!(error instanceof SqlError) && !(error instanceof UnboundValue)) throw error;
      // The table may have been changed.
      this.#shape = undefined;
      const isPassing = error instanceof SqlError && (error.kind === "disconnected" || error.kind === "later");
      const pause = isPassing ? retryMs : Math.max(retryMs, this.#options.intervalMs);
      throw new RetryLater(`Cannot query the database: ${error.message}`, pause, { cause: error });
    }
  }

  async #query(session: Session): Promise<IndexedRows> {
    const { connection: { dialect }, query, indexes, limit, rowsMax } = this.#options;
    if ("template" in query) return await this.#queryByTemplate(session);
    const table = this.#shape ??= await readShape(session, dialect, query.table);
    if (indexes.length > 0) {
      const names = indexes.map(({ name }) => name);
      // Some databases take the name of a column that is not there for a text.
      const missing = names.find((name) => table.column(name) === undefined);
      if (missing !== undefined) throw new SqlError("statement", `the table has no column ${JSON.stringify(missing)}`);
      const rows = Math.min(limit ?? pageRows, rowsMax - 1);
      return await readIndexed(session, { dialect, table, indexes: names, limit: rows, rowsMax }, this.#values);
    }
    const end = limit === undefined ? "" : ` LIMIT ${limit}`;
    const { rows } = await session.run(`SELECT * FROM ${table.name}${end}`, [], {
      rowsMax: Math.max(rowsMax, limit ?? 0),
    });
    return { rows, last: [], isFull: false };
  }

  async #queryByTemplate(session: Session): Promise<IndexedRows> {
    const { indexes, rowsMax } = this.#options;
    const { text, values } = this.#statement!(
      Object.fromEntries(indexes.map(({ name }, i) => [name, this.#values[i]])),
    );
    const exact = indexes.map(({ name }) => name);
    const { columns, rows, exact: keys } = await session.run(text, values, { rowsMax, exact });
    const given = new Set(columns.map(({ name }) => name.toLowerCase()));
    const missing = exact.find((name) => !given.has(name.toLowerCase()));
    if (missing !== undefined) {
      throw new SqlError("statement", `the statement gives no column ${JSON.stringify(missing)}`);
    }
    const last = keys.reduce<IndexValues>((most, key, i) => {
      // Of numbers the value that a template can compute with.
      const typed = key.map((value, j) => columnOf(rows[i]!, exact[j]!) ?? value);
      return isBehind(typed, most) ? typed : most;
    }, this.#values);
    return { rows, last, isFull: false };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Greater in the first value in which they differ. */
function isBehind(values: IndexValues, others: IndexValues): boolean {
  for (const [i, value] of values.entries()) {
    const other = others[i];
    if (value === undefined || value === null) return false;
    if (other === undefined || other === null || value > comparable(other, value)) return true;
    if (value < comparable(other, value)) return false;
  }
  return false;
}

/** A value of the configuration may be the text of a number. */
function comparable(value: string | number | bigint, as: ExactValue): string | number | bigint {
  if (typeof value === "string" && typeof as !== "string" && value.trim() !== "") {
    const number = Number(value);
    if (!Number.isNaN(number)) return number;
  }
  return typeof as === "string" ? String(value) : value;
}
