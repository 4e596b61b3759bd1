import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificates } from "../../tests/peers/certificates.ts";
import { checkPair, PairError, type PemPair } from "./key_pair.ts";

test("checkPair() tells when a certificate expires, and which part cannot be used", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-pair-"));
  try {
    const files = makeCertificates(folder);
    const read = (path: string) => readFileSync(path, "utf8");
    const [cert, key, ca] = [read(files.serverCert), read(files.serverKey), read(files.ca)];
    const { subject, beginsMs, expiresMs } = checkPair({ cert, key, ca: `${ca}\n${read(files.otherCa)}` });
    assert.match(subject, /weir test server/);
    assert.equal(Math.round((expiresMs - beginsMs) / 86_400_000), 2);
    assert.ok(Math.abs(beginsMs - Date.now()) < 600_000);
    checkPair({ cert: cert + ca, key });
    const cases: [PemPair, keyof PemPair, RegExp][] = [
      [{ cert: "no", key }, "cert", /no certificate in PEM/],
      [{ cert: "", key }, "cert", /no certificate in PEM/],
      [{ cert: cert.slice(0, 200), key }, "cert", /no certificate in PEM/],
      [{ cert, key: "no" }, "key", /no private key in PEM/],
      [{ cert, key: read(files.clientKey) }, "key", /of another certificate/],
      [{ cert, key, ca: "no" }, "ca", /no certificate in PEM/],
    ];
    for (const [pair, part, message] of cases) {
      assert.throws(() => checkPair(pair), (error) => {
        assert.ok(error instanceof PairError);
        assert.equal(error.part, part);
        assert.match(error.message, message);
        return true;
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
