/**
 * Starts the HTTP server of Python's library on a free loopback port, for tests: an HTTP and a TLS that are not ours. Its
 * answers are those of `python_http.py`.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, listens, ServerProcess } from "./server_process.ts";

export interface PythonHttpOptions {
  /** `HTTP/1.0` ends each answer by closing. */
  readonly protocol?: "HTTP/1.0" | "HTTP/1.1";
  /** Serves HTTPS; `"mutual"` also asks for the client's certificate. */
  readonly tls?: "server" | "mutual";
}

export interface PythonRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Whether the client has shown a certificate. */
  readonly client: boolean;
}

export interface PythonHttp {
  readonly port: number;
  /** `http://127.0.0.1:port`, or with https. */
  readonly url: string;
  readonly certificates: Certificates;
  readonly process: ServerProcess;
  /** What it was asked and has answered, in order; of what it has not answered, the last line may be missing. */
  requests(): PythonRequest[];
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export async function startPythonHttp({ protocol = "HTTP/1.1", tls }: PythonHttpOptions = {}): Promise<PythonHttp> {
  const folder = mkdtempSync(join(tmpdir(), "weir-http-"));
  const port = await freePort();
  const certificates = makeCertificates(folder);
  const { serverCert, serverKey, ca } = certificates;
  const script = fileURLToPath(new URL("python_http.py", import.meta.url));
  const asked = join(folder, "requests");
  const pem = tls === undefined ? [] : [serverCert, serverKey, ...(tls === "mutual" ? [ca] : [])];
  const server = new ServerProcess({
    program: "/usr/bin/python3",
    args: ["-u", script, String(port), protocol, asked, ...pem],
    ready: () => listens(port),
  });
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
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    certificates,
    process: server,
    requests: () =>
      readFileSync(asked, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line) as PythonRequest),
    stop,
  };
}
