import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { listDebianPackage, unpackDebianPackage } from "../tests/peers/dpkg_deb.ts";
import { release } from "./release.ts";
import { makeTestKey, publicKeyText, readSigningKey } from "./release_key.ts";
import { manPage } from "./release_man.ts";
import { sbom } from "./release_sbom.ts";
import { ar, tarball } from "./release_tar.ts";

const seconds = 1_700_000_000;

async function withFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-release-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("release() gives the same bytes twice, listed and signed", () =>
  withFolder(async (folder) => {
    const binary = join(folder, "weir");
    writeFileSync(binary, "#!/bin/sh\necho weir 1.2.3\n");
    const key = makeTestKey();
    const made = ["a", "b"].map((name) => join(folder, name));
    for (const out of made) {
      const code = await release({
        version: "1.2.3",
        targets: ["linux-x64", "linux-arm64-musl"],
        binaries: { "linux-x64": binary, "linux-arm64-musl": binary },
        out,
        key,
        baseUrl: "https://example.org/weir",
        seconds,
        say: () => {},
      });
      assert.equal(code, 0);
    }
    const [first, second] = made.map((out) => join(out, "1.2.3"));
    const names = readdirSync(first!).toSorted();
    assert.deepEqual(names, [
      "SHA256SUMS",
      "SHA256SUMS.sig",
      "install.sh",
      "sbom.cdx.json",
      "weir-1.2.3-linux-arm64-musl.tar.gz",
      "weir-1.2.3-linux-x64.tar.gz",
      "weir.1",
      "weir_1.2.3_amd64.deb",
    ]);
    for (const name of names) {
      assert.deepEqual(readFileSync(join(first!, name)), readFileSync(join(second!, name)), name);
    }
    const list = readFileSync(join(first!, "SHA256SUMS"), "utf8").trimEnd().split("\n").map((line) => line.split("  "));
    assert.deepEqual(list.map(([, name]) => name), names.filter((name) => !name.startsWith("SHA256SUMS")));
    for (const [sum, name] of list) {
      assert.equal(createHash("sha256").update(readFileSync(join(first!, name!))).digest("hex"), sum);
    }
    const installer = readFileSync(join(made[0]!, "install.sh"), "utf8");
    const stamped = /^release_key='(.+)'$/m.exec(installer)![1]!;
    assert.equal(stamped, publicKeyText(key));
    const signed = readFileSync(join(first!, "SHA256SUMS"));
    const signature = readFileSync(join(first!, "SHA256SUMS.sig"));
    const pem = `-----BEGIN PUBLIC KEY-----\n${stamped}\n-----END PUBLIC KEY-----\n`;
    assert.ok(verify(null, signed, createPublicKey(pem), signature));
    assert.match(installer, /^release_version='1\.2\.3'$/m);
    assert.match(installer, /^release_url='https:\/\/example\.org\/weir'$/m);
  }));

