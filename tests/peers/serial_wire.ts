/**
 * A serial line for tests: two pseudo-terminals that socat joins (Debian's socat).
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.ts";

export interface Wire {
  /** The device file of each end. */
  readonly ours: string;
  readonly theirs: string;
  /** Cuts it: both device files are gone. */
  stop(): Promise<void>;
}

/** Joins two device files by a wire. */
export async function startWire(): Promise<Wire> {
  const folder = mkdtempSync(join(tmpdir(), "weir-modbus-"));
  const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
  const ends = [ours, theirs].map((path) => `pty,raw,echo=0,link=${path}`);
  const socat = spawn("socat", ends, { stdio: "ignore" });
  await eventually(() => existsSync(ours) && existsSync(theirs));
  return {
    ours,
    theirs,
    stop: async () => {
      if (socat.exitCode === null && socat.signalCode === null) {
        const exit = once(socat, "exit");
        socat.kill("SIGKILL");
        await exit;
      }
      rmSync(folder, { recursive: true });
    },
  };
}
