/**
 * What the file sink forces to the disk, and when, by counting what it asks of its file handles.
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, open as openHandle, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { recordingLogger } from "../../src/connector/conformance.ts";
import type { OpenContext } from "../../src/connector/declare.ts";
import { Disconnected } from "../../src/connector/errors.ts";
import { readSettings } from "../../src/connector/settings.ts";
import type { PayloadSink } from "../../src/connector/sink.ts";
import { HandClock } from "../../tests/hand_clock.ts";
import { file } from "./mod.ts";

const signal = new AbortController().signal;

async function open(raw: Record<string, unknown>, durability: OpenContext["durability"]): Promise<PayloadSink> {
  const settings = readSettings(file.sink!.settings, raw, { path: "", where: "file action" });
  const context = {
    name: "test",
    clock: new HandClock(1000),
    log: recordingLogger([]),
    status: () => {},
    connection: undefined as never,
    ...(durability === undefined ? {} : { durability }),
  };
  return await file.sink!.open(settings, context) as PayloadSink;
}

interface Handle {
  write(...args: unknown[]): Promise<unknown>;
  datasync(): Promise<void>;
  sync(): Promise<void>;
}

type Method = "write" | "datasync" | "sync";

/** Tells what is asked of handles, in its order, for as long as `work` takes. `fail` may throw in place of a call. */
async function watched(
  folder: string,
  work: (calls: Method[]) => Promise<void>,
  fail: (method: Method) => void = () => {},
): Promise<void> {
  const probe = await openHandle(folder, "r");
  const prototype = Object.getPrototypeOf(probe) as Handle;
  await probe.close();
  const calls: Method[] = [];
  const methods: Method[] = ["write", "datasync", "sync"];
  const before = methods.map((method) => prototype[method]);
  for (const [i, method] of methods.entries()) {
    prototype[method] = async function (this: Handle, ...args: unknown[]) {
      const result = await (before[i] as (...args: unknown[]) => Promise<unknown>).apply(this, args);
      calls.push(method);
      fail(method);
      return result as never;
    };
  }
  try {
    await work(calls);
  } finally {
    for (const [i, method] of methods.entries()) prototype[method] = before[i] as never;
  }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-file-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("file forces nothing to the disk before a batch counts as written, unless power may fail", () =>
  inFolder((folder) =>
    watched(folder, async (calls) => {
      for (const durability of [undefined, "process"] as const) {
        calls.length = 0;
        const sink = await open({ path: join(folder, "new", `${durability}.txt`) }, durability);
        await sink.write(["a", "b"], signal);
        assert.deepEqual(calls, ["write"]);
        await sink.close();
        assert.deepEqual(calls, ["write", "datasync"]);
      }
    })
  ));

test("file forces each batch, and the names of new files and folders, to the disk when power may fail", () =>
  inFolder((folder) =>
    watched(folder, async (calls) => {
      const path = join(folder, "new", "newer", "out.txt");
      const sink = await open({ path }, "power");
      // Those of the file, of `newer` and of `new`.
      assert.deepEqual(calls.splice(0), ["sync", "sync", "sync"]);
      await sink.write(["a", "b"], signal);
      assert.deepEqual(calls.splice(0), ["write", "datasync"]);
      await sink.write(["c"], signal);
      assert.deepEqual(calls.splice(0), ["write", "datasync"]);
      await sink.close();
      const again = await open({ path, rollingCount: 2 }, "power");
      assert.deepEqual(calls.splice(0), ["datasync", "sync"]);
      await again.write(["d", "e", "f"], signal);
      const roll = ["write", "datasync", "datasync", "sync", "sync"];
      assert.deepEqual(calls.splice(0), [...roll, "write", "datasync"]);
      await again.close();
    })
  ));

test("file writes a batch again that the disk may not have", () =>
  inFolder(async (folder) => {
    let isBroken = true;
    const path = join(folder, "out.txt");
    await watched(
      folder,
      async () => {
        const sink = await open({ path }, "power");
        await assert.rejects(sink.write(["a", "b"], signal, ["x-1", "x-2"]), Disconnected);
        isBroken = false;
        await sink.write(["a", "b"], signal, ["x-1", "x-2"]);
        await sink.close();
      },
      (method) => {
        if (isBroken && method === "datasync") throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
      },
    );
    assert.equal(await readFile(path, "utf8"), "a\nb\na\nb\n");
  }));