test("release() makes archives that tar and dpkg read", () =>
  withFolder(async (folder) => {
    const binary = join(folder, "weir");
    writeFileSync(binary, "a program");
    await release({
      version: "1.2.3",
      targets: ["linux-arm64"],
      binaries: { "linux-arm64": binary },
      out: folder,
      key: makeTestKey(),
      baseUrl: "",
      seconds,
      say: () => {},
    });
    const tar = (...args: string[]) => execFileSync("tar", args, { encoding: "utf8", env: { TZ: "UTC", LC_ALL: "C" } });
    const archive = join(folder, "1.2.3", "weir-1.2.3-linux-arm64.tar.gz");
    const lines = tar("tvzf", archive).trimEnd().split("\n");
    assert.ok(
      lines.includes("-rwxr-xr-x root/root         9 2023-11-14 22:13 weir-1.2.3-linux-arm64/weir"),
      lines.join("\n"),
    );
    assert.ok(lines.every((line) => line.includes("root/root")));
    assert.equal(tar("xzOf", archive, "weir-1.2.3-linux-arm64/weir"), "a program");

    const debian = join(folder, "1.2.3", "weir_1.2.3_arm64.deb");
    const unpacked = join(folder, "deb");
    unpackDebianPackage(debian, unpacked);
    const read = (path: string) => readFileSync(join(unpacked, path), "utf8");
    assert.match(read("DEBIAN/control"), /^Version: 1\.2\.3\nArchitecture: arm64$/m);
    assert.doesNotMatch(read("DEBIAN/control"), /@[A-Z]/);
    assert.equal(read("DEBIAN/conffiles"), "/etc/weir/weir.yaml\n");
    for (const name of ["preinst", "postinst", "prerm", "postrm"]) {
      assert.equal(statSync(join(unpacked, "DEBIAN", name)).mode & 0o777, 0o755, name);
    }
    for (const line of read("DEBIAN/md5sums").trimEnd().split("\n")) {
      const [sum, path] = line.split("  ");
      assert.equal(createHash("md5").update(readFileSync(join(unpacked, path!))).digest("hex"), sum);
    }
    assert.equal(read("usr/bin/weir"), "a program");
    assert.match(read("usr/lib/systemd/system/weir.service"), /^ExecStart=\/usr\/bin\/weir serve /m);
    assert.ok(listDebianPackage(debian).every((line) => line.includes("root/root")));
  }));

test("tarball() does not depend on the order of its files, and refuses names that do not fit", () => {
  const files = ["b/2", "a", "b/1"].map((path) => ({ path, bytes: new TextEncoder().encode(path) }));
  assert.deepEqual(tarball(files, seconds), tarball(files.toReversed(), seconds));
  const long = { path: "x".repeat(101), bytes: new Uint8Array() };
  assert.throws(() => tarball([long], seconds), /longer than 100/);
});

test("ar() fills up parts of odd length", () => {
  const text = new TextDecoder().decode(ar([{ path: "odd", bytes: new TextEncoder().encode("abc") }], 7));
  assert.equal(text, `!<arch>\n${"odd".padEnd(16)}7${" ".repeat(11)}0     0     100644  3         \`\nabc\n`);
});

test("sbom() lists what the binary holds, each package once, with everything that it needs", () => {
  const parts = JSON.parse(sbom("1.2.3", seconds));
  assert.equal(parts.bomFormat, "CycloneDX");
  assert.match(parts.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  const refs: string[] = parts.components.map((each: { "bom-ref": string }) => each["bom-ref"]);
  assert.equal(new Set(refs).size, refs.length);
  const names = parts.components.map((each: { name: string }) => each.name);
  for (const name of ["bun", "hono", "valibot", "pg", "pg-pool"]) assert.ok(names.includes(name), name);
  // The generator of the parser and types are no part of it.
  for (const name of ["peggy", "@types/node"]) assert.ok(!names.includes(name), name);
  for (const { hashes } of parts.components) assert.match(hashes[0].content, /^[0-9a-f]{128}$/);
  for (const { ref, dependsOn } of parts.dependencies) {
    for (const each of dependsOn) assert.ok(refs.includes(each), `${ref} needs ${each}`);
  }
});

test("manPage() tells of every command and flag", async () => {
  const page = await manPage("1.2.3", seconds);
  assert.match(page, /^\.TH WEIR 1 "2023-11-14" "weir 1\.2\.3" "weir"$/m);
  assert.match(page, /^\.SS serve$/m);
  assert.match(page, /^\.B \\-c, \\-\\-config FILE$/m);
  assert.doesNotMatch(page, /[^\x20-\x7e\n]/);
});

test("readSigningKey() takes ed25519 only", () => {
  assert.equal(readSigningKey(undefined, {}), undefined);
  const pem = makeTestKey().export({ type: "pkcs8", format: "pem" }) as string;
  assert.equal(readSigningKey(undefined, { WEIR_SIGNING_KEY: pem })?.asymmetricKeyType, "ed25519");
});
