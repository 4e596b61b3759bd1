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
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";

const BINARIES = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
const START_TIMEOUT_MS = 15_000;

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

/** Files made by openssl in the folder of the broker, PEM. */
export interface Certificates {
  readonly ca: string;
  /** An authority that signed nothing. */
  readonly otherCa: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** For localhost and 127.0.0.1. */
  readonly serverCert: string;
  readonly serverKey: string;
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

/** A loopback port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") return reject(new Error("no port"));
      server.close(() => resolve(address.port));
    });
  });
}

/**
 * Starts a broker and waits until it takes connections.
 *
 * @throws when mosquitto is not installed, or does not start
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), "weir-mosquitto-"));
  const port = await freePort();
  const tlsPort = options.tls === undefined ? 0 : await freePort();
  if (options.tls !== undefined) makeCertificates(folder);
  const config = join(folder, "mosquitto.conf");
  writeFileSync(config, configuration(folder, port, tlsPort, options).join("\n") + "\n");
  const broker = new MosquittoProcess(folder, config, port, tlsPort);
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

function makeCertificates(folder: string): void {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["ca", "other"]) {
    const subject = ["-subj", `/CN=weir test ${name}`, "-days", "2"];
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.crt`, ...subject);
  }
  writeFileSync(join(folder, "server.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
  writeFileSync(join(folder, "client.ext"), "extendedKeyUsage=clientAuth\n");
  for (const name of ["server", "client"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=weir test ${name}`);
    const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", `${name}.ext`];
    openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-days", "2", "-out", `${name}.crt`);
  }
}

class MosquittoProcess implements Mosquitto {
  readonly port: number;
  readonly tlsPort: number;
  readonly certificates: Certificates | undefined;
  readonly #folder: string;
  readonly #config: string;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #log = "";

  constructor(folder: string, config: string, port: number, tlsPort: number) {
    this.#folder = folder;
    this.#config = config;
    this.port = port;
    this.tlsPort = tlsPort;
    const file = (name: string): string => join(folder, name);
    this.certificates = tlsPort === 0 ? undefined : {
      ca: file("ca.crt"),
      otherCa: file("other.crt"),
      clientCert: file("client.crt"),
      clientKey: file("client.key"),
      serverCert: file("server.crt"),
      serverKey: file("server.key"),
    };
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const child = spawn(findMosquitto(), ["-c", this.#config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    let exit: string | undefined;
    child.stderr.on("data", (chunk) => this.#log += String(chunk));
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => {
        exit = error.message;
        resolve();
      });
      child.on("exit", (code, signal) => {
        exit ??= `exit ${code ?? signal}`;
        resolve();
      });
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await canConnect(this.port))) {
      if (exit !== undefined) throw new Error(`mosquitto ended at once (${exit}):\n${this.#log}`);
      if (Date.now() > deadline) throw new Error(`mosquitto does not listen on port ${this.port}:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  // Not `child.kill`: Deno takes the process for dead after the first signal, whichever it was.
  #signal(signal: NodeJS.Signals): void {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(child.pid, signal);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#signal("SIGCONT");
    this.#signal(signal);
    await this.#ended;
    this.#process = undefined;
  }

  halt(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
