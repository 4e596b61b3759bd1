/**
 * `weir doctor` over whole and broken installations, with and without an agent.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, openSync, readFileSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/store/sqlite.ts";
import { makeCertificates } from "../peers/certificates.ts";
import { startAgent, temporaryDirectory, weir } from "./fixture.ts";

interface Finding {
  readonly area: string;
  readonly verdict: string;
  readonly found: string;
  readonly hint?: string;
}

interface Report {
  readonly code: number;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** Of an area, with their verdicts: `ok: …`. */
  of(area: string): string;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function withInstallation(
  work: (
    installation: {
      dir: string;
      data: string;
      port: number;
      doctor: (...args: string[]) => Promise<Report>;
      write: (yaml: string) => void;
    },
  ) => Promise<void>,
): Promise<void> {
  const { path: dir, cleanUp } = temporaryDirectory();
  try {
    const [port, dataPort, data] = [await freePort(), await freePort(), join(dir, "data")];
    mkdirSync(data, { mode: 0o750 });
    chmodSync(data, 0o750);
    const file = join(dir, "weir.yaml");
    const base =
      `listen: 127.0.0.1:${port}\ndataDir: ${data}\nsource: { httpServerPort: ${dataPort}, httpServerIp: 127.0.0.1 }\n`;
    writeFileSync(file, base);
    await work({
      dir,
      data,
      port,
      write: (yaml) => writeFileSync(file, base + yaml),
      async doctor(...args) {
        const { code, stdout, stderr } = await weir(["doctor", "--config", file, "--json", ...args]);
        assert.equal(stderr, "");
        const report = JSON.parse(stdout) as Omit<Report, "code" | "of">;
        for (const { verdict, hint, found } of report.findings) {
          if (verdict === "warning" || verdict === "problem") assert.ok(hint, found);
        }
        const of = (area: string) =>
          report.findings.filter((each) => each.area === area).map(({ verdict, found }) => `${verdict}: ${found}`).join(
            "\n",
          );
        return { code, ...report, of };
      },
    });
  } finally {
    cleanUp();
  }
}

test("an installation that is in order has no problem; the table says so for people", () =>
  withInstallation(async ({ dir, data, doctor }) => {
    openStore(data).store.close();
    const report = await doctor();
    assert.deepEqual([report.code, report.ok], [0, true], JSON.stringify(report.findings, null, 1));
    assert.match(report.of("database"), /^ok: .*weir\.db: .*, intact$/);
    assert.match(report.of("agent"), /^skipped: No agent runs/);
    assert.match(report.of("ports"), /^ok: .* is free\nok: .* is free$/);
    assert.match(report.of("disk"), /free on .*\nok: A file can be written/);
    for (const area of ["configuration", "permissions", "time zone"]) assert.match(report.of(area), /^ok: /, area);
    assert.match(report.of("clock"), /^ok: It is 20/);
    const { code, stdout } = await weir(["doctor", "--config", join(dir, "weir.yaml")]);
    assert.equal(code, 0);
    assert.match(stdout, /^ok +configuration +.*weir\.yaml$/m);
    assert.match(stdout, /No problem was found\.\n$/);
  }));

test("mistakes in the configuration are shown, and the rest is looked at all the same", () =>
  withInstallation(async ({ write, doctor, data }) => {
    write("lissen: 1\n");
    const report = await doctor("--data-dir", data);
    assert.equal(report.code, 1);
    assert.match(report.of("configuration"), /^problem: E402: Unknown setting "lissen"[\s\S]*did you mean "listen"/);
    assert.match(report.of("disk"), /free on/);
  }));

