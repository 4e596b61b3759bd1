/**
 * Starts a real MariaDB on a free loopback port, for tests.
 *
 * ```ts ignore
 * const server = await startMariadb();
 * server.sql("CREATE TABLE t (n int)");
 * await server.stop();
 * ```
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { findProgram } from "../../scripts/peers.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, ServerProcess } from "./server_process.ts";

export interface MariadbOptions {
  /** Lets connections in with TLS as well. */
  readonly tls?: true;
}

export interface MariadbServer {
  readonly port: number;
  readonly socket: string;
  /** `weir`, `s3cret/@:#` and the database `plant`. */
  readonly login: { readonly user: string; readonly password: string; readonly database: string };
  readonly certificates: Certificates | undefined;
  /** What the client prints for statements: a row a line, columns divided by tabs. */
  sql(text: string): string;
  /** Ends the sessions of all clients but this. */
  dropClients(): void;
  start(): Promise<void>;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

const login = { user: "weir", password: "s3cret/@:#", database: "plant" };

/** Starts a server with the usual strictness, that asks `weir` for a password. */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-mariadb-"));
  const data = join(folder, "data");
  const socket = join(folder, "s");
  const port = await freePort();
  const certificates = options.tls === undefined ? undefined : makeCertificates(folder);
  const user = process.getuid?.() === 0 ? ["--user=root"] : [];
  const server = new ServerProcess({
    program: findProgram("mariadbd") ?? "mariadbd",
    args: [
      ...["--no-defaults", ...user, `--datadir=${data}`, `--socket=${socket}`, `--port=${port}`],
      ...["--bind-address=127.0.0.1", `--pid-file=${folder}/pid`, "--innodb-flush-log-at-trx-commit=2"],
      ...["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--skip-name-resolve"],
      // Another zone than that of the tests.
      "--default-time-zone=+05:30",
      ...(certificates === undefined ? [] : [
        `--ssl-ca=${certificates.ca}`,
        `--ssl-cert=${certificates.serverCert}`,
        `--ssl-key=${certificates.serverKey}`,
      ]),
    ],
    ready: () => answers(port),
  });
  const client = (text: string, database?: string) =>
    execFileSync(
      findProgram("mariadb")!,
      ["--no-defaults", "-N", "-B", "-u", "root", `--socket=${socket}`, ...(database === undefined ? [] : [database])],
      { input: text, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] },
    ).replace(/\n$/, "");
  const stop = async () => {
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    execFileSync(findProgram("mariadb-install-db")!, [
      ...["--no-defaults", ...user, `--datadir=${data}`, "--auth-root-authentication-method=normal"],
      ...["--skip-test-db", "--skip-name-resolve"],
    ], { stdio: "pipe" });
    await server.start();
    client(
      `CREATE DATABASE ${login.database} CHARACTER SET utf8mb4; ` +
        `CREATE USER ${login.user}@'127.0.0.1' IDENTIFIED BY '${login.password}'; ` +
        `GRANT ALL ON ${login.database}.* TO ${login.user}@'127.0.0.1'; ` +
        `CREATE USER ${login.user}@localhost IDENTIFIED BY '${login.password}'; ` +
        `GRANT ALL ON ${login.database}.* TO ${login.user}@localhost;`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    socket,
    login,
    certificates,
    sql: (text) => client(text, login.database),
    dropClients: () => {
      const ids = client(`SELECT id FROM information_schema.processlist WHERE user = '${login.user}'`).split("\n");
      // One may have ended meanwhile.
      for (const id of ids.filter((id) => id !== "")) client(`KILL ${id}`);
    },
    start: () => server.start(),
    kill: () => server.kill(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    stop,
  };
}

/** True when a server greets. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.on("data", (data) => settle(data[4] === 10));
    socket.on("error", () => settle(false));
    socket.on("close", () => settle(false));
  });
}
