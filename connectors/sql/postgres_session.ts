/**
 * A session at PostgreSQL, over the client `pg`.
 * @module
 */
import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import { Socket } from "node:net";
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
  readonly dataTypeID: number;
}

type RawRow = readonly (string | null)[];

interface QueryConfig {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly name?: string;
  readonly rowMode: "array";
  readonly types: { getTypeParser(): (text: string) => string };
}

interface PgQuery extends EventEmitter {
  on(event: "row", listener: (row: RawRow) => void): this;
  on(event: "end", listener: (result: { readonly fields: readonly Field[] }) => void): this;
  on(event: "error", listener: (error: Error) => void): this;
}

interface PgClient extends EventEmitter {
  /** Emits `sslconnect` once its stream is that of TLS. */
  readonly connection: EventEmitter & { readonly stream: Duplex };
  connect(): Promise<void>;
  query(query: PgQuery): void;
  end(): Promise<void>;
}

interface Pg {
  readonly Client: new (options: Readonly<Record<string, unknown>>) => PgClient;
  readonly Query: new (config: QueryConfig) => PgQuery;
  readonly types: {
    readonly arrayParser: { create(text: string, transform: (item: string) => Value): { parse(): Value } };
  };
}

/** The client parses nothing: what columns are is looked up once per result, not per value. */
const asTexts = { getTypeParser: () => (text: string) => text };
/** Statements that a session keeps prepared at the server. */
const statementsMax = 100;

/** Texts of one column to values. */
type Reader = (text: string) => Value;

const text: Reader = (value) => value;
const datetime: Reader = (value) => readTime(value) ?? value;
const bytea: Reader = (value) => new Uint8Array(Buffer.from(value.slice(2), "hex"));

/** By the number of the type, those of `pg_type`, with that of lists of it. */
const types: readonly [kind: ColumnKind, read: Reader, oids: readonly number[], lists: readonly number[]][] = [
  ["int", readInt, [20, 21, 23, 26], [1016, 1005, 1007, 1028]],
  ["float", Number, [700, 701, 1700], [1021, 1022, 1231]],
  ["boolean", (value) => value === "t", [16], [1000]],
  ["datetime", datetime, [1082, 1114, 1184], [1182, 1115, 1185]],
  ["bytea", bytea, [17], [1001]],
  ["json", fromJson, [114, 3802], [199, 3807]],
  ["string", text, [25, 1043, 1042, 2950, 19, 18], [1009, 1015, 1014, 2951]],
];

const readers = new Map(types.flatMap(([kind, read, oids]) => oids.map((oid) => [oid, { kind, read }] as const)));
const listReaders = new Map(types.flatMap(([, read, , lists]) => lists.map((oid) => [oid, read] as const)));

// ---------------------------------------------------------------- opening

export type PostgresOptions = ServerSource & {
  /** False: without TLS. */
  readonly tlsOptions: ConnectionOptions | false;
};

