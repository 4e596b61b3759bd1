/**
 * Databases that are damaged page by page: whatever a disk does to the file, the agent starts, and what it reads is what
 * it wrote, or it is told.
 *
 * SQLite has no sums over its pages, so a changed letter in the text of a row is not found by anybody; what changes the
 * structure is.
 * @module
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "../value/seeded_random.ts";
import { entry, message } from "./delivery_fixture.ts";
import { type OpenedStore, openStore } from "./sqlite.ts";
import { StoreError } from "./store_error.ts";

const pageBytes = 4096;
const rules = 60;
const long = "x".repeat(3 * pageBytes);

/** Definitions and delivery state that fill pages of every kind; some of it only in the write-ahead log. */
async function fill(path: string, files: (name: string) => void): Promise<void> {
  const { store, delivery } = openStore(path);
  store.transaction(() => {
    for (let n = 0; n < 400; n++) store.put("rule", `r${n}`, `{"n":${n},"text":"${"t".repeat(n)}"}`);
    store.put("rule", "long", long);
  });
  for (let n = 0; n < rules; n++) {
    const outbox = delivery.outbox(`r${n}`, "a", { order: "key" });
    const append = Array.from(
      { length: 60 },
      (_, i) => message(i + 1, { key: `key-${i % 7}`, payload: "p".repeat(80) }),
    );
    const log = Array.from({ length: 40 }, (_, i) => ({ ...entry(i + 1), payload: "l".repeat(i * 4) }));
    const checkpoint = { plan: "p", sequence: 5, timeMs: 1, state: n % 10 === 0 ? long : "state" };
    const positions = new Map([["s", String(n)]]);
    await delivery.commit({ rule: `r${n}`, log, positions, checkpoint, outboxes: [{ action: "a", append }] });
    const taken = outbox.take({ rowsMax: 20, nowMs: 0 }).messages.map(({ sequence }) => sequence);
    const buried = taken.slice(0, 5).map((sequence) => ({ sequence, reason: "no", diedMs: 1 }));
    await delivery.commit({ rule: `r${n}`, outboxes: [{ action: "a", delivered: taken.slice(5), buried }] });
  }
  // Pages that are free, but too few to be given back.
  for (let n = 0; n < 120; n++) store.delete("rule", `r${n + 200}`);
  const copy = () => {
    for (const name of ["weir.db", "weir.db-wal"]) if (existsSync(join(path, name))) files(name);
  };
  store.close();
  const again = openStore(path);
  for (let n = 0; n < rules; n++) await again.delivery.commit({ rule: `r${n}`, log: [entry(100)] });
  again.store.put("stream", "late", "in the log of writes");
  // As a killed process leaves them: the newest commits stand in the write-ahead log only.
  copy();
  again.store.close();
}

/** The kind of each page, by what the pointer map and the first byte of a page say. */
function pageKinds(database: Uint8Array): Map<string, number[]> {
  const kinds = new Map<string, number[]>();
  const view = new DataView(database.buffer, database.byteOffset, database.byteLength);
  const add = (kind: string, page: number) => {
    const pages = kinds.get(kind);
    if (pages === undefined) kinds.set(kind, [page]);
    else pages.push(page);
  };
  const trees: Record<number, string> = {
    2: "index interior",
    5: "table interior",
    10: "index leaf",
    13: "table leaf",
  };
  add("schema", 1);
  add("pointer map", 2);
  const firstFree = view.getUint32(32);
  for (let page = 3; page <= database.length / pageBytes; page++) {
    const type = database[pageBytes + (page - 3) * 5];
    const start = database[(page - 1) * pageBytes]!;
    if (type === 2) add(page === firstFree ? "freelist trunk" : "freelist leaf", page);
    else if (type === 3 || type === 4) add("overflow", page);
    else add(trees[start] ?? "other", page);
  }
  return kinds;
}

