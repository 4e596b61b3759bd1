/**
 * A lookup table that is a table of a database, or a statement of the user's.
 *
 * Questions that come together, as those of the rows of a batch do, are asked together. A file in this process is asked in
 * place. What the database finds is compared again, because many take `1` and `"1"`, or `a` and `A`, for equal, and rules
 * do not.
 * @module
 */
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { keyOf, type LookupKey, lookupKey } from "../../src/connector/lookup_key.ts";
import type { Lookup, LookupColumns, Struct, Value } from "../../src/connector/lookup.ts";
import { DateTime } from "../../src/value/datetime.ts";
import { getOwn } from "../../src/value/value.ts";
import { bound } from "./bind.ts";
import type { SqlConnection } from "./connection.ts";
import type { Dialect } from "./dsn.ts";
import { placeholder, quoted } from "./names.ts";
import { type Bound, type ColumnKind, type RunOptions, type Session, SqlError } from "./session.ts";
import { sqlTemplate, type Statement } from "./sql_template.ts";
import { readShape } from "./table_shape.ts";

export interface SqlLookupOptions {
  readonly connection: SqlConnection;
  readonly query: { readonly table: string } | { readonly template: string };
  /** Of one answer. */
  readonly rowsMax: number;
  readonly clock: Clock;
}

/** Questions of one kind: what they ask for is the same, but for the values. */
interface Form {
  readonly keys: readonly string[];
  readonly columns: LookupColumns;
  /** Waiting to be asked, by the key of their values. */
  readonly waiting: Map<LookupKey, Question>;
  /** Of the table as it was found last. */
  known: Known | undefined;
}

interface Known {
  /** The names of the key columns in the rows that are found. */
  readonly names: readonly string[];
  readonly kinds: readonly ColumnKind[];
  /** The statement for so many questions. */
  text(questions: number): string;
}

interface Question {
  readonly key: LookupKey;
  readonly values: readonly Value[];
  readonly answer: PromiseWithResolvers<readonly Struct[]>;
}

/** How many questions a statement may hold; those between are filled up, so that few statements are prepared. */
const sizes: readonly number[] = [1, 4, 16, 64, 256];
const none: readonly Struct[] = [];
/** A file that another process has locked. */
const locked = { tries: 40, pauseMs: 50 };

export class SqlLookup implements Lookup {
  readonly #options: SqlLookupOptions;
  readonly #statement: ((data: Struct) => Statement) | undefined;
  readonly #forms = new Map<string, Form>();
  readonly #runOptions: RunOptions;
  readonly #closing = new AbortController();
  /** Rules ask with the same two arrays every time. */
  #last: { readonly keys: readonly string[]; readonly columns: LookupColumns; readonly form: Form } | undefined;

  /** @throws {DiagnosticError} E409 for a template that cannot be read. */
  constructor(options: SqlLookupOptions) {
    this.#options = options;
    const { query, connection, rowsMax } = options;
    this.#runOptions = { rowsMax, isRepeated: true, isLimited: true };
    if ("template" in query) {
      this.#statement = sqlTemplate(connection.dialect, query.template, "templateSqlQueryCfg.templateSql");
    }
  }

