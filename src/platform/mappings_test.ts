import assert from "node:assert/strict";
import { test } from "node:test";
import { areUnwritten, droppableMappings, pagesOf, parseMappings } from "./mappings.ts";

const executable = "/usr/local/bin/weir";

function entry(range: string, permissions: string, path: string, rss: number, anonymous: number): string {
  return `${range} ${permissions} 00001000 fe:00 1234                       ${path}\n` +
    `Size:               1024 kB\nRss:                 ${rss} kB\nPss:                  10 kB\n` +
    `Anonymous:           ${anonymous} kB\nAnonHugePages:         0 kB\nVmFlags: rd ex mr mw me \n`;
}

test("parseMappings() reads ranges beyond 2^53 and paths with spaces", () => {
  const [mapping, vsyscall] = parseMappings(
    entry("7f0000001000-7f0000003000", "r-xp", "/opt/my weir (deleted)", 8, 4) +
      entry("ffffffffff600000-ffffffffff601000", "--xp", "[vsyscall]", 0, 0),
  );
  assert.deepEqual(mapping, {
    start: 0x7f0000001000n,
    lengthBytes: 0x2000n,
    permissions: "r-xp",
    path: "/opt/my weir (deleted)",
    fileOffset: 0x1000,
    residentBytes: 8192,
    anonymousBytes: 4096,
    pageBytes: 4096,
  });
  assert.equal(vsyscall?.start, 0xffffffffff600000n);
});

test("droppableMappings() keeps to untouched read-only mappings of the executable", () => {
  const smaps = entry("1000-2000", "r--p", executable, 4, 0) +
    entry("2000-3000", "r-xp", executable, 4, 0) +
    entry("3000-4000", "rw-p", executable, 4, 0) +
    // RELRO: read-only now, written by the dynamic linker before.
    entry("4000-5000", "r--p", executable, 4, 4) +
    entry("5000-6000", "r-xs", executable, 4, 0) +
    entry("6000-7000", "r-xp", "/lib/libc.so.6", 4, 0) +
    entry("7000-8000", "r--p", "", 4, 0);
  const starts = droppableMappings(parseMappings(smaps), executable).map((mapping) => mapping.start);
  assert.deepEqual(starts, [0x1000n, 0x2000n]);
});

test("pagesOf() gives the whole pages of a part of the executable", () => {
  const pages = (size: number) => `KernelPageSize:        ${size} kB\n`;
  const smaps = entry("100000-900000", "rw-p", executable, 4, 4) + pages(4) +
    entry("7f0000000000-7f0000010000", "r--p", "/lib/libc.so.6", 4, 0);
  const mappings = parseMappings(smaps);
  // The mapping begins at 0x1000 of the file.
  const part = { offset: 0x2800, lengthBytes: 0x5000 };
  assert.deepEqual(pagesOf(part, mappings, executable), {
    start: 0x102000n,
    lengthBytes: 0x4000n,
    pageBytes: 4096,
  });
  const large = parseMappings(entry("100000-900000", "rw-p", executable, 4, 4) + pages(64));
  assert.equal(pagesOf(part, large, executable), undefined);
  const long = { offset: 0x11000, lengthBytes: 0x30000 };
  assert.deepEqual(pagesOf(long, large, executable), { start: 0x110000n, lengthBytes: 0x30000n, pageBytes: 65_536 });
  for (const [offset, lengthBytes] of [[0, 0x2000], [0x1000, 0x1_000_000], [0x1_000_000, 0x1000]]) {
    assert.equal(pagesOf({ offset: offset!, lengthBytes: lengthBytes! }, mappings, executable), undefined);
  }
  assert.equal(pagesOf(part, mappings, "/usr/local/bin/other"), undefined);
});

test("areUnwritten() takes pages that are absent or of the file, and none that was written to", () => {
  const entries = (...flags: bigint[]) => new Uint8Array(BigUint64Array.from(flags).buffer);
  const [present, swapped, ofFile, softDirty] = [1n << 63n, 1n << 62n, 1n << 61n, 1n << 55n];
  assert.ok(areUnwritten(entries(0n, present | ofFile, ofFile, present | ofFile | softDirty | 0x1234n)));
  assert.equal(areUnwritten(entries(present | ofFile, present | 0x1234n)), false);
  assert.equal(areUnwritten(entries(0n, swapped)), false);
});
