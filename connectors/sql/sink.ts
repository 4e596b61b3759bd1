/**
 * Writes rows to a table.
 *
 * A batch is one transaction. When the database refuses it because of its values, it is written in halves, down to the
 * messages that are refused; those fail, and all others are written, in their order.
 *
 * Invariant: the rows of one message are written together or not at all.
 * @module
 */
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected, ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import type { RowSink } from "../../src/connector/sink.ts";
import type { Struct } from "../../src/connector/source.ts";
import { UnboundValue } from "./bind.ts";
import { type Change, changeOf, type ChangeSettings } from "./change.ts";
import { statementsOf } from "./change_statements.ts";
import type { SqlConnection } from "./connection.ts";
import { createTable } from "./create_table.ts";
import { placeholder } from "./names.ts";
import { type Bound, type Session, SqlError } from "./session.ts";
import { readShape, type TableShape } from "./table_shape.ts";
import { requireUnique } from "./unique_index.ts";

export interface SqlSinkOptions extends ChangeSettings {
  readonly connection: SqlConnection;
  readonly table: string;
  readonly createsTable: boolean;
  readonly durability: OpenContext["durability"];
}

/** A message that can be written, and its place in the batch. */
interface Item {
  readonly index: number;
  readonly changes: readonly Change[];
}

/** The database cannot take it now: a lock, a deadlock. */
const busyMs = 200;
/** Somebody has to do something: make a table, grant a right, make room. */
const mendMs = 5000;
const noRows = { rowsMax: 10_000, isRepeated: true };

export class SqlSink implements RowSink {
  readonly #options: SqlSinkOptions;
  #shape: TableShape | undefined;

  constructor(options: SqlSinkOptions) {
    this.#options = options;
  }

