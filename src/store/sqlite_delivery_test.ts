import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { deliveryCases } from "./delivery_cases.ts";
import { entry, logged, message, messages, take } from "./delivery_fixture.ts";
import type { DeliveryStore } from "./delivery_store.ts";
import { FailingDatabase, newDatabase } from "./failing_database_fixture.ts";
import { migrations } from "./migrations/migrations.ts";
import { openStore } from "./sqlite.ts";
import { SqliteDelivery } from "./sqlite_delivery.ts";
import { StoreError } from "./store_error.ts";

function temporaryDirectory(): { path: string; cleanUp(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-delivery-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

function directoryTest(title: string, work: (path: string) => void | Promise<void>): void {
  test(title, async () => {
    const { path, cleanUp } = temporaryDirectory();
    try {
      await work(path);
    } finally {
      cleanUp();
    }
  });
}

deliveryCases("sqlite delivery", () => {
  const { path, cleanUp } = temporaryDirectory();
  const { store, delivery } = openStore(path);
  return {
    store: delivery,
    cleanUp() {
      store.close();
      cleanUp();
    },
  };
});

/** Everything that is kept of a rule and outlives its process. */
function kept(store: DeliveryStore, rule: string): unknown {
  return {
    incarnation: store.incarnation(rule),
    checkpoint: store.checkpoint(rule),
    log: [...store.log(rule)],
    lastLog: store.lastLogSequence(rule),
    lastOfAll: store.lastSequence(rule),
    positions: [...store.positions(rule)],
    outboxes: store.actions(rule).map((action) => {
      const outbox = store.outbox(rule, action);
      const { takenRows: _, ...counts } = outbox.counts();
      const letters = outbox.deadLetters({ limit: 1000 });
      return { action, counts, last: outbox.lastSequence, oldestMs: outbox.oldestMs(), letters };
    }),
  };
}

directoryTest("sqlite delivery: all of it is there after opening again", async (path) => {
  const first = openStore(path);
  const { delivery } = first;
  const outbox = delivery.outbox("r", "a");
  const positions = new Map([["s", "1"], ["t", "2"]]);
  await delivery.commit({
    rule: "r",
    log: [entry(1), entry(2)],
    positions,
    outboxes: [{ action: "a", append: messages(1, 9) }, { action: "b", append: [message(3)] }],
    checkpoint: { plan: "p", sequence: 1, timeMs: 5, state: new Uint8Array([1, 2]) },
  });
  await delivery.commit({ rule: "reset", log: [entry(7)], positions });
  await delivery.commit({ rule: "reset", checkpoint: null });
  await delivery.commit({ rule: "moved", log: [entry(1)], positions });
  await delivery.commit({ rule: "moved", positions: new Map([["s", "9"]]) });
  for (let attempt = 1; attempt <= 7; attempt++) {
    assert.deepEqual(take(outbox, { rowsMax: 1, nowMs: 1e15 }), [1]);
    await delivery.commit({ rule: "r", outboxes: [{ action: "a", retried: [{ sequence: 1, atMs: 1e15 }] }] });
  }
  assert.equal(outbox.take({ rowsMax: 4, nowMs: 1e15 }).messages[0]!.attempts, 7);
  const buried = [{ sequence: 2, reason: "no", diedMs: 8 }];
  const retried = [{ sequence: 3, atMs: 0, lane: "resend" as const }];
  await delivery.commit({ rule: "r", outboxes: [{ action: "a", delivered: [4], buried, retried }] });
  await delivery.commit({ rule: "gone", log: [entry(1)], outboxes: [{ action: "a", append: messages(1, 5000) }] });
  delivery.remove("gone");
  const rules = ["moved", "r", "reset"];
  const before = rules.map((rule) => kept(delivery, rule));
  first.store.close();

  const inOnePass = openStore(path);
  const preloaded = inOnePass.delivery;
  assert.equal(preloaded.incarnation("moved"), (before[0] as { incarnation: string }).incarnation);
  preloaded.preload();
  assert.deepEqual(preloaded.rules(), rules);
  assert.deepEqual(rules.map((rule) => kept(preloaded, rule)), before);
  assert.deepEqual(preloaded.actions("r"), ["a", "b"]);
  assert.deepEqual(preloaded.actions("gone"), []);
  inOnePass.store.close();

  const second = openStore(path);
  const again = second.delivery;
  assert.deepEqual(again.rules(), rules);
  assert.deepEqual(rules.map((rule) => kept(again, rule)), before);
  assert.deepEqual(again.positions("moved"), new Map([["s", "9"], ["t", "2"]]));
  const taken = again.outbox("r", "a").take({ rowsMax: 100, nowMs: 0 }).messages;
  // Ready at once, with the attempts of the last power of two.
  assert.deepEqual(taken.map(({ sequence, attempts }) => [sequence, attempts]), [
    [1, 4],
    ...[5, 6, 7, 8, 9].map((sequence) => [sequence, 0]),
  ]);
  assert.deepEqual(take(again.outbox("r", "a"), { lane: "resend" }), [3]);
  await assert.rejects(again.commit({ rule: "reset", log: [entry(7)] }), RangeError);
  let slices = 0;
  while (again.maintain()) slices++;
  assert.ok(slices >= 3, `${slices} slices`);
  second.store.close();
  const database = new DatabaseSync(join(path, "weir.db"));
  assert.equal(database.prepare("SELECT count(*) AS n FROM outbox").get()!.n, 2 + 7 + 1);
  assert.equal(database.prepare("SELECT count(*) AS n FROM delivery_rule").get()!.n, 3);
  assert.equal(database.prepare("SELECT count(*) AS n FROM input_log").get()!.n, 2);
  database.close();
});

/** The arguments that make this engine run the writer. */
const writer = [
  ...(process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"]),
  fileURLToPath(new URL("./delivery_writer_fixture.ts", import.meta.url)),
];

/** Starts the writer under the engine that runs this test and kills it after `units` lines. Gives the last number. */
function killWriter(path: string, units: number): Promise<number> {
  const child = spawn(process.execPath, [...writer, path], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let last = 0;
    let lines = 0;
    let rest = "";
    child.stdout.on("data", (chunk: Uint8Array) => {
      const parts = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = parts.pop()!;
      lines += parts.length;
      if (parts.length > 0) last = Number(parts.at(-1));
      if (lines >= units && !child.killed) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => resolve(last));
  });
}

directoryTest("sqlite delivery: a process killed in the middle of commits leaves whole units only", async (path) => {
  for (const units of [1, 40, 230, 700]) {
    const reported = await killWriter(path, units);
    const { store, delivery, notices } = openStore(path);
    assert.deepEqual(notices, []);
    const n = delivery.lastLogSequence("r");
    assert.ok(n >= reported, `unit ${reported} was reported, ${n} is there`);
    assert.deepEqual(delivery.positions("r"), new Map([["s", String(n)]]));
    const checkpoint = delivery.checkpoint("r");
    assert.equal(checkpoint?.state, n < 10 ? undefined : `up to ${n - (n % 10) - 1}`);
    const begin = (checkpoint?.sequence ?? 0) + 1;
    assert.deepEqual(logged(delivery), Array.from({ length: n - begin + 1 }, (_, i) => begin + i));
    const a = delivery.outbox("r", "a");
    const b = delivery.outbox("r", "b");
    assert.equal(a.lastSequence, 2 * n + 1);
    assert.equal(b.lastSequence, n);
    assert.equal(b.counts().rows, n);
    assert.deepEqual(take(b, { rowsMax: n + 1 }), Array.from({ length: n }, (_, i) => i + 1));
    const counts = a.counts();
    const { messages } = a.take({ rowsMax: 1e6, nowMs: 0 });
    assert.equal(messages.length, counts.rows);
    assert.equal(messages.reduce((sum, { payload }) => sum + payload.length, 0), counts.bytes);
    const letters = a.deadLetters({ limit: 1e6 });
    assert.equal(letters.length, counts.deadRows);
    assert.deepEqual(letters.map(({ sequence }) => sequence), letters.map((_, i) => (i + 1) * 10));
    // What is neither there nor dead was delivered, from the front.
    const first = messages[0]!.sequence;
    assert.deepEqual(messages.map(({ sequence }) => sequence), messages.map((_, i) => first + i));
    store.close();
  }
});

// ---- failures

test("sqlite delivery: what fails is told to all of its transaction, undone, and can be done again", async () => {
  const failing = new FailingDatabase(newDatabase());
  const store = new SqliteDelivery({ database: failing });
  await store.commit({ rule: "r", log: [entry(1)], outboxes: [{ action: "a", append: messages(1, 3) }] });
  const outbox = store.outbox("r", "a");
  take(outbox, { rowsMax: 2 });
  const before = kept(store, "r");
  const units = () => [
    store.commit({ rule: "r", log: [entry(2)], positions: new Map([["s", "1"]]) }),
    store.commit({
      rule: "r",
      outboxes: [{ action: "a", delivered: [1], retried: [{ sequence: 2, atMs: 50 }], append: [message(4)] }],
    }),
    store.commit({ rule: "new", checkpoint: { plan: "p", sequence: 0, timeMs: 0, state: "s" } }),
  ];
  let statements = 0;
  for (let n = 1;; n++) {
    let count = 0;
    failing.fails = () => ++count === n;
    failing.errorCode = n % 2 === 0 ? 13 : 11;
    const results = await Promise.allSettled(units());
    failing.fails = () => false;
    statements = count;
    if (count < n) break;
    for (const result of results) {
      assert.ok(result.status === "rejected" && result.reason instanceof StoreError, `statement ${n}`);
      assert.equal(result.reason.failure, n % 2 === 0 ? "full" : "damaged");
      assert.equal((result.reason.cause as Error).message, "injected");
    }
    assert.deepEqual(kept(store, "r"), before, `after statement ${n}`);
    assert.deepEqual(store.rules(), ["r"]);
    assert.equal(outbox.counts().takenRows, 2);
    outbox.release([2]);
    const again = outbox.take({ rowsMax: 1, nowMs: 0 }).messages;
    assert.deepEqual(again.map(({ sequence, attempts }) => [sequence, attempts]), [[2, 0]]);
  }
  assert.ok(statements >= 10, `${statements} statements`);
  assert.deepEqual(logged(store), [1, 2]);
  assert.deepEqual(take(outbox), []);
  assert.deepEqual(take(outbox, { nowMs: 50 }), [2, 3, 4]);
  assert.deepEqual(store.rules(), ["new", "r"]);
});

test("sqlite delivery: a failed removal removes nothing", async () => {
  const failing = new FailingDatabase(newDatabase());
  const store = new SqliteDelivery({ database: failing });
  await store.commit({ rule: "r", log: [entry(1)], outboxes: [{ action: "a", append: [message(1)] }] });
  const before = kept(store, "r");
  for (const sql of ["COMMIT", "UPDATE outbox_queue"]) {
    failing.fails = (each) => each.startsWith(sql);
    assert.throws(() => store.remove("r"), StoreError);
    assert.throws(() => store.removeOutbox("r", "a"), StoreError);
    failing.fails = () => false;
    assert.deepEqual(kept(store, "r"), before);
  }
  failing.fails = () => true;
  assert.throws(() => store.maintain(), StoreError);
  assert.throws(() => store.rules(), StoreError);
  assert.throws(() => [...store.log("r")], StoreError);
  // What was appended just now need not be read.
  store.outbox("r", "a").release();
  assert.throws(() => store.outbox("r", "a").take({ rowsMax: 1, nowMs: 0 }), StoreError);
  failing.fails = () => false;
  assert.deepEqual(take(store.outbox("r", "a")), [1]);
});

// ---- transactions

test("sqlite delivery: one transaction a turn, with a flush of the disk when one of its units asks for it", async () => {
  const database = newDatabase();
  const failing = new FailingDatabase(database);
  const levels: number[] = [];
  failing.fails = (sql) => {
    if (sql === "COMMIT") levels.push(database.prepare("PRAGMA synchronous").get()!.synchronous as number);
    return false;
  };
  const store = new SqliteDelivery({ database: failing });
  let n = 0;
  const commit = (durability?: "power") => store.commit({ rule: "r", log: [entry(++n)] }, durability);
  await Promise.all(Array.from({ length: 50 }, () => commit()));
  assert.deepEqual(levels, [1]);
  await Promise.all([commit(), commit("power"), commit()]);
  await commit("power");
  await commit();
  assert.deepEqual(levels, [1, 2, 2, 1]);
  // What writes nothing needs no transaction.
  await store.commit({ rule: "r", outboxes: [{ action: "a", delivered: [], append: [] }] });
  assert.equal(levels.length, 4);
});

const canTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

test(
  "sqlite delivery: the system is asked to flush the disk for each transaction of level power, and for no other",
  { skip: canTrace ? false : "strace is missing or not allowed here" },
  () => {
    const flushes = (durability: string): number => {
      const { path, cleanUp } = temporaryDirectory();
      try {
        const trace = join(path, "trace");
        const args = ["-f", "-e", "trace=fsync,fdatasync", "-o", trace, process.execPath, ...writer];
        const { status } = spawnSync("strace", [...args, join(path, "data"), "60", durability]);
        assert.equal(status, 0);
        return readFileSync(trace, "utf8").split("\n").filter((line) => /sync\(/.test(line)).length;
      } finally {
        cleanUp();
      }
    };
    const few = flushes("process");
    // The making of the database flushes some times.
    assert.ok(few < 30, `${few} flushes`);
    const more = flushes("power") - few;
    // The engine itself may flush a file now and then, in either run.
    assert.ok(more >= 55 && more < 70, `${more} flushes for 60 transactions`);
  },
);

// ---- space and schema

directoryTest(
  "sqlite delivery: the write-ahead log stays short, and an emptied outbox gives its space back",
  async (path) => {
    const { store, delivery } = openStore(path);
    const outbox = delivery.outbox("r", "a");
    let walBytesHighest = 0;
    for (let n = 0; n < 1500; n++) {
      await delivery.commit({
        rule: "r",
        outboxes: [{ action: "a", append: [message(n + 1, { payload: "x".repeat(9000) })] }],
      });
      walBytesHighest = Math.max(walBytesHighest, delivery.sizes().walBytes);
    }
    assert.ok(walBytesHighest < 8e6, `${walBytesHighest} bytes of log`);
    const append = messages(2000, 4000, { payload: "x".repeat(9000) });
    await delivery.commit({ rule: "r", outboxes: [{ action: "a", append }] });
    const full = delivery.sizes();
    assert.ok(full.databaseBytes > 30e6, `${full.databaseBytes} bytes`);
    while (outbox.counts().rows > 0) {
      await delivery.commit({ rule: "r", outboxes: [{ action: "a", delivered: take(outbox, { rowsMax: 200 }) }] });
    }
    let slices = 0;
    for (; delivery.maintain(); slices++) assert.ok(slices < 1000);
    assert.ok(slices > 10, `${slices} slices`);
    const after = delivery.sizes();
    assert.ok(after.databaseBytes < 2e6, `${after.databaseBytes} bytes`);
    assert.ok(after.walBytes <= 16 * 1024 * 1024, `${after.walBytes} bytes of log`);
    store.close();
    assert.ok(statSync(join(path, "weir.db")).size < 2e6);
  },
);

directoryTest("sqlite delivery: a database with definitions only becomes one that can do it", async (path) => {
  const database = new DatabaseSync(join(path, "weir.db"));
  database.exec(`PRAGMA journal_mode = WAL; ${migrations[0]!.sql}; PRAGMA user_version = 1`);
  database.exec("INSERT INTO definition VALUES ('stream', 'demo', 'text')");
  database.close();
  const { store, delivery, notices } = openStore(path);
  assert.deepEqual(notices, []);
  assert.equal(store.get("stream", "demo"), "text");
  await delivery.commit({ rule: "r", log: [entry(1)] });
  store.close();
  const again = new DatabaseSync(join(path, "weir.db"));
  assert.equal(again.prepare("PRAGMA auto_vacuum").get()!.auto_vacuum, 2);
  assert.equal(again.prepare("PRAGMA user_version").get()!.user_version, migrations.length);
  again.close();
});

directoryTest("sqlite delivery: a checkpoint over a long log clears it in slices that nobody sees", async (path) => {
  const first = openStore(path);
  const log = Array.from({ length: 9000 }, (_, i) => entry(i + 1));
  await first.delivery.commit({ rule: "r", log, positions: new Map([["s", "1"]]) });
  await first.delivery.commit({ rule: "r", checkpoint: { plan: "p", sequence: 8999, timeMs: 0, state: "s" } });
  assert.deepEqual(logged(first.delivery), [9000]);
  first.store.close();
  const { store, delivery } = openStore(path);
  assert.deepEqual(logged(delivery), [9000]);
  assert.deepEqual(delivery.positions("r"), new Map([["s", "1"]]));
  let slices = 0;
  while (delivery.maintain()) slices++;
  assert.ok(slices >= 3, `${slices} slices`);
  store.close();
  const database = new DatabaseSync(join(path, "weir.db"));
  assert.equal(database.prepare("SELECT count(*) AS n FROM input_log").get()!.n, 1);
  database.close();
});

test("sqlite delivery: numbers of rules and outboxes are used again when they run out", async () => {
  const database = newDatabase();
  database.exec(
    "INSERT INTO delivery_rule (id, name, incarnation) VALUES (1, 'x', 'i'), (2, 'y', 'i'), (524287, 'z', 'i')",
  );
  database.exec("INSERT INTO outbox_queue VALUES (1, 1, 'a'), (262143, 2, 'a')");
  const store = new SqliteDelivery({ database });
  await store.commit({ rule: "r", log: [entry(1)], outboxes: [{ action: "a", append: messages(1, 3) }] });
  assert.equal(database.prepare("SELECT id FROM delivery_rule WHERE name = 'r'").get()!.id, 3);
  assert.equal(database.prepare("SELECT id FROM outbox_queue WHERE rule = 3").get()!.id, 2);
  assert.deepEqual(take(store.outbox("r", "a")), [1, 2, 3]);
  database.exec("UPDATE delivery_rule SET id = 524286 WHERE id = 524287");
  database.exec("UPDATE outbox_queue SET id = 262142 WHERE id = 262143");
  const last = new SqliteDelivery({ database });
  await last.commit({ rule: "last", log: [entry(1)], outboxes: [{ action: "a", append: [message(2 ** 44 - 1)] }] });
  const again = new SqliteDelivery({ database });
  assert.deepEqual(logged(again, "last"), [1]);
  assert.equal(again.outbox("last", "a").lastSequence, 2 ** 44 - 1);
  assert.deepEqual(take(again.outbox("last", "a")), [2 ** 44 - 1]);
});

directoryTest(
  "sqlite delivery: one that keeps something is in use at once, and one that does not prepares nothing",
  async (path) => {
    const prepared: string[] = [];
    const database = newDatabase(join(path, "x.db"));
    const counting = {
      exec: (sql: string) => database.exec(sql),
      prepare(sql: string) {
        prepared.push(sql);
        return database.prepare(sql);
      },
    };
    const idle = new SqliteDelivery({ database: counting });
    assert.deepEqual([idle.isInUse(), idle.isInUse(), prepared.length], [false, false, 1]);
    await idle.commit({ rule: "r", log: [entry(1)] });
    const again = new SqliteDelivery({ database });
    assert.equal(again.isInUse(), true);
    await again.whenInUse();
    // What is left of a rule that was removed wants upkeep.
    again.remove("r");
    const cleared = new SqliteDelivery({ database });
    assert.equal(cleared.isInUse(), true);
    while (cleared.maintain());
    assert.equal(new SqliteDelivery({ database }).isInUse(), false);
    database.close();
  },
);
