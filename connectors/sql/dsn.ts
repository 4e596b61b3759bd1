/**
 * What a `dburl` says: which database, where, as whom.
 *
 * URLs are read by hand, since passwords in configurations hold characters that a URL may not: the last `@` before a host
 * ends them.
 *
 * @example
 * ```ts
 * parseDsn("postgres://weir:s3cret@db:5432/plant?sslmode=require");
 * parseDsn("weir:s3cret@tcp(db:3306)/plant"); // MySQL, as Go writes it
 * parseDsn("sqlite:plant.db"); // in the data directory
 * ```
 * @module
 */
import { refuseSetting } from "../../src/connector/settings.ts";

export type Dialect = "sqlite" | "postgres" | "mysql";

/** How far TLS goes, in the words of `sslmode`. `prefer` takes what the server has and checks nothing. */
export type TlsMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

export interface FileSource {
  readonly dialect: "sqlite";
  /** As written: relative ones have yet to be resolved. */
  readonly path: string;
  readonly isReadOnly: boolean;
}

export interface ServerSource {
  readonly dialect: "postgres" | "mysql";
  /** A name, an address, or the folder (PostgreSQL) or path (MySQL) of a socket, which begins with `/`. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Absent: the text does not say. */
  readonly tls: TlsMode | undefined;
  /** Files that the text itself names, PEM. */
  readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** PostgreSQL: settings of the session, such as `search_path`. */
  readonly session: Readonly<Record<string, string>>;
}

export type DataSource = FileSource | ServerSource;

const dialects: Readonly<Record<string, Dialect>> = {
  sqlite: "sqlite",
  sqlite3: "sqlite",
  sq: "sqlite",
  file: "sqlite",
  postgres: "postgres",
  postgresql: "postgres",
  pgsql: "postgres",
  pg: "postgres",
  mysql: "mysql",
  mariadb: "mysql",
  maria: "mysql",
  my: "mysql",
};

/** Known to the dialect; there is no client for them that runs everywhere weir does. */
const others: Readonly<Record<string, string>> = {
  sqlserver: "SQL Server",
  mssql: "SQL Server",
  ms: "SQL Server",
  azuresql: "SQL Server",
  oracle: "Oracle",
  or: "Oracle",
  ora: "Oracle",
  oci: "Oracle",
  oci8: "Oracle",
  godror: "Oracle",
};

const wanted = "wanted sqlite:PATH, postgres://user:password@host/database or mysql://user:password@host/database";
const tlsModes: readonly string[] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const defaultPort = { postgres: 5432, mysql: 3306 };

/** Options of Go's drivers that say how values become Go's, or that have settings of their own here. */
const withoutMeaning = new Set([
  "parsetime",
  "loc",
  "charset",
  "collation",
  "timeout",
  "readtimeout",
  "writetimeout",
  "interpolateparams",
  "multistatements",
  "allownativepasswords",
  "clientfoundrows",
  "maxallowedpacket",
  "columnswithalias",
  "checkconnliveness",
  "rejectreadonly",
  "connect_timeout",
  "binary_parameters",
  "cache",
  "client_encoding",
]);
/** What PostgreSQL takes at the start of a session. */
const sessionNames = new Set(["application_name", "search_path", "timezone", "options", "statement_timeout"]);

/** Never shows more of `text` than its scheme, since it holds a password. @throws {DiagnosticError} E403, E408. */
export function parseDsn(text: string): DataSource {
  const scheme = /^([A-Za-z][A-Za-z0-9]*)(?:\+[a-z]+)?:/.exec(text);
  // As Go's MySQL driver writes it, without a scheme: the colon is that before the password.
  const isBare = /(^|@)(tcp|unix)\([^)]*\)\//.test(text) && !/^[A-Za-z0-9+]+:\/\//.test(text);
  if (isBare) return parseServer("mysql", text, (part) => part);
  if (scheme === null) refuseSetting("dburl", `Cannot read the database URL: ${wanted}`);
  const name = scheme[1]!.toLowerCase();
  const product = others[name];
  if (product !== undefined) {
    refuseSetting(
      "dburl",
      `Databases of ${product} ("${name}:") are not supported by this version of weir: ${wanted}`,
      "E408",
    );
  }
  const dialect = dialects[name];
  if (dialect === undefined) refuseSetting("dburl", `Unknown kind of database "${name}": ${wanted}`);
  const rest = text.slice(scheme[0].length);
  return dialect === "sqlite" ? parseFile(rest) : parseServer(dialect, rest.replace(/^\/\//, ""), decoded);
}

function parseFile(rest: string): FileSource {
  const [, path, query] = /^(?:\/\/)?([^?]*)(?:\?([\s\S]*))?$/.exec(rest)!;
  if (path === "") refuseSetting("dburl", "The database URL names no file: wanted sqlite:PATH");
  const parameters = new URLSearchParams(query ?? "");
  return { dialect: "sqlite", path: decoded(path!), isReadOnly: parameters.get("mode") === "ro" };
}

/** `[user[:password]@]address[/database][?options]`. */
const server =
  /^(?:([\s\S]*)@)?((?:tcp|unix)\([^)]*\)|\[[^\]]+\](?::\d+)?|[^\s@/?()[\]]*)(?:\/([^?]*))?(?:\?([\s\S]*))?$/;

