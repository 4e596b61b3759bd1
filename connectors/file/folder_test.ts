/**
 * Reading the files of a folder: those that are there, those that come, change, cannot be read, and go.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { appendFile, mkdir, readdir, rename, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { eventually } from "../../tests/eventually.ts";
import { inFolder, Reading } from "./reading_fixture.ts";

/** A file as it was written some seconds ago. */
async function put(folder: string, name: string, content: string | Uint8Array, secondsAgo = 10): Promise<void> {
  const path = join(folder, name);
  await writeFile(path, content);
  const at = Date.now() / 1000 - secondsAgo;
  await utimes(path, at, at);
}

test("a folder gives its files in the order of their last change, then those that come", () =>
  inFolder(async (folder) => {
    await put(folder, "a.json", '[{"n":2},{"n":3}]', 10);
    await put(folder, "b.json", '{"n":1}', 20);
    await mkdir(join(folder, "inner"));
    await put(folder, ".hidden", "{}");
    await put(folder, "half.json.part", "{");
    const reading = await Reading.start({ path: folder });
    await eventually(() => reading.items.length === 3);
    assert.deepEqual(reading.items, ['{"n":1}', '{"n":2}', '{"n":3}']);
    assert.deepEqual(reading.files[0], join(folder, "b.json"));
    await writeFile(join(folder, "c.json"), '{"n":4}');
    await eventually(() => reading.items.length === 4);
    await rename(join(folder, "half.json.part"), join(folder, "half.json"));
    await writeFile(join(folder, "half.json"), '{"n":5}');
    await eventually(() => reading.items.length === 5);
    assert.equal(reading.ended, false);
    await reading.stop();
  }));

test("a folder may be empty at first, and be filled with compressed files", () =>
  inFolder(async (folder) => {
    const reading = await Reading.start({ datasource: folder, decompression: "gzip", fileType: "csv", columns: "a" });
    await put(folder, "a.csv.gz", gzipSync("1\n2\n"));
    await eventually(() => reading.items.length === 2);
    assert.deepEqual(reading.items, [{ a: "1" }, { a: "2" }]);
    await reading.stop();
  }));

test("a file of a folder that grows goes on, one that is replaced begins anew", () =>
  inFolder(async (folder) => {
    await put(folder, "a.txt", "1\n2\n");
    const reading = await Reading.start({ path: folder, fileType: "lines" });
    await eventually(() => reading.items.length === 2);
    await appendFile(join(folder, "a.txt"), "3\n");
    await eventually(() => reading.items.length === 3);
    await writeFile(join(folder, "new"), "4\n5\n");
    await rename(join(folder, "new"), join(folder, "a.txt"));
    await eventually(() => reading.items.length >= 5);
    assert.deepEqual(reading.items.slice(0, 3), ["1", "2", "3"]);
    assert.deepEqual(reading.items.slice(-2), ["4", "5"]);
    await reading.stop();
  }));

test("a file of a folder that cannot be read holds up no other, and is read when it has changed", () =>
  inFolder(async (folder) => {
    await put(folder, "a.gz", "no gzip", 30);
    await put(folder, "b.gz", gzipSync('{"n":1}'), 20);
    const reading = await Reading.start({ path: folder, decompression: "gzip" });
    await eventually(() => reading.items.length === 1);
    await eventually(() => reading.logged.length === 1);
    assert.match(String(reading.logged[0]!.reason), /not gzip data/);
    await put(folder, "a.gz", gzipSync('{"n":2}'), 5);
    await eventually(() => reading.items.length === 2);
    assert.equal(reading.logged.length, 1);
    await reading.stop();
  }));

test("files of a folder are deleted or moved when they have been dealt with", () =>
  inFolder(async (folder) => {
    const [input, done] = [join(folder, "in"), join(folder, "done")];
    await mkdir(input);
    await put(input, "a.json", '{"n":1}', 20);
    await put(input, "b.json", '{"n":2}', 10);
    const held = await Reading.start({ path: input, actionAfterRead: 2, moveTo: done }, { holds: true });
    await eventually(() => held.items.length === 2);
    assert.deepEqual((await readdir(input)).sort(), ["a.json", "b.json"]);
    for (const batch of held.batches) batch.ack?.();
    await eventually(() => readdirSync(input).length === 0);
    await eventually(() => existsSync(join(done, "b.json")));
    assert.deepEqual((await readdir(done)).sort(), ["a.json", "b.json"]);
    // The next one of the same name is another one.
    await put(input, "a.json", '{"n":3}');
    await eventually(() => held.items.length === 3);
    await held.stop();
  }));

