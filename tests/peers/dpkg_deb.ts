/**
 * The program with which Debian takes its packages apart.
 * @module
 */
import { execFileSync } from "node:child_process";

/** Unpacks the control files of a package to `DEBIAN` in a folder, and its files beside it. */
export function unpackDebianPackage(file: string, folder: string): void {
  execFileSync("dpkg-deb", ["--raw-extract", file, folder]);
}

/** Its listing, a line for each file, as tar prints it. */
export function listDebianPackage(file: string): string[] {
  return execFileSync("dpkg-deb", ["--contents", file], { encoding: "utf8" }).trimEnd().split("\n");
}
