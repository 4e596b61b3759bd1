/**
 * A session at MySQL or MariaDB, over the client `mysql2`.
 * @module
 */
import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import type { Struct, Value } from "../../src/connector/source.ts";
import { setOwn } from "../../src/value/value.ts";
import type { ServerSource } from "./dsn.ts";
import { endOnThrow } from "./end_on_throw.ts";
import { fromJson, readInt, readTime } from "./found_value.ts";
import { inTime } from "./in_time.ts";
import {
  type Bound,
  type ColumnKind,
  columnPlace,
  type ExactValue,
  type Found,
  type FoundColumn,
  type RunOptions,
  type Session,
  SqlError,
  type SqlErrorKind,
  tooManyRows,
} from "./session.ts";

// ---------------------------------------------------------------- what is used of the client

interface Field {
  readonly name: string;
  readonly columnType: number;
  readonly characterSet: number;
  /** `json` of a column of MariaDB, whose type alone does not say it. */
  readonly extendedFormat?: string;
}

type RawRow = readonly unknown[];

interface Command extends EventEmitter {
  on(event: "fields", listener: (fields: readonly Field[] | undefined) => void): this;
  on(event: "result", listener: (row: RawRow | object) => void): this;
  on(event: "error", listener: (error: MysqlError) => void): this;
  on(event: "end", listener: () => void): this;
}

interface MysqlError extends Error {
  readonly errno?: number;
  readonly code?: string;
  readonly sqlState?: string;
}

interface Connection extends EventEmitter {
  readonly stream: Duplex;
  query(sql: string): Command;
  execute(sql: string, values: readonly unknown[]): Command;
  end(callback: () => void): void;
  destroy(): void;
}

interface Mysql {
  createConnection(options: Readonly<Record<string, unknown>>): Connection;
}

/** The number of the character set of columns that hold bytes. */
const binary = 63;
/** Statements that a session keeps prepared at the server. */
const statementsMax = 100;

/** By the number of the type in the protocol; the others are texts, or bytes. */
const kinds: Readonly<Record<number, ColumnKind>> = {
  1: "int",
  2: "int",
  3: "int",
  8: "int",
  9: "int",
  13: "int",
  0: "float",
  4: "float",
  5: "float",
  246: "float",
  7: "datetime",
  10: "datetime",
  12: "datetime",
  14: "datetime",
  245: "json",
};
/** Bits come as bytes; the types that are texts in spite of a binary character set: times, enumerations. */
const texts: readonly number[] = [11, 247, 248];

const readers: Readonly<Partial<Record<ColumnKind, (value: unknown) => Value>>> = {
  int: (value) => readInt(value as string | number),
  float: Number,
  datetime: (value) => readTime(String(value)) ?? String(value),
  json: (value) => fromJson(String(value)),
  bytea: (value) => typeof value === "string" ? new Uint8Array(Buffer.from(value)) : new Uint8Array(value as Buffer),
};

// ---------------------------------------------------------------- opening

export type MysqlOptions = ServerSource & {
  /** False: without TLS. */
  readonly tlsOptions: ConnectionOptions | false;
};

