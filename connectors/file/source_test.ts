import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock, LogFields } from "../../src/connector/context.ts";
import type { DeclaredColumn } from "../../src/connector/declare.ts";
import { Disconnected, EndOfInput } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Source, SourceBatch } from "../../src/connector/source.ts";
import { eventually } from "../../tests/eventually.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { file } from "./mod.ts";

const signal = new AbortController().signal;

interface Opening {
  readonly clock?: Clock;
  readonly columns?: readonly DeclaredColumn[];
  readonly logged?: LogFields[];
}

async function open(raw: Record<string, unknown>, { clock = new HandClock(1000), columns, logged = [] }: Opening = {}) {
  const settings = readSettings(file.source!.settings, raw, { path: "", where: "file source" });
  file.source!.check!(settings, {});
  return await file.source!.open(settings, {
    name: "test",
    clock,
    log: recordingLogger(logged),
    status: () => {},
    connection: undefined as never,
    ...(columns === undefined ? {} : { columns }),
  });
}

/** Items as text, rows as they are. */
function itemsOf(batch: SourceBatch): unknown[] {
  if (batch.kind === "rows") return [...batch.rows];
  return batch.payloads.map((payload) => {
    const bytes = payload instanceof Uint8Array ? payload : payload.bytes.subarray(payload.start, payload.end);
    return new TextDecoder().decode(bytes);
  });
}

async function readAll(source: Source): Promise<unknown[]> {
  const items: unknown[] = [];
  try {
    while (true) {
      const batch = await source.read(signal);
      items.push(...itemsOf(batch));
      batch.ack?.();
    }
  } catch (error) {
    if (!(error instanceof EndOfInput)) throw error;
  } finally {
    await source.close();
  }
  return items;
}

