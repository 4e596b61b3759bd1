import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { conformance, realClock, recordingLogger } from "../../src/connector/conformance.ts";
import type { Clock } from "../../src/connector/context.ts";
import { Disconnected, RetryLater } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { file } from "./mod.ts";

conformance(file, {
  source: async () => {
    const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
    const path = join(folder, "in.json");
    return {
      settings: (values) => {
        writeFileSync(path, JSON.stringify(values.map((n) => ({ n }))));
        return { datasource: path, interval: "1h" };
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

async function open(raw: Record<string, unknown>, clock: Clock = new HandClock(1000)): Promise<PayloadSink> {
  const settings = readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
  const context = { name: "test", clock, log: recordingLogger([]), status: () => {}, connection: undefined as never };
  return await file.sink!.open(settings, context) as PayloadSink;
}

test("file appends to what is there, after a line that a crash left half, or truncates it", () =>
  inFolder(async (path, list) => {
    await writeFile(path, "whole\nhal");
    const sink = await open({ path });
    await sink.write(["a", new TextEncoder().encode("b")], signal);
    await sink.close();
    assert.deepEqual(await list(), { "out.txt": "whole\nhal\na\nb\n" });
    const fresh = await open({ path, ifExists: "truncate" });
    await fresh.write(["c"], signal);
    await fresh.close();
    assert.deepEqual(await list(), { "out.txt": "c\n" });
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

test("file refuses what it cannot do yet", () => {
  const read = (raw: Record<string, unknown>) =>
    readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
  for (const raw of [{ fileType: "csv" }, { fileType: "json" }, { compression: "gzip" }, { encryption: "aes" }]) {
    assert.throws(() => read(raw), /E408/);
  }
  assert.throws(() => read({ fileType: "parquet" }), /E403/);
});
