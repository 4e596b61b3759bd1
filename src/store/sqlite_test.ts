import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { schemaVersion } from "./migrations/migrations.ts";
import { openStore } from "./sqlite.ts";
import { storeCases } from "./store_cases.ts";

function temporaryDirectory(): { path: string; cleanUp(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-store-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

function withDirectory(work: (path: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const { path, cleanUp } = temporaryDirectory();
    try {
      await work(path);
    } finally {
      cleanUp();
    }
  };
}

function refusal(work: () => unknown): { code: string; message: string; hint: string } {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    const first = error.diagnostics[0]!;
    return { code: first.code, message: first.message, hint: first.hint ?? "" };
  }
  assert.fail("expected a DiagnosticError");
}

storeCases("sqlite store", () => {
  const { path, cleanUp } = temporaryDirectory();
  return { store: openStore(path).store, cleanUp };
});

test(
  "openStore() lets nobody else read the database, nor what stands beside it, also one from before",
  withDirectory((path) => {
    const directory = join(path, "data");
    const modes = () =>
      Object.fromEntries(
        ["weir.db", "weir.db-shm", "weir.db-wal"].map((name) => [name, statSync(join(directory, name)).mode & 0o777]),
      );
    const closed = { "weir.db": 0o600, "weir.db-shm": 0o600, "weir.db-wal": 0o600 };
    const first = openStore(directory);
    first.store.put("stream", "demo", "text");
    assert.equal(statSync(directory).mode & 0o027, 0);
    assert.deepEqual(modes(), closed);
    assert.equal(first.store.directory, directory);
    first.store.close();
    chmodSync(join(directory, "weir.db"), 0o644);
    const second = openStore(directory);
    second.store.put("stream", "demo", "other");
    assert.deepEqual(modes(), closed);
    second.store.close();
  }),
);

test(
  "openStore() makes the data directory and keeps definitions across reopening",
  withDirectory((path) => {
    const directory = join(path, "deep", "er");
    const first = openStore(directory);
    assert.deepEqual(first.notices, []);
    first.store.put("stream", "demo", "text");
    first.store.close();
    const second = openStore(directory);
    assert.equal(second.store.get("stream", "demo"), "text");
    second.store.close();
  }),
);

test(
  "a store whose database fails says so, whatever is asked of it",
  withDirectory((path) => {
    const { store } = openStore(path);
    store.put("stream", "demo", "text");
    const other = new DatabaseSync(join(path, "weir.db"));
    other.exec("DROP TABLE definition");
    other.close();
    const failed = { name: "StoreError", failure: "other" };
    assert.throws(() => store.get("stream", "demo"), failed);
    assert.throws(() => store.list("stream"), failed);
    assert.throws(() => store.put("stream", "demo", "other"), failed);
    assert.throws(() => store.delete("stream", "demo"), failed);
    assert.throws(() => store.transaction(() => store.put("stream", "demo", "other")), failed);
    store.close();
  }),
);

test(
  "openStore() refuses a directory that another store holds and names its process",
  withDirectory((path) => {
    const { store } = openStore(path);
    const { code, message } = refusal(() => openStore(path));
    assert.equal(code, "E601");
    assert.match(message, new RegExp(`in use by process ${process.pid}$`));
    store.close();
    openStore(path).store.close();
  }),
);

test(
  "openStore() refuses a path that cannot be a directory",
  withDirectory((path) => {
    writeFileSync(join(path, "file"), "");
    assert.equal(refusal(() => openStore(join(path, "file", "data"))).code, "E601");
    assert.equal(refusal(() => openStore(join(path, "file"))).code, "E601");
  }),
);

test(
  "openStore() refuses a database from the future and leaves it alone",
  withDirectory((path) => {
    openStore(path).store.close();
    const database = new DatabaseSync(join(path, "weir.db"));
    database.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
    database.close();
    const { code, message } = refusal(() => openStore(path));
    assert.equal(code, "E603");
    assert.match(message, new RegExp(`schema version ${schemaVersion + 1}: .* up to ${schemaVersion}$`));
    assert.deepEqual(readdirSync(path).filter((name) => name.includes("damaged")), []);
  }),
);

const damages: Record<string, (file: string) => void> = {
  "is full of zeros": (file) => writeFileSync(file, new Uint8Array(16384)),
  "is garbage": (file) => writeFileSync(file, "no database at all\n".repeat(2000)),
  "is cut off": (file) => truncateSync(file, 12288),
  "has garbage in its middle": (file) => {
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4096, 20480);
    writeFileSync(file, bytes);
  },
  "lost its version": (file) => {
    const database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 0");
    database.close();
  },
  "lacks its tables": (file) => {
    const database = new DatabaseSync(file);
    database.exec("DROP TABLE definition");
    database.close();
  },
};

for (const [what, damage] of Object.entries(damages)) {
  test(
    `openStore() sets a database aside that ${what}`,
    withDirectory((path) => {
      const file = join(path, "weir.db");
      const { store } = openStore(path);
      for (let n = 0; n < 500; n++) store.put("rule", `r${n}`, "x".repeat(200));
      store.close();
      damage(file);
      const damaged = readFileSync(file);

      const { store: fresh, notices } = openStore(path, () => Date.UTC(2026, 0, 2, 3, 4, 5));
      assert.equal(notices.length, 1);
      assert.equal(notices[0]!.code, "E602");
      assert.deepEqual(fresh.list("rule"), []);
      fresh.put("rule", "after", "1");
      fresh.close();
      const aside = join(path, "weir.db.damaged-2026-01-02T03-04-05-000Z");
      assert.deepEqual(readFileSync(aside).subarray(0, 1024), damaged.subarray(0, 1024));
      const again = openStore(path);
      assert.deepEqual(again.notices, []);
      assert.equal(again.store.get("rule", "after"), "1");
      again.store.close();
    }),
  );
}

test(
  "openStore() recovers from a lock file that is not a database",
  withDirectory((path) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "weir.lock"), "rubbish ".repeat(1000));
    openStore(path).store.close();
  }),
);

/** Starts the writer under the engine that runs this test and kills it after `commits` lines. */
function killWriter(path: string, commits: number, whileItRuns?: (pid: number) => void): Promise<number> {
  const fixture = fileURLToPath(new URL("./sqlite_writer_fixture.ts", import.meta.url));
  const isDeno = process.versions.deno !== undefined;
  const args = isDeno ? ["run", "-A", "--no-check", fixture, path] : [fixture, path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let last = -1;
    let rest = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) last = Number(lines.at(-1));
      if (last < commits || child.killed) return;
      try {
        whileItRuns?.(child.pid!);
      } catch (error) {
        reject(error);
      }
      child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => resolve(last));
  });
}

test(
  "a store is held by its process; killed in the middle of writes, it opens intact with every reported commit",
  withDirectory(async (path) => {
    for (const commits of [0, 150, 700]) {
      const reported = await killWriter(path, commits, (pid) => {
        const { code, message } = refusal(() => openStore(path));
        assert.equal(code, "E601");
        assert.match(message, new RegExp(`in use by process ${pid}$`));
      });
      assert.ok(reported >= commits, `the writer ended early, at ${reported}`);
      const { store, notices } = openStore(path);
      assert.deepEqual(notices, []);
      const streams = new Set(store.list("stream").map((d) => d.name.slice(1)));
      const rules = new Set(store.list("rule").map((d) => d.name.slice(1)));
      assert.deepEqual(streams, rules, "both halves of every transaction, or none");
      for (let n = 0; n <= reported; n++) assert.ok(streams.has(String(n)), `commit ${n} is missing`);
      store.close();
    }
  }),
);