/** Does everything that the agent does with its store. Only `StoreError` may come of damage. */
async function use({ store, delivery }: OpenedStore): Promise<StoreError[]> {
  const failures: StoreError[] = [];
  const attempt = async (work: () => unknown) => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      failures.push(error);
    }
  };
  await attempt(() => store.list("rule"));
  await attempt(() => store.get("rule", "long"));
  await attempt(() => store.put("rule", "new", long));
  await attempt(() => delivery.preload());
  let names: string[] = [];
  await attempt(() => names = delivery.rules());
  for (const rule of new Set([...names, ...Array.from({ length: rules }, (_, n) => `r${n}`)])) {
    await attempt(async () => {
      delivery.checkpoint(rule);
      let last = 0;
      for (const { sequence } of delivery.log(rule)) {
        assert.ok(sequence > last, `${rule}: ${sequence} follows ${last}`);
        last = sequence;
      }
      delivery.actions(rule);
      const outbox = delivery.outbox(rule, "a", { order: "key" });
      outbox.deadLetters({ limit: 100 });
      const { messages } = outbox.take({ rowsMax: 30, nowMs: 0 });
      const [first, second, ...rest] = messages.map(({ sequence }) => sequence);
      const sequence = delivery.lastSequence(rule) + 1;
      await delivery.commit({
        rule,
        log: [entry(sequence)],
        positions: new Map([["s", "later"]]),
        outboxes: [{
          action: "a",
          delivered: rest,
          ...(first === undefined ? {} : { buried: [{ sequence: first, reason: "no", diedMs: 1 }] }),
          ...(second === undefined ? {} : { retried: [{ sequence: second, atMs: 0, lane: "resend" as const }] }),
          append: [message(sequence, { key: "key-1" })],
        }],
      });
      outbox.take({ lane: "resend", rowsMax: 5, nowMs: 0 });
      outbox.oldestMs();
    });
  }
  await attempt(() => delivery.remove("r7"));
  for (let n = 0, more = true; more && n < 1000; n++) more = await attempt(() => delivery.maintain()) === true;
  await attempt(() => delivery.sizes());
  store.close();
  return failures;
}