test("a certificate that expires soon is warned of, one without its key is a problem", () =>
  withInstallation(async ({ write, doctor, dir }) => {
    const { ca, serverCert, serverKey, clientCert } = makeCertificates(dir);
    write(`tls: { certFile: ${serverCert}, keyFile: ${serverKey}, clientCaFile: ${ca} }\n`);
    assert.match((await doctor()).of("certificate"), /^warning: .*weir test server.*server\.crt\), valid to 20/);
    write(`tls: { certFile: ${clientCert}, keyFile: ${serverKey} }\n`);
    const report = await doctor();
    assert.equal(report.code, 1);
    assert.match(report.of("certificate"), /^problem: .*server\.key cannot be used: it is the key of another cert/);
    write(`tls: { certFile: ${serverCert}, keyFile: ${dir}/none }\n`);
    assert.match((await doctor()).of("certificate"), /^problem: .*none cannot be read/);
  }));

test("a port that somebody else has is a problem, whatever he speaks", () =>
  withInstallation(async ({ doctor, port }) => {
    const web = createHttpServer((_, response) => response.end('{"hello":1}'));
    await new Promise<void>((resolve) => web.listen(port, "127.0.0.1", resolve));
    try {
      const report = await doctor();
      assert.equal(report.code, 1);
      assert.match(report.of("ports"), new RegExp(`problem: 127\\.0\\.0\\.1:${port} .* is in use, not by a weir`));
      assert.match(report.of("agent"), /problem: .*does not answer like a weir/);
    } finally {
      web.close();
    }
  }));

test("a damaged database, open permissions and a clock that stands behind are found", () =>
  withInstallation(async ({ data, doctor }) => {
    const { store } = openStore(data);
    for (let i = 0; i < 500; i++) store.put("stream", `s${i}`, "x".repeat(500));
    store.close();
    const file = join(data, "weir.db");
    const handle = openSync(file, "r+");
    for (let page = 4; page < 40; page++) writeSync(handle, "garbage".repeat(100), page * 4096);
    chmodSync(file, 0o644);
    chmodSync(data, 0o755);
    const later = Date.now() / 1000 + 86_400;
    utimesSync(file, later, later);
    const before = readFileSync(file);
    const report = await doctor();
    assert.equal(report.code, 1);
    assert.match(report.of("database"), /^problem: .*damaged|^problem: .*cannot be read/);
    assert.match(
      report.of("permissions"),
      /warning: Everybody may look into[\s\S]*problem: .*weir\.db can be read by others \(0644\)/,
    );
    assert.match(report.of("clock"), /problem: It is .*, but .*weir\.db was written at/);
    assert.deepEqual(readFileSync(file), before, "nothing was changed");
  }));

test("device files that are configured must be there", () =>
  withInstallation(async ({ write, doctor }) => {
    write(
      "properties: {}\nsources: { wire: { line: { datasource: /dev/nosuch0 }, null: { datasource: /dev/null } } }\n",
    );
    const report = await doctor();
    assert.equal(report.code, 1);
    assert.match(report.of("devices"), /problem: \/dev\/nosuch0 of sources\.wire\.line\.datasource is not there/);
    assert.match(report.of("devices"), /ok: \/dev\/null of /);
  }));

test("with an agent that runs the ports are its own, and its database is read beside it", () =>
  withInstallation(async ({ data, doctor, dir }) => {
    const agent = await startAgent(["--data-dir", data]);
    try {
      const report = await doctor("--server", agent.url);
      assert.equal(report.code, 0, JSON.stringify(report.findings, null, 1));
      assert.match(report.of("agent"), /^ok: weir .* answers at http/);
      assert.match(report.of("database"), /^ok: .*intact$/);
      assert.match(report.of("connections"), /^skipped: No connection/);
      // Its address is not where the configuration says.
      const silent = await doctor();
      assert.match(
        silent.of("agent"),
        new RegExp(`^problem: Process ${agent.process.pid} holds the data directory, but nobody answers`),
      );
      mkdirSync(join(dir, "other"), { mode: 0o750 });
      const elsewhere = await doctor("--server", agent.url, "--data-dir", join(dir, "other"));
      assert.match(elsewhere.of("agent"), /^warning: .*keeps its data elsewhere/);
      assert.match(elsewhere.of("database"), /^skipped: .* is not there yet/);
    } finally {
      await agent.stop();
    }
  }));
