/**
 * The data directory: made when absent, and held by one weir at a time.
 *
 * The lock is an exclusive transaction on `weir.lock`, because the operating system lets go of it when the process ends
 * in any way, `kill -9` included; a file that only says "locked" would stay behind. `weir.pid` names the holder.
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { fail } from "../diagnostics/diagnostic.ts";
import { sqliteFailure } from "./sqlite_failure.ts";

/** A held data directory. */
export interface DataDir {
  readonly path: string;
  /** Lets another weir have the directory; may be called twice. */
  release(): void;
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
  } catch (error) {
    fail("E601", `Cannot create the data directory "${path}": ${(error as Error).message}`, {
      hint: "choose another one with --data-dir, WEIR_DATA_DIR or dataDir",
    });
  }
}

function holder(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "utf8").trim();
    return /^[0-9]+$/.test(pid) ? `process ${pid}` : "another process";
  } catch {
    return "another process";
  }
}

function lock(path: string, pidFile: string): DatabaseSync {
  const file = join(path, "weir.lock");
  for (let attempt = 0;; attempt++) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(file);
      database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
      return database;
    } catch (error) {
      database?.close();
      const failure = sqliteFailure(error);
      if (failure === "busy") {
        fail("E601", `The data directory "${path}" is in use by ${holder(pidFile)}`, {
          hint: "stop that weir first, or give this one its own directory with --data-dir",
        });
      }
      // Nobody holds a lock file that is not a database: a holder would have been reported as busy.
      if (failure === "damaged" && attempt === 0) rmSync(file, { force: true });
      else fail("E601", `Cannot lock the data directory "${path}": ${(error as Error).message}`);
    }
  }
}

/**
 * Makes the directory when it is absent and takes hold of it.
 *
 * @throws {DiagnosticError} E601 when it cannot be made or written, or another weir holds it; that one's pid is named.
 */
export function holdDataDir(path: string): DataDir {
  makeDirectory(path);
  const pidFile = join(path, "weir.pid");
  const database = lock(path, pidFile);
  try {
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o640 });
  } catch (error) {
    database.close();
    fail("E601", `Cannot write into the data directory "${path}": ${(error as Error).message}`);
  }
  let held = true;
  return {
    path,
    release() {
      if (!held) return;
      held = false;
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}
