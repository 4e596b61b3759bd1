import assert from "node:assert/strict";
import { test } from "node:test";
import { droppableMappings, parseMappings } from "./mappings.ts";

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
    residentBytes: 8192,
    anonymousBytes: 4096,
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
