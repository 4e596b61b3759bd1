/**
 * A disk without space, or that takes no writes: units are refused whole, and taken when it is over.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { entry, logged, messages, take } from "./delivery_fixture.ts";
import type { DeliveryStore } from "./delivery_store.ts";
import { newDatabase } from "./failing_database_fixture.ts";
import { openStore } from "./sqlite.ts";
import { SqliteDelivery } from "./sqlite_delivery.ts";
import { StoreError } from "./store_error.ts";

function temporaryDirectory(): { path: string; cleanUp(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-full-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

async function fillUntilFull(delivery: DeliveryStore): Promise<number> {
  for (let n = 1;; n++) {
    assert.ok(n < 5000, "the disk never gets full");
    const append = messages(n * 10 + 1, n * 10 + 10, { payload: "x".repeat(1000) });
    const unit = { rule: "r", log: [{ sequence: n, payload: "x".repeat(500) }], outboxes: [{ action: "a", append }] };
    try {
      await delivery.commit(unit);
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      assert.equal(error.failure, "full");
      assert.match(error.message, /^Cannot commit to the store: the disk is full: /);
      return n - 1;
    }
  }
}

async function checkFull(delivery: DeliveryStore, units: number): Promise<void> {
  const outbox = delivery.outbox("r", "a");
  assert.equal(delivery.lastLogSequence("r"), units);
  assert.equal(outbox.counts().rows, units * 10);
  // Sending frees space, so that things go on.
  const taken = take(outbox, { rowsMax: units * 9 });
  await delivery.commit({ rule: "r", outboxes: [{ action: "a", delivered: taken }] });
  assert.equal(outbox.counts().rows, units);
  await delivery.commit({ rule: "r", log: [entry(units + 1)] });
  assert.equal(logged(delivery).length, units + 1);
}

test("sqlite delivery: a database that may not grow refuses units whole and takes them again later", async () => {
  const database = newDatabase();
  database.exec("PRAGMA max_page_count = 120");
  const delivery = new SqliteDelivery({ database });
  await checkFull(delivery, await fillUntilFull(delivery));
});

/** Why no small file system can be mounted here, or undefined. */
function mountSmall(path: string): string | undefined {
  const { status, error, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "weir-test", path], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : `cannot mount a small tmpfs: ${error?.message ?? stderr.trim()}`;
}

const { path: probe, cleanUp: removeProbe } = temporaryDirectory();
const skip = mountSmall(probe) ?? false;
if (skip === false) spawnSync("umount", [probe]);
removeProbe();

/** Runs `work` in a file system of one megabyte. */
async function inSmall(work: (path: string) => Promise<void>): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  assert.equal(mountSmall(path), undefined);
  try {
    await work(path);
  } finally {
    spawnSync("umount", [path]);
    cleanUp();
  }
}

test(
  "sqlite delivery: a full disk refuses units whole; with space again they are taken",
  { skip },
  () =>
    inSmall(async (path) => {
      const first = openStore(path);
      const units = await fillUntilFull(first.delivery);
      const tooBig = () => first.store.put("rule", "big", "x".repeat(500_000));
      assert.throws(() => first.store.transaction(tooBig), { name: "StoreError", failure: "full" });
      assert.throws(tooBig, { name: "StoreError", failure: "full" });
      assert.equal(first.store.get("rule", "big"), undefined);
      first.store.close();
      spawnSync("mount", ["-o", "remount,size=4m", path]);
      const { store, delivery, notices } = openStore(path);
      assert.deepEqual(notices, []);
      await checkFull(delivery, units);
      store.put("rule", "small", "x");
      store.close();
    }),
);

