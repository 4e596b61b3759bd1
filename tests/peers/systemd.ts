/**
 * The programs with which systemd judges unit files. No systemd has to run.
 * @module
 */
import { spawnSync } from "node:child_process";

/** What `systemd-analyze` says with these arguments, standard output and standard error together. */
export function systemdAnalyze(...args: string[]): { readonly code: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["--man=no", ...args], {
    encoding: "utf8",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", SYSTEMD_COLORS: "0" },
  });
  return { code: status, output: stdout + stderr };
}
