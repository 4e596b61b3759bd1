import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { findSection } from "./elf_section.ts";

test("findSection() finds what an executable has, and nothing in other files", {
  skip: process.platform !== "linux",
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-elf-"));
  const written = (bytes: Uint8Array | string) => {
    const path = join(folder, "file");
    writeFileSync(path, bytes);
    return path;
  };
  try {
    const program = "/bin/sh";
    const found = findSection(program, ".interp");
    assert.ok(found !== undefined);
    const bytes = readFileSync(program);
    const text = bytes.subarray(found.offset, found.offset + found.lengthBytes).toString("latin1");
    assert.match(text, /^\/lib.*\/?ld-[\w.-]+\0$/);
    assert.equal(findSection(program, ".weir"), undefined);
    assert.equal(findSection(program, "interp"), undefined);
    for (const cut of [0, 3, 63, 64, 1000, bytes.length - 1]) {
      assert.equal(findSection(written(bytes.subarray(0, cut)), ".interp"), undefined, `${cut} bytes`);
    }
    for (const at of [4, 5]) {
      const other = Uint8Array.from(bytes);
      other[at] = 9;
      assert.equal(findSection(written(other), ".interp"), undefined, `byte ${at}`);
    }
    assert.equal(findSection(written("#!/bin/sh\n".repeat(20)), ".interp"), undefined);
    assert.throws(() => findSection(join(folder, "none"), ".bun"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
