import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { publicKeyText } from "../../scripts/release_key.ts";
import { root as repository } from "../../scripts/source_files.ts";
import { startAgent } from "../cli/fixture.ts";
import { busyboxTools, shellcheck, withoutPrograms } from "../peers/shells.ts";
import { install, Releases, scratchRoot } from "./release_fixture.ts";

let releases: Releases;

before(async () => {
  releases = await Releases.serve();
  await releases.add("2.0.0", "broken");
  await releases.add("2.1.0", "deaf");
  await releases.add("2.2.0", "foreign");
  await releases.add("1.1.0", "good");
  await releases.add("1.0.0", "withUsers");
});

after(() => releases.close());

/** The files below a folder, sorted. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .toSorted();
}

async function withRoot(run: (root: string) => Promise<void>, loader?: string): Promise<void> {
  const root = scratchRoot(loader);
  try {
    await run(root.path);
  } finally {
    root.remove();
  }
}

/** Creates a stream in the data of an installed agent, and returns the names of all streams that it has. */
async function streamsOf(root: string, created?: string): Promise<string[]> {
  const agent = await startAgent(["--data-dir", join(root, "var/lib/weir")]);
  try {
    if (created !== undefined) {
      const sql = `CREATE STREAM ${created} () WITH (DATASOURCE="t", FORMAT="JSON")`;
      const response = await fetch(`${agent.url}/streams`, { method: "POST", body: JSON.stringify({ sql }) });
      assert.equal(response.status, 201, await response.text());
    }
    return await (await fetch(`${agent.url}/streams`)).json();
  } finally {
    await agent.stop();
  }
}

test("install.sh has nothing that shellcheck complains about", () => {
  for (const name of ["install.sh", "packaging/openrc/weir"]) assert.equal(shellcheck(join(repository, name)), "");
  for (const name of readdirSync(join(repository, "packaging/deb")).filter((name) => name !== "control")) {
    assert.equal(shellcheck(join(repository, "packaging/deb", name)), "");
  }
});

test("install.sh installs, installs again, upgrades, rolls back a broken version with its data, and removes all", () =>
  withRoot(async (root) => {
    const at = (path: string) => readFileSync(join(root, path), "utf8");
    const version = () => at("usr/local/lib/weir/share/version").trim();
    const before = filesOf(root);

    const first = await install({ releases, args: ["--root", root] });
    assert.equal(first.code, 0, first.output);
    assert.match(first.output, /checked weir-1\.0\.0-linux-x64\.tar\.gz/);
    assert.equal(first.output.match(/user admin, password correct-horse/g)?.length, 1);
    assert.equal(version(), "1.0.0");
    assert.ok(statSync(join(root, "usr/local/bin/weir")).mode & 0o111);
    assert.equal(statSync(join(root, "var/lib/weir")).mode & 0o777, 0o750);
    for (const path of ["share/man/man1/weir.1", "share/bash-completion/completions/weir"]) {
      assert.ok(existsSync(join(root, "usr/local", path)), path);
    }
    assert.equal(existsSync(join(root, "usr/local/lib/weir/lock")), false);

    const again = await install({ releases, args: ["--root", root] });
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /weir 1\.0\.0 is installed already/);
    assert.doesNotMatch(again.output, /password/);

    appendFileSync(join(root, "etc/weir/weir.yaml"), "\ntimezone: Europe/Vienna\n");
    assert.deepEqual(await streamsOf(root, "demo"), ["demo"]);
    const upgraded = await install({ releases, args: ["--root", root, "--version", "1.1.0"] });
    assert.equal(upgraded.code, 0, upgraded.output);
    assert.match(upgraded.output, /upgrading from 1\.0\.0 to 1\.1\.0/);
    assert.doesNotMatch(upgraded.output, /password/);
    assert.equal(version(), "1.1.0");
    assert.match(at("etc/weir/weir.yaml"), /Vienna/);
    assert.equal(at("var/lib/weir/snapshot/version").trim(), "1.0.0");
    assert.deepEqual(await streamsOf(root, "later"), ["demo", "later"]);

    const broken = await install({ releases, args: ["--root", root, "--version", "2.0.0"] });
    assert.equal(broken.code, 1, broken.output);
    assert.match(broken.output, /E600: this version is broken/);
    assert.match(broken.output, /weir 1\.1\.0 is back with its data/);
    assert.equal(version(), "1.1.0");
    assert.equal(at("var/lib/weir/failed/weir.db"), "spoilt\n");
    assert.deepEqual(await streamsOf(root), ["demo", "later"]);

    const removed = await install({ releases, args: ["--root", root, "--uninstall"] });
    assert.equal(removed.code, 0, removed.output);
    const left = filesOf(root).filter((path) => !before.includes(path));
    assert.deepEqual(left.filter((path) => !path.startsWith("var/lib/weir/")), ["etc/weir/weir.yaml"]);
    assert.ok(left.includes("var/lib/weir/weir.db"));

    const back = await install({ releases, args: ["--root", root, "--version", "1.1.0"] });
    assert.equal(back.code, 0, back.output);
    assert.doesNotMatch(back.output, /password/);
    assert.match(at("etc/weir/weir.yaml"), /Vienna/);
    assert.deepEqual(await streamsOf(root), ["demo", "later"]);

    const purged = await install({ releases, args: ["--root", root, "--purge"] });
    assert.equal(purged.code, 0, purged.output);
    assert.deepEqual(filesOf(root), before);
    const nothing = await install({ releases, args: ["--root", root, "--purge"] });
    assert.equal(nothing.code, 0, nothing.output);
  }));