  async write(batch: readonly (readonly Struct[])[], signal: AbortSignal, ids?: readonly string[]): Promise<void> {
    signal.throwIfAborted();
    const failed = new Map<number, string>();
    const items = this.#itemsOf(batch, ids, failed);
    if (items.length > 0) {
      try {
        await this.#options.connection.use(signal, (session) => this.#writeItems(session, items, failed));
      } catch (error) {
        throw sinkError(error);
      }
    }
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  #itemsOf(
    batch: readonly (readonly Struct[])[],
    ids: readonly string[] | undefined,
    failed: Map<number, string>,
  ): Item[] {
    const items: Item[] = [];
    for (const [index, rows] of batch.entries()) {
      try {
        // The first row has the id itself, so that it can be found where each message is a row.
        const idOf = (n: number) => ids === undefined ? undefined : n === 0 ? ids[index]! : `${ids[index]}/${n}`;
        const changes = rows.map((row, n) => changeOf(row, this.#options, idOf(n)));
        if (changes.length > 0) items.push({ index, changes });
      } catch (error) {
        if (!(error instanceof UnboundValue)) throw error;
        failed.set(index, `Cannot write a row: ${error.message}`);
      }
    }
    return items;
  }

  async #writeItems(session: Session, items: readonly Item[], failed: Map<number, string>): Promise<void> {
    const changes = items.flatMap((item) => item.changes);
    await this.#prepare(session, changes);
    if (this.#options.durability === "power" && this.#options.dialect === "sqlite") {
      await session.run("PRAGMA synchronous = FULL", [], noRows);
    }
    await this.#writeOrDivide(session, items, failed);
  }

  /** Sees to it that the table is there, and that its columns are known. */
  async #prepare(session: Session, changes: readonly Change[]): Promise<void> {
    const { dialect, table, createsTable, keys, idColumn } = this.#options;
    const isKnown = (shape: TableShape) =>
      changes.every(({ columns }) => columns.every((name) => shape.column(name) !== undefined));
    if (this.#shape !== undefined && isKnown(this.#shape)) return;
    let shape: TableShape;
    try {
      shape = await readShape(session, dialect, table);
    } catch (error) {
      const isMissing = error instanceof SqlError && error.kind === "missing";
      if (!isMissing || !createsTable) throw error;
      await session.run(createTable(table, changes, this.#options), [], noRows);
      shape = await readShape(session, dialect, table);
    }
    // Some databases take the name of a column that is not there for a text.
    const lost = keys.find((name) => shape.column(name) === undefined);
    if (lost !== undefined) {
      throw new SqlError("missing", `The table ${shape.name} has no column ${JSON.stringify(lost)}`);
    }
    if (this.#shape === undefined) {
      // Rules with `qos` 0 give no ids.
      const hasIds = changes.some(({ columns }) => idColumn !== "" && columns.includes(idColumn));
      if (hasIds) await requireUnique(session, dialect, shape, [idColumn]);
      if (changes.some(({ kind }) => kind === "upsert")) await requireUnique(session, dialect, shape, keys);
    }
    this.#shape = shape;
  }

  async #writeOrDivide(session: Session, items: readonly Item[], failed: Map<number, string>): Promise<void> {
    try {
      return await this.#writeTogether(session, items.flatMap((item) => item.changes));
    } catch (error) {
      if (!(error instanceof SqlError) || !["row", "unique", "statement"].includes(error.kind)) {
        this.#shape = undefined;
        throw error;
      }
      if (items.length === 1) return void failed.set(items[0]!.index, error.message);
    }
    const half = items.length >> 1;
    await this.#writeOrDivide(session, items.slice(0, half), failed);
    await this.#writeOrDivide(session, items.slice(half), failed);
  }

  async #writeTogether(session: Session, changes: readonly Change[]): Promise<void> {
    try {
      await this.#transaction(session, changes);
    } catch (error) {
      const { dialect, idColumn } = this.#options;
      // The other databases leave out by themselves what is there.
      if (dialect !== "mysql" || idColumn === "" || !(error instanceof SqlError) || error.kind !== "unique") {
        throw error;
      }
      const fresh = await this.#withoutWritten(session, changes);
      if (fresh.length === changes.length) throw error;
      await this.#transaction(session, fresh);
    }
  }

  /** One statement is a transaction by itself. */
  async #transaction(session: Session, changes: readonly Change[]): Promise<void> {
    const { dialect, keys, idColumn } = this.#options;
    const statements = statementsOf(changes, { dialect, table: this.#shape!, keys, idColumn });
    if (statements.length <= 1) {
      for (const { text, values } of statements) await session.run(text, values, noRows);
      return;
    }
    await session.run(dialect === "sqlite" ? "BEGIN IMMEDIATE" : "BEGIN", [], noRows);
    try {
      for (const { text, values } of statements) await session.run(text, values, noRows);
      await session.run("COMMIT", [], noRows);
    } catch (error) {
      // A session that cannot even do that must not be used any more.
      if (session.isOpen) await session.run("ROLLBACK", [], noRows).catch(() => session.destroy());
      throw error;
    }
  }

  /** The changes whose ids are not in the table yet. */
  async #withoutWritten(session: Session, changes: readonly Change[]): Promise<readonly Change[]> {
    const { dialect, idColumn } = this.#options;
    const idOf = ({ kind, columns, values }: Change): Bound | undefined =>
      kind === "insert" ? values[columns.indexOf(idColumn)] : undefined;
    const ids = changes.map(idOf).filter((id) => id !== undefined);
    const name = this.#shape!.quoted(idColumn);
    const places = ids.map((_, i) => placeholder(dialect, i + 1)).join(", ");
    const { exact } = await session.run(
      `SELECT ${name} FROM ${this.#shape!.name} WHERE ${name} IN (${places})`,
      ids,
      { rowsMax: ids.length, exact: [this.#shape!.column(idColumn)!.name] },
    );
    const written = new Set(exact.map(([id]) => id));
    return changes.filter((change) => {
      const id = idOf(change);
      return id === undefined || !written.has(String(id));
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function sinkError(error: unknown): unknown {
  if (!(error instanceof SqlError)) return error;
  const { kind, message } = error;
  if (kind === "disconnected") return new Disconnected(message, { cause: error });
  if (kind === "later") return new RetryLater(message, /full/i.test(message) ? mendMs : busyMs, { cause: error });
  if (kind === "missing") return new RetryLater(message, mendMs, { cause: error });
  return error;
}