test(
  "sqlite delivery: a disk that was full for a while is used on, without a restart",
  { skip },
  () =>
    inSmall(async (path) => {
      const { store, delivery } = openStore(path);
      const units = await fillUntilFull(delivery);
      // Everything that was taken and is known stays as it is while nothing can be written.
      const outbox = delivery.outbox("r", "a");
      const taken = take(outbox, { rowsMax: 5 });
      const append = messages(1e6, 1e6 + 400, { payload: "x".repeat(1000) });
      const settle = { rule: "r", outboxes: [{ action: "a", delivered: taken, append }] };
      await assert.rejects(delivery.commit(settle), { name: "StoreError", failure: "full" });
      assert.equal(outbox.counts().takenRows, taken.length);
      assert.equal(outbox.counts().rows, units * 10);
      outbox.release();
      spawnSync("mount", ["-o", "remount,size=8m", path]);
      await checkFull(delivery, units);
      store.put("rule", "big", "x".repeat(500_000));
      while (delivery.maintain());
      store.close();
      const again = openStore(path);
      assert.deepEqual(again.notices, []);
      assert.equal(logged(again.delivery).length, units + 1);
      assert.equal(again.store.get("rule", "big")!.length, 500_000);
      again.store.close();
    }),
);

test(
  "sqlite delivery: what has filled the disk by itself can be taken off it, also after a restart, and its room is used again",
  { skip },
  async () => {
    for (const size of ["1m", "12m"]) {
      await inSmall(async (path) => {
        spawnSync("mount", ["-o", `remount,size=${size}`, path]);
        let { store, delivery } = openStore(path);
        for (let round = 0, next = 1; round < 3; round++) {
          const isFull = await fillOneByOne(delivery, next);
          assert.ok(isFull > next + 10, `round ${round}: ${isFull - next} messages`);
          next = isFull;
          if (round === 1) {
            store.close();
            ({ store, delivery } = openStore(path));
          }
          const outbox = delivery.outbox("r", "a");
          while (outbox.counts().rows > 0) {
            const delivered = take(outbox, { rowsMax: 20 });
            // Another try, once there is room for it, is what rules make.
            const settle = () => delivery.commit({ rule: "r", outboxes: [{ action: "a", delivered }] });
            await settle().catch(settle);
          }
        }
        store.close();
      });
    }
  },
);

/** Messages of 8 kB until no more are taken: the next number. */
async function fillOneByOne(delivery: DeliveryStore, first: number): Promise<number> {
  for (let next = first, refused = 0;; next++) {
    const append = messages(next, next, { payload: "x".repeat(8000) });
    try {
      await delivery.commit({ rule: "r", outboxes: [{ action: "a", append }] });
      refused = 0;
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      assert.equal(error.failure, "full");
      // A try may have made room for the next.
      if (++refused === 3) return next;
      next--;
    }
  }
}

test(
  "openStore() refuses a disk that takes no writes, and leaves what is there",
  { skip },
  () =>
    inSmall(async (path) => {
      const first = openStore(path);
      first.store.put("rule", "r", "text");
      await first.delivery.commit({ rule: "r", log: [entry(1)] });
      first.store.close();
      spawnSync("mount", ["-o", "remount,ro", path]);
      const before = readdirSync(path);
      assert.throws(() => openStore(path), (error) => error instanceof DiagnosticError && /E601/.test(error.message));
      assert.deepEqual(readdirSync(path), before);
      spawnSync("mount", ["-o", "remount,rw", path]);
      const { store, delivery, notices } = openStore(path);
      assert.deepEqual(notices, []);
      assert.equal(store.get("rule", "r"), "text");
      assert.deepEqual(logged(delivery), [1]);
      store.close();
    }),
);

test("sqlite delivery: what cannot be written is refused, and taken when it can", async () => {
  const { path, cleanUp } = temporaryDirectory();
  const database = newDatabase(join(path, "x.db"));
  const delivery = new SqliteDelivery({ database });
  await delivery.commit({ rule: "r", log: [entry(1)] });
  database.exec("PRAGMA query_only = ON");
  await assert.rejects(delivery.commit({ rule: "r", log: [entry(2)] }), { name: "StoreError", failure: "unusable" });
  assert.deepEqual(logged(delivery), [1]);
  database.exec("PRAGMA query_only = OFF");
  await delivery.commit({ rule: "r", log: [entry(2)] });
  assert.deepEqual(logged(delivery), [1, 2]);
  database.close();
  cleanUp();
});
