/**
 * The connection of the `sql` connector: its settings, and the pool of sessions that they make.
 * @module
 */
import { resolve } from "node:path";
import type { ConnectionOptions } from "node:tls";
import * as v from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { duration, integer, text } from "../../src/connector/settings.ts";
import { tlsEntries, tlsOptions } from "../../src/connector/tls_settings.ts";
import { type Dialect, parseDsn, type ServerSource, type TlsMode } from "./dsn.ts";
import { type Connect, SessionPool } from "./pool.ts";
import { type Session, SqlError } from "./session.ts";

/** Settings of the connection to a database. */
export const connectionSettings = v.strictObject({
  dburl: text({
    description:
      "Which database: `sqlite:FILE` (relative to the data directory), `postgres://user:password@host:5432/db`, " +
      "`mysql://user:password@host:3306/db`, also as `user:password@tcp(host:3306)/db`.",
    aliases: ["url"],
    secret: true,
  }),
  maxConnections: integer({
    description: "Most sessions at a server that are open at once. A file has one.",
    default: 8,
    min: 1,
    max: 100,
  }),
  connectTimeout: duration({ description: "Longest wait for a session.", default: 10_000, min: 10 }),
  queryTimeout: duration({
    description: "A server that has not answered a statement after so long counts as lost.",
    default: 30_000,
    min: 10,
  }),
  ...tlsEntries,
});

export type ConnectionSettings = v.InferOutput<typeof connectionSettings>;

/** Finds what is wrong with the settings without connecting. @throws {DiagnosticError} E403, E404, E408. */
export function checkConnection(settings: ConnectionSettings): void {
  const source = parseDsn(settings.dburl);
  if (source.dialect !== "sqlite") tlsOf(source, settings);
}

/** A database as sources, lookups and sinks use it. */
export class SqlConnection {
  readonly dialect: Dialect;
  readonly #pool: SessionPool;

  /** @throws {DiagnosticError} for settings that can never work. */
  constructor(settings: ConnectionSettings, context: ConnectorContext) {
    const source = parseDsn(settings.dburl);
    this.dialect = source.dialect;
    const connect = source.dialect === "sqlite"
      ? fileOpener(context.resolvePath?.(source.path) ?? resolve(source.path), source.isReadOnly)
      : serverOpener(source, tlsOf(source, settings));
    this.#pool = new SessionPool({
      connect,
      sessionsMax: source.dialect === "sqlite" ? 1 : settings.maxConnections,
      connectTimeoutMs: settings.connectTimeout,
      queryTimeoutMs: settings.queryTimeout,
    }, context);
  }

  /** As {@linkcode SessionPool.use}. */
  use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#pool.use(signal, work);
  }

  /** As {@linkcode SessionPool.now}. */
  now(): Session | undefined {
    return this.#pool.now();
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

function fileOpener(path: string, isReadOnly: boolean): Connect {
  return async (signal) => {
    const { SqliteSession } = await import("./sqlite_session.ts");
    signal.throwIfAborted();
    return new SqliteSession(path, isReadOnly);
  };
}

/** How to ask for TLS: with these options; without; or with, and without where the server has none. */
type Tls = { readonly options: ConnectionOptions | false; readonly isOptional: boolean };

function serverOpener(source: ServerSource, { options, isOptional }: Tls): Connect {
  const openWith = async (tlsOptions: ConnectionOptions | false, ...rest: Parameters<Connect>): Promise<Session> => {
    if (source.dialect === "postgres") {
      return await (await import("./postgres_session.ts")).openPostgres({ ...source, tlsOptions }, ...rest);
    }
    return await (await import("./mysql_session.ts")).openMysql({ ...source, tlsOptions }, ...rest);
  };
  return async (signal, onLost) => {
    try {
      return await openWith(options, signal, onLost);
    } catch (error) {
      const isWithout = error instanceof SqlError && /does not support (SSL|secure) conn/.test(error.message);
      if (!isOptional || !isWithout) throw error;
      return await openWith(false, signal, onLost);
    }
  };
}

/**
 * The URL says how far TLS goes; where it does not, the settings do, by being there. As with other clients of PostgreSQL,
 * `require` checks the server only against authorities that are given.
 */
function tlsOf(source: ServerSource, settings: ConnectionSettings): Tls {
  const { files } = source;
  const given = tlsOptions({
    ...settings,
    ...(files.ca === undefined ? {} : { rootCaPath: files.ca }),
    ...(files.cert === undefined ? {} : { certificationPath: files.cert }),
    ...(files.key === undefined ? {} : { privateKeyPath: files.key }),
  });
  const isMeant = given.ca !== undefined || given.cert !== undefined || settings.serverName !== undefined ||
    settings.insecureSkipVerify;
  const none: TlsMode = source.dialect === "postgres" ? "prefer" : "disable";
  const mode = source.tls ?? (isMeant ? "verify-full" : none);
  if (mode === "disable" || source.host.startsWith("/")) return { options: false, isOptional: false };
  const checks = !settings.insecureSkipVerify &&
    (mode.startsWith("verify") || (mode === "require" && given.ca !== undefined));
  return {
    options: {
      ...given,
      rejectUnauthorized: checks,
      ...(checks && mode !== "verify-full" ? { checkServerIdentity: () => undefined } : {}),
    },
    isOptional: mode === "prefer",
  };
}
