import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { build, isDownloadFailure } from "./build.ts";
import { root } from "./source_files.ts";

test("build() stamps the version into a binary that knows it is compiled", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-build-"));
  try {
    const entry = join(folder, "entry.ts");
    const platform = JSON.stringify(join(root, "src/platform/mod.ts"));
    const version = JSON.stringify(join(root, "src/platform/version.ts"));
    writeFileSync(
      entry,
      `import { loadPlatform } from ${platform};\nimport { version } from ${version};\n` +
        "const { compiled, engine, args } = await loadPlatform();\n" +
        "console.log(JSON.stringify([version, compiled, engine.name, args]));\n",
    );
    const out = join(folder, "probe");
    assert.equal(await build({ engine: "bun", entry, out }), 0);
    const printed = JSON.parse(execFileSync(out, ["a", "--b"], { encoding: "utf8" }));
    const manifest = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
    assert.deepEqual(printed, [manifest.version, true, "bun", ["a", "--b"]]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("build() fails on an entry that does not exist", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-build-"));
  try {
    assert.equal(await build({ engine: "bun", entry: join(folder, "none.ts"), out: join(folder, "probe") }), 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("isDownloadFailure() tells a missing base binary from a wrong program", () => {
  const download = "Download https://dl.deno.land/release/v2.9.6/denort-x86_64-unknown-linux-gnu.zip\n" +
    "error: Setting up base binary.\n 1: error sending request for url: dns error";
  assert.equal(isDownloadFailure(download), true);
  assert.equal(isDownloadFailure('error: Module not found "file:///main.ts"'), false);
});
