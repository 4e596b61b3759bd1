import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "../../tests/eventually.ts";
import { type Certificates, makeCertificates } from "../../tests/peers/certificates.ts";
import type { Logger } from "../connector/context.ts";
import { CertificateKeeper, type KeeperOptions } from "./keeper.ts";
import type { PemPair } from "./key_pair.ts";

const root = mkdtempSync(join(tmpdir(), "weir-keeper-"));
after(() => rmSync(root, { recursive: true }));
const made: Certificates = makeCertificates(root);

let folders = 0;

function setUp(options: Partial<KeeperOptions> = {}) {
  const at = (name: string) => join(root, `${folders}-${name}`);
  folders++;
  const files = { cert: at("cert.pem"), key: at("key.pem") };
  const put = (cert: string, key: string) => {
    copyFileSync(cert, files.cert);
    copyFileSync(key, files.key);
  };
  put(made.serverCert, made.serverKey);
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: () => log,
  };
  const settings = { cert: "tls.certFile", key: "tls.keyFile", ca: "tls.clientCaFile" };
  const open = () => CertificateKeeper.open({ server: "admin", files, settings, log, ...options });
  return { files, put, lines, open };
}

const pem = (path: string) => readFileSync(path, "utf8");

test("new files are taken once they fit together, and told", () => {
  const { files, put, lines, open } = setUp();
  const keeper = open();
  const given: PemPair[] = [];
  keeper.onChange((pair) => given.push(pair));
  keeper.look();
  assert.equal(given.length, 0);
  // The key comes a moment later.
  copyFileSync(made.clientCert, files.cert);
  keeper.look();
  assert.equal(keeper.current.cert, pem(made.serverCert));
  put(made.clientCert, made.clientKey);
  keeper.look();
  assert.deepEqual(given, [{ cert: pem(made.clientCert), key: pem(made.clientKey) }]);
  assert.equal(keeper.current, given[0]);
  assert.match(lines.join("\n"), /info A new certificate is in use .*weir test client/);
  assert.doesNotMatch(lines.join("\n"), /refused/);
  assert.deepEqual([keeper.report.taken, keeper.report.refused], [1, 0]);
});

test("files that cannot be used are refused, the pair of before stays, and good ones are taken afterwards", () => {
  const { files, put, lines, open } = setUp();
  const keeper = open();
  const given: PemPair[] = [];
  keeper.onChange((pair) => given.push(pair));
  writeFileSync(files.cert, "half a certifi");
  keeper.look();
  assert.equal(lines.filter((line) => line.startsWith("error")).length, 0, "it may still be written");
  keeper.look();
  keeper.look();
  const told = lines.filter((line) => line.startsWith("error"));
  assert.equal(told.length, 1, told.join());
  assert.match(told[0]!, /refused, the old one stays .*E716.*no certificate in PEM/);
  assert.throws(() => keeper.reload(), /E716.*Cannot use .*cert\.pem/);
  rmSync(files.key);
  assert.throws(() => keeper.reload(), /E716.*Cannot read .*key\.pem/);
  assert.equal(given.length, 0);
  assert.equal(keeper.report.refused, 3);
  put(made.clientCert, made.clientKey);
  keeper.reload();
  assert.equal(given.length, 1);
});

test("a pair that a server does not take is refused", () => {
  const { put, open } = setUp();
  const keeper = open();
  keeper.onChange(({ cert }) => {
    if (cert === pem(made.clientCert)) throw new Error("not this one");
  });
  put(made.clientCert, made.clientKey);
  keeper.look();
  assert.equal(keeper.current.cert, pem(made.serverCert));
  assert.equal(keeper.report.refused, 1);
});

test("what cannot be used at the start is an error with the setting that names it", () => {
  const { files, open } = setUp();
  copyFileSync(made.clientKey, files.key);
  assert.throws(open, /E716.*Cannot use .*key\.pem: it is the key of another certificate/);
  rmSync(files.cert);
  assert.throws(open, /E716.*Cannot read .*cert\.pem/);
});

test("a certificate that expires within 30 days is told once a day, one that has expired as an error", () => {
  const dayMs = 24 * 3600 * 1000;
  const time = { now: Date.now() - 40 * dayMs };
  const { lines, open } = setUp({ now: () => time.now });
  const keeper = open();
  assert.match(lines.join("\n"), /not valid yet/);
  lines.length = 0;
  time.now = Date.now() + 1000;
  keeper.look();
  keeper.look();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^warn The certificate expires soon .*"days":1,?.*|^warn The certificate expires soon/);
  assert.match(lines[0]!, /"server":"admin"/);
  time.now += 25 * 3600 * 1000;
  keeper.look();
  assert.equal(lines.length, 2);
  time.now += 2 * dayMs;
  keeper.look();
  assert.match(lines[2]!, /^error The certificate has expired/);
});

test("the files are looked at now and then", async () => {
  const { put, open } = setUp({ lookMs: 5 });
  const keeper = open();
  keeper.start();
  try {
    put(made.clientCert, made.clientKey);
    await eventually(() => keeper.report.taken === 1);
  } finally {
    keeper.stop();
  }
});
