/**
 * The data directory: disk, permissions, database.
 * @module
 */
import { existsSync, rmSync, type Stats, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { freeSpaceOf, makeRoomHint } from "../../store/free_space.ts";
import { holderOf, inspectDatabase, type InspectedDatabase } from "../../store/inspect_database.ts";
import { area, bytesText, type Finding, messageOf } from "./finding.ts";

export interface InspectedStorage {
  readonly findings: readonly Finding[];
  /** The process that holds the directory, 0 when it is not known; undefined when nobody does. */
  readonly holder: number | undefined;
  /** Undefined when there is none, or it cannot be read. */
  readonly database: InspectedDatabase | undefined;
}

/** Numbers of `statfs(2)`. */
const types: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0x2fc12fc1, "zfs"],
  [0x24051905, "ubifs"],
  [0x72b6, "jffs2"],
  [0x4d44, "vfat"],
  [0x794c7630, "overlay"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x73717368, "squashfs"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
]);
const inMemory: ReadonlySet<string> = new Set(["tmpfs", "ramfs"]);
const overNetwork: ReadonlySet<string> = new Set(["nfs", "cifs", "smb2", "9p"]);

export function inspectStorage(dataDir: string): InspectedStorage {
  const exists = existsSync(dataDir);
  const holder = exists ? holderOf(dataDir) : undefined;
  const { database, findings } = inspect(dataDir);
  return { findings: [...disk(dataDir, exists), ...permissions(dataDir, exists), ...findings], holder, database };
}

function disk(dataDir: string, exists: boolean): Finding[] {
  const { ok, warning, problem } = area("disk");
  let path = dataDir;
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
  const { type, bytes, verdict, filesLeft } = freeSpaceOf(path);
  const name = types.get(type) ?? `type 0x${type.toString(16)}`;
  const space = `${bytesText(bytes)} free on ${name} for ${dataDir}`;
  const findings = [
    verdict === "problem"
      ? problem(space, makeRoomHint)
      : verdict === "warning"
      ? warning(space, makeRoomHint)
      : ok(space),
  ];
  if (filesLeft !== undefined) {
    findings.push(
      problem(`Only ${filesLeft} more files can be made`, "remove files: the file system is out of inodes"),
    );
  }
  if (inMemory.has(name)) {
    findings.push(
      warning(`${name} is memory: all data are gone after a restart of the machine`, "put dataDir on a disk"),
    );
  }
  if (overNetwork.has(name)) {
    findings.push(
      problem(
        `${name} is a file system over the network, whose locks SQLite cannot rely on`,
        "put dataDir on a disk of this machine",
      ),
    );
  }
  if (exists) findings.push(tryWriting(dataDir));
  return findings;
}

/** A permission may be there and the file system read-only, or the quota used up. */
function tryWriting(dataDir: string): Finding {
  const { ok, skipped, problem } = area("disk");
  const file = join(dataDir, `.weir-doctor-${process.pid}`);
  try {
    writeFileSync(file, "x".repeat(4096), { mode: 0o600, flush: true });
    return ok("A file can be written");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") {
      return skipped("Writing was not tried: only the user of the agent may (sudo weir doctor)");
    }
    return problem(
      `No file can be written: ${messageOf(error)}`,
      "see whether it is mounted read-only, full, or over a quota",
    );
  } finally {
    rmSync(file, { force: true });
  }
}

function permissions(dataDir: string, exists: boolean): Finding[] {
  const { ok, warning, problem, skipped } = area("permissions");
  if (!exists) return [skipped(`${dataDir} is not there: the agent makes it at its first start`)];
  const directory = statSync(dataDir);
  const findings: Finding[] = [];
  if (!directory.isDirectory()) return [problem(`${dataDir} is not a directory`, "choose another one with dataDir")];
  if ((directory.mode & 0o007) !== 0) {
    findings.push(warning(`Everybody may look into ${dataDir} (${modeText(directory)})`, `chmod o= ${dataDir}`));
  }
  for (const name of ["weir.db", "weir.db-wal", "weir.db-shm", "weir.lock"]) {
    const file = join(dataDir, name);
    if (!existsSync(file)) continue;
    const found = statSync(file);
    if (name !== "weir.lock" && (found.mode & 0o077) !== 0) {
      findings.push(
        problem(
          `${file} can be read by others (${modeText(found)}), and definitions hold passwords`,
          `chmod 600 ${file}`,
        ),
      );
    }
    if (found.uid !== directory.uid) {
      findings.push(
        problem(
          `${file} belongs to user ${found.uid}, the directory to user ${directory.uid}`,
          `chown --reference=${dataDir} ${file}; an agent was run as another user`,
        ),
      );
    }
  }
  return findings.length > 0 ? findings : [ok(`${dataDir} (${modeText(directory)}) and its files are for their owner`)];
}

function modeText({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function inspect(dataDir: string): { findings: Finding[]; database: InspectedDatabase | undefined } {
  const { ok, warning, problem, skipped } = area("database");
  const file = join(dataDir, "weir.db");
  const findings: Finding[] = [];
  if (existsSync(`${file}.suspect`)) {
    findings.push(
      warning(
        "Something damaged was met while it was used",
        "restart the agent: it checks all of it, and sets it aside when it is",
      ),
    );
  }
  if (!existsSync(file)) return { findings: [...findings, skipped(`${file} is not there yet`)], database: undefined };
  try {
    const database = inspectDatabase(file, ["source_config", "sink_config", "connection_config", "connection"]);
    const { damage, tooNew, checked, bytes, schemaVersion } = database;
    const what = `${file}: ${bytesText(bytes)}, schema version ${schemaVersion}`;
    if (damage !== undefined) {
      findings.push(
        problem(
          `${what}, damaged: ${damage}`,
          "restore a backup of weir.db while the agent is stopped; the agent sets a damaged one aside",
        ),
      );
    } else if (tooNew) {
      findings.push(problem(`${what}, which a newer weir has written`, "run that weir, or a newer one"));
    } else findings.push(ok(`${what}, ${checked ? "intact" : "too large to be checked here"}`));
    return { findings, database };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const isClosed = code === "EACCES" || /unable to open|permission/i.test(messageOf(error));
    findings.push(
      isClosed
        ? skipped(`${file} may be read by its owner only (sudo weir doctor)`)
        : problem(`${file} cannot be read: ${messageOf(error)}`, "restore a backup while the agent is stopped"),
    );
    return { findings, database: undefined };
  }
}