export async function openPostgres(
  options: PostgresOptions,
  signal: AbortSignal,
  onLost: (reason: string) => void,
): Promise<Session> {
  const pg = (await import("pg")).default as unknown as Pg;
  const socket = new Socket();
  endOnThrow(socket);
  const client = new pg.Client({
    // Held here to be destroyed in any state: the client knows only the layer of TLS above it, or none any more.
    stream: () => socket,
    host: options.host,
    port: options.port,
    ...(options.user === "" ? {} : { user: options.user }),
    // A function, as an empty text would make the client look into the environment.
    password: () => options.password,
    ...(options.database === "" ? {} : { database: options.database }),
    ssl: options.tlsOptions,
    keepAlive: true,
    application_name: options.session.application_name ?? "weir",
    options: sessionOptions(options.session),
  });
  client.connection.on("sslconnect", () => endOnThrow(client.connection.stream));
  const session = new PostgresSession(pg, client, socket, onLost);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([client.connect(), aborted]);
    return session;
  } catch (error) {
    session.destroy();
    if (signal.aborted) throw signal.reason;
    throw new SqlError("disconnected", `Cannot connect to PostgreSQL: ${(error as Error).message}`, { cause: error });
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** All times in UTC and in the form of ISO, and quotes as the standard has them, whatever the server prefers. */
function sessionOptions(session: Readonly<Record<string, string>>): string {
  const { application_name: _, options = "", ...settings } = session;
  const all = {
    timezone: "UTC",
    datestyle: "ISO",
    bytea_output: "hex",
    standard_conforming_strings: "on",
    ...settings,
  };
  const escape = (value: string) => value.replaceAll(/[\\\s]/g, (sign) => `\\${sign}`);
  return [...Object.entries(all).map(([name, value]) => `-c ${name}=${escape(value)}`), options].join(" ").trim();
}

class PostgresSession implements Session {
  readonly #pg: Pg;
  readonly #client: PgClient;
  readonly #socket: Socket;
  readonly #names = new Map<string, string>();
  isOpen = true;

  constructor(pg: Pg, client: PgClient, socket: Socket, onLost: (reason: string) => void) {
    this.#pg = pg;
    this.#client = client;
    this.#socket = socket;
    const lose = (reason: string) => {
      if (!this.isOpen) return;
      this.isOpen = false;
      onLost(reason);
    };
    client.on("error", (error: Error) => lose(error.message));
    client.on("end", () => lose("PostgreSQL has ended the connection"));
  }

  run(sql: string, values: readonly Bound[], options: RunOptions): Promise<Found> {
    const { rowsMax, exact = [], isRepeated = false } = options;
    const name = isRepeated ? this.#nameOf(sql) : undefined;
    const query = new this.#pg.Query({
      text: sql,
      values,
      rowMode: "array",
      types: asTexts,
      ...(name === undefined ? {} : { name }),
    });
    return new Promise((resolve, reject) => {
      const raw: RawRow[] = [];
      query.on("row", (row) => {
        if (raw.length < rowsMax) return void raw.push(row);
        reject(tooManyRows(rowsMax));
        // There is no other way to be spared the rest.
        this.destroy();
      });
      query.on("error", (error) => reject(this.#failure(error)));
      query.on("end", ({ fields }) => {
        try {
          resolve(this.#found(fields, raw, exact));
        } catch (error) {
          reject(error);
        }
      });
      this.#client.query(query);
    });
  }

  #nameOf(sql: string): string | undefined {
    let name = this.#names.get(sql);
    if (name === undefined && this.#names.size < statementsMax) {
      name = `weir${this.#names.size}`;
      this.#names.set(sql, name);
    }
    return name;
  }

  #found(fields: readonly Field[], raw: readonly RawRow[], exact: readonly string[]): Found {
    const reads = fields.map(({ dataTypeID }) => this.#readerOf(dataTypeID));
    const columns = fields.map(({ name, dataTypeID }): FoundColumn => ({
      name,
      kind: readers.get(dataTypeID)?.kind ?? "any",
    }));
    const rows = raw.map((texts) => {
      const row: Struct = {};
      for (let i = 0; i < texts.length; i++) {
        const value = texts[i]!;
        setOwn(row, fields[i]!.name, value === null ? null : reads[i]!(value));
      }
      return row;
    });
    const places = exact.map((name) => columnPlace(fields, name));
    const exactOf = (texts: RawRow): ExactValue[] => places.map((place) => texts[place] ?? null);
    return { columns, rows, exact: exact.length === 0 ? [] : raw.map(exactOf) };
  }

  #readerOf(oid: number): Reader {
    const read = readers.get(oid)?.read;
    if (read !== undefined) return read;
    const item = listReaders.get(oid);
    return item === undefined ? text : (value) => this.#pg.types.arrayParser.create(value, item).parse();
  }

  #failure(error: Error): SqlError {
    const code = (error as { code?: string }).code ?? "";
    const kind = kindOfFailure(code);
    // Prepared statements that do not fit the tables any more are gone with the session.
    if (kind === "disconnected" || staleCodes.includes(code)) this.destroy();
    return new SqlError(kind, error.message, { cause: error });
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await inTime(this.#client.end().catch(() => {}));
    this.#socket.destroy();
  }

  destroy(): void {
    this.isOpen = false;
    this.#socket.destroy();
  }
}

const staleCodes: readonly string[] = ["0A000", "26000"];

/** By SQLSTATE; errors without one are those of the socket, and of the client when it has none. */
function kindOfFailure(code: string): SqlErrorKind {
  if (!/^[0-9A-Z]{5}$/.test(code) || /^(EPIPE|08...|57P..|28...|XX...)$/.test(code)) return "disconnected";
  // Serialization, deadlocks, locks, statements that were cancelled, resources, servers that only read for now.
  if (/^(40...|55P03|57014|53...|25006|58...)$/.test(code)) return "later";
  if (code === "23505") return "unique";
  if (/^(22...|23...|21...|44000|42703|42804|P0001)$/.test(code)) return "row";
  // Also a table that one may not use: an operator can mend it.
  if (/^(42P01|3F000|42501)$/.test(code)) return "missing";
  return staleCodes.includes(code) ? "later" : "statement";
}