test("install.sh works with busybox alone, goes back by hand, and takes back a version that never gets ready", () =>
  withRoot(async (root) => {
    const path = busyboxTools(join(root, "tools"), ["openssl"]);
    const run = (...args: string[]) =>
      install({ releases, shell: [join(path, "ash")], path, args: ["--root", root, ...args] });
    const version = () => readFileSync(join(root, "usr/local/lib/weir/share/version"), "utf8").trim();

    const first = await run("--version", "1.0.0");
    assert.equal(first.code, 0, first.output);
    assert.deepEqual(await streamsOf(root, "demo"), ["demo"]);
    const upgraded = await run("--version=1.1.0");
    assert.equal(upgraded.code, 0, upgraded.output);
    assert.deepEqual(await streamsOf(root, "later"), ["demo", "later"]);

    const deaf = await run("--version", "2.1.0", "--health-timeout", "2");
    assert.equal(deaf.code, 1, deaf.output);
    assert.match(deaf.output, /weir 2\.1\.0 does not get ready: going back to 1\.1\.0/);
    assert.equal(version(), "1.1.0");

    const none = await run("--rollback");
    assert.equal(none.code, 1, none.output);
    assert.match(none.output, /there is no version to go back to/);
    assert.deepEqual(await streamsOf(root), ["demo", "later"]);

    const older = await run("--version", "1.0.0");
    assert.equal(older.code, 0, older.output);
    assert.deepEqual(await streamsOf(root, "last"), ["demo", "last", "later"]);
    const back = await run("--rollback");
    assert.equal(back.code, 0, back.output);
    assert.equal(version(), "1.1.0");
    assert.deepEqual(await streamsOf(root), ["demo", "later"]);

    const purged = await run("--purge");
    assert.equal(purged.code, 0, purged.output);
    assert.equal(existsSync(join(root, "var/lib/weir")), false);
  }));

