/**
 * The settings by which the Redis connectors find their server, and what they mean for a client.
 * @module
 */
import * as v from "valibot";
import { duration, integer, refuseSetting, text } from "../../src/connector/settings.ts";
import { tlsEntries, tlsOptions, type TlsSettings } from "../../src/connector/tls_settings.ts";
import { show } from "../../src/connector/lenient_value.ts";

const addressForm = "a host and port such as 127.0.0.1:6379, redis://host:6379, rediss://host:6380, or unix:///path";
const addressPattern = /^(rediss?:\/\/[^\s/@]+\/?|unix:\/\/\/\S+|[^\s/@]+)$/i;

/** The address under the names that one of the connectors has it under. */
export function addressEntry(alias: string) {
  const block = text({
    description: "Address of the server: `host:port`, `redis://host:port`, `rediss://host:port` for TLS, or " +
      "`unix:///path` for a socket on this machine.",
    default: "127.0.0.1:6379",
    aliases: [alias],
  });
  return v.pipe(block, v.check((address) => addressPattern.test(address), addressForm));
}

/** Entries to spread into the settings of a role. */
export const serverEntries = {
  username: text({ description: "User of the server's access list. Redis before version 6 has none.", optional: true }),
  password: text({ description: "Password of the user, or of the server.", optional: true, secret: true }),
  timeout: duration({
    description: "Longest wait for a connection, and for an answer, before the connection counts as lost.",
    default: 5000,
    min: 1,
  }),
  ...tlsEntries,
};

/** The number of a database; servers have 16 unless their configuration says otherwise. */
export const databaseEntry = integer({ description: "Number of the database.", default: 0, min: 0, max: 1_000_000 });

/** What the settings of any role say about the server, after reading. */
export interface ServerSettings extends TlsSettings {
  readonly username?: string;
  readonly password?: string;
  readonly timeout: number;
}

/** Where a server is and how to log in, as the client wants it. */
export interface ServerOptions {
  /** For messages. */
  readonly address: string;
  readonly endpoint: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly tls: ReturnType<typeof tlsOptions> | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  readonly timeoutMs: number;
}

/**
 * Reads the address and the files of the TLS block. `name` is the setting that holds the address.
 *
 * @throws {DiagnosticError} E403, E404.
 */
export function serverOptions(
  name: string,
  address: string,
  settings: ServerSettings,
  database: number,
): ServerOptions {
  const { username, password, timeout: timeoutMs } = settings;
  if (username !== undefined && username !== "" && password === undefined) {
    refuseSetting("password", 'a "username" needs a "password"', "E404");
  }
  return {
    address,
    endpoint: endpointOf(name, address),
    tls: /^rediss:/i.test(address) ? tlsOptions(settings) : undefined,
    username: username === "" ? undefined : username,
    password: password === "" ? undefined : password,
    database,
    timeoutMs,
  };
}

function endpointOf(name: string, address: string): ServerOptions["endpoint"] {
  if (/^unix:/i.test(address)) return { path: address.slice("unix://".length) };
  const url = /^rediss?:/i.test(address) ? address : `redis://${address}`;
  if (!URL.canParse(url)) refuseSetting(name, `Cannot read the address ${show(address)}: wanted ${addressForm}`);
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 6379 : Number(port) };
}
