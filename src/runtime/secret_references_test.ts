import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Disconnected } from "../connector/errors.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { SecretReferences } from "./secret_references.ts";
import { maskSecrets } from "./secrets.ts";

function withFolder(
  work: (
    folder: string,
    refer: (environment?: Record<string, string>, configured?: unknown) => SecretReferences,
  ) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), "weir-secrets-"));
  try {
    mkdirSync(join(folder, "secrets"));
    writeFileSync(join(folder, "secrets", "db"), "of the file\n");
    writeFileSync(join(folder, "outside"), "not for everybody");
    const rules = { dirs: [join(folder, "secrets")], envPrefix: "WEIR_SECRET_" };
    work(folder, (environment = {}, configured = {}) => new SecretReferences(rules, environment, configured));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    assert.equal(error.diagnostics[0]!.code, "E710");
    return error.diagnostics.map(({ message, path }) => `${path}: ${message}`).join("\n");
  }
  return "";
}

test("variables, files and credentials stand for their content, at any depth; other settings mean themselves", () => {
  withFolder((folder, refer) => {
    writeFileSync(join(folder, "cred"), "of systemd\r\n");
    const secrets = refer({ WEIR_SECRET_A: "of the variable", CREDENTIALS_DIRECTORY: folder });
    const settings = {
      server: "env:WEIR_SECRET_A",
      password: "env:WEIR_SECRET_A",
      headers: { Authorization: `file:${folder}/secrets/db` },
      list: [{ token: "credential:cred" }],
      oAuth: { access: { body: "env:WEIR_SECRET_A", url: "file:/x" } },
      secret: "literal:env:x",
      passphrase: "plain",
      bytes: new Uint8Array(2),
    };
    assert.deepEqual(secrets.resolve(settings), {
      ...settings,
      password: "of the variable",
      headers: { Authorization: "of the file" },
      list: [{ token: "of systemd" }],
      oAuth: { access: { body: "of the variable", url: "file:/x" } },
      secret: "env:x",
    });
    const plain = { password: "plain", server: "x" };
    assert.equal(secrets.resolve(plain), plain);
  });
});

test("what the admin interface may refer to is bounded; what the file refers to is not", () => {
  withFolder((folder, refer) => {
    const secrets = refer({ HOME: "/root" }, { mqtt: { a: { password: "env:HOME" } } });
    secrets.check({ password: "env:HOME" }, "");
    secrets.check({ password: "env:WEIR_SECRET_B" }, "");
    secrets.check({ server: "file:/etc/shadow" }, "");
    secrets.check({ password: `file:${folder}/secrets/not there yet` }, "");
    symlinkSync(join(folder, "outside"), join(folder, "secrets", "link"));
    symlinkSync(folder, join(folder, "secrets", "up"));
    for (
      const text of [
        "env:PATH",
        "file:/etc/shadow",
        `file:${folder}/outside`,
        `file:${folder}/secrets/../outside`,
        `file:${folder}/secrets/link`,
        `file:${folder}/secrets/up/outside`,
        `file:${folder}/secrets`,
        `file:${folder}/secretsx/a`,
        "file:relative",
        "credential:../../etc/shadow",
        "credential:a",
      ]
    ) {
      assert.match(
        refused(() => secrets.check({ a: { password: text } }, "actions.0.mqtt")),
        /^actions\.0\.mqtt\.a\.password: /,
        text,
      );
    }
  });
});

test("a secret that is not there is a peer that is away; its content never stands in a message", () => {
  withFolder((folder, refer) => {
    const secrets = refer();
    for (const password of ["env:WEIR_SECRET_NONE", `file:${folder}/secrets/none`]) {
      assert.throws(
        () => secrets.resolve({ password }),
        (error) => error instanceof Disconnected && /E711/.test(error.message),
      );
    }
    assert.throws(() => secrets.resolve({ password: "env:HOME" }), DiagnosticError);
  });
});

test("references are shown, what they stand for is not", () => {
  assert.deepEqual(maskSecrets({ password: "env:A", token: "plain", headers: { Authorization: "file:/a" } }), {
    password: "env:A",
    token: "******",
    headers: { Authorization: "file:/a" },
  });
  assert.deepEqual(maskSecrets({ password: "literal:env:A" }), { password: "******" });
});
