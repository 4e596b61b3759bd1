import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientCertificate } from "./client_certificate.ts";
import { type ClientRole, principalOf } from "./client_roles.ts";

const certificate: ClientCertificate = {
  commonNames: ["line-7.plant"],
  alternativeNames: ["line-7.plant.example", "192.0.2.7"],
  fingerprint: "ab".repeat(32),
};

const cases: readonly (readonly [line: Omit<ClientRole, "role">, fits: boolean])[] = [
  [{ commonName: "line-7.plant" }, true],
  [{ commonName: "line-*" }, true],
  [{ commonName: "*.plant" }, true],
  [{ commonName: "l*7*t" }, true],
  [{ commonName: "*" }, true],
  [{ commonName: "line-7.plan" }, false],
  [{ commonName: "LINE-7.plant" }, false],
  [{ commonName: "line-7.plant*line-7.plant" }, false],
  [{ commonName: "line-7?plant" }, false],
  [{ alternativeName: "*.plant.example" }, true],
  [{ alternativeName: "192.0.2.7" }, true],
  [{ alternativeName: "line-7.plant" }, false],
  [{ fingerprint: "ab".repeat(32) }, true],
  [{ fingerprint: "AB:".repeat(32).slice(0, -1) }, true],
  [{ fingerprint: "ac".repeat(32) }, false],
  [{ commonName: "line-*", alternativeName: "10.*" }, false],
  [{ commonName: "line-*", alternativeName: "192.*" }, true],
  [{}, false],
];

for (const [line, fits] of cases) {
  test(`a certificate ${fits ? "fits" : "does not fit"} ${JSON.stringify(line)}`, () => {
    assert.equal(principalOf(certificate, [{ ...line, role: "viewer" }]) !== undefined, fits);
  });
}

test("the first line that fits says the role; the name is that of the line, or of the certificate", () => {
  const lines: ClientRole[] = [
    { commonName: "other", role: "admin" },
    { commonName: "line-*", role: "operator" },
    { commonName: "*", role: "admin" },
  ];
  assert.deepEqual(principalOf(certificate, lines), { name: "line-7.plant", kind: "certificate", role: "operator" });
  const named = principalOf({ ...certificate, commonNames: [] }, [{ alternativeName: "line*", role: "viewer" }]);
  assert.equal(named!.name, "line-7.plant.example");
  assert.equal(principalOf(certificate, [{ commonName: "*", role: "viewer", name: "lines" }])!.name, "lines");
});
