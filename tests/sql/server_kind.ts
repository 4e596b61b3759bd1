/**
 * A database server that the cases of the connector `sql` run against, and how its product differs from others.
 * @module
 */
import { after } from "node:test";
import type { TableKind } from "./table_cases.ts";

/** A server of one of the products. */
export interface SqlServer {
  readonly port: number;
  readonly login: { readonly user: string; readonly password: string; readonly database: string };
  readonly certificates: { readonly ca: string; readonly otherCa: string } | undefined;
  sql(text: string): string;
  dropClients(): void;
  start(): Promise<void>;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface ServerKind extends TableKind {
  readonly scheme: "postgres" | "mysql";
  start(): Promise<SqlServer>;
  /** A number that the database gives. */
  readonly serial: string;
  /** The number of sessions of clients but this. */
  readonly countSessions: string;
  /** Options of the URL for: with TLS and checks, with TLS alone, without. */
  readonly tls: { readonly checked: string; readonly unchecked: string; readonly none: string };
}

/** One server for all cases of a file, started by the first. */
export function sharedServer(kind: ServerKind): () => Promise<SqlServer> {
  let starting: Promise<SqlServer> | undefined;
  after(async () => await (await starting)?.stop());
  return () => starting ??= kind.start();
}

/** @param options behind the name of the database: `?sslmode=require` */
export function urlOf({ scheme }: ServerKind, { port, login }: SqlServer, options = ""): string {
  const { user, password, database } = login;
  return `${scheme}://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}${options}`;
}