export async function openMysql(
  options: MysqlOptions,
  signal: AbortSignal,
  onLost: (reason: string) => void,
): Promise<Session> {
  const mysql = (await import("mysql2")).default as unknown as Mysql;
  const { host, port, user, password, database, tlsOptions } = options;
  const connection = mysql.createConnection({
    ...(host.startsWith("/") ? { socketPath: host } : { host, port }),
    user,
    password,
    ...(database === "" ? {} : { database }),
    ...(tlsOptions === false ? {} : { ssl: { ...tlsOptions, verifyIdentity: tlsOptions.rejectUnauthorized === true } }),
    // The attempt has a time limit already.
    connectTimeout: 0,
    charset: "utf8mb4",
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
    maxPreparedStatements: statementsMax,
  });
  endOnThrow(connection.stream);
  const session = new MysqlSession(connection, onLost);
  const abort = () => session.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    await session.connected;
    await session.run("SET time_zone = '+00:00'", [], { rowsMax: 1 });
    return session;
  } catch (error) {
    session.destroy();
    if (signal.aborted) throw signal.reason;
    throw new SqlError("disconnected", `Cannot connect to MySQL: ${(error as Error).message}`, { cause: error });
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

class MysqlSession implements Session {
  readonly #connection: Connection;
  readonly connected: Promise<void>;
  isOpen = true;
  /** What the statement under way is told when the connection ends. */
  #fail: (error: Error) => void = () => {};

  constructor(connection: Connection, onLost: (reason: string) => void) {
    this.#connection = connection;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.connected = promise;
    promise.catch(() => {});
    const lose = (error: Error) => {
      reject(error);
      this.#fail(error);
      if (!this.isOpen) return;
      this.isOpen = false;
      onLost(error.message);
    };
    connection.on("connect", () => resolve());
    connection.on("error", lose);
    connection.on("end", () => lose(new Error("MySQL has ended the connection")));
  }

  run(sql: string, values: readonly Bound[], { rowsMax, exact = [] }: RunOptions): Promise<Found> {
    return new Promise((resolve, reject) => {
      let fields: readonly Field[] = [];
      const raw: RawRow[] = [];
      const fail = (error: MysqlError) => {
        this.#fail = () => {};
        reject(this.#failure(error));
      };
      this.#fail = fail;
      // Statements such as BEGIN cannot be prepared everywhere.
      const command = values.length === 0
        ? this.#connection.query(sql)
        : this.#connection.execute(sql, values.map(toParameter));
      command.on("fields", (found) => fields = found ?? []);
      command.on("result", (row) => {
        if (!Array.isArray(row)) return;
        if (raw.length < rowsMax) return void raw.push(row);
        reject(tooManyRows(rowsMax));
        // There is no other way to be spared the rest.
        this.destroy();
      });
      command.on("error", fail);
      command.on("end", () => {
        this.#fail = () => {};
        try {
          resolve(found(fields, raw, exact));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #failure(error: MysqlError): SqlError {
    if (error instanceof SqlError) return error;
    const kind = kindOfFailure(error);
    if (kind === "disconnected") this.destroy();
    return new SqlError(kind, error.message, { cause: error });
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await inTime(new Promise<void>((done) => this.#connection.end(() => done())));
    this.#connection.destroy();
  }

  destroy(): void {
    this.isOpen = false;
    this.#connection.destroy();
    this.#fail(new SqlError("disconnected", "The connection is closed"));
  }
}

/** Whole numbers as text, which keeps all digits; the client would make floats of them. */
function toParameter(value: Bound): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value;
}

function found(fields: readonly Field[], raw: readonly RawRow[], exact: readonly string[]): Found {
  const columns = fields.map((field): FoundColumn => ({ name: field.name, kind: kindOf(field) }));
  const reads = columns.map(({ kind }) => readers[kind] ?? ((value: unknown) => value as Value));
  const rows = raw.map((values) => {
    const row: Struct = {};
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      setOwn(row, columns[i]!.name, value === null || value === undefined ? null : reads[i]!(value));
    }
    return row;
  });
  const places = exact.map((name) => columnPlace(fields, name));
  const exactOf = (values: RawRow): ExactValue[] => places.map((place) => exactValue(columns[place], values[place]));
  return { columns, rows, exact: exact.length === 0 ? [] : raw.map(exactOf) };
}

function kindOf({ columnType, characterSet, extendedFormat }: Field): ColumnKind {
  const kind = kinds[columnType];
  if (kind !== undefined) return kind;
  if (extendedFormat === "json") return "json";
  return characterSet === binary && !texts.includes(columnType) ? "bytea" : "string";
}

function exactValue(column: FoundColumn | undefined, value: unknown): ExactValue {
  if (column === undefined || value === null || value === undefined) return null;
  if (column.kind === "int") return readInt(value as string | number);
  return typeof value === "string" || typeof value === "number" ? value : null;
}

function kindOfFailure({ errno, code, sqlState, message }: MysqlError): SqlErrorKind {
  // Lock waits, deadlocks, time limits, read-only servers, full disks, too many connections or statements.
  if ([1205, 1213, 3024, 1969, 1290, 1836, 1021, 1114, 1040, 1041, 1461, 1792].includes(errno ?? 0)) return "later";
  if (errno === 1062 || errno === 1586) return "unique";
  if ([1146, 1049, 1142, 1143, 1044].includes(errno ?? 0)) return "missing";
  if ([1054, 1364, 1366, 1265, 1292, 1264, 1406, 1690, 1644, 3140, 4025, 3819].includes(errno ?? 0)) return "row";
  if (/^(22|23|21)/.test(sqlState ?? "")) return "row";
  const isOfServer = errno !== undefined && errno >= 1000 && errno < 2000 || (errno ?? 0) >= 3000;
  const isLost = [1053, 1927, 1045, 1152, 1158, 1159, 1160, 1161].includes(errno ?? 0);
  if (isLost || !isOfServer && !/^ER_/.test(code ?? "") || /closed state/.test(message)) return "disconnected";
  return "statement";
}
