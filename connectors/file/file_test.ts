import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock, LogFields } from "../../src/connector/context.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import { zstdFrames } from "../../src/value/zstd_frames.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { file } from "./mod.ts";

conformance(file, {
  givesPositions: true,
  source: async () => {
    const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
    const path = join(folder, "in.json");
    return {
      settings: (values) => {
        writeFileSync(path, JSON.stringify(values.map((n) => ({ n }))));
        return { datasource: path, interval: "1h", sendInterval: 1 };
      },
      send: () => {},
      close: () => rm(folder, { recursive: true }),
    };
  },
  sink: async () => {
    const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
    const path = join(folder, "new", "out.ndjson");
    return {
      settings: { path },
      received: async () =>
        (await readFile(path, "utf8")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).n),
      close: () => rm(folder, { recursive: true }),
    };
  },
});

const signal = new AbortController().signal;

async function inFolder(
  work: (path: string, list: () => Promise<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
  const list = async () => {
    const names = (await readdir(folder)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")])),
    );
  };
  try {
    await work(join(folder, "out.txt"), list);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function open(
  raw: Record<string, unknown>,
  clock: Clock = new HandClock(1000),
  logged: LogFields[] = [],
): Promise<PayloadSink> {
  const settings = readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
  const context = {
    name: "test",
    clock,
    log: recordingLogger(logged),
    status: () => {},
    connection: undefined as never,
  };
  return await file.sink!.open(settings, context) as PayloadSink;
}

test("file appends to what is there, after a line without an end, or truncates it", () =>
  inFolder(async (path, list) => {
    await writeFile(path, "whole\nhal");
    await (await open({ path })).close();
    assert.deepEqual(await list(), { "out.txt": "whole\nhal" });
    const sink = await open({ path });
    await sink.write(["a", new TextEncoder().encode("b")], signal);
    await sink.close();
    assert.deepEqual(await list(), { "out.txt": "whole\nhal\na\nb\n" });
    const fresh = await open({ path, ifExists: "truncate" });
    await fresh.write(["c"], signal);
    await fresh.close();
    assert.deepEqual(await list(), { "out.txt": "c\n" });
  }));

test("file leaves no half line of a batch that a crash cut off anywhere, once it is written again", () =>
  inFolder(async (path, list) => {
    const before = "before\n";
    const batch = ['{"n":1,"é":"x"}', new TextEncoder().encode('{"n":2}'), "3", '{"n":44}'];
    const lines = batch.map((message) => typeof message === "string" ? message : new TextDecoder().decode(message));
    const written = new TextEncoder().encode(`${lines.join("\n")}\n`);
    for (const settings of [{}, { rollingCount: 3, rollingNamePattern: "" }]) {
      for (let cut = 0; cut <= written.length; cut++) {
        await rm(path, { force: true });
        await writeFile(path, before);
        await writeFile(path, written.subarray(0, cut), { flag: "a" });
        const sink = await open({ path, ...settings });
        await sink.write(batch, signal);
        await sink.close();
        const names = (await readdir(dirname(path))).sort();
        const found = (await Promise.all(names.map((name) => readFile(join(dirname(path), name), "utf8")))).join("");
        const [first, ...rest] = found.split("\n");
        assert.deepEqual([first, rest.pop()], ["before", ""]);
        assert.ok(rest.every((line) => lines.includes(line)), found);
        assert.deepEqual(rest.slice(-batch.length), lines, found);
        for (const name of names) if (name !== "out.txt") await rm(join(dirname(path), name));
      }
    }
    // A line that is whole in itself belongs to somebody.
    await writeFile(path, "3");
    const sink = await open({ path });
    await sink.write(["3"], signal);
    await sink.close();
    assert.deepEqual(await list(), { "out.txt": "3\n3\n" });
  }));

test("file starts a new file after so many messages", () =>
  inFolder(async (path, list) => {
    const sink = await open({ path, rollingCount: "2" });
    await sink.write(["a", "b", "c", "d", "e"], signal);
    await sink.close();
    // Two rolls in the same millisecond get different names.
    assert.deepEqual(await list(), { "out-1000.txt": "a\nb\n", "out-1001.txt": "c\nd\n", "out.txt": "e\n" });
  }));

test("file starts a new file at a size, and names it by the pattern", () =>
  inFolder(async (path, list) => {
    const sink = await open({ path, rollingSize: 4, rollingNamePattern: "prefix" });
    await sink.write(["é", "b", "c"], signal);
    await sink.close();
    assert.deepEqual(await list(), { "1000-out.txt": "é\nb\n", "1001-out.txt": "c\n" });
    const single = await open({ path, rollingCount: 1, rollingNamePattern: "none" });
    await single.write(["x", "y"], signal);
    await single.close();
    assert.equal((await list())["out.txt"], "");
  }));

test("file starts a new file when its time has come, also without messages", () =>
  inFolder(async (path, list) => {
    const clock = new HandClock(1000);
    const sink = await open({ path, rollingInterval: "1m", rollingNamePattern: "suffix" }, clock);
    await clock.advance(60_000);
    await sink.write(["a"], signal);
    await clock.advance(60_000);
    await sink.write(["b"], signal);
    await sink.close();
    assert.deepEqual(await list(), { "out-1000.txt": "a\n", "out-121000.txt": "b\n" });
  }));

test("file says what is wrong with its path", () =>
  inFolder(async (path) => {
    await mkdir(path);
    await assert.rejects(open({ path }), /E403: Cannot write to .*found a folder/);
    await assert.rejects(open({ path: "/dev/null/x" }), Disconnected);
    if (process.getuid?.() !== 0) {
      await chmod(path, 0o500);
      await assert.rejects(open({ path: join(path, "x") }), /no permission/);
    }
  }));

test("file asks to try later when the disk is full", async (t) => {
  if (process.platform !== "linux") return t.skip("/dev/full is a device of Linux");
  const sink = await open({ path: "/dev/full", rollingCount: 0 }, realClock);
  await assert.rejects(
    sink.write(["a"], signal),
    (error) => error instanceof RetryLater && /no space left/.test(error.message),
  );
  await sink.close();
});

/** A disk of 64 KiB. */
async function withSmallDisk(t: TestContext, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-file-disk-"));
  try {
    const mounted = process.platform === "linux" &&
      spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]).status === 0;
    if (!mounted) return t.skip("a small disk can only be mounted by root on Linux");
    try {
      await work(folder);
    } finally {
      spawnSync("umount", ["-l", folder]);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function unpacked(bytes: Uint8Array, compression: "gzip" | "zstd" | undefined): string {
  if (compression === "gzip") return gunzipSync(bytes).toString();
  if (compression === "zstd") return zstdFrames(bytes).map((frame) => zstdDecompressSync(frame).toString()).join("");
  return new TextDecoder().decode(bytes);
}

const isDiskFull = (error: unknown) => error instanceof RetryLater && /no space left/.test(error.message);
/** About a KiB each. */
const thick = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(1000, "x"));

test("file leaves no part of a batch on a full disk, and has it once when there is room again", (t) =>
  withSmallDisk(t, async (folder) => {
    const path = join(folder, "out.txt");
    await writeFile(join(folder, "ballast"), new Uint8Array(30_000));
    const sink = await open({ path });
    await sink.write(["first"], signal);
    for (let i = 0; i < 3; i++) {
      await assert.rejects(sink.write(thick, signal, thick.map((_, n) => `r-${n}`)), isDiskFull);
      assert.equal(await readFile(path, "utf8"), "first\n");
    }
    await rm(join(folder, "ballast"));
    await sink.write(thick, signal);
    await sink.close();
    assert.deepEqual((await readFile(path, "utf8")).split("\n"), ["first", ...thick, ""]);
  }));

test("file does not write again what it had written into files before, when the disk got full", (t) =>
  withSmallDisk(t, async (folder) => {
    const path = join(folder, "out.txt");
    await writeFile(join(folder, "ballast"), new Uint8Array(30_000));
    const sink = await open({ path, rollingCount: 15 });
    const ids = thick.map((_, n) => `r-${n}`);
    await assert.rejects(sink.write(thick, signal, ids), isDiskFull);
    await rm(join(folder, "ballast"));
    await sink.write([...thick], signal, [...ids]);
    // The same texts again are other messages.
    await rm(join(folder, "out-1000.txt"));
    await sink.write(thick.slice(0, 3), signal, ["r-40", "r-41", "r-42"]);
    await sink.close();
    const found = await Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name), "utf8")));
    assert.deepEqual(found.join("").split("\n"), [...thick.slice(15), ...thick.slice(0, 3), ""]);
  }));

