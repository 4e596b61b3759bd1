/**
 * Starts a real redis-server on a free loopback port, for tests.
 *
 * ```ts ignore
 * const server = await startRedis();
 * server.cli("SET", "a", "1");
 * await server.stop();
 * ```
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, ServerProcess } from "./server_process.ts";

export interface RedisOptions {
  /** Further lines of the configuration. */
  readonly lines?: readonly string[];
  /** Adds a TLS port, which asks for no certificate of clients. */
  readonly tls?: true;
}

export interface RedisServer {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Port of TLS; 0 without. */
  readonly tlsPort: number;
  /** A socket of the machine. */
  readonly path: string;
  readonly certificates: Certificates | undefined;
  readonly process: ServerProcess;
  /** What redis-cli prints for a command, without the last line end. */
  cli(...args: string[]): string;
  /** What redis-cli prints for commands, one a line. */
  cliLines(lines: readonly string[]): string;
  /** Closes the connections of all clients, or of all that have subscribed, or have not. */
  dropClients(types?: readonly ("normal" | "pubsub")[]): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Starts a server that keeps every write over a kill. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-redis-"));
  const port = await freePort();
  const tlsPort = options.tls === undefined ? 0 : await freePort();
  const certificates = options.tls === undefined ? undefined : makeCertificates(folder);
  const path = join(folder, "redis.sock");
  const config = join(folder, "redis.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `unixsocket ${path}`,
    `dir ${folder}`,
    'save ""',
    "appendonly yes",
    "appendfsync no",
    ...(certificates === undefined ? [] : [
      `tls-port ${tlsPort}`,
      `tls-cert-file ${certificates.serverCert}`,
      `tls-key-file ${certificates.serverKey}`,
      `tls-ca-cert-file ${certificates.ca}`,
      "tls-auth-clients no",
    ]),
    ...(options.lines ?? []),
  ];
  writeFileSync(config, lines.join("\n") + "\n");
  const server = new ServerProcess({ program: "redis-server", args: [config], ready: () => answers(port) });
  const run = (args: readonly string[], input?: string) =>
    execFileSync("redis-cli", ["-p", String(port), "--no-auth-warning", ...args], {
      encoding: "utf8",
      stdio: "pipe",
      ...(input === undefined ? {} : { input }),
    }).replace(/\n$/, "");
  const cli = (...args: string[]) => run(args);
  const stop = async () => {
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    address: `127.0.0.1:${port}`,
    tlsPort,
    path,
    certificates,
    process: server,
    cli,
    cliLines: (lines) => run([], lines.join("\n") + "\n"),
    dropClients: (types = ["normal", "pubsub"]) => {
      for (const type of types) cli("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
    },
    stop,
  };
}

/** True when a server answers, if only that it wants a password; while it loads its data it does not serve. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.on("connect", () => socket.write("PING\r\n"));
    socket.on("data", (data) => settle(!String(data).startsWith("-LOADING")));
    socket.on("error", () => settle(false));
    socket.on("close", () => settle(false));
  });
}
