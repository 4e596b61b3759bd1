import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { alternativeNames } from "./alternative_names.ts";

/** The bytes of a certificate with these lines as the section of its names. */
function certificateWith(names: string | undefined): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "weir-names-"));
  try {
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    const usage = "basicConstraints=CA:false\nextendedKeyUsage=clientAuth\n";
    const extensions = names === undefined ? usage : `${usage}subjectAltName=@n\n[n]\n${names}\n`;
    writeFileSync(join(folder, "e.cnf"), `[req]\ndistinguished_name=d\n[d]\n[e]\n${extensions}`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "k.pem"];
    openssl("req", "-x509", ...key, "-subj", "/CN=a", "-config", "e.cnf", "-extensions", "e", "-out", "c.pem");
    return new Uint8Array(new X509Certificate(readFileSync(join(folder, "c.pem"))).raw);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("alternative names are read in their order, each as what it is", () => {
  const names =
    "DNS.1=a.example\nIP.1=192.0.2.7\nIP.2=2001:db8:0:0::1\nemail.1=a@b.example\nURI.1=spiffe://plant/line-7";
  assert.deepEqual(alternativeNames(certificateWith(names)), [
    "a.example",
    "192.0.2.7",
    "2001:db8::1",
    "a@b.example",
    "spiffe://plant/line-7",
  ]);
});

test("a name that holds what separates names in texts stays one", () => {
  const certificate = certificateWith("URI.1=http://x/\\, DNS:boss.plant\nDNS.1=own.plant");
  assert.deepEqual(alternativeNames(certificate), ["http://x/, DNS:boss.plant", "own.plant"]);
});

test("a certificate without names, and what is none, has none", () => {
  const certificate = certificateWith(undefined);
  assert.deepEqual(alternativeNames(certificate), []);
  assert.deepEqual(alternativeNames(new Uint8Array()), []);
  for (let length = 1; length < certificate.length; length += 7) {
    assert.deepEqual(alternativeNames(certificate.subarray(0, length)), []);
    assert.deepEqual(alternativeNames(certificate.subarray(length)), []);
  }
});
