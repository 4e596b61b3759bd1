/**
 * Following files that grow, are put aside, emptied, removed, and come back.
 */
import assert from "node:assert/strict";
import { appendFile, copyFile, mkdir, rename, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { eventually } from "../../tests/eventually.ts";
import { inFolder, Reading, type ReadingOptions } from "./reading_fixture.ts";

const settings = { fileType: "lines", atEnd: "follow" };

function follow(path: string, more: Record<string, unknown> = {}, options: ReadingOptions = {}): Promise<Reading> {
  return Reading.start({ ...settings, datasource: path, ...more }, options);
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join("");
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

test("a followed file gives its lines when they have their ends", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, "a\nb");
    const reading = await follow(path);
    await eventually(() => reading.items.length === 1);
    await appendFile(path, "b");
    await appendFile(path, "\n\nc\r\nd");
    await eventually(() => reading.items.length === 3);
    assert.deepEqual(reading.items, ["a", "bb", "c"]);
    assert.ok(reading.files.every((each) => each === path));
    await reading.stop();
  }));

test("a followed file need not be there yet, may be removed, and may come again", () =>
  inFolder(async (folder) => {
    const path = join(folder, "logs", "app.log");
    const reading = await follow(path);
    await mkdir(join(folder, "logs"));
    await writeFile(path, "a\n");
    await eventually(() => reading.items.length === 1);
    await unlink(path);
    await writeFile(path, "b\n");
    await eventually(() => reading.items.length === 2);
    await rm(join(folder, "logs"), { recursive: true });
    await mkdir(join(folder, "logs"));
    await writeFile(path, "c\n");
    await eventually(() => reading.items.length === 3);
    assert.deepEqual(reading.items, ["a", "b", "c"]);
    assert.equal(reading.error, undefined);
    await reading.stop();
  }));

test("a file that is renamed is read to its end before the one that takes its place", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, "a\n");
    const reading = await follow(path);
    await eventually(() => reading.items.length === 1);
    await rename(path, `${path}.1`);
    await writeFile(path, "c\n");
    // Its writer has not noticed yet.
    await appendFile(`${path}.1`, "b\nno end");
    await eventually(() => reading.items.length === 4);
    assert.deepEqual(reading.items, ["a", "b", "no end", "c"]);
    await reading.stop();
  }));

test("a file that is emptied is followed from its start, also when it is soon as long as before", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, lines(0, 100));
    const reading = await follow(path);
    await eventually(() => reading.items.length === 100);
    await copyFile(path, `${path}.1`);
    await truncate(path, 0);
    await appendFile(path, lines(100, 103));
    await eventually(() => reading.items.length === 103);
    // In one go: it is longer than it was by the time that anybody looks.
    await writeFile(path, lines(1000, 2000));
    await eventually(() => reading.items.length === 1103);
    assert.deepEqual(reading.items, [...numbers(0, 103), ...numbers(1000, 2000)]);
    await reading.stop();
  }));

test("following goes on behind a position, in the file, and in files that were put aside meanwhile", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, lines(0, 2500));
    const first = await follow(path);
    await eventually(() => first.items.length === 2500);
    await first.stop();
    const behind = first.batches.map((batch, i) => ({
      position: batch.position!,
      count: first.batches.slice(0, i + 1).reduce(
        (n, each) => n + (each.kind === "payloads" ? each.payloads.length : 0),
        0,
      ),
    }));
    await appendFile(path, lines(2500, 2600));
    for (const [i, { position, count }] of behind.entries()) {
      const again = await follow(path, {}, { position });
      await eventually(() => again.items.length === 2600 - count);
      assert.deepEqual(again.items, numbers(count, 2600));
      await again.stop();
      if (i > 0) continue;
      await rename(path, join(folder, "app.log.1"));
      await writeFile(path, lines(2600, 2700));
      const rotated = await follow(path, {}, { position });
      await eventually(() => rotated.items.length === 2700 - count);
      assert.deepEqual(rotated.items, numbers(count, 2700));
      // Another program's file must not be taken for one of ours.
      await writeFile(join(folder, "app-error.log"), "error\n");
      await rename(join(folder, "app.log.1"), join(folder, "app.log.2"));
      await rename(path, join(folder, "app.log.1"));
      await writeFile(path, lines(2700, 2800));
      await rotated.stop();
      const twice = await follow(path, {}, { position });
      await eventually(() => twice.items.length === 2800 - count);
      assert.deepEqual(twice.items, numbers(count, 2800));
      await twice.stop();
      assert.deepEqual(twice.logged.filter(({ reason }) => reason !== undefined), []);
      return;
    }
  }));

