/**
 * The shells and tools of the machines that weir is installed on.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../../scripts/peers.ts";

/** Fills a folder with the tools of busybox, and `others` of this machine: all that a small system has on its PATH. */
export function busyboxTools(folder: string, others: readonly string[] = []): string {
  mkdirSync(folder);
  const busybox = findProgram("busybox")!;
  for (const applet of execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n")) {
    symlinkSync(busybox, join(folder, applet));
  }
  // Whatever busybox calls so, these are the ones.
  for (const name of others) symlinkSync(findProgram(name)!, join(folder, name));
  return folder;
}

/** Fills a folder with links to every program on the PATH of this machine but those that are named. */
export function withoutPrograms(folder: string, names: readonly string[]): string {
  mkdirSync(folder);
  for (const from of ["/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    for (const name of readdirSync(from)) {
      if (names.includes(name)) continue;
      try {
        symlinkSync(join(from, name), join(folder, name));
      } catch {
        // The folder before had one of that name.
      }
    }
  }
  return folder;
}

/** What shellcheck complains about in a file; empty when nothing. */
export function shellcheck(file: string): string {
  try {
    return execFileSync("shellcheck", [file], { encoding: "utf8" });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
