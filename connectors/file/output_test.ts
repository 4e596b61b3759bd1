/**
 * Files in all their forms, and what stands in them after a crash anywhere: JSON, CSV, compressed, encrypted, and many
 * by a template.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { LogFields } from "../../src/connector/context.ts";
import { ItemsFailed } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { Payload, PayloadSink } from "../../src/connector/sink.ts";
import { zstdFrames } from "../../src/value/zstd_frames.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { decrypt, unpack } from "../../tests/peers/unpackers.ts";
import { file } from "./mod.ts";

const signal = new AbortController().signal;
const key = new Uint8Array(32).map((_, i) => i * 7);

interface Opening {
  readonly hasHeader?: boolean;
  readonly clock?: HandClock;
  readonly logged?: LogFields[];
  readonly directory?: string;
}

async function open(raw: Record<string, unknown>, opening: Opening = {}): Promise<PayloadSink> {
  const { hasHeader = false, clock = new HandClock(1000), logged = [], directory } = opening;
  const settings = readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
  return await file.sink!.open(settings, {
    name: "test",
    clock,
    log: recordingLogger(logged),
    status: () => {},
    connection: undefined as never,
    payloads: { format: "json", compression: "", encryption: "", hasHeader, aesKey: key },
    ...(directory === undefined ? {} : { resolvePath: (path) => join(path.startsWith("/") ? "" : directory, path) }),
  }) as PayloadSink;
}

async function write(
  raw: Record<string, unknown>,
  batches: readonly (readonly Payload[])[],
  opening: Opening = {},
): Promise<void> {
  const sink = await open(raw, opening);
  for (const batch of batches) await sink.write(batch, signal);
  await sink.close();
}

async function inFolder(work: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-output-"));
  try {
    await work(join(folder, "out.txt"), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function zstdText(bytes: Uint8Array): string {
  return zstdFrames(bytes).map((frame) => zstdDecompressSync(frame).toString()).join("");
}

function clear(bytes: Uint8Array): string {
  return clearBytes(bytes).toString();
}

function clearBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(decrypt(key, bytes.subarray(0, 16), bytes.subarray(16)));
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

test("a JSON file is one array, also when it is gone on with", () =>
  inFolder(async (path, folder) => {
    const raw = { path, fileType: "json", rollingCount: 3 };
    await write(raw, [['{"n":1}'], ['{"n":2}']]);
    assert.deepEqual(JSON.parse(await readFile(path, "utf8")), [{ n: 1 }, { n: 2 }]);
    // Nothing is written: nothing changes.
    const before = await readFile(path, "utf8");
    await write(raw, []);
    assert.equal(await readFile(path, "utf8"), before);
    await write(raw, [['{"n":3}', '{"n":4}', '{"n":5}', '{"n":6}']]);
    const files = (await readdir(folder)).sort();
    const all = await Promise.all(files.map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8"))));
    assert.deepEqual(all, [[{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }], [{ n: 6 }]]);
  }));

test("CSV has its header once in each file, and starts another file when it changes", () =>
  inFolder(async (path, folder) => {
    const raw = { path, fileType: "csv", rollingCount: 0 };
    const logged: LogFields[] = [];
    await write(raw, [["a,b\n1,2"], ["a,b\n3,4\n5,6", "", "a,b\n7,8"]], { hasHeader: true });
    await write(raw, [["a,b\n9,10"], ["11,12"]], { hasHeader: true });
    assert.equal(await readFile(path, "utf8"), "a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n");
    await write(raw, [["a,c\n1,2"]], { hasHeader: true, logged });
    assert.equal(await readFile(path, "utf8"), "a,c\n1,2\n");
    assert.deepEqual((await readdir(folder)).sort(), ["out-1000.txt", "out.txt"]);
    assert.equal(logged.length, 1);
    await rm(path);
    await write({ ...raw, rollingCount: 2 }, [["a\n1", "a\n2", "a\n3"]], { hasHeader: true });
    assert.equal(await readFile(path, "utf8"), "a\n3\n");
    await write({ path: join(folder, "plain.csv"), fileType: "csv" }, [["1,2\n3,4"], ["5,6"]]);
    assert.equal(await readFile(join(folder, "plain.csv"), "utf8"), "1,2\n3,4\n5,6\n");
  }));

for (const fileType of ["lines", "json"] as const) {
  test(`compressed ${fileType} are read by gunzip and zstd, also when they are gone on with`, () =>
    inFolder(async (path) => {
      const messages = Array.from({ length: 500 }, (_, n) => `{"n":${n},"text":"${"x".repeat(n % 50)}"}`);
      for (const compression of ["gzip", "zstd"] as const) {
        await rm(path, { force: true });
        for (const level of [undefined, 1, 9]) {
          const props = level === undefined ? {} : { compressionProps: { level } };
          await write({ path, fileType, compression, ...props, rollingCount: 0 }, [
            messages.slice(0, 1),
            messages.slice(1, 250),
            messages.slice(250),
          ]);
        }
        const bytes = await readFile(path);
        const all = [...messages, ...messages, ...messages];
        const own = compression === "gzip" ? gunzipSync(bytes).toString() : zstdText(bytes);
        const found = fileType === "lines"
          ? own.trimEnd().split("\n")
          : JSON.parse(own).map((each: unknown) => JSON.stringify(each));
        assert.deepEqual(found, all);
        assert.equal(unpack(compression, bytes), own);
        assert.ok(bytes.length < own.length / 3);
      }
    }));
}

test("an encrypted file is read by openssl, also when it is gone on with at any place", () =>
  inFolder(async (path) => {
    let expected = "";
    for (let n = 0; n < 40; n++) {
      await write({ path, encryption: "aes", rollingCount: 0 }, [["x".repeat(n)], [String(n), "é"]]);
      expected += `${"x".repeat(n)}\n${n}\né\n`;
    }
    assert.equal(clear(await readFile(path)), expected);
    await rm(path);
    const iv = "000102030405060708090a0b0c0d0e0f";
    await write({ path, encryption: "aes", encProps: { iv } }, [["a"], ["b"]]);
    const sealed = await readFile(path);
    assert.equal(sealed.length, 4);
    assert.equal(decrypt(key, Buffer.from(iv, "hex"), sealed).toString(), "a\nb\n");
  }));

const contents:
  readonly (readonly [name: string, raw: Record<string, unknown>, read: (bytes: Uint8Array) => string])[] = [
    ["gzip", { compression: "gzip" }, (bytes) => gunzipSync(bytes).toString()],
    ["zstd", { compression: "zstd" }, zstdText],
    ["JSON", { fileType: "json" }, (bytes) => new TextDecoder().decode(bytes)],
    ["JSON in gzip", { fileType: "json", compression: "gzip" }, (bytes) => gunzipSync(bytes).toString()],
    ["AES", { encryption: "aes" }, clear],
    [
      "JSON in zstd in AES",
      { fileType: "json", compression: "zstd", encryption: "aes" },
      (bytes) => zstdText(clearBytes(bytes)),
    ],
  ];

for (const [name, raw, read] of contents) {
  test(`${name}: whatever a crash leaves of a write, the file is whole with all that had been written before`, () =>
    inFolder(async (path) => {
      const settings = { path, ...raw, rollingCount: 0 };
      const sink = await open(settings);
      await sink.write(['{"n":1}', '{"n":2}'], signal);
      const kept = (await stat(path)).size;
      await sink.write(['{"n":3}', '{"n":4}'], signal);
      const whole = await readFile(path);
      await sink.close();
      const itemsOf = (text: string) =>
        raw.fileType === "json"
          ? JSON.parse(text).map((each: { n: number }) => each.n)
          : text.trimEnd().split("\n").map((line) => JSON.parse(line).n);
      const step = name.includes("AES") ? 7 : 1;
      for (
        let cut = kept;
        cut <= whole.length;
        cut += cut + step > whole.length && cut < whole.length ? whole.length - cut : step
      ) {
        await writeFile(path, whole.subarray(0, cut));
        await write(settings, [['{"n":3}', '{"n":4}'], ['{"n":5}']]);
        const got: number[] = itemsOf(read(await readFile(path)));
        assert.deepEqual(got.filter((n, i) => got.indexOf(n) === i), [1, 2, 3, 4, 5], `cut at ${cut}`);
        assert.deepEqual(got.slice(-3), [3, 4, 5]);
      }
      // A rule that has nothing more to write leaves a whole file, too.
      if (raw.fileType === "json") {
        await writeFile(path, whole.subarray(0, whole.length - 3));
        await write(settings, []);
        assert.deepEqual([...new Set(itemsOf(read(await readFile(path))))].slice(0, 2), [1, 2]);
      }
    }));
}

test("bytes that a loss of power has left at the end of a compressed file go", () =>
  inFolder(async (path) => {
    for (
      const [compression, read] of [["gzip", (b: Uint8Array) => gunzipSync(b).toString()], ["zstd", zstdText]] as const
    ) {
      await rm(path, { force: true });
      const raw = { path, compression, rollingCount: 0 };
      await write(raw, [["a"], ["b"]]);
      const { size } = await stat(path);
      await write(raw, [["c"]]);
      const bytes = await readFile(path);
      await writeFile(path, Buffer.concat([bytes.subarray(0, size + 22), new Uint8Array(bytes.length - size - 22)]));
      await write(raw, [["d"]]);
      assert.equal(read(await readFile(path)), "a\nb\nd\n");
    }
  }));

test("a file that somebody else has written is kept, under another name", () =>
  inFolder(async (path, folder) => {
    for (const raw of [{ compression: "gzip" }, { compression: "zstd" }, { fileType: "json" }]) {
      await writeFile(path, "some text of somebody, without any sense to weir\n");
      const logged: LogFields[] = [];
      await write({ path, ...raw }, [['{"n":1}']], { logged });
      assert.deepEqual((await readdir(folder)).sort(), ["out-1000.txt", "out.txt"]);
      assert.match(await readFile(join(folder, "out-1000.txt"), "utf8"), /^some text/);
      assert.equal(logged.length, 1);
      await rm(path);
      await rm(join(folder, "out-1000.txt"));
    }
  }));

test("a compressed file rolls at its size on the disk", () =>
  inFolder(async (path, folder) => {
    const noise = Array.from({ length: 200 }, (_, n) =>
      hex(new Uint8Array(50).map((_, i) => (n * 31 + i * i * 17) % 251)));
    await write({ path, compression: "gzip", rollingSize: 2000, rollingCount: 0 }, noise.map((each) => [each]));
    const names = await readdir(folder);
    assert.ok(names.length > 3);
    const lines = (await Promise.all(names.map((name) =>
      readFile(join(folder, name))
    )))
      .flatMap((bytes) => bytes.length === 0 ? [] : gunzipSync(bytes).toString().trimEnd().split("\n"));
    assert.deepEqual(lines.sort(), [...noise].sort());
  }));

test("a template gives each message its file, and few are open at a time", () =>
  inFolder(async (_, folder) => {
    const path = join(folder, "by", "{{.device}}.json");
    const raw = { path, fileType: "json", rollingCount: 0 };
    const sink = await open(raw);
    const devices = 200;
    const batchOf = (round: number) => Array.from({ length: devices }, (_, n) => `{"n":${n},"round":${round}}`);
    const settings = Array.from({ length: devices }, (_, n) => ({ path: join(folder, "by", `d${n}.json`) }));
    for (let round = 0; round < 3; round++) await sink.write(batchOf(round), signal, undefined, settings);
    const open64 = (await readdir("/proc/self/fd").catch(() => [])).length;
    assert.ok(open64 < 130, `${open64} descriptors`);
    await sink.close();
    for (const n of [0, 77, 199]) {
      assert.deepEqual(
        JSON.parse(await readFile(join(folder, "by", `d${n}.json`), "utf8")),
        [0, 1, 2].map((round) => ({ n, round })),
      );
    }
  }));

test("files of a template that were closed for others keep their counts and names", () =>
  inFolder(async (_, folder) => {
    const raw = { path: join(folder, "{{.device}}.txt"), rollingCount: 3, rollingNamePattern: "suffix" };
    const sink = await open(raw);
    for (let round = 0; round < 4; round++) {
      const names = Array.from({ length: 70 }, (_, n) => `d${n}`);
      await sink.write(
        names.map(() => String(round)),
        signal,
        undefined,
        names.map((name) => ({ path: join(folder, `${name}.txt`) })),
      );
    }
    await sink.close();
    const own = (await readdir(folder)).filter((name) => name.startsWith("d0-")).sort();
    assert.deepEqual(own, ["d0-1000.txt", "d0-1001.txt"]);
    const texts = await Promise.all(own.map((name) => readFile(join(folder, name), "utf8")));
    assert.deepEqual(texts, ["0\n1\n2\n", "3\n"]);
  }));

test("data decides about names of files, and not about places", () =>
  inFolder(async (_, folder) => {
    const raw = { path: "out/{{.name}}" };
    const sink = await open(raw, { directory: folder });
    const paths = ["out/a", "out/../b", "/etc/passwd", "out/x/y", "", "out/", "out/c\0d", "out/../../e"];
    await assert.rejects(
      sink.write(paths.map((path) => path), signal, undefined, paths.map((path) => ({ path }))),
      (error) => error instanceof ItemsFailed && [...error.failed.keys()].join() === "1,2,4,5,6,7",
    );
    await sink.close();
    assert.deepEqual((await readdir(folder)).sort(), ["out"]);
    assert.equal(await readFile(join(folder, "out", "x", "y"), "utf8"), "out/x/y\n");
  }));

test("one bad file of a template is no matter of the others, and nothing is written twice", () =>
  inFolder(async (_, folder) => {
    const sink = await open({ path: join(folder, "{{.name}}.txt") });
    await writeFile(join(folder, "keep"), "");
    const paths = ["a", "dir", "b"].map((name) => ({ path: join(folder, `${name}.txt`) }));
    await (await open({ path: join(folder, "dir.txt", "x") })).close();
    const failure = await sink.write(["1", "2", "3"], signal, ["i1", "i2", "i3"], paths).catch((error) => error);
    assert.ok(failure instanceof ItemsFailed && [...failure.failed.keys()].join() === "1", String(failure));
    await sink.close();
    assert.equal(await readFile(join(folder, "b.txt"), "utf8"), "3\n");
  }));

test("a file is emptied once, as ifExists says, also when it is closed for others meanwhile", () =>
  inFolder(async (_, folder) => {
    const sink = await open({ path: join(folder, "{{.name}}"), ifExists: "truncate" });
    await writeFile(join(folder, "f0"), "old\n");
    for (let round = 0; round < 2; round++) {
      const names = Array.from({ length: 70 }, (_, n) => join(folder, `f${n}`));
      await sink.write(names.map(() => String(round)), signal, undefined, names.map((path) => ({ path })));
    }
    await sink.close();
    assert.equal(await readFile(join(folder, "f0"), "utf8"), "0\n1\n");
    assert.equal(dirname(folder), tmpdir());
    await truncate(join(folder, "f0"), 0);
  }));
