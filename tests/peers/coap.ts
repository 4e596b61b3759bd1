/**
 * Starts the CoAP server of libcoap on a free loopback port, and runs its client, for tests.
 *
 * ```ts ignore
 * const server = await startCoapServer();
 * await coapClient(["-m", "put", "-e", "42", `${server.url}/example_data`]);
 * await server.stop();
 * ```
 * @module
 */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ServerProcess } from "./server_process.ts";

const programs = { server: "coap-server-notls", client: "coap-client-notls" };

export interface CoapServerOptions {
  /** How many resources a PUT may make; 100 without it. */
  readonly resources?: number;
  /** Further arguments: `["-l", "30%"]` loses datagrams that it sends. */
  readonly args?: readonly string[];
}

export interface CoapServer {
  readonly port: number;
  /** `coap://127.0.0.1:port`. It has `/time`, a tick each second, and `/example_data`, both observable. */
  readonly url: string;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export async function startCoapServer({ resources = 100, args = [] }: CoapServerOptions = {}): Promise<CoapServer> {
  const port = await freeUdpPort();
  const url = `coap://127.0.0.1:${port}`;
  const process = new ServerProcess({
    program: programs.server,
    args: ["-A", "127.0.0.1", "-p", String(port), "-d", String(resources), "-v", "7", ...args],
    ready: async () => (await coapClient(["-B", "1", "-m", "get", `${url}/.well-known/core`])).stdout.includes("time"),
  });
  await process.start();
  return { port, url, process, stop: () => process.kill() };
}

export interface ClientOutcome {
  /** What the server sent, and the texts of error responses: `4.04 Not Found`. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the client with these arguments until it ends; `stdin` is for `-f -`. */
export async function coapClient(args: readonly string[], stdin: string | Uint8Array = ""): Promise<ClientOutcome> {
  const child = spawn(programs.client, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => stdout += String(chunk));
  child.stderr.on("data", (chunk) => stderr += String(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  await once(child, "close");
  return { stdout, stderr };
}

/** A loopback UDP port that nobody listens on. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