test("file writes another batch whole after one that it could write a part of", (t) =>
  withSmallDisk(t, async (folder) => {
    await writeFile(join(folder, "ballast"), new Uint8Array(30_000));
    const sink = await open({ path: join(folder, "out.txt"), rollingCount: 15 });
    await assert.rejects(sink.write(thick, signal, thick.map((_, n) => `r-${n}`)), isDiskFull);
    await rm(join(folder, "ballast"));
    const others = thick.slice(0, 20);
    await sink.write(others, signal, others.map((_, n) => `r-${n + 40}`));
    await sink.close();
    const found = await Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name), "utf8")));
    const lines = found.join("").split("\n");
    assert.deepEqual(lines.slice(-21), [...others, ""]);
    const first = lines.slice(0, -21);
    assert.ok(first.length >= 15 && first.length < thick.length);
    assert.deepEqual(first, thick.slice(0, first.length));
  }));

test("file takes back its own half line only, where another action writes to the same file", (t) =>
  withSmallDisk(t, async (folder) => {
    const path = join(folder, "out.txt");
    await writeFile(join(folder, "ballast"), new Uint8Array(30_000));
    const [sink, other] = [await open({ path }), await open({ path })];
    await other.write(["other 1"], signal);
    await assert.rejects(sink.write(thick, signal), isDiskFull);
    const left = await readFile(path, "utf8");
    assert.ok(left.startsWith("other 1\n") && left.endsWith("x\n"));
    await rm(join(folder, "ballast"));
    await writeFile(path, "other 1\n");
    await other.write(["other 2"], signal);
    await sink.write(thick, signal);
    await sink.close();
    await other.close();
    assert.deepEqual((await readFile(path, "utf8")).split("\n"), ["other 1", "other 2", ...thick, ""]);
  }));