async function withFile(
  content: string | Uint8Array,
  work: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
  const path = join(folder, "in.txt");
  try {
    await writeFile(path, content);
    await work(path, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const readings: readonly {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly settings: Record<string, unknown>;
  readonly columns?: readonly DeclaredColumn[];
  readonly gives: readonly unknown[];
}[] = [
  {
    name: "the elements of a JSON array",
    content: '\ufeff [{"a":"],[\\""},\n {"b":[1,{"c":2}]} , 3]\n',
    settings: {},
    gives: ['{"a":"],[\\""}', '\n {"b":[1,{"c":2}]} ', " 3"],
  },
  { name: "one JSON object", content: ' {"a":1}', settings: {}, gives: ['{"a":1}'] },
  { name: "no elements", content: " [ ] ", settings: {}, gives: [] },
  { name: "an empty file", content: "", settings: {}, gives: [] },
  { name: "an array that is cut off", content: '[{"a":1},{"a":', settings: {}, gives: ['{"a":1}', '{"a":'] },
  { name: "text behind an array", content: '[{"a":1}] x', settings: {}, gives: ['{"a":1}', "x"] },
  { name: "an array with a comma too many", content: '[{"a":1},]', settings: {}, gives: ['{"a":1}', ""] },
  {
    name: "compressed JSON",
    content: gzipSync('[{"a":1}]'),
    settings: { decompression: "gzip" },
    gives: ['{"a":1}'],
  },
  {
    name: "JSON compressed by zstd",
    content: zstdCompressSync('[{"a":1}]'),
    settings: { decompression: "zstd" },
    gives: ['{"a":1}'],
  },
  {
    name: "lines compressed by gzip, in several parts",
    content: Buffer.concat([gzipSync("a\nb\n"), gzipSync("c\n")]),
    settings: { fileType: "lines", decompression: "gzip" },
    gives: ["a", "b", "c"],
  },
  {
    name: "CSV compressed by zstd, in several parts",
    content: Buffer.concat([zstdCompressSync("id\n1\n"), zstdCompressSync("2\n")]),
    settings: { fileType: "csv", decompression: "zstd", hasHeader: true },
    gives: [{ id: "1" }, { id: "2" }],
  },
  { name: "a whole file", content: "a\nb\n", settings: { fileType: "raw" }, gives: ["a\nb\n"] },
  {
    name: "lines that are not empty",
    content: "\ufeffa\r\n\n \nb\nc",
    settings: { fileType: "lines" },
    gives: ["a", "b", "c"],
  },
  {
    name: "lines without the first and the last",
    content: "\nhead\n\na\nb\nfoot\n\n",
    settings: { fileType: "lines", ignoreStartLines: 1, ignoreEndLines: "1" },
    gives: ["a", "b"],
  },
  {
    name: "fewer lines than are left out",
    content: "a\nb\n",
    settings: { fileType: "lines", ignoreStartLines: 1, ignoreEndLines: 2 },
    gives: [],
  },
  {
    name: "CSV without names",
    content: "1,x\n2,,z\n",
    settings: { fileType: "csv" },
    gives: [{ cols0: "1", cols1: "x" }, { cols0: "2", cols1: "", cols2: "z" }],
  },
  {
    name: "CSV with a header, quotes and another delimiter",
    content: '# made by hand\nid; name\n1;"a;""b""\nc"\n2;5" pipe\n3;""\n',
    settings: { fileType: "csv", hasHeader: true, delimiter: ";", ignoreStartLines: 1, columns: "x,y" },
    gives: [{ id: "1", name: 'a;"b"\nc' }, { id: "2", name: '5" pipe' }, { id: "3", name: "" }],
  },
  {
    name: "CSV with given names, separated by tabs",
    content: "1\t2\n",
    settings: { fileType: "csv", columns: ["a", "b"], delimiter: "\\t" },
    gives: [{ a: "1", b: "2" }],
  },
  {
    name: "CSV of declared columns",
    content: "1,2.5,true,x,9\n99999999999999999999,-,TRUE,,\n,,,\n",
    settings: { fileType: "csv" },
    columns: [
      { name: "i", kind: "bigint" },
      { name: "f", kind: "float" },
      { name: "b", kind: "boolean" },
      { name: "s", kind: "string" },
    ],
    gives: [
      { i: 1n, f: 2.5, b: true, s: "x" },
      // What cannot be read so stays text, for strict validation to refuse.
      { i: "99999999999999999999", f: "-", b: true, s: "" },
      { s: "" },
    ],
  },
  {
    name: "CSV of which some columns are declared",
    content: "a,id,b\n1,2,3\n",
    settings: { fileType: "csv", hasHeader: true },
    columns: [{ name: "id", kind: "bigint" }],
    gives: [{ id: 2n }],
  },
];

for (const { name, content, settings, columns, gives } of readings) {
  test(`file reads ${name}`, () =>
    withFile(content, async (path) => {
      const source = await open({ datasource: path, ...settings }, columns === undefined ? {} : { columns });
      assert.deepEqual(await readAll(source), gives);
    }));
}

test("file hands out a large file in batches, each with its name", () =>
  withFile(Array.from({ length: 2500 }, (_, n) => `${n},${"x".repeat(50)}`).join("\n"), async (path, folder) => {
    const source = await open({ datasource: "in.txt", path: folder, fileType: "lines" });
    const sizes: number[] = [];
    const seen: string[] = [];
    for (let batch = await source.read(signal);; batch = await source.read(signal)) {
      sizes.push(itemsOf(batch).length);
      seen.push(...itemsOf(batch) as string[]);
      assert.deepEqual(batch.meta?.(0), { file: path });
      if (seen.length >= 2500) break;
    }
    assert.ok(sizes.length > 1 && sizes.every((size) => size <= 1000), String(sizes));
    assert.deepEqual(seen.map((line) => Number(line.split(",")[0])), Array.from({ length: 2500 }, (_, n) => n));
    await assert.rejects(source.read(signal), EndOfInput);
    await source.close();
  }));

test("file reads again at intervals, and pauses between rows", () =>
  withFile('[{"n":1},{"n":2}]', async (path) => {
    const clock = new HandClock(0);
    const source = await open({ datasource: path, interval: "1m", sendInterval: "1s" }, { clock });
    const seen: [number, string][] = [];
    const readOne = async () => {
      const batch = await source.read(signal);
      seen.push([clock.now(), ...itemsOf(batch) as [string]]);
    };
    await readOne();
    const second = readOne();
    await eventually(() => clock.waiting === 1);
    assert.equal(seen.length, 1);
    await clock.advance(1000);
    await second;
    await writeFile(path, '[{"n":3}]');
    let third = false;
    const reading = readOne().then(() => third = true);
    await eventually(() => clock.waiting === 1);
    await clock.advance(59_999);
    assert.equal(third, false);
    await clock.advance(1);
    await reading;
    assert.deepEqual(seen, [[0, '{"n":1}'], [1000, '{"n":2}'], [61_000, '{"n":3}']]);
    await source.close();
  }));

test("file pauses no longer than it should when the clock is set back between two reads", () =>
  withFile('[{"n":1},{"n":2}]', async (path) => {
    const clock = new HandClock(86_400_000);
    const source = await open({ datasource: path, interval: "1h", sendInterval: "1s" }, { clock });
    await source.read(signal);
    clock.jump(-86_400_000);
    const second = source.read(signal);
    await eventually(() => clock.waiting === 1);
    await clock.advance(1000);
    await second;
    await source.close();
  }));

/** Lets time pass until `condition` holds; what happens on the disk takes as long as it takes. */
async function passing(clock: HandClock, condition: () => boolean): Promise<void> {
  const timer = setInterval(() => void clock.advance(10), 5);
  try {
    await eventually(condition);
  } finally {
    clearInterval(timer);
  }
}

test("file deletes or moves a file once all of it is acknowledged, and waits for the next one", () =>
  withFile("a\nb", async (path, folder) => {
    const clock = new HandClock(5000);
    const moveTo = join(folder, "done", "here");
    await mkdir(moveTo, { recursive: true });
    await writeFile(join(moveTo, "in.txt"), "older");
    const raw = { datasource: path, fileType: "lines", sendInterval: 1, interval: 10, actionAfterRead: "2", moveTo };
    const source = await open(raw, { clock });
    const first = await source.read(signal);
    await clock.advance(1);
    const second = await source.read(signal);
    second.ack?.();
    let got: unknown[] | undefined;
    const waiting = source.read(signal).then((batch) => got = itemsOf(batch));
    // The file has been read to its end when the source waits for the next one.
    await eventually(() => clock.waiting === 1);
    await clock.advance(20);
    await access(path);
    first.ack?.();
    await passing(clock, () => !existsSync(path));
    const moved = (await readdir(moveTo)).sort();
    assert.equal(moved.length, 2);
    assert.match(moved[0]!, /^in-\d+\.txt$/);
    assert.equal(await readFile(join(moveTo, moved[0]!), "utf8"), "a\nb");
    assert.equal(await readFile(join(moveTo, "in.txt"), "utf8"), "older");
    assert.equal(got, undefined);
    await writeFile(path, "c");
    await passing(clock, () => got !== undefined);
    await waiting;
    assert.deepEqual(got, ["c"]);
    await source.close();
    // What was not acknowledged stays.
    await access(path);
    assert.deepEqual(await readAll(await open({ datasource: path, fileType: "lines", actionAfterRead: 1 })), ["c"]);
    await assert.rejects(access(path));
  }));

test("file leaves a file that changed while it was read", () =>
  withFile("a", async (path) => {
    const logged: LogFields[] = [];
    const source = await open({ datasource: path, fileType: "lines", actionAfterRead: 1 }, { logged });
    const batch = await source.read(signal);
    await writeFile(path, "a and more");
    batch.ack?.();
    await assert.rejects(source.read(signal), EndOfInput);
    await source.close();
    assert.deepEqual(logged, [{ path }]);
    await access(path);
  }));

test("file leaves out what no memory should hold, and says so", () =>
  withFile(`${"x".repeat(17 * 1024 * 1024)}\n1,a\n2,"b\n${"3,c\n".repeat(1100)}`, async (path) => {
    const logged: LogFields[] = [];
    const source = await open({ datasource: path, fileType: "csv" }, { logged });
    const rows = await readAll(source);
    assert.deepEqual(logged, [{ path, byte: 0 }, { path, lines: 1000 }]);
    assert.equal(rows.length, 1 + 101);
  }));

test("file says what is wrong with what it should read", () =>
  withFile("no json", async (path, folder) => {
    await assert.rejects(open({ datasource: join(folder, "none.json") }), (error) => {
      assert.ok(error instanceof Disconnected);
      return error.message === `Cannot read "${join(folder, "none.json")}": no such file`;
    });
    await assert.rejects(open({ datasource: "/dev/zero", fileType: "raw" }), /E403|not a regular file/);
    const gzip = await open({ datasource: path, decompression: "gzip" });
    await assert.rejects(gzip.read(signal), (error) => {
      return error instanceof Disconnected && /it is not gzip data/.test(error.message);
    });
    await gzip.close();
    for (
      const [raw, reason] of [
        [{}, /E404.*DATASOURCE/],
        [{ datasource: folder, actionAfterRead: 2, moveTo: folder }, /E403.*moved/],
        [{ datasource: folder, fileType: "csv", atEnd: "follow" }, /E403.*folder/],
        [{ datasource: path, atEnd: "follow" }, /E403.*type json/],
        [{ datasource: path, atEnd: "follow", fileType: "csv", interval: 5 }, /E403.*again/],
        [{ datasource: path, atEnd: "follow", fileType: "csv", decompression: "gzip" }, /E403.*compressed/],
        [{ datasource: path, fileType: "parquet" }, /E408/],
        [{ datasource: path, decompression: "zlib" }, /E408/],
        [{ datasource: path, actionAfterRead: 2 }, /E404.*moveTo/],
        [{ datasource: path, actionAfterRead: 3 }, /E403/],
        [{ datasource: path, format: "delimited" }, /E403.*FORMAT delimited/],
      ] as const
    ) {
      await assert.rejects(open(raw), reason);
    }
  }));

test("file refuses to unpack more than memory should hold", () =>
  withFile(gzipSync(new Uint8Array(65 * 1024 * 1024)), async (path) => {
    const source = await open({ datasource: path, fileType: "raw", decompression: "gzip" });
    await assert.rejects(source.read(signal), /may have 67108864 bytes/);
    await source.close();
  }));
