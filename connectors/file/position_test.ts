/**
 * Reading goes on where it stood: at every place where a batch ends, in files that stay, grow, and are replaced.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import {
  appendFile,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock, LogFields } from "../../src/connector/context.ts";
import { Disconnected, EndOfInput } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Source, SourceBatch } from "../../src/connector/source.ts";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { eventually } from "../../tests/eventually.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { file } from "./mod.ts";

const signal = new AbortController().signal;

/** Time passes as fast as it is waited for; others get their turn meanwhile. */
function hastyClock(now = 1000): Clock {
  const sleep = async (ms: number, signal?: AbortSignal) => {
    await realClock.sleep(0, signal);
    now += ms;
  };
  return { ...realClock, now: () => now, sleep };
}

interface Opening {
  readonly clock?: Clock;
  readonly position?: string | undefined;
  readonly logged?: LogFields[];
}

async function open(raw: Record<string, unknown>, opening: Opening = {}): Promise<Source> {
  const { clock = hastyClock(), position, logged = [] } = opening;
  const settings = readSettings(file.source!.settings, raw, { path: "", where: "file source" });
  return await file.source!.open(settings, {
    name: "test",
    clock,
    log: recordingLogger(logged),
    status: () => {},
    connection: undefined as never,
    keepsPosition: true,
    ...(position === undefined ? {} : { position }),
  });
}

function itemsOf(batch: SourceBatch): unknown[] {
  if (batch.kind === "rows") return [...batch.rows];
  return batch.payloads.map((payload) => {
    const bytes = payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end);
    return new TextDecoder().decode(bytes);
  });
}

/** The batches until the end of the input. */
async function readAll(source: Source, { acks = true } = {}): Promise<SourceBatch[]> {
  const batches: SourceBatch[] = [];
  try {
    while (true) {
      const batch = await source.read(signal);
      batches.push(batch);
      if (acks) batch.ack?.();
    }
  } catch (error) {
    if (!(error instanceof EndOfInput)) throw error;
  } finally {
    await source.close();
  }
  return batches;
}

async function itemsBehind(raw: Record<string, unknown>, opening: Opening): Promise<unknown[]> {
  return (await readAll(await open(raw, opening))).flatMap(itemsOf);
}