test("files that are put aside while those before them are read come in their turn", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const rotate = async (next: string) => {
      // A file system may tell two files apart by their times only when these differ.
      await new Promise((resolve) => setTimeout(resolve, 15));
      for (const n of [3, 2, 1]) await rename(`${path}.${n}`, `${path}.${n + 1}`).catch(() => {});
      await rename(path, `${path}.1`);
      await writeFile(path, next);
    };
    await writeFile(path, lines(0, 10));
    const first = await follow(path);
    await eventually(() => first.items.length === 10);
    await first.stop();
    await appendFile(path, lines(10, 20));
    await rotate(lines(20, 30));
    // It knows now what was put aside, and reads nothing yet.
    const held = await follow(path, {}, {
      position: first.position,
      waits: () => rotate(lines(30, 40)).then(() => rotate("")),
    });
    await eventually(() => held.items.length >= 30);
    await appendFile(path, lines(40, 50));
    await eventually(() => held.items.length >= 40);
    assert.deepEqual(held.items, numbers(10, 50));
    await held.stop();
  }));

test("a position in a file that is gone begins with the new one, and says so", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, "a\n");
    const first = await follow(path);
    await eventually(() => first.items.length === 1);
    await first.stop();
    const keep = join(folder, "other");
    await rename(path, keep);
    await writeFile(path, "b\n");
    await rm(keep);
    const again = await follow(path, {}, { position: first.position });
    await eventually(() => again.items.length === 1);
    assert.deepEqual(again.items, ["b"]);
    assert.equal(again.logged.length, 1);
    await again.stop();
  }));

test("following can begin at the end of what is there", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    await writeFile(path, "old\nol");
    const reading = await follow(path, { startAt: "end" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(reading.items, []);
    await appendFile(path, "d\nnew\n");
    await eventually(() => reading.items.length === 2);
    assert.deepEqual(reading.items, ["old", "new"]);
    await reading.stop();
  }));

test("CSV is followed record by record, with the header of each file", () =>
  inFolder(async (folder) => {
    const path = join(folder, "log.csv");
    await writeFile(path, "id,te");
    const reading = await follow(path, { fileType: "csv", hasHeader: true });
    await appendFile(path, 'xt\n1,a\n2,"b\n');
    await eventually(() => reading.items.length === 1);
    await appendFile(path, 'c"\n3,d\n');
    await eventually(() => reading.items.length === 3);
    await rename(path, `${path}.1`);
    await writeFile(path, "text,id\ne,4\n");
    await eventually(() => reading.items.length === 4);
    assert.deepEqual(reading.items, [
      { id: "1", text: "a" },
      { id: "2", text: "b\nc" },
      { id: "3", text: "d" },
      { text: "e", id: "4" },
    ]);
    assert.deepEqual(reading.logged, []);
    await reading.stop();
  }));

test("a followed file is waited for while something else has its name", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const reading = await follow(path);
    await eventually(() => reading.logged.length === 1);
    await mkdir(path);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await rm(path, { recursive: true });
    await writeFile(path, "a\n");
    await eventually(() => reading.items.length === 1);
    assert.equal(reading.logged.length, 1);
    await reading.stop();
  }));

test("no line is lost or doubled in a log that is rotated while it is written, and its reader killed", async () => {
  const random = new SeededRandom(20);
  await inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const got: unknown[] = [];
    let position: string | undefined;
    let written = 0;
    let rotations = 0;
    await writeFile(path, "");
    for (let life = 0; life < 12; life++) {
      const reading = await follow(path, {}, { position });
      for (let step = 0; step < 6; step++) {
        if (position === undefined && step > 0) await eventually(() => reading.batches.length > 0);
        const count = 1 + random.below(300);
        const text = lines(written, written + count);
        const cut = random.below(text.length);
        await appendFile(path, text.slice(0, cut));
        if (random.below(100) < 30) await new Promise((resolve) => setTimeout(resolve, 8));
        await appendFile(path, text.slice(cut));
        written += count;
        if (random.below(100) < 25) {
          // A file system may tell two files apart by their times only when these differ.
          await new Promise((resolve) => setTimeout(resolve, 15));
          for (let n = rotations; n > 0; n--) await rename(`${path}.${n}`, `${path}.${n + 1}`).catch(() => {});
          await rename(path, `${path}.1`);
          await writeFile(path, "");
          rotations++;
        }
      }
      const most = random.below(4);
      if (most > 0) await new Promise((resolve) => setTimeout(resolve, most * 15));
      await reading.stop();
      // What is behind the last position that was kept comes again.
      const kept = random.below(reading.batches.length + 1);
      for (const batch of reading.batches.slice(0, kept)) {
        got.push(
          ...(batch.kind === "payloads" ? batch.payloads : []).map((each) =>
            new TextDecoder().decode(each as Uint8Array)
          ),
        );
        position = batch.position;
      }
    }
    const last = await follow(path, {}, { position });
    await eventually(() => got.length + last.items.length >= written);
    await last.stop();
    assert.deepEqual([...got, ...last.items], numbers(0, written));
  });
});