  find(
    keys: readonly string[],
    values: readonly Value[],
    columns: LookupColumns,
    signal: AbortSignal,
  ): readonly Struct[] | Promise<readonly Struct[]> {
    signal.throwIfAborted();
    if (this.#statement !== undefined) return this.#findByTemplate(keys, values, signal);
    const key = lookupKey(values);
    if (key === undefined) return none;
    const form = this.#formOf(keys, columns);
    const found = this.#findNow(form, values, key);
    return found ?? this.#gather(form, values, key, signal);
  }

  #formOf(keys: readonly string[], columns: LookupColumns): Form {
    if (this.#last?.keys === keys && this.#last.columns === columns) return this.#last.form;
    const name = JSON.stringify([keys, columns]);
    let form = this.#forms.get(name);
    if (form === undefined) this.#forms.set(name, form = { keys, columns, waiting: new Map(), known: undefined });
    this.#last = { keys, columns, form };
    return form;
  }

  // ---------------------------------------------------------------- in place

  /** Undefined when it has to be waited for. */
  #findNow(form: Form, values: readonly Value[], key: LookupKey): readonly Struct[] | undefined {
    const session = this.#options.connection.now();
    const { known } = form;
    if (session?.runNow === undefined || known === undefined) return undefined;
    const bounds = values.map((value) => bound("sqlite", value));
    try {
      return fitting(known, session.runNow(known.text(1), bounds, this.#runOptions).rows, key);
    } catch {
      // It is asked again, and then says what it fails of.
      return undefined;
    }
  }

  // ---------------------------------------------------------------- together

  async #gather(
    form: Form,
    values: readonly Value[],
    key: LookupKey,
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    let question = form.waiting.get(key);
    if (question === undefined) {
      question = { key, values, answer: Promise.withResolvers() };
      if (form.waiting.size === 0) queueMicrotask(() => this.#flush(form));
      form.waiting.set(key, question);
    }
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    return await Promise.race([question.answer.promise, aborted])
      .finally(() => signal.removeEventListener("abort", abort));
  }

  #flush(form: Form): void {
    const questions = [...form.waiting.values()];
    form.waiting.clear();
    const most = sizes.at(-1)!;
    for (let at = 0; at < questions.length; at += most) void this.#answer(form, questions.slice(at, at + most));
  }

  async #answer(form: Form, questions: readonly Question[]): Promise<void> {
    const before = form.known;
    try {
      const found = await this.#patiently((session) => this.#askTogether(session, form, questions));
      for (const [i, { answer }] of questions.entries()) answer.resolve(found[i]!);
    } catch (error) {
      const isRefused = error instanceof SqlError && ["row", "statement", "missing"].includes(error.kind);
      // The table may be another one by now.
      if (isRefused && before !== undefined) {
        if (form.known === before) form.known = undefined;
        return await this.#answer(form, questions);
      }
      // One of the values may be the only one that the database does not take, or all together find too much.
      if (isRefused && questions.length > 1) {
        const half = questions.length >> 1;
        await Promise.all([questions.slice(0, half), questions.slice(half)].map((part) => this.#answer(form, part)));
        return;
      }
      // A value that cannot be of the column's type is not in it.
      if (error instanceof SqlError && error.kind === "row") return questions[0]!.answer.resolve(none);
      form.known = undefined;
      for (const { answer } of questions) answer.reject(lookupError(error));
    }
  }

  async #askTogether(session: Session, form: Form, questions: readonly Question[]): Promise<(readonly Struct[])[]> {
    const known = form.known ??= await this.#learn(session, form);
    const asked = questions.map(({ values }) => this.#boundsOf(known.kinds, values)).filter((bounds) =>
      bounds !== undefined
    );
    if (asked.length === 0) return questions.map(() => none);
    const size = sizes.find((each) => each >= asked.length)!;
    while (asked.length < size) asked.push(asked.at(-1)!);
    const { rows } = await session.run(known.text(size), asked.flat(), this.#runOptions);
    if (questions.length === 1) return [fitting(known, rows, questions[0]!.key)];
    const byKey = Map.groupBy(rows, (row) => keyIn(row, known.names));
    return questions.map(({ key }) => byKey.get(key) ?? none);
  }

  /** A locked file is tried for a while; a file has no time limit of its own. */
  async #patiently<T>(work: (session: Session) => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#options.connection.use(this.#closing.signal, work);
      } catch (error) {
        if (!(error instanceof SqlError) || error.kind !== "later" || tries === locked.tries) throw error;
        await this.#options.clock.sleep(locked.pauseMs, this.#closing.signal);
      }
    }
  }

  // ---------------------------------------------------------------- statements

  async #learn(session: Session, { keys, columns }: Form): Promise<Known> {
    const { connection: { dialect }, query, rowsMax } = this.#options;
    const shape = await readShape(session, dialect, (query as { table: string }).table);
    const missing = keys.find((name) => shape.column(name) === undefined);
    if (missing !== undefined) throw new SqlError("statement", `The table has no column ${JSON.stringify(missing)}`);
    const wanted = columns === "all"
      ? shape.columns.map(({ name }) => quoted(dialect, name))
      : [...new Set([...keys, ...columns])].filter((name) => shape.column(name) !== undefined)
        .map((name) => `${shape.quoted(name)} AS ${quoted(dialect, name)}`);
    const head = `SELECT ${wanted.join(", ")} FROM ${shape.name} WHERE `;
    const condition = conditionOf(dialect, keys.map((name) => shape.quoted(name)));
    const texts = new Map<number, string>();
    const text = (questions: number) => {
      let made = texts.get(questions);
      if (made === undefined) texts.set(questions, made = `${head}${condition(questions)} LIMIT ${rowsMax + 1}`);
      return made;
    };
    const names = columns === "all" ? keys.map((name) => shape.column(name)!.name) : [...keys];
    return { names, kinds: keys.map((name) => shape.kind(name)), text };
  }

  /** Undefined when one of the values is of a kind that its column never has. */
  #boundsOf(kinds: readonly ColumnKind[], values: readonly Value[]): Bound[] | undefined {
    const { dialect } = this.#options.connection;
    const bounds: Bound[] = [];
    for (const [i, value] of values.entries()) {
      const fitted = fit(kinds[i]!, value);
      if (fitted === undefined) return undefined;
      bounds.push(bound(dialect, fitted));
    }
    return bounds;
  }

  // ---------------------------------------------------------------- templates

  async #findByTemplate(
    keys: readonly string[],
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<readonly Struct[]> {
    const { text, values: bounds } = this.#statement!(Object.fromEntries(keys.map((name, i) => [name, values[i]])));
    const { rowsMax } = this.#options;
    try {
      const run = (session: Session) => session.run(text, bounds, { rowsMax });
      return (await this.#options.connection.use(signal, run)).rows;
    } catch (error) {
      throw lookupError(error);
    }
  }

  close(): Promise<void> {
    this.#closing.abort(new Disconnected("The table is closed"));
    return Promise.resolve();
  }
}

