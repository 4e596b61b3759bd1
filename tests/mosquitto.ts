/**
 * Starts a real mosquitto on a free loopback port, for tests.
 *
 * ```ts ignore
 * const broker = await startMosquitto();
 * // … broker.port …
 * await broker.stop();
 * ```
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { type Certificates, makeCertificates } from "./peers/certificates.ts";
import { freePort, listens, ServerProcess } from "./peers/server_process.ts";

const BINARIES = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];

export interface MosquittoOptions {
  /** Further lines of the configuration, of the plain listener and the whole. */
  readonly lines?: readonly string[];
  /** User names and passwords; without them anybody may connect. */
  readonly users?: Readonly<Record<string, string>>;
  /** Adds a TLS listener: `"server"` shows a certificate, `"mutual"` also asks for the client's. */
  readonly tls?: "server" | "mutual";
  /** Keeps sessions and retained messages across a restart. */
  readonly persistence?: boolean;
  /** Logs who comes, subscribes and goes, but no messages: for tests with very many. */
  readonly quiet?: boolean;
}

export interface Mosquitto {
  readonly port: number;
  /** Port of the TLS listener; 0 without one. */
  readonly tlsPort: number;
  readonly url: string;
  readonly certificates: Certificates | undefined;
  /** All it has logged. */
  readonly log: string;
  /** Ends it in order (SIGTERM) and waits; with `persistence` it writes its state. */
  halt(): Promise<void>;
  /** Ends it with SIGKILL and waits. */
  kill(): Promise<void>;
  /** Starts it again on the same ports. */
  start(): Promise<void>;
  /** Makes it silent, its sockets open: SIGSTOP. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/**
 * The program: of a folder of `searchPath`, or where packages put it, which is not always on the path of users.
 *
 * @throws when it is not installed
 */
export function findMosquitto(searchPath: string = process.env.PATH ?? "", elsewhere = BINARIES): string {
  const onPath = searchPath.split(delimiter).filter((folder) => folder !== "").map((folder) =>
    join(folder, "mosquitto")
  );
  const found = [...onPath, ...elsewhere].find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(`mosquitto is not installed, looked on the PATH and for ${elsewhere.join(", ")}`);
  }
  return found;
}

/**
 * Starts a broker and waits until it takes connections.
 *
 * @throws when mosquitto is not installed, or does not start
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = findMosquitto();
  const folder = mkdtempSync(join(tmpdir(), "weir-mosquitto-"));
  const port = await freePort();
  const tlsPort = options.tls === undefined ? 0 : await freePort();
  const certificates = options.tls === undefined ? undefined : makeCertificates(folder);
  const config = join(folder, "mosquitto.conf");
  writeFileSync(config, configuration(folder, port, tlsPort, options).join("\n") + "\n");
  const server = new ServerProcess({ program, args: ["-c", config], ready: () => listens(port) });
  const broker = new MosquittoProcess(folder, server, { port, tlsPort }, certificates);
  try {
    await broker.start();
  } catch (error) {
    await broker.stop();
    throw error;
  }
  return broker;
}

function configuration(folder: string, port: number, tlsPort: number, options: MosquittoOptions): string[] {
  const lines = [
    "log_dest stderr",
    ...(options.quiet ? ["error", "warning", "notice", "subscribe"] : ["all"]).map((type) => `log_type ${type}`),
    "set_tcp_nodelay true",
    `listener ${port} 127.0.0.1`,
    ...(options.lines ?? []),
  ];
  // Started by root it would drop to a user of its own, who cannot read the folder.
  if (process.getuid?.() === 0) lines.unshift("user root");
  if (options.persistence) lines.unshift("persistence true", `persistence_location ${folder}/`);
  if (options.users === undefined) {
    lines.push("allow_anonymous true");
  } else {
    const file = join(folder, "passwords");
    writeFileSync(file, "", { mode: 0o600 });
    for (const [user, password] of Object.entries(options.users)) {
      execFileSync("mosquitto_passwd", ["-b", file, user, password], { stdio: "pipe" });
    }
    lines.push("allow_anonymous false", `password_file ${file}`);
  }
  if (options.tls !== undefined) {
    const file = (name: string): string => join(folder, name);
    lines.push(`listener ${tlsPort} 127.0.0.1`, `cafile ${file("ca.crt")}`);
    lines.push(`certfile ${file("server.crt")}`, `keyfile ${file("server.key")}`);
    if (options.tls === "mutual") lines.push("require_certificate true");
  }
  return lines;
}

class MosquittoProcess implements Mosquitto {
  readonly port: number;
  readonly tlsPort: number;
  readonly certificates: Certificates | undefined;
  readonly #folder: string;
  readonly #process: ServerProcess;

  constructor(
    folder: string,
    server: ServerProcess,
    ports: { readonly port: number; readonly tlsPort: number },
    certificates: Certificates | undefined,
  ) {
    this.#folder = folder;
    this.port = ports.port;
    this.tlsPort = ports.tlsPort;
    this.certificates = certificates;
    this.#process = server;
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.#process.log;
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  halt(): Promise<void> {
    return this.#process.halt();
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  freeze(): void {
    this.#process.freeze();
  }

  thaw(): void {
    this.#process.thaw();
  }

  async stop(): Promise<void> {
    await this.#process.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
