import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as v from "valibot";
import { readSettings } from "./settings.ts";
import { tlsEntries, tlsOptions } from "./tls_settings.ts";

const schema = v.strictObject({ ...tlsEntries });
const read = (raw: Record<string, unknown>) => readSettings(schema, raw, { path: "", where: "mqtt action" });
const certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
const base64 = (text: string) => Buffer.from(text).toString("base64");

test("tlsOptions() has safe defaults", () => {
  assert.deepEqual(tlsOptions(read({})), { rejectUnauthorized: true, minVersion: "TLSv1.2" });
});

test("tlsOptions() reads files and raw texts, the path winning", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weir-tls-"));
  try {
    const file = join(folder, "client.pem");
    await writeFile(file, certificate);
    const settings = read({
      certificationPath: file,
      certificationRaw: "ignored",
      privateKeyRaw: base64(key),
      rootCARaw: base64(certificate),
      insecureSkipVerify: "true",
      tlsMinVersion: "TLS1.3",
      serverName: "broker.local",
    });
    assert.deepEqual(tlsOptions(settings), {
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      ca: certificate,
      cert: certificate,
      key,
      servername: "broker.local",
    });
    assert.equal(
      tlsOptions(read({ certficationRaw: base64(certificate), privateKeyRaw: base64(key) })).key,
      key,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("tlsOptions() says which file or text is wrong", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ rootCaPath: "/no/such.pem" }, /E403: Cannot read the file "\/no\/such.pem" of "rootCaPath": no such file/],
    [{ rootCaPath: "/" }, /E403: Cannot read the file "\/"/],
    [{ rootCARaw: "!!" }, /E403: Cannot use "rootCARaw"/],
    [{ privateKeyRaw: base64(key) }, /E404: A client key is given without.*"certificationPath"/],
    [{ certificationRaw: base64(certificate) }, /E404: A client certificate .*"privateKeyPath"/],
  ];
  for (const [raw, pattern] of cases) {
    assert.throws(() => tlsOptions(read(raw), "actions.0.mqtt"), pattern);
  }
  assert.throws(() => read({ tls: "default" }), /E408/);
});