/** Makes the condition of so many questions: each column equals one of the values of its question. */
function conditionOf(dialect: Dialect, names: readonly string[]): (questions: number) => string {
  return (questions) => {
    let number = 0;
    const next = () => placeholder(dialect, ++number);
    if (names.length === 1) {
      const places = Array.from({ length: questions }, next);
      return questions === 1 ? `${names[0]} = ${places[0]}` : `${names[0]} IN (${places.join(", ")})`;
    }
    const parts = Array.from({ length: questions }, () => names.map((name) => `${name} = ${next()}`).join(" AND "));
    return parts.map((part) => `(${part})`).join(" OR ");
  };
}

function keyIn(row: Struct, names: readonly string[]): LookupKey | undefined {
  return names.length === 1 ? keyOf(getOwn(row, names[0]!)) : lookupKey(names.map((name) => getOwn(row, name)));
}

/** The rows that equal the question in weir's terms. */
function fitting({ names }: Known, rows: readonly Struct[], key: LookupKey): readonly Struct[] {
  return rows.every((row) => keyIn(row, names) === key) ? rows : rows.filter((row) => keyIn(row, names) === key);
}

/** A value as the column may have it; undefined when it cannot. */
function fit(kind: ColumnKind, value: Value): Value {
  const isNumber = typeof value === "number" || typeof value === "bigint";
  switch (kind) {
    case "int":
      // As a float it would be compared as one.
      return typeof value === "number" && Number.isInteger(value)
        ? BigInt(value)
        : typeof value === "bigint"
        ? value
        : undefined;
    case "float":
      return isNumber ? value : undefined;
    case "string":
      return typeof value === "string" ? value : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "datetime":
      if (value instanceof DateTime) return value;
      return isNumber ? new DateTime(Number(value), "UTC") : undefined;
    case "bytea":
    case "json":
      return undefined;
    case "any":
      return value;
  }
}

function lookupError(error: unknown): unknown {
  if (!(error instanceof SqlError)) return error;
  return error.kind === "disconnected" ? new Disconnected(error.message, { cause: error }) : error;
}