function parseServer(dialect: "postgres" | "mysql", text: string, decode: (part: string) => string): ServerSource {
  const match = server.exec(text);
  if (match === null) refuseSetting("dburl", `Cannot read the database URL: ${wanted}`);
  const [, login = "", address = "", database = "", query = ""] = match;
  const colon = login.indexOf(":");
  const options = new URLSearchParams(query);
  const { host, port } = addressOf(dialect, address);
  const source = {
    dialect,
    host: options.get("host") ?? host,
    port,
    user: options.get("user") ?? decode(colon === -1 ? login : login.slice(0, colon)),
    password: options.get("password") ?? (colon === -1 ? "" : decode(login.slice(colon + 1))),
    database: options.get("dbname") ?? decode(database),
  };
  return { ...source, ...(dialect === "postgres" ? postgresOptions(options) : mysqlOptions(options)) };
}

function addressOf(dialect: "postgres" | "mysql", text: string): { readonly host: string; readonly port: number } {
  const socket = /^unix\((.*)\)$/.exec(text)?.[1];
  if (socket !== undefined) return { host: socket, port: defaultPort[dialect] };
  const plain = /^tcp\((.*)\)$/.exec(text)?.[1] ?? text;
  const match = /^(\[[^\]]+\]|[^:]*)(?::(\d*))?$/.exec(plain);
  const port = Number(match?.[2] || defaultPort[dialect]);
  if (match === null || port < 1 || port > 65535) {
    refuseSetting("dburl", `Cannot read the address of the database: ${wanted}`);
  }
  return { host: match[1]!.replace(/^\[(.*)\]$/, "$1") || "localhost", port };
}

type Options = Pick<ServerSource, "tls" | "files" | "session">;

function postgresOptions(options: URLSearchParams): Options {
  const mode = options.get("sslmode") ?? undefined;
  // `allow` begins without TLS and takes it when it must: what `prefer` ends with, too.
  const tls = mode === "allow" ? "prefer" : mode;
  if (tls !== undefined && !tlsModes.includes(tls)) {
    refuseSetting("dburl", `Unknown sslmode ${JSON.stringify(mode)}: wanted ${tlsModes.join(", ")}`);
  }
  const session: Record<string, string> = {};
  const files: Record<string, string> = {};
  const fileNames: Record<string, string> = { sslrootcert: "ca", sslcert: "cert", sslkey: "key" };
  for (const [name, value] of options) {
    if (["sslmode", "host", "user", "password", "dbname"].includes(name)) continue;
    if (fileNames[name] !== undefined) files[fileNames[name]] = value;
    else if (sessionNames.has(name.toLowerCase())) session[name.toLowerCase()] = value;
    else if (!withoutMeaning.has(name.toLowerCase())) refuseOption(name);
  }
  return { tls: tls as TlsMode | undefined, files, session };
}

function mysqlOptions(options: URLSearchParams): Options {
  const modes: Record<string, TlsMode> = {
    true: "verify-full",
    false: "disable",
    "skip-verify": "require",
    preferred: "prefer",
  };
  let tls: TlsMode | undefined;
  for (const [name, value] of options) {
    if (name === "tls") {
      tls = modes[value.toLowerCase()];
      if (tls === undefined) {
        refuseSetting("dburl", `Unknown tls ${JSON.stringify(value)}: wanted ${Object.keys(modes).join(", ")}`);
      }
    } else if (!withoutMeaning.has(name.toLowerCase())) refuseOption(name);
  }
  return { tls, files: {}, session: {} };
}

function refuseOption(name: string): never {
  refuseSetting("dburl", `Unknown option ${JSON.stringify(name)} of the database URL`);
}

/** A password with a percent sign that was not escaped is taken as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
