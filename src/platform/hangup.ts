/**
 * SIGHUP: from a service manager or an operator it asks for the configuration to be read again; from a terminal that is
 * closed it means the end, as for every other program, unless `nohup` says otherwise.
 * @module
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";

export interface HangupHandlers {
  readonly reload: () => void;
  /** The terminal that the process was started from is gone. */
  readonly end: () => void;
}

/** Begins to listen; returns the way to stop. */
export function onHangup({ reload, end }: HangupHandlers): () => void {
  const endsWithTerminal = hasTerminal() && !wasIgnored();
  const handle = () => endsWithTerminal && !hasTerminal() ? end() : reload();
  process.on("SIGHUP", handle);
  return () => void process.off("SIGHUP", handle);
}

/** Whether there is a terminal that controls this process; a closed one is none. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** Whether the process was started with SIGHUP ignored, as `nohup` does. */
function wasIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) !== 0n;
  } catch {
    return false;
  }
}
