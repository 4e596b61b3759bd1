/**
 * The audit trail of a database when the process is killed, and when there is no room.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Auditor } from "../audit/auditor.ts";
import { verify } from "../audit/verify.ts";
import type { Logger } from "../connector/context.ts";
import { newDatabase } from "./failing_database_fixture.ts";
import { SqliteAuditLog } from "./sqlite_audit_log.ts";
import { openStore } from "./sqlite.ts";

/** Kills the writer when it has told of so many entries. Gives the last that it told of. */
function killWriter(path: string, entries: number): Promise<number> {
  const fixture = fileURLToPath(new URL("./audit_writer_fixture.ts", import.meta.url));
  const isDeno = process.versions.deno !== undefined;
  const args = isDeno ? ["run", "-A", "--no-check", fixture, path] : [fixture, path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let [last, rest] = [0, ""];
    child.stdout.on("data", (chunk: Uint8Array) => {
      const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) last = Number(lines.at(-1));
      if (last >= entries) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => resolve(last));
  });
}

test("a trail whose writer is killed again and again is intact, with every entry that was told of", async () => {
  const path = mkdtempSync(join(tmpdir(), "weir-audit-kill-"));
  try {
    let before = 0;
    for (const entries of [1, 150, 700]) {
      const told = await killWriter(path, before + entries);
      assert.ok(told >= before + entries, `the writer ended early, at ${told}`);
      const { store, audit } = openStore(path);
      const verdict = verify(audit);
      before = audit.head().sequence;
      store.close();
      assert.ok(verdict.intact, JSON.stringify(verdict));
      assert.ok(verdict.entries >= told, `${told} were told of, ${verdict.entries} are there`);
    }
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
});

test("a full disk is told and counted, fails nothing, and the trail goes on when there is room again", () => {
  const database = newDatabase();
  database.exec("PRAGMA max_page_count = 150");
  const trail = new SqliteAuditLog(database, () => assert.fail("a full disk is no damage"));
  const errors: string[] = [];
  const error: Logger["error"] = (_, fields) => void errors.push(String(fields?.["error"]));
  const log: Logger = { debug() {}, info() {}, warn() {}, error, with: () => log };
  const auditor = new Auditor({ trail, log });
  const record = () => auditor.record({ action: "request", reason: "x".repeat(400) });
  for (let n = 0; auditor.failed === 0; n++) {
    assert.ok(n < 10_000, "the disk never gets full");
    record();
  }
  record();
  assert.deepEqual([auditor.failed, auditor.isFailing, errors.length], [2, true, 1]);
  assert.match(errors[0]!, /the disk is full/);
  assert.equal(trail.head().sequence, auditor.written);

  database.exec("PRAGMA max_page_count = 1000");
  record();
  assert.equal(auditor.isFailing, false);
  const verdict = verify(trail);
  assert.ok(verdict.intact);
  assert.equal(verdict.entries, auditor.written);
  database.close();
});