test("install.sh leaves nothing of a first version that does not get ready but configuration and data", () =>
  withRoot(async (root) => {
    const { code, output } = await install({ releases, args: ["--root", root, "--version", "2.0.0"] });
    assert.equal(code, 1, output);
    assert.match(output, /weir 2\.0\.0 does not get ready/);
    const left = filesOf(root).filter((path) => !/^(lib64|etc\/weir|var\/lib\/weir)\//.test(path));
    assert.deepEqual(left, []);
  }));

test("install.sh does not touch an agent that runs", () =>
  withRoot(async (root) => {
    assert.equal((await install({ releases, args: ["--root", root] })).code, 0);
    const agent = await startAgent(["--data-dir", join(root, "var/lib/weir")]);
    try {
      for (const args of [["--version", "1.1.0"], ["--uninstall"]]) {
        const { code, output } = await install({ releases, args: ["--root", root, ...args] });
        assert.equal(code, 1, output);
        assert.match(output, new RegExp(`weir still runs \\(process ${agent.process.pid}\\)`));
      }
      assert.equal((await fetch(`${agent.url}/ping`)).status, 200);
    } finally {
      await agent.stop();
    }
  }));

test("install.sh does not take a process that has the number of a killed agent for one", () =>
  withRoot(async (root) => {
    const sleeper = spawn("sleep", ["60"]);
    try {
      assert.equal((await install({ releases, args: ["--root", root] })).code, 0);
      writeFileSync(join(root, "var/lib/weir/weir.pid"), `${sleeper.pid}\n`);
      const { code, output } = await install({ releases, args: ["--root", root, "--uninstall"] });
      assert.equal(code, 0, output);
    } finally {
      sleeper.kill("SIGKILL");
    }
  }));

/** What must be refused before anything is changed. */
async function refuses(
  expected: RegExp,
  options: { args?: readonly string[]; path?: string; loader?: string; root?: string },
): Promise<void> {
  await withRoot(async (root) => {
    const { code, output } = await install({
      releases,
      args: ["--root", root, ...(options.args ?? [])],
      ...(options.path === undefined ? {} : { path: options.path }),
    });
    assert.match(output, expected);
    assert.notEqual(code, 0);
    assert.deepEqual(filesOf(root).length, 1);
    assert.equal(existsSync(join(root, "usr/local/lib/weir")), false);
  }, options.loader);
}

/** Changes a file of the release 1.1.0 while `run` runs. */
async function withSpoiled(name: string, spoil: (bytes: Uint8Array) => Uint8Array, run: () => Promise<void>) {
  const file = releases.path("1.1.0", name);
  const kept = readFileSync(file);
  writeFileSync(file, spoil(kept));
  try {
    await run();
  } finally {
    writeFileSync(file, kept);
  }
}

const tarball = "weir-1.1.0-linux-x64.tar.gz";

test("install.sh refuses a tarball that was changed", () =>
  withSpoiled(tarball, (bytes) => bytes.with(100, bytes[100]! ^ 1), async () => {
    await refuses(/is damaged or not the one that was released/, { args: ["--version", "1.1.0"] });
  }));

test("install.sh refuses checksums that were changed, and those that another key signed", async () => {
  await withSpoiled("SHA256SUMS", (bytes) => bytes.with(0, bytes[0]! ^ 1), async () => {
    await refuses(/the signature of SHA256SUMS is wrong/, { args: ["--version", "1.1.0"] });
  });
  const stranger = publicKeyText(generateKeyPairSync("ed25519").privateKey);
  await refuses(/the signature of SHA256SUMS is wrong/, { args: ["--version", "1.1.0", "--public-key", stranger] });
});

test("install.sh refuses a release without a signature, a file it does not name, and a version that is not there", async () => {
  const signature = releases.path("1.1.0", "SHA256SUMS.sig");
  const kept = readFileSync(signature);
  rmSync(signature);
  try {
    await refuses(/cannot get .*SHA256SUMS\.sig/, { args: ["--version", "1.1.0"] });
  } finally {
    writeFileSync(signature, kept);
  }
  await refuses(/cannot get .*9\.9\.9/, { args: ["--version", "9.9.9"] });
  await withRoot((folder) => {
    copyFileSync(releases.path("1.1.0", tarball), join(folder, "other.tar.gz"));
    for (const name of ["SHA256SUMS", "SHA256SUMS.sig"]) copyFileSync(releases.path("1.1.0", name), join(folder, name));
    return refuses(/SHA256SUMS does not name other\.tar\.gz/, { args: ["--file", join(folder, "other.tar.gz")] });
  });
});

test("install.sh refuses a program that this machine cannot run", () =>
  refuses(/this machine cannot run weir-2\.2\.0-linux-x64\.tar\.gz/, { args: ["--version", "2.2.0"] }));

test("install.sh needs openssl, unless it is told to do without", () =>
  withRoot(async (root) => {
    const path = withoutPrograms(join(root, "tools"), ["openssl"]);
    await refuses(/needs openssl/, { path });
    const args = ["--root", root, "--version", "1.1.0", "--no-health-check", "--insecure-no-signature"];
    const { code, output } = await install({ releases, args, path });
    assert.equal(code, 0, output);
    assert.match(output, /the signature is not checked/);
    await withSpoiled(tarball, (bytes) => bytes.with(100, bytes[100]! ^ 1), async () => {
      await refuses(/is damaged/, { args: ["--version", "1.1.0", "--insecure-no-signature"], path });
    });
  }));

test("install.sh takes a file without any server, and puts the unit into an image", () =>
  withRoot(async (root) => {
    const file = releases.path("1.1.0", tarball);
    const args = ["--root", root, "--file", file, "--base-url", "http://127.0.0.1:9", "--prefix", "/opt/weir"];
    const { code, output } = await install({
      releases,
      args: [...args, "--service", "systemd", "--limits", "--serial"],
    });
    assert.equal(code, 0, output);
    const unit = readFileSync(join(root, "etc/systemd/system/weir.service"), "utf8");
    assert.match(unit, /^ExecStart=\/opt\/weir\/bin\/weir serve /m);
    assert.deepEqual(readdirSync(join(root, "etc/systemd/system/weir.service.d")).toSorted(), [
      "backoff.conf",
      "limits.conf",
      "serial.conf",
    ]);
    assert.ok(existsSync(join(root, "opt/weir/bin/weir")));
  }));

test("install.sh puts the script of OpenRC into an image", () =>
  withRoot(async (root) => {
    const args = ["--root", root, "--version", "1.1.0", "--service", "openrc"];
    const { code, output } = await install({ releases, args });
    assert.equal(code, 0, output);
    assert.ok(statSync(join(root, "etc/init.d/weir")).mode & 0o111);
    const removed = await install({ releases, args: ["--root", root, "--service", "openrc", "--uninstall"] });
    assert.equal(removed.code, 0, removed.output);
    assert.equal(existsSync(join(root, "etc/init.d/weir")), false);
  }));

/** A folder with a `uname` that tells of another machine, in front of the PATH. */
function pretend(folder: string, machine: string, system = "Linux"): string {
  const tools = join(folder, `tools-${machine}`);
  mkdirSync(tools);
  writeFileSync(join(tools, "uname"), `#!/bin/sh\ncase $1 in -m) echo ${machine} ;; *) echo ${system} ;; esac\n`);
  chmodSync(join(tools, "uname"), 0o755);
  return `${tools}:${process.env.PATH}`;
}

test("install.sh names the machines that weir does not run on", () =>
  withRoot(async (folder) => {
    const cases: readonly (readonly [machine: string, expected: RegExp, loader?: string, system?: string])[] = [
      ["armv7l", /does not run on 32-bit ARM \(armv7l\): it needs a 64-bit system/],
      ["armv6l", /32-bit ARM \(armv6l\)/],
      ["aarch64", /32-bit ARM \(aarch64 with a 32-bit system\)/, "lib/ld-linux-armhf.so.3"],
      ["i686", /32-bit x86 \(i686\)/],
      ["riscv64", /weir runs on x86-64 and 64-bit ARM; this is riscv64/],
      ["x86_64", /cannot tell the C library/, "lib/ld-uClibc.so.0"],
      ["amd64", /weir runs on Linux; this is FreeBSD/, undefined, "FreeBSD"],
    ];
    for (const [machine, expected, loader, system] of cases) {
      await refuses(expected, { path: pretend(folder, machine, system), ...(loader === undefined ? {} : { loader }) });
    }
  }));

test("install.sh takes the build for the processor and the C library that are there", () =>
  withRoot(async (folder) => {
    const cases = [
      ["x86_64", "lib/ld-musl-x86_64.so.1", "linux-x64-musl"],
      ["aarch64", "lib/ld-linux-aarch64.so.1", "linux-arm64"],
      ["arm64", "lib/ld-musl-aarch64.so.1", "linux-arm64-musl"],
    ] as const;
    for (const [machine, loader, target] of cases) {
      await refuses(new RegExp(`cannot get .*/weir-1\\.0\\.0-${target}\\.tar\\.gz`), {
        path: pretend(folder, machine),
        loader,
      });
    }
  }));

test("install.sh says what is wrong with its options", async () => {
  for (
    const [args, expected] of [
      [["--bogus"], /unknown option --bogus/],
      [["--version"], /--version needs a value/],
      [["--version", "1/../2"], /no version: 1\/\.\.\/2/],
      [["--service", "upstart"], /--service must be systemd, openrc or none/],
      [["--prefix", "usr"], /--prefix must begin with \//],
      [["--health-timeout", "soon"], /--health-timeout needs seconds/],
    ] as const
  ) {
    const { code, output } = await install({ releases, args });
    assert.equal(code, 2, output);
    assert.match(output, expected);
  }
  const help = await install({ releases, args: ["--help"] });
  assert.equal(help.code, 0);
  assert.match(help.output, /^Usage: install\.sh/);
});
