/**
 * Starts a real PostgreSQL on a free loopback port, for tests.
 *
 * ```ts ignore
 * const server = await startPostgres();
 * server.sql("CREATE TABLE t (n int)");
 * await server.stop();
 * ```
 * @module
 */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { findProgram } from "../../scripts/peers.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, ServerProcess } from "./server_process.ts";

export interface PostgresOptions {
  /** Lets connections in with TLS as well. */
  readonly tls?: true;
}

export interface PostgresServer {
  readonly port: number;
  /** `weir`, `s3cret/@:#` and the database `plant`. */
  readonly login: { readonly user: string; readonly password: string; readonly database: string };
  readonly certificates: Certificates | undefined;
  /** What psql prints for statements: a row a line, columns divided by `|`. */
  sql(text: string): string;
  /** Ends the sessions of all clients but this. */
  dropClients(): void;
  start(): Promise<void>;
  /** Ends the server and all its sessions at once. */
  kill(): Promise<void>;
  /** Makes the server and all its sessions silent. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Its own user, as it does not run as root. */
const owner = "postgres";
const isRoot = process.getuid?.() === 0;
const login = { user: "weir", password: "s3cret/@:#", database: "plant" };

/** What starts a program as the owner of the server. */
function asOwner(program: string, args: readonly string[]): { readonly program: string; readonly args: string[] } {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`${program} is not installed`);
  if (!isRoot) return { program: path, args: [...args] };
  return {
    program: "setpriv",
    args: [`--reuid=${owner}`, `--regid=${owner}`, "--clear-groups", path, ...args],
  };
}

function numberOf(kind: "-u" | "-g"): number {
  return Number(execFileSync("id", [kind, owner], { encoding: "utf8" }));
}

/** Starts a server that asks for a password. It forces nothing to the disk; a kill of the process loses nothing of it. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-postgres-"));
  const data = join(folder, "data");
  const passwords = join(folder, "password");
  writeFileSync(passwords, login.password);
  const certificates = options.tls === undefined ? undefined : makeCertificates(folder);
  if (certificates !== undefined) {
    cpSync(certificates.serverKey, join(folder, "own.key"));
    chmodSync(join(folder, "own.key"), 0o600);
    chmodSync(certificates.serverCert, 0o644);
    if (isRoot) chownSync(join(folder, "own.key"), numberOf("-u"), numberOf("-g"));
  }
  if (isRoot) { for (const path of [folder, passwords]) chownSync(path, numberOf("-u"), numberOf("-g")); }
  const port = await freePort();
  const init = asOwner("initdb", [
    ...["-D", data, "-U", login.user, "-A", "scram-sha-256", `--pwfile=${passwords}`],
    ...["--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"],
  ]);
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: folder,
    fsync: "off",
    // Another zone than that of the tests, and other forms than those a client may hope for.
    timezone: "Asia/Kolkata",
    datestyle: "SQL, DMY",
    log_statement: "none",
    max_connections: "40",
    shared_buffers: "16MB",
    ...(certificates === undefined
      ? {}
      : { ssl: "on", ssl_cert_file: certificates.serverCert, ssl_key_file: join(folder, "own.key") }),
  };
  const psql = (text: string, database = login.database) =>
    execFileSync(findProgram("psql")!, ["-qAtX", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", String(port)], {
      input: text,
      encoding: "utf8",
      env: { ...process.env, PGUSER: login.user, PGPASSWORD: login.password, PGDATABASE: database },
      stdio: ["pipe", "pipe", "pipe"],
    }).replace(/\n$/, "");
  const server = new ServerProcess({
    ...asOwner("postgres", [
      "-D",
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ]),
    cwd: folder,
    ready: () => answers(port),
  });
  const signalAll = (signal: NodeJS.Signals) => {
    for (const id of family(data)) {
      try {
        process.kill(id, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  const kill = async () => {
    await server.kill();
    // A session that is left over would keep the server from starting again.
    while (family(data).length > 0) {
      signalAll("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const stop = async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    execFileSync(init.program, init.args, { cwd: folder, stdio: "pipe" });
    await server.start();
    psql(`CREATE DATABASE ${login.database}`, "postgres");
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    login,
    certificates,
    sql: psql,
    dropClients: () =>
      void psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
      ),
    start: () => server.start(),
    kill,
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
    stop,
  };
}

/** The server and its sessions: processes of their own, which all work in the folder of the data. The oldest is first. */
function family(data: string): number[] {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b);
  return ids.filter((id) => {
    try {
      return readlinkSync(`/proc/${id}/cwd`) === data;
    } catch {
      // It has ended, or is somebody else's.
      return false;
    }
  });
}

/** True when a server asks for a password; while it recovers it refuses at once. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => settle(false));
    const parameters = new TextEncoder().encode(`user\0${login.user}\0database\0postgres\0\0`);
    const message = new Uint8Array(8 + parameters.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, message.length);
    view.setUint32(4, 3 << 16);
    message.set(parameters, 8);
    socket.on("connect", () => socket.write(message));
    socket.on("data", (data: Uint8Array) => settle(data[0] === "R".charCodeAt(0)));
    socket.on("error", () => settle(false));
    socket.on("close", () => settle(false));
  });
}