test("a folder is read again at intervals", () =>
  inFolder(async (folder) => {
    await put(folder, "a.json", '{"n":1}');
    const reading = await Reading.start({ path: folder, interval: "1h" });
    await eventually(() => reading.items.length >= 3);
    await reading.stop();
  }));

test("a folder goes on behind every position, with files that came, grew and went meanwhile", async () => {
  const random = new SeededRandom(7);
  await inFolder(async (folder) => {
    const expected: string[] = [];
    const got: unknown[] = [];
    let position: string | undefined;
    let n = 0;
    const names: string[] = [];
    const add = async (name: string, write: typeof appendFile) => {
      const values = Array.from({ length: 1 + random.below(40) }, () => String(n++));
      expected.push(...values);
      await write(join(folder, name), values.map((each) => `${each}\n`).join(""));
    };
    for (let life = 0; life < 10; life++) {
      const reading = await Reading.start({ path: folder, fileType: "lines", sendInterval: 1 }, { position });
      for (let step = 0; step < 4; step++) {
        if (random.below(100) < 60 || names.length === 0) {
          names.push(`f${names.length}.txt`);
          await add(names.at(-1)!, writeFile);
        } else await add(names[Math.max(0, names.length - 1 - random.below(3))]!, appendFile);
        await new Promise((resolve) => setTimeout(resolve, random.below(60)));
      }
      await reading.stop();
      const kept = random.below(reading.batches.length + 1);
      for (const batch of reading.batches.slice(0, kept)) {
        if (batch.kind === "payloads") {
          got.push(...batch.payloads.map((each) => new TextDecoder().decode(each as Uint8Array)));
        }
        position = batch.position;
        assert.ok(position!.length < 16_000);
      }
    }
    const last = await Reading.start({ path: folder, fileType: "lines" }, { position });
    await eventually(() => got.length + last.items.length >= expected.length);
    await last.stop();
    const sorted = (items: readonly unknown[]) => items.map(Number).sort((a, b) => a - b);
    assert.deepEqual(sorted([...got, ...last.items]), sorted(expected));
  });
});

test("positions in a folder stay short, however many files there are", () =>
  inFolder(async (folder) => {
    const files = 700;
    for (let n = 0; n < files; n++) await put(folder, `${n}.json`, `{"n":${n}}`, 3000 - n);
    const reading = await Reading.start({ path: folder });
    await eventually(() => reading.items.length === files);
    assert.deepEqual(reading.items, Array.from({ length: files }, (_, n) => `{"n":${n}}`));
    await reading.stop();
    assert.ok(reading.position!.length < 16_000, String(reading.position!.length));
    const again = await Reading.start({ path: folder }, { position: reading.position });
    await put(folder, "new.json", "{}");
    await eventually(() => again.items.length > 0);
    assert.deepEqual(again.items, ["{}"]);
    await again.stop();
  }));

test("a folder goes on with files that came before those that were read, though they were written after them", () =>
  inFolder(async (folder) => {
    const files = 700;
    // As when files are moved in: the time of writing stays, and puts the last that came first.
    for (let n = 0; n < files; n++) {
      // Some file systems tell times by the second.
      if (n === 100) await new Promise((resolve) => setTimeout(resolve, 1010));
      await put(folder, `${n}.json`, `${n}`, 10 + n);
    }
    const reading = await Reading.start({ path: folder });
    await eventually(() => reading.items.length === files);
    await reading.stop();
    const taken = 600;
    // Each file gives a batch with its row, and one that only says that it has ended.
    const again = await Reading.start({ path: folder }, { position: reading.batches[2 * taken - 1]!.position });
    await eventually(() => again.items.length === files - taken);
    assert.deepEqual(again.items, reading.items.slice(taken));
    await again.stop();
  }));

test("a clock that was set back hides no file that came since", () =>
  inFolder(async (folder) => {
    await put(folder, "old.json", "1");
    const reading = await Reading.start({ path: folder });
    await eventually(() => reading.items.length === 1);
    await reading.stop();
    const position = { ...JSON.parse(reading.position!), readUntilMs: Date.now() + 60_000 };
    await put(folder, "new.json", "2");
    const again = await Reading.start({ path: folder }, { position: JSON.stringify(position) });
    await eventually(() => again.items.includes("2"));
    await again.stop();
  }));
