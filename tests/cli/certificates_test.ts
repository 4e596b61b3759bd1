/**
 * The commands against an agent whose certificate is not what it should be.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { command } from "../agent/agent.ts";
import { temporaryDirectory, weir } from "./fixture.ts";

/** An authority, and a server certificate of it for the given name. */
function makeCertificates(folder: string, name: string): { cert: string; key: string; ca: string } {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=weir test", "-days", "2");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server");
  writeFileSync(join(folder, "server.ext"), `subjectAltName=${name}\nextendedKeyUsage=serverAuth\n`);
  const authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext"];
  openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", "-days", "2", ...authority);
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  return { cert: read("server.pem"), key: read("server.key"), ca: join(folder, "ca.pem") };
}

async function withServer(name: string, work: (url: string, ca: string) => Promise<void>): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  const { cert, key, ca } = makeCertificates(path, name);
  const server = createServer({ cert, key }, (_request, response) => response.end("[]"));
  try {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await work(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    cleanUp();
  }
}

/** The command as a process, since engines read NODE_EXTRA_CA_CERTS at their start. */
function withAuthority(args: readonly string[], ca: string): Promise<{ code: number; stderr: string }> {
  const [program, all] = command(args);
  const options = { env: { ...process.env, NODE_EXTRA_CA_CERTS: ca } };
  return new Promise((resolve) => {
    execFile(program, all, options, (error, _stdout, stderr) => resolve({ code: error === null ? 0 : 1, stderr }));
  });
}

test("an authority that is not trusted is named as the reason, with the way to trust it", () =>
  withServer("IP:127.0.0.1", async (url, ca) => {
    const { code, stderr } = await weir(["rule", "ls", "--server", url]);
    assert.equal(code, 1);
    assert.ok(stderr.includes(`${url} cannot be trusted: its certificate is of an authority that is not trusted here`));
    assert.match(stderr, /NODE_EXTRA_CA_CERTS=ca\.pem/);
    assert.doesNotMatch(stderr, /no weir answers/);
    // What the hint says works.
    assert.equal((await withAuthority(["rule", "ls", "--server", url], ca)).code, 0);
  }));

test("a certificate for another name is told apart", () =>
  withServer("DNS:plant.example", async (url, ca) => {
    const { code, stderr } = await withAuthority(["rule", "ls", "--server", url], ca);
    assert.equal(code, 1);
    assert.match(stderr, /its certificate is for another name/);
  }));