for (
  const settings of [{ compression: "gzip" }, { compression: "zstd" }, { fileType: "json" }] as {
    readonly compression?: "gzip" | "zstd";
    readonly fileType?: string;
  }[]
) {
  const name = Object.values(settings).join();
  test(`file of ${name} has nothing of a batch that a full disk refused, and all of it when there is room`, (t) =>
    withSmallDisk(t, async (folder) => {
      const path = join(folder, "out.txt");
      await writeFile(join(folder, "ballast"), new Uint8Array(30_000));
      const sink = await open({ path, ...settings });
      // What cannot be made smaller.
      const noise = thick.map((_, n) => JSON.stringify(randomBytes(1000).toString("base64") + n));
      await sink.write(['"first"'], signal);
      const before = await readFile(path);
      for (let i = 0; i < 3; i++) {
        await assert.rejects(sink.write(noise, signal, noise.map((_, n) => `r-${n}`)), isDiskFull);
        assert.deepEqual(await readFile(path), before);
      }
      await rm(join(folder, "ballast"));
      await sink.write(noise, signal);
      await sink.close();
      const bytes = await readFile(path);
      const text = unpacked(bytes, settings.compression);
      const found = settings.fileType === "json"
        ? JSON.parse(text)
        : text.trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(found, ["first", ...noise.map((each) => JSON.parse(each))]);
    }));
}

test("file can be opened on a full disk when there is room again", (t) =>
  withSmallDisk(t, async (folder) => {
    await writeFile(join(folder, "ballast"), new Uint8Array(65_536));
    const path = join(folder, "out.txt");
    // The name may find room, the message does not.
    const write = async () => {
      const sink = await open({ path });
      try {
        await sink.write(["a"], signal);
      } finally {
        await sink.close();
      }
    };
    await assert.rejects(write(), isDiskFull);
    await rm(join(folder, "ballast"));
    await write();
    assert.equal(await readFile(path, "utf8"), "a\n");
  }));

test("file goes on with a full file that cannot get its name, without writing twice", () =>
  inFolder(async (path) => {
    const logged: LogFields[] = [];
    const clock = new HandClock(1000);
    const sink = await open({ path, rollingCount: 2 }, clock, logged);
    // A file that was taken away cannot be renamed.
    await rm(path);
    await sink.write(["a", "b", "c"], signal);
    await sink.close();
    assert.equal(logged.length, 1);
    assert.equal(await readFile(path, "utf8"), "c\n");
  }));

test("file promises less when it truncates what it has written, and of a stream whose position is not kept", () => {
  const use = { keepsPosition: true, sharesConnection: false };
  const level = (raw: Record<string, unknown>) =>
    file.sink!.promise!(readSettings(file.sink!.settings, raw, { path: "", where: "file action" }), undefined, use)
      .level;
  assert.equal(level({}), "at-least-once");
  assert.equal(level({ ifExists: "truncate" }), "at-most-once");
  const settings = readSettings(file.source!.settings, { datasource: "a" }, { path: "", where: "file source" });
  const ofSource = (keepsPosition: boolean) => file.source!.promise!(settings, undefined, { ...use, keepsPosition });
  assert.deepEqual([true, false].map((keeps) => ofSource(keeps).level), ["exactly-once", "at-least-once"]);
});

test("file says what does not fit together", () => {
  const check = (raw: Record<string, unknown>, format = "json") => {
    const settings = readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
    file.sink!.check!(settings, { payloads: { format, compression: "", encryption: "" } });
  };
  for (
    const [raw, reason] of [
      [{ fileType: "csv" }, /E403.*needs the format delimited/],
      [{ fileType: "parquet" }, /E403/],
      [{ compression: "zlib" }, /E408/],
      [{ compression: "gzip", compressionProps: { level: 12 } }, /E403.*at most 9/],
      [{ encryption: "aes" }, /E404.*AES Key/],
      [{ encProps: { mode: "gcm" } }, /E408/],
      [{ encProps: { iv: "00" } }, /E403.*IV/],
      [{ rollingHook: "x" }, /E408/],
    ] as const
  ) {
    assert.throws(() => check(raw), reason);
  }
  check({ fileType: "csv" }, "delimited");
  check({ path: "{{.a}}" });
});
