/**
 * Starts a real InfluxDB, the version 1 of Debian, on a free loopback port, for tests.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, ServerProcess } from "./server_process.ts";

export interface InfluxOptions {
  /** Serves HTTPS instead of HTTP. */
  readonly tls?: true;
  /** Asks for users and passwords. */
  readonly auth?: true;
  /** Further settings, as names and values of the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface InfluxServer {
  readonly port: number;
  /** `http://127.0.0.1:port`, or with https. */
  readonly url: string;
  readonly certificates: Certificates | undefined;
  readonly process: ServerProcess;
  /**
   * Carries out statements and gives the rows of the first one, as objects with their measurement under `name`; numbers of
   * 16 digits and more, as times in nanoseconds, are texts.
   */
  query(statements: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Starts a server without databases. Queries of an `auth` server are those of `admin` with the password `secret`. */
export async function startInflux(options: InfluxOptions = {}): Promise<InfluxServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-influx-"));
  const [port, backupPort] = [await freePort(), await freePort()];
  const certificates = options.tls === undefined ? undefined : makeCertificates(folder);
  const url = `${certificates === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const env = {
    INFLUXDB_REPORTING_DISABLED: "true",
    INFLUXDB_BIND_ADDRESS: `127.0.0.1:${backupPort}`,
    INFLUXDB_META_DIR: join(folder, "meta"),
    INFLUXDB_DATA_DIR: join(folder, "data"),
    INFLUXDB_DATA_WAL_DIR: join(folder, "wal"),
    INFLUXDB_HTTP_BIND_ADDRESS: `127.0.0.1:${port}`,
    INFLUXDB_HTTP_LOG_ENABLED: "false",
    INFLUXDB_MONITOR_STORE_ENABLED: "false",
    ...(certificates === undefined ? {} : {
      INFLUXDB_HTTP_HTTPS_ENABLED: "true",
      INFLUXDB_HTTP_HTTPS_CERTIFICATE: certificates.serverCert,
      INFLUXDB_HTTP_HTTPS_PRIVATE_KEY: certificates.serverKey,
    }),
    ...(options.auth === undefined ? {} : { INFLUXDB_HTTP_AUTH_ENABLED: "true" }),
    ...options.env,
  };
  // Without a file of its own it would take that of the machine.
  const server = new ServerProcess({
    program: "influxd",
    args: ["run", "-config", "/dev/null"],
    env,
    // It listens a moment before it serves; with TLS, that it listens has to do.
    ready: () => certificates === undefined ? answers(`${url}/ping`) : answers(url.replace("https", "http")),
  });
  const login = options.auth === undefined ? "" : "&u=admin&p=secret";
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
    url,
    certificates,
    process: server,
    query: async (statements, database = "") => {
      const query = new URLSearchParams({ q: statements, db: database, epoch: "ns" });
      const response = await fetch(`${url}/query?${query}${login}`, { method: "POST" });
      // Times in nanoseconds do not fit a float.
      const body = (await response.text()).replace(/(?<=[[,])(-?\d{16,19})(?=[\],])/g, '"$1"');
      const { results, error } = JSON.parse(body) as Answer;
      const trouble = error ?? results?.find(({ error }) => error !== undefined)?.error;
      if (trouble !== undefined) throw new Error(`InfluxDB: ${trouble}`);
      return (results?.[0]?.series ?? []).flatMap(({ name, columns, values }) =>
        values.map((row) => ({ name, ...Object.fromEntries(columns.map((column, i) => [column, row[i]])) }))
      );
    },
    stop,
  };
}

interface Answer {
  readonly error?: string;
  readonly results?: readonly {
    readonly error?: string;
    readonly series?: readonly {
      readonly name: string;
      readonly columns: readonly string[];
      readonly values: readonly unknown[][];
    }[];
  }[];
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(2000) })).body?.cancel();
    return true;
  } catch {
    return false;
  }
}