async function withFile(
  content: string | Uint8Array,
  work: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-position-"));
  const path = join(folder, "in.txt");
  try {
    await writeFile(path, content);
    await work(path, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Puts other bytes into the same file, as a shell's `>` does. */
async function rewrite(path: string, content: string | Uint8Array): Promise<void> {
  const handle = await openFile(path, "r+");
  await handle.truncate(0);
  await handle.writeFile(content);
  await handle.close();
}

/** Every position on the way through the file, with how many items were in front of it. */
async function positionsOf(raw: Record<string, unknown>, clock = hastyClock()) {
  const batches = await readAll(await open(raw, { clock }));
  let count = 0;
  const positions = batches.map((batch) => {
    assert.ok(batch.position !== undefined && batch.position.length < 1000);
    count += itemsOf(batch).length;
    return { position: batch.position, count };
  });
  return { items: batches.flatMap(itemsOf), positions };
}

const long = Array.from({ length: 2500 }, (_, n) => `${n},${"x".repeat(n % 97)}\r\n`).join("");

const readings: readonly {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly settings: Record<string, unknown>;
  readonly items: number;
  /** What the same file holds later, and what that adds. */
  readonly grown?: string | Uint8Array;
  readonly added?: readonly unknown[];
}[] = [
  {
    name: "lines, with marks, blank ones and Windows ends",
    content: "\ufeffa\r\n\n  \nb\nc\n\n",
    settings: { fileType: "lines", sendInterval: 1 },
    items: 3,
    grown: "\ufeffa\r\n\n  \nb\nc\n\nd\ne\n",
    added: ["d", "e"],
  },
  {
    name: "lines between others that are left out",
    content: "head\n\na\nb\nc\nfoot\n",
    settings: { fileType: "lines", ignoreStartLines: 1, ignoreEndLines: 1, sendInterval: 1 },
    items: 3,
    grown: "head\n\na\nb\nc\nfoot\nd\nfoot 2\n",
    added: ["foot", "d"],
  },
  {
    name: "a last line that gets its end",
    content: "a\nb",
    settings: { fileType: "lines", sendInterval: 1 },
    items: 2,
    grown: "a\nb\r\nc",
    added: ["c"],
  },
  {
    name: "a last line that was cut off",
    content: "a\n\nbe",
    settings: { fileType: "lines", sendInterval: 1 },
    items: 2,
    grown: "a\n\nbee\nc\n",
    added: ["bee", "c"],
  },
  { name: "a long file in its usual batches", content: long, settings: { fileType: "lines" }, items: 2500 },
  {
    name: "CSV with a header and line breaks in quotes",
    content: '# by hand\nid,name\n1,"a\n""b"""\n2,c\n\n3,"d\n\ne"\n',
    settings: { fileType: "csv", hasHeader: true, ignoreStartLines: 1, sendInterval: 1 },
    items: 3,
    grown: '# by hand\nid,name\n1,"a\n""b"""\n2,c\n\n3,"d\n\ne"\n4,f\n',
    added: [{ id: "4", name: "f" }],
  },
  {
    name: "CSV whose last record was cut off",
    content: 'id,name\n1,a\n2,"b\nc',
    settings: { fileType: "csv", hasHeader: true, sendInterval: 1 },
    items: 1,
    grown: 'id,name\n1,a\n2,"b\nc"\n',
    added: [{ id: "2", name: "b\nc" }],
  },
  {
    name: "CSV with nothing but a header",
    content: "id,name\n",
    settings: { fileType: "csv", hasHeader: true },
    items: 0,
    grown: "id,name\n1,a",
    added: [{ id: "1", name: "a" }],
  },
  {
    name: "a JSON array",
    content: '[{"n":1},\n {"n":2} , 3\n]\n',
    settings: { sendInterval: 1 },
    items: 3,
    grown: '[{"n":1},\n {"n":2} , 3,\n 4]\n',
    added: ["\n 4"],
  },
  { name: "one JSON object", content: ' {"n":1}', settings: {}, items: 1, grown: ' {"n":1}\n', added: [] },
  {
    name: "packed JSON",
    content: gzipSync("[1,2,3]"),
    settings: { decompression: "gzip", sendInterval: 1 },
    items: 3,
    grown: gzipSync("[1,2,3,4]"),
    added: ["4"],
  },
  {
    name: "JSON packed by zstd, in its usual batches",
    content: zstdCompressSync(JSON.stringify(Array.from({ length: 2500 }, (_, n) => n))),
    settings: { decompression: "zstd" },
    items: 2500,
  },
  {
    name: "packed lines that get more",
    content: gzipSync("a\nb\n"),
    settings: { fileType: "lines", decompression: "gzip", sendInterval: 1 },
    items: 2,
    grown: gzipSync("a\nb\nc\n"),
    added: ["c"],
  },
  { name: "a whole file", content: "a\nb", settings: { fileType: "raw" }, items: 1 },
  { name: "an empty whole file", content: "", settings: { fileType: "raw" }, items: 1 },
];

for (const { name, content, settings, items: expected, grown, added = [] } of readings) {
  test(`file goes on behind every position: ${name}`, () =>
    withFile(content, async (path) => {
      const raw = { datasource: path, ...settings };
      const { items, positions } = await positionsOf(raw);
      assert.equal(items.length, expected);
      const logged: LogFields[] = [];
      for (const { position, count } of positions) {
        assert.deepEqual(await itemsBehind(raw, { position, logged }), items.slice(count), position);
      }
      // Once the end has been told, there is nothing more to tell.
      assert.deepEqual(await readAll(await open(raw, { position: positions.at(-1)!.position })), []);
      if (grown !== undefined) {
        await rewrite(path, grown);
        for (const { position, count } of positions) {
          const expected = grownItems(items, added).slice(count);
          // What had been cut off comes whole to those who had not got the first part of it.
          const behind = await itemsBehind(raw, { position, logged });
          assert.deepEqual(behind.map(trimmed), expected.filter((item) => !isFirstPart(item, added, count, items)));
        }
      }
      // Complaints of the CSV reader only.
      assert.deepEqual(logged.filter(({ reason }) => reason !== undefined), []);
    }));
}

function grownItems(items: readonly unknown[], added: readonly unknown[]): unknown[] {
  return [...items, ...added].map(trimmed);
}

/** Where an element of an array ends is a matter of the blanks around it. */
function trimmed(item: unknown): unknown {
  return typeof item === "string" ? item.trim() : item;
}

/** The item that was cut off, of which whoever reads on has not got the first part. */
function isFirstPart(item: unknown, added: readonly unknown[], count: number, items: readonly unknown[]): boolean {
  const [first] = added;
  if (typeof item !== "string" || typeof first !== "string" || item !== items.at(-1) || count === items.length) {
    return false;
  }
  return first !== item && first.startsWith(item);
}

test("file begins at the start of a file that is another one than that of its position, and says why", () =>
  withFile("a\nb\nc\n", async (path, folder) => {
    const raw = { datasource: path, fileType: "lines", sendInterval: 1 };
    const { positions } = await positionsOf(raw);
    const position = positions[1]!.position;
    const reasons: [string, () => Promise<void>, unknown[]][] = [
      ["it is shorter than what was read of it", () => rewrite(path, "a\n"), ["a"]],
      ["what was read of it has changed", () => rewrite(path, "a\nx\nc\n"), ["a", "x", "c"]],
      ["another file has taken its place", async () => {
        // The old one still stands, so that the new one cannot get its number.
        await writeFile(join(folder, "new"), "a\nb\nc\nd\n");
        await rename(path, join(folder, "old"));
        await rename(join(folder, "new"), path);
      }, ["a", "b", "c", "d"]],
    ];
    for (const [reason, change, items] of reasons) {
      await change();
      const logged: LogFields[] = [];
      assert.deepEqual(await itemsBehind(raw, { position, logged }), items);
      assert.deepEqual(logged, [{ path, reason }]);
    }
    for (const nonsense of ["", "{}", "12", JSON.stringify({ ...JSON.parse(position), path: "/other" })]) {
      const logged: LogFields[] = [];
      assert.deepEqual(await itemsBehind(raw, { position: nonsense, logged }), ["a", "b", "c", "d"]);
      assert.equal(logged.length, 1);
    }
    // A place in lines is none in JSON.
    await rewrite(path, "[1]");
    assert.deepEqual(await itemsBehind({ datasource: path }, { position }), ["1"]);
    // The same position serves again when the file is back.
    await rename(join(folder, "old"), path);
    await rewrite(path, "a\nb\nc\n");
    assert.deepEqual(await itemsBehind(raw, { position }), ["c"]);
    await rm(path);
    await assert.rejects(open(raw, { position }), Disconnected);
    // All of it had been read: there is nothing to wait for.
    assert.deepEqual(await itemsBehind(raw, { position: positions.at(-1)!.position }), []);
  }));

test("file notices a change in the middle of what it read", () =>
  withFile(long, async (path) => {
    const raw = { datasource: path, fileType: "lines" };
    const { positions } = await positionsOf(raw);
    const changed = long.replace("\r\n1200,x", "\r\n1200,y");
    assert.notEqual(changed, long);
    await rewrite(path, changed);
    const [early, late] = [positions[0]!, positions.at(-1)!];
    assert.ok(early.count < 1200);
    assert.equal((await itemsBehind(raw, { position: early.position })).length, 2500 - early.count);
    assert.equal((await itemsBehind(raw, { position: late.position })).length, 2500);
  }));

test("file takes up a position behind the first 16 MiB", async () => {
  const line = `${"x".repeat(1023)}\n`;
  await withFile(line.repeat(17 * 1024), async (path) => {
    const raw = { datasource: path, fileType: "lines" };
    const { items, positions } = await positionsOf(raw);
    assert.equal(items.length, 17 * 1024);
    const { position, count } = positions.at(-10)!;
    assert.ok(JSON.parse(position).offset > 16 * 1024 * 1024);
    assert.equal((await itemsBehind(raw, { position })).length, items.length - count);
    const handle = await openFile(path, "r+");
    await handle.write("y", JSON.parse(position).offset - 100);
    await handle.close();
    assert.equal((await itemsBehind(raw, { position })).length, items.length);
  });
});

test("a pass at an interval goes on behind a position, and the next one begins when it is due", () =>
  withFile("a\nb\n", async (path) => {
    const raw = { datasource: path, fileType: "lines", sendInterval: 1, interval: "1m" };
    const readSome = async (count: number, opening: { now: number; position?: string | undefined }) => {
      const clock = hastyClock(opening.now);
      const source = await open(raw, { ...opening, clock });
      const seen: unknown[] = [];
      const positions: (string | undefined)[] = [];
      while (seen.length < count) {
        const batch = await source.read(signal);
        positions.push(batch.position);
        seen.push(...itemsOf(batch).map((item) => [item, clock.now()]));
        batch.ack?.();
      }
      await source.close();
      return { seen, positions };
    };
    const { seen, positions } = await readSome(4, { now: 1000 });
    assert.deepEqual(seen, [["a", 1000], ["b", 1001], ["a", 61_001], ["b", 61_002]]);
    // a, b, the end, a, b
    assert.equal(positions.length, 5);
    const [afterA, afterB, atEnd] = positions;
    assert.deepEqual((await readSome(2, { now: 5000, position: afterA })).seen, [["b", 5000], ["a", 65_000]]);
    assert.deepEqual((await readSome(1, { now: 5000, position: afterB })).seen, [["a", 65_000]]);
    assert.deepEqual((await readSome(1, { now: 5000, position: atEnd })).seen, [["a", 61_001]]);
    assert.deepEqual((await readSome(1, { now: 500, position: atEnd })).seen, [["a", 60_500]]);
    assert.deepEqual((await readSome(1, { now: 90_000, position: atEnd })).seen, [["a", 90_000]]);
  }));

test("file deletes a file when its end is acknowledged, or when it is found at a position behind its end", () =>
  withFile("a\nb\n", async (path) => {
    const raw = { datasource: path, fileType: "lines", sendInterval: 1, actionAfterRead: 1 };
    // Killed before the engine's acknowledgement: the positions were kept or not, the file is there.
    const batches = await readAll(await open(raw), { acks: false });
    assert.deepEqual(batches.flatMap(itemsOf), ["a", "b"]);
    assert.ok(existsSync(path));
    const [, afterB, atEnd] = batches.map(({ position }) => position);
    assert.deepEqual(await itemsBehind(raw, { position: afterB }), []);
    assert.ok(!existsSync(path));
    // Killed after it was deleted.
    assert.deepEqual(await itemsBehind(raw, { position: atEnd }), []);
    // Killed before it could be deleted.
    await writeFile(path, "a\nb\n");
    const again = (await readAll(await open(raw), { acks: false })).at(-1)!.position;
    const logged: LogFields[] = [];
    assert.deepEqual(await itemsBehind(raw, { position: again, logged }), []);
    assert.ok(!existsSync(path));
    assert.deepEqual(logged, []);
    // Written anew with the same content, before weir came back.
    await writeFile(path, "a\nb\n");
    const before = (await readAll(await open(raw), { acks: false })).at(-1)!.position;
    await utimes(path, 1, 1);
    assert.deepEqual(await itemsBehind(raw, { position: before, logged }), ["a", "b"]);
    assert.deepEqual(logged, [{ path, reason: "it was written anew" }]);
    assert.ok(!existsSync(path));
  }));

test("file reads the next file at a path whose file it had read, also when it looks the same", () =>
  withFile("a\nb\n", async (path, folder) => {
    const moveTo = join(folder, "done");
    const raw = { datasource: path, fileType: "lines", interval: 10, actionAfterRead: 2, moveTo };
    const clock = hastyClock();
    let source = await open(raw, { clock });
    const [rows, end] = [await source.read(signal), await source.read(signal)];
    assert.deepEqual([itemsOf(rows), itemsOf(end)], [["a", "b"], []]);
    rows.ack?.();
    const stop = new AbortController();
    const waiting = source.read(stop.signal);
    await realClock.sleep(20);
    assert.ok(existsSync(path), "its end is not acknowledged");
    end.ack?.();
    await eventually(() => !existsSync(path));
    stop.abort();
    await assert.rejects(waiting);
    await source.close();
    const logged: LogFields[] = [];
    source = await open(raw, { clock, position: end.position, logged });
    const reading = source.read(signal);
    await realClock.sleep(20);
    // Whole at once: the source may look at any moment.
    await writeFile(`${path}.new`, "a\nb\n");
    await rename(`${path}.new`, path);
    assert.deepEqual(itemsOf(await reading), ["a", "b"]);
    await source.close();
    // A file that came while nobody read.
    source = await open(raw, { clock, position: end.position, logged });
    assert.deepEqual(itemsOf(await source.read(signal)), ["a", "b"]);
    await source.close();
    assert.equal(logged.length, 1);
    assert.equal((await readdir(moveTo)).length, 1);
  }));

test("file that cannot be removed is not read again, and what is added to it is read", () =>
  withFile("a\nb\n", async (path, folder) => {
    await writeFile(join(folder, "no-folder"), "");
    const moveTo = join(folder, "no-folder", "done");
    const raw = { datasource: path, fileType: "lines", interval: 10, actionAfterRead: 2, moveTo };
    const clock = new HandClock();
    const logged: LogFields[] = [];
    const source = await open(raw, { clock, logged });
    const seen: unknown[] = [];
    const reading = (async () => {
      while (seen.length < 4) {
        const batch = await source.read(signal);
        seen.push(...itemsOf(batch));
        batch.ack?.();
      }
    })();
    const timer = setInterval(() => void clock.advance(10), 2);
    try {
      await eventually(() => logged.length >= 3);
      assert.deepEqual(seen, ["a", "b"]);
      await appendFile(path, "c\n");
      await eventually(() => seen.length >= 3);
      await rm(join(folder, "no-folder"));
      await eventually(() => !existsSync(path));
      await writeFile(path, "d\n");
      await reading;
    } finally {
      clearInterval(timer);
    }
    await source.close();
    assert.deepEqual(seen, ["a", "b", "c", "d"]);
    assert.equal(await readFile(join(moveTo, "in.txt"), "utf8"), "a\nb\nc\n");
  }));

test("file waits when too much of what it gave is not acknowledged", async () => {
  const line = `${"x".repeat(1023)}\n`;
  await withFile(line.repeat(10 * 1024), async (path) => {
    const source = await open({ datasource: path, fileType: "lines" });
    const batches: SourceBatch[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      while (true) batches.push(await source.read(stop.signal));
    })();
    const lines = () => batches.flatMap(itemsOf).length;
    await eventually(() => lines() >= 8 * 1024);
    await realClock.sleep(50);
    assert.ok(lines() < 9 * 1024);
    for (const batch of batches.slice(0, 10)) batch.ack?.();
    const before = lines();
    await eventually(() => lines() > before);
    await realClock.sleep(50);
    stop.abort(new Error("stop"));
    await assert.rejects(reading, /stop/);
    assert.ok(lines() < 10 * 1024);
    await source.close();
  });
});

/** Lines as they come, some longer than what one read of the disk brings; of CSV some with line breaks in quotes. */
function randomText(random: SeededRandom, isCsv: boolean): string {
  const lines = Array.from({ length: random.below(30) }, (_, n) => {
    const kind = random.below(20);
    const text = "x".repeat(kind === 0 ? 60_000 + random.below(80_000) : kind < 4 ? 0 : random.below(200));
    const end = random.pick(["\n", "\r\n"]);
    if (!isCsv) return `${text}${kind < 3 ? "" : n}${end}`;
    return kind < 2 ? end : kind < 6 ? `${n},"${"\n".repeat(random.below(3))}""${text}"${end}` : `${n},${text}${end}`;
  });
  return lines.join("");
}

test("file goes on behind every position of any file, also when it has grown", async () => {
  const first = Date.now() % 1_000_000;
  // Reading gives way to others by itself.
  const clock: Clock = { ...realClock, sleep: () => Promise.resolve() };
  for (let seed = first; seed < first + 15; seed++) {
    const random = new SeededRandom(seed);
    const isCsv = random.pick([true, false]);
    const raw = {
      fileType: isCsv ? "csv" : "lines",
      hasHeader: isCsv && random.pick([true, false]),
      ignoreStartLines: random.below(3),
      sendInterval: random.below(2),
    };
    const text = `${random.pick(["", "\ufeff"])}a,b\n${randomText(random, isCsv)}`;
    const cut = text.length - random.pick([0, 1 + random.below(4)]);
    await withFile(text.slice(0, cut), async (path) => {
      const settings = { datasource: path, ...raw };
      const { items, positions } = await positionsOf(settings, clock);
      for (const { position, count } of positions) {
        const behind = await itemsBehind(settings, { position, clock });
        assert.deepEqual(behind, items.slice(count), `seed ${seed}, behind ${position}`);
      }
      await appendFile(path, text.slice(cut) + randomText(random, isCsv));
      const grown = await itemsBehind(settings, { clock });
      for (const { position, count } of positions) {
        // A last row that goes on is another row; the ones before it are as they were.
        const isAsBefore = JSON.stringify(grown[count - 1]) === JSON.stringify(items[count - 1]);
        const taken = isAsBefore ? count : count - 1;
        assert.deepEqual(grown.slice(0, taken), items.slice(0, taken));
        const behind = await itemsBehind(settings, { position, clock });
        assert.deepEqual(behind, grown.slice(taken), `seed ${seed}, grown, behind ${position}`);
      }
    });
  }
});
