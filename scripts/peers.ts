/**
 * The programs that tests run against: brokers, databases and devices that others have written, each started by a module
 * of its own. `deno run -A scripts/peers.ts` prints the Debian packages that this machine lacks.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, normalize } from "node:path";
import process from "node:process";
import { findImports, withoutComments } from "./check_imports.ts";
import { root, sourceFiles } from "./source_files.ts";

export interface Peer {
  /** What starts it; tests need the peer when they import this, themselves or through others. */
  readonly module: string;
  readonly programs: readonly string[];
  /** Modules of Debian's Python. */
  readonly python?: readonly string[];
  /** Modules of {@linkcode peersPython}, which Debian does not have, as pip names and pins them: `asyncua==2.1.0`. */
  readonly pip?: readonly string[];
  /** Debian packages that bring all of it. */
  readonly packages: readonly string[];
}

/**
 * A Python with modules that Debian does not have. `scripts/peers.ts --pip` prints what to install in it:
 * `python3 -m venv .peers && .peers/bin/pip install $(deno run -A scripts/peers.ts --pip)`.
 */
export const peersPython = join(root, ".peers", "bin", "python");

export const peers: readonly Peer[] = [
  {
    module: "tests/mosquitto.ts",
    programs: ["mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_passwd", "openssl"],
    packages: ["mosquitto", "mosquitto-clients", "openssl"],
  },
  {
    module: "tests/peers/modbus_slave.ts",
    programs: [],
    python: ["pymodbus", "serial_asyncio"],
    packages: ["python3-pymodbus", "python3-serial-asyncio"],
  },
  {
    module: "tests/peers/shells.ts",
    programs: ["dash", "busybox", "curl", "openssl", "shellcheck"],
    packages: ["dash", "busybox", "curl", "openssl", "shellcheck"],
  },
  { module: "tests/peers/dpkg_deb.ts", programs: ["dpkg-deb"], packages: ["dpkg"] },
  { module: "tests/peers/systemd.ts", programs: ["systemd-analyze"], packages: ["systemd"] },
  {
    module: "tests/peers/service_manager.ts",
    programs: [],
    python: ["socket"],
    packages: ["python3"],
  },
  { module: "tests/peers/serial_wire.ts", programs: ["socat"], packages: ["socat"] },
  {
    module: "tests/peers/redis.ts",
    programs: ["redis-server", "redis-cli", "openssl"],
    packages: ["redis-server", "redis-tools", "openssl"],
  },
  { module: "tests/peers/postgres.ts", programs: ["initdb", "postgres", "psql"], packages: ["postgresql"] },
  {
    module: "tests/peers/mariadb.ts",
    programs: ["mariadbd", "mariadb", "mariadb-install-db"],
    packages: ["mariadb-server"],
  },
  { module: "tests/peers/influxdb.ts", programs: ["influxd"], packages: ["influxdb"] },
  {
    module: "tests/peers/coap.ts",
    programs: ["coap-client-notls", "coap-server-notls"],
    packages: ["libcoap3-bin"],
  },
  {
    module: "tests/peers/python_http.ts",
    programs: ["openssl"],
    python: ["http.server"],
    packages: ["python3", "openssl"],
  },
  {
    module: "tests/peers/unpackers.ts",
    programs: ["gzip", "zstd", "openssl"],
    packages: ["gzip", "zstd", "openssl"],
  },
  { module: "tests/peers/curl.ts", programs: ["curl", "openssl"], packages: ["curl", "openssl"] },
  {
    module: "tests/peers/web_socket_peer.ts",
    programs: ["openssl"],
    python: ["websockets"],
    packages: ["python3-websockets", "openssl"],
  },
  {
    module: "tests/peers/event_stream_peer.ts",
    programs: [],
    python: ["http.server"],
    packages: ["python3"],
  },
  {
    module: "tests/peers/opcua.ts",
    programs: ["openssl"],
    pip: ["asyncua==2.1.0"],
    packages: ["python3-venv", "openssl"],
  },
];

/** Where a program stands, or undefined. Servers are often kept off the PATH. */
export function findProgram(name: string, searchPath: string = process.env.PATH ?? ""): string | undefined {
  const postgres = "/usr/lib/postgresql";
  const versions = existsSync(postgres) ? readdirSync(postgres).map((version) => join(postgres, version, "bin")) : [];
  const folders = [...searchPath.split(delimiter), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", ...versions];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** What of a peer this machine lacks: names of programs and Python modules. */
export function missingOf(
  { programs, python = [], pip = [] }: Peer,
  find: (name: string) => unknown = findProgram,
): string[] {
  const missing = programs.filter((name) => find(name) === undefined);
  const absent = python.filter((name) => spawnSync("/usr/bin/python3", ["-c", `import ${name}`]).status !== 0);
  const uninstalled = pip.filter((name) =>
    spawnSync(peersPython, ["-c", `import ${name.split("==")[0]}`]).status !== 0
  );
  return [...missing, ...absent, ...uninstalled];
}

/** The test files that need a peer: they import its module, themselves or through others. */
export function testsWith(module: string, files: readonly string[] = sourceFiles("_test.ts")): string[] {
  const known = new Map<string, boolean>([[module, true]]);
  const needs = (path: string): boolean => {
    const answer = known.get(path);
    if (answer !== undefined) return answer;
    // A circle of imports must end; the answer is corrected below.
    known.set(path, false);
    const result = importsOf(path).some((specifier) => needs(normalize(join(dirname(path), specifier))));
    known.set(path, result);
    return result;
  };
  return files.filter(needs);
}

const imports = new Map<string, readonly string[]>();

function importsOf(path: string): readonly string[] {
  let found = imports.get(path);
  if (found === undefined) {
    const file = join(root, path);
    const all = existsSync(file) ? findImports(withoutComments(readFileSync(file, "utf8"))) : [];
    imports.set(path, found = all.map(({ specifier }) => specifier).filter((specifier) => specifier.startsWith(".")));
  }
  return found;
}

if (import.meta.main && process.argv.includes("--pip")) {
  for (const name of new Set(peers.flatMap(({ pip = [] }) => pip))) console.log(name);
} else if (import.meta.main) {
  const lacking = peers.filter((peer) => missingOf(peer).length > 0);
  for (const name of new Set(lacking.flatMap(({ packages }) => packages))) console.log(name);
}
