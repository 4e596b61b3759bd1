/**
 * The chain of the audit trail, in memory and in a real database that somebody tampers with.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { AuditTables } from "../store/sqlite_audit_log.ts";
import { openStore } from "../store/sqlite.ts";
import type { AuditEvent, AuditLog } from "./audit_log.ts";
import { MemoryAuditLog } from "./memory_audit_log.ts";
import { verify } from "./verify.ts";

function event(n: number): AuditEvent {
  const [actor, target] = [n % 2 === 0 ? "user ada" : "user bob", `PUT /rules/r${n}`];
  const rest = { role: "editor", address: "127.0.0.1", subject: "", outcome: "done", status: 200 } as const;
  return { time: 1000 + n, action: "request", actor, target, ...rest, reason: "", count: 1 };
}

function withFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "weir-audit-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A database with `count` entries, closed. */
function written(folder: string, count: number): void {
  const { store, audit } = openStore(folder);
  for (let n = 1; n <= count; n++) audit.append(event(n));
  store.close();
}

/** Does what an intruder would who may write the file. */
function tamper(folder: string, sql: string): void {
  const database = new DatabaseSync(join(folder, "weir.db"));
  for (const row of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()) {
    database.exec(`DROP TRIGGER ${row.name}`);
  }
  database.exec(sql);
  database.close();
}

function verdictOf(folder: string, ...expected: { sequence: number; hash: string }[]) {
  const database = new DatabaseSync(join(folder, "weir.db"), { readOnly: true });
  try {
    return verify(new AuditTables(database), expected);
  } finally {
    database.close();
  }
}

function everyLog(work: (log: AuditLog) => void): void {
  work(new MemoryAuditLog());
  withFolder((folder) => {
    const { store, audit } = openStore(folder);
    try {
      work(audit);
    } finally {
      store.close();
    }
  });
}

test("entries follow one another, and are read from the newest, of one actor, since a time, in pages", () => {
  everyLog((log) => {
    assert.deepEqual(log.head(), { sequence: 0, hash: "0".repeat(64) });
    for (let n = 1; n <= 7; n++) assert.equal(log.append(event(n)).sequence, n);
    const sequences = (selection: Parameters<AuditLog["read"]>[0]) => log.read(selection).map((each) => each.sequence);
    assert.deepEqual(sequences({ limit: 3 }), [7, 6, 5]);
    assert.deepEqual(sequences({ limit: 3, before: 5 }), [4, 3, 2]);
    assert.deepEqual(sequences({ limit: 10, actor: "user ada" }), [6, 4, 2]);
    assert.deepEqual(sequences({ limit: 10, actor: "user bob", since: 1004 }), [7, 5]);
    assert.deepEqual(log.read({ limit: 1 })[0]!.event, event(7));
    const verdict = verify(log);
    assert.ok(verdict.intact);
    assert.deepEqual([verdict.entries, verdict.head], [7, log.head()]);
  });
});

test("old entries are cut off with an entry that says so, again and again", () => {
  everyLog((log) => {
    for (let n = 1; n <= 10; n++) log.append(event(n));
    assert.equal(log.prune(900, 2000), 0);
    const removed = log.read({ limit: 10 }).find(({ sequence }) => sequence === 4)!;
    assert.equal(log.prune(1005, 2000), 4);
    assert.deepEqual(log.anchor(), { sequence: 4, hash: removed.hash });
    assert.deepEqual(log.read({ limit: 20 }).map(({ sequence }) => sequence), [11, 10, 9, 8, 7, 6, 5]);
    assert.equal(log.read({ limit: 1 })[0]!.event.count, 4);
    assert.ok(verify(log).intact);
    assert.equal(log.prune(3000, 3000), 7, "everything, the entry of the first cut too");
    assert.deepEqual(log.read({ limit: 20 }).map(({ sequence }) => sequence), [12]);
    log.append(event(13));
    const verdict = verify(log, [removed, log.head()]);
    assert.ok(verdict.intact, JSON.stringify(verdict));
    assert.equal(verdict.entries, 2);
    assert.deepEqual(verdict.unknown, [removed.sequence], "a head that is older than what is kept proves nothing");
  });
});

test("the database refuses to change, remove, insert or cut", () => {
  withFolder((folder) => {
    written(folder, 5);
    const database = new DatabaseSync(join(folder, "weir.db"));
    const refused = [
      "UPDATE audit SET text = '{}' WHERE sequence = 2",
      "DELETE FROM audit WHERE sequence = 5",
      "DELETE FROM audit",
      "INSERT INTO audit VALUES (9, '{}', x'00')",
      "INSERT INTO audit VALUES (0, '{}', x'00')",
    ];
    for (const sql of refused) assert.throws(() => database.exec(sql), /audit trail/, sql);
    database.close();
    assert.ok(verdictOf(folder).intact);
  });
});

const tamperings: readonly (readonly [what: string, sql: string, at: number])[] = [
  ["changed", "UPDATE audit SET text = replace(text, 'r3', 'r9') WHERE sequence = 3", 3],
  [
    "changed with its hash",
    "UPDATE audit SET hash = (SELECT hash FROM audit WHERE sequence = 4) WHERE sequence = 3",
    3,
  ],
  ["removed", "DELETE FROM audit WHERE sequence = 3", 3],
  [
    "removed, the others moved up",
    "DELETE FROM audit WHERE sequence = 3; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3",
    3,
  ],
  [
    "exchanged",
    "UPDATE audit SET sequence = 30 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 4; " +
    "UPDATE audit SET sequence = 4 WHERE sequence = 30",
    3,
  ],
  ["removed from the begin", "DELETE FROM audit WHERE sequence = 1", 1],
  [
    "removed from the begin, with an anchor",
    "INSERT INTO audit_anchor SELECT sequence, hash FROM audit WHERE sequence = 2; DELETE FROM audit WHERE sequence <= 2",
    2,
  ],
  ["put in with other keys", `UPDATE audit SET text = '{"time":1}' WHERE sequence = 4`, 4],
  ["no JSON", "UPDATE audit SET text = 'x' WHERE sequence = 4", 4],
];

for (const [what, sql, at] of tamperings) {
  test(`an entry that was ${what} is found`, () => {
    withFolder((folder) => {
      written(folder, 6);
      tamper(folder, sql);
      const verdict = verdictOf(folder);
      assert.ok(!verdict.intact);
      assert.equal(verdict.sequence, at, verdict.reason);
    });
  });
}

test("an end that was cut off, or written anew, shows against a head that was noted", () => {
  withFolder((folder) => {
    written(folder, 6);
    const before = verdictOf(folder);
    assert.ok(before.intact);
    const noted = before.head;
    tamper(folder, "DELETE FROM audit WHERE sequence > 4");
    assert.ok(verdictOf(folder).intact, "by itself it cannot show");
    const cut = verdictOf(folder, noted);
    assert.ok(!cut.intact);
    assert.match(cut.reason, /cut off/);
    const { store, audit } = openStore(folder);
    for (const n of [50, 60, 70]) audit.append(event(n));
    store.close();
    const anew = verdictOf(folder, noted);
    assert.deepEqual([anew.intact, !anew.intact && anew.sequence], [false, 6]);
  });
});

test("a trail goes on after the database was opened again, and one of an older weir begins", () => {
  withFolder((folder) => {
    written(folder, 3);
    written(folder, 2);
    const verdict = verdictOf(folder);
    assert.ok(verdict.intact);
    assert.equal(verdict.entries, 5);
  });
});