function newFolder(): { path: string; cleanUp(): void } {
  const path = mkdtempSync(join(tmpdir(), "weir-damage-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

const original = newFolder();
const kept = newFolder();
await fill(original.path, (name) => copyFileSync(join(original.path, name), join(kept.path, name)));
const [database, log] = ["weir.db", "weir.db-wal"].map((name) => new Uint8Array(readFileSync(join(kept.path, name))));
original.cleanUp();
kept.cleanUp();

interface Files {
  database: Uint8Array;
  log: Uint8Array;
}

/**
 * Opens a damaged copy twice. The first time finds the damage, or reads on and meets it in use; after that the second
 * start finds it. In the end there is a database without damage.
 */
async function survives(damage: (files: Files) => void): Promise<"whole" | "set aside" | "met in use"> {
  const { path, cleanUp } = newFolder();
  try {
    const files = { database: database!.slice(), log: log!.slice() };
    damage(files);
    writeFileSync(join(path, "weir.db"), files.database);
    writeFileSync(join(path, "weir.db-wal"), files.log);
    const first = openStore(path);
    const isAside = first.notices.length > 0;
    if (isAside) assert.deepEqual(first.notices.map(({ code }) => code), ["E602"]);
    const failures = await use(first);
    assert.equal(readdirSync(path).some((name) => name.includes("damaged")), isAside);
    if (isAside) assert.deepEqual(failures, [], "a new database is whole");
    for (const { failure, message } of failures) assert.ok(["damaged", "other"].includes(failure), message);
    const isMet = failures.some(({ failure }) => failure === "damaged");
    assert.equal(existsSync(join(path, "weir.db.suspect")), isMet);
    const second = openStore(path);
    if (!isMet) assert.deepEqual(second.notices, []);
    const later = await use(second);
    if (failures.length === 0 || second.notices.length > 0) assert.deepEqual(later, []);
    assert.equal(isMet && later.length === 0 && existsSync(join(path, "weir.db.suspect")), false);
    return isAside ? "set aside" : failures.length > 0 ? "met in use" : "whole";
  } finally {
    cleanUp();
  }
}

test("the database that is damaged has pages of every kind, and an undamaged copy is whole", async () => {
  const kinds = pageKinds(database!);
  const wanted = ["schema", "pointer map", "table interior", "table leaf", "index leaf", "overflow", "freelist trunk"];
  for (const kind of wanted) assert.ok(kinds.has(kind), `no page is a ${kind}: ${[...kinds.keys()].join(", ")}`);
  assert.ok(log!.length > 10 * pageBytes);
  assert.equal(await survives(() => {}), "whole");
});

const damages: Record<string, (bytes: Uint8Array, random: SeededRandom) => void> = {
  "zeros": (bytes) => void bytes.fill(0),
  "garbage": (bytes, random) => bytes.forEach((_, i) => bytes[i] = random.below(256)),
  "a part of it in garbage": (bytes, random) => {
    const start = random.below(bytes.length);
    bytes.subarray(start, start + 512).forEach((_, i) => bytes[start + i] = random.below(256));
  },
  "changed bits": (bytes, random) => {
    for (let n = 0; n < 8; n++) bytes[random.below(Math.min(bytes.length, 64))]! ^= 1 << random.below(8);
  },
};

for (const kind of pageKinds(database!).keys()) {
  for (const [what, damage] of Object.entries(damages)) {
    test(`a database survives ${what} in a page: ${kind}`, async () => {
      const pages = pageKinds(database!).get(kind)!;
      for (const seed of [1, 2]) {
        const random = new SeededRandom(seed * 7919 + kind.length);
        const page = pages[random.below(pages.length)]!;
        const start = (page - 1) * pageBytes;
        await survives((files) => {
          damage(files.database.subarray(start, start + pageBytes), random);
          // It would bring back some pages.
          files.log = new Uint8Array(0);
        }).catch((error) => {
          throw new Error(`seed ${seed}, page ${page}`, { cause: error });
        });
      }
    });
  }
}

test("a database survives damage to each part of its header", async () => {
  const whole = Array.from({ length: 25 }, (_, n) => ({ at: n * 4, length: 4 }));
  // Page size, versions of the format, fractions, schema format, encoding, version of the schema.
  const single = [16, 17, 18, 19, 20, 21, 22, 23, 47, 59, 60].map((at) => ({ at, length: 1 }));
  for (const { at, length } of [...whole, ...single]) {
    await survives((files) => {
      files.database.fill(0xa5, at, at + length);
      // It would bring back the first page.
      files.log = new Uint8Array(0);
    }).catch((error) => {
      throw new Error(`byte ${at}, ${length} of them`, { cause: error });
    });
  }
});

test("a database survives damage to its write-ahead log: the commits before it are there, whole", async () => {
  const frameBytes = pageBytes + 24;
  const places = {
    header: 8,
    "header of the first frame": 32 + 12,
    "first page": 32 + 24 + 100,
    page: 32 + 3 * frameBytes + 99,
  };
  for (const [place, at] of Object.entries(places)) {
    const outcome = await survives(({ log }) => void (log[at]! ^= 0xff));
    assert.equal(outcome, "whole", place);
  }
  for (const length of [0, 16, 32, 32 + 24, 32 + frameBytes * 5 + 100]) {
    const outcome = await survives((files) => files.log = files.log.subarray(0, length));
    assert.equal(outcome, "whole", `${length} bytes`);
  }
});

test("a database survives being cut off", async () => {
  const half = Math.floor(database!.length / pageBytes / 2) * pageBytes;
  for (const length of [100, 1000, pageBytes, half, half + 99, database!.length - pageBytes]) {
    // With its log of writes it may get its pages back.
    await survives((files) => files.database = files.database.subarray(0, length));
    const outcome = await survives((files) => {
      files.database = files.database.subarray(0, length);
      files.log = files.log.subarray(0, 0);
    });
    assert.equal(outcome, "set aside", `${length} bytes`);
  }
  const emptied = await survives((files) => files.database = files.log = new Uint8Array(0));
  assert.equal(emptied, "whole", "an empty file is a new database");
});

test("damage in a large database is told when it is met, and the next start sets the database aside", async () => {
  const { path, cleanUp } = newFolder();
  try {
    const { store } = openStore(path);
    for (let n = 0; n < 34; n++) store.put("rule", `large${n}`, String(n).repeat(1024 * 1024 / String(n).length));
    for (let n = 0; n < 500; n++) store.put("stream", `s${n}`, "t".repeat(500));
    store.close();
    const bytes = new Uint8Array(readFileSync(join(path, "weir.db")));
    for (const page of pageKinds(bytes).get("index leaf")!) {
      bytes.fill(0xa5, (page - 1) * pageBytes, page * pageBytes);
    }
    writeFileSync(join(path, "weir.db"), bytes);
    const first = openStore(path);
    assert.deepEqual(first.notices, [], "it is too large to be read as a whole at each start");
    assert.throws(
      () => first.store.list("stream"),
      (error) =>
        error instanceof StoreError && error.failure === "damaged" && /the database is damaged/.test(error.message),
    );
    first.store.close();
    const second = openStore(path);
    assert.deepEqual(second.notices.map(({ code }) => code), ["E602"]);
    assert.deepEqual(await use(second), []);
    assert.deepEqual(openAndClose(path), []);
  } finally {
    cleanUp();
  }
});

function openAndClose(path: string): readonly unknown[] {
  const { store, notices } = openStore(path);
  store.close();
  return notices;
}
