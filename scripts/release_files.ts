/**
 * What the archives of a release hold besides the binary, and how it is laid out in a tarball and in a Debian package.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { completion } from "../src/cli/completion.ts";
import type { CliContext } from "../src/cli/command.ts";
import type { Target } from "./build.ts";
import { manPage } from "./release_man.ts";
import { sbom } from "./release_sbom.ts";
import { ar, type ArchiveFile, gzip, tarball } from "./release_tar.ts";
import { root } from "./source_files.ts";

/** What is the same for every target. */
export interface CommonFiles {
  readonly version: string;
  /** The time of all files, seconds since 1970. */
  readonly seconds: number;
  /** `install.sh` as it is released. */
  readonly installer: string;
  readonly sbom: string;
  readonly manual: string;
  /** By file name. */
  readonly completions: Readonly<Record<"weir.bash" | "_weir" | "weir.fish", string>>;
}

export async function commonFiles(version: string, seconds: number, installer: string): Promise<CommonFiles> {
  return {
    version,
    seconds,
    installer,
    sbom: sbom(version, seconds),
    manual: await manPage(version, seconds),
    completions: {
      "weir.bash": await completionScript("bash"),
      _weir: await completionScript("zsh"),
      "weir.fish": await completionScript("fish"),
    },
  };
}

async function completionScript(shell: string): Promise<string> {
  let script = "";
  const args = { positionals: [shell], text: () => undefined, texts: () => [], flag: () => false };
  // It uses no more of the world than this.
  const context = { stdout: (text: string) => script += text } as unknown as CliContext;
  if (await completion.run(args, context) !== 0) throw new Error(`Cannot make the completions of "${shell}"`);
  return script;
}

function packaged(path: string): Uint8Array {
  return readFileSync(join(root, "packaging", path));
}

const text = (content: string): Uint8Array => Buffer.from(content);

/** `weir-VERSION-TARGET.tar.gz`, which `install.sh` unpacks. */
export function releaseTarball(target: Target, binary: Uint8Array, common: CommonFiles): Uint8Array {
  const files: ArchiveFile[] = [
    { path: "weir", bytes: binary, mode: 0o755 },
    { path: "install.sh", bytes: text(common.installer), mode: 0o755 },
    { path: "LICENSE", bytes: readFileSync(join(root, "LICENSE")) },
    { path: "sbom.cdx.json", bytes: text(common.sbom) },
    { path: "weir.yaml", bytes: packaged("weir.yaml") },
    { path: "man/weir.1", bytes: text(common.manual) },
    { path: "openrc/weir", bytes: packaged("openrc/weir"), mode: 0o755 },
    ...["weir.service", "backoff.conf", "limits.conf", "serial.conf"].map((name) => ({
      path: `systemd/${name}`,
      bytes: packaged(`systemd/${name}`),
    })),
    ...Object.entries(common.completions).map(([name, script]) => ({
      path: `completions/${name}`,
      bytes: text(script),
    })),
  ];
  const folder = `weir-${common.version}-${target}/`;
  return tarball(files.map((file) => ({ ...file, path: folder + file.path })), common.seconds, folder);
}

/** Debian runs on glibc; its names of our processors. */
const debianArchitectures: Readonly<Partial<Record<Target, string>>> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

/** A Debian package with its file name, or undefined for a target that Debian does not run on. */
export function debianPackage(
  target: Target,
  binary: Uint8Array,
  common: CommonFiles,
): { readonly name: string; readonly bytes: Uint8Array } | undefined {
  const architecture = debianArchitectures[target];
  if (architecture === undefined) return undefined;
  const { version, seconds, completions } = common;
  const unit = text(Buffer.from(packaged("systemd/weir.service")).toString().replace("/usr/local/bin/", "/usr/bin/"));
  const files: ArchiveFile[] = [
    { path: "usr/bin/weir", bytes: binary, mode: 0o755 },
    { path: "etc/weir/weir.yaml", bytes: packaged("weir.yaml"), mode: 0o640 },
    { path: "usr/lib/systemd/system/weir.service", bytes: unit },
    ...["backoff.conf", "limits.conf", "serial.conf"].map((name) => ({
      path: `usr/lib/weir/systemd/${name}`,
      bytes: packaged(`systemd/${name}`),
    })),
    { path: "usr/share/man/man1/weir.1.gz", bytes: gzip(text(common.manual)) },
    { path: "usr/share/doc/weir/copyright", bytes: readFileSync(join(root, "LICENSE")) },
    { path: "usr/share/doc/weir/sbom.cdx.json", bytes: text(common.sbom) },
    { path: "usr/share/bash-completion/completions/weir", bytes: text(completions["weir.bash"]) },
    { path: "usr/share/zsh/vendor-completions/_weir", bytes: text(completions._weir) },
    { path: "usr/share/fish/vendor_completions.d/weir.fish", bytes: text(completions["weir.fish"]) },
  ];
  const installedBytes = files.reduce((total, { bytes }) => total + bytes.length, 0);
  const control = Buffer.from(packaged("deb/control")).toString()
    .replace("@VERSION@", version)
    .replace("@ARCHITECTURE@", architecture)
    .replace("@INSTALLED_KIB@", String(Math.ceil(installedBytes / 1024)));
  const sums = files.filter(({ path }) => !path.startsWith("etc/"))
    .map(({ path, bytes }) => `${createHash("md5").update(bytes).digest("hex")}  ${path}\n`);
  const parts: ArchiveFile[] = [
    { path: "./control", bytes: text(control) },
    { path: "./conffiles", bytes: text("/etc/weir/weir.yaml\n") },
    { path: "./md5sums", bytes: text(sums.join("")) },
    ...["preinst", "postinst", "prerm", "postrm"].map((name) => ({
      path: `./${name}`,
      bytes: packaged(`deb/${name}`),
      mode: 0o755,
    })),
  ];
  const data = files.map((file) => ({ ...file, path: `./${file.path}` }));
  const bytes = ar([
    { path: "debian-binary", bytes: text("2.0\n") },
    { path: "control.tar.gz", bytes: tarball(parts, seconds, "./") },
    { path: "data.tar.gz", bytes: tarball(data, seconds, "./") },
  ], seconds);
  return { name: `weir_${version}_${architecture}.deb`, bytes };
}
