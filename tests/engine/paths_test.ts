/**
 * Files that rules write: where relative paths lead, and what is refused when the rule is created.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryStore } from "../../src/store/memory.ts";
import { eventually } from "../eventually.ts";
import { wireRule, wireStream, withEngine } from "./engine.ts";

class DirectoryStore extends MemoryStore {
  readonly directory: string;

  constructor(directory: string) {
    super();
    this.directory = directory;
  }
}

function writer(path: string): string {
  return wireRule("r", "SELECT a FROM s", { actions: [{ file: { path } }] });
}

test("a file action takes the separator and the header of the format delimited", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-paths-"));
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      const path = join(folder, "out.csv");
      const file = { path, format: "delimited", delimiter: ";", hasHeader: true, fields: ["b", "a"] };
      await engine.rules.create(wireRule("r", "SELECT a, b FROM s", { actions: [{ file }] }));
      wire.send('{"a":1,"b":"x"}');
      await eventually(() => existsSync(path) && readFileSync(path, "utf8") !== "");
      assert.equal(readFileSync(path, "utf8"), "b;a\nx;1\n");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a file action writes below the data directory, and to absolute paths", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-paths-"));
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      const paths = {
        "out/a.ndjson": join(folder, "data/out/a.ndjson"),
        [join(folder, "b.ndjson")]: join(folder, "b.ndjson"),
      };
      for (const [path, full] of Object.entries(paths)) {
        await engine.rules.update("r", writer(path));
        wire.send('{"a":1}');
        await eventually(() => existsSync(full) && readFileSync(full, "utf8") !== "");
        assert.equal(readFileSync(full, "utf8"), '[{"a":1}]\n');
      }
      const refused: readonly (readonly [string, RegExp])[] = [
        ["../out", /leads out of the data directory/],
        ["weir.db", /belongs to weir itself/],
        [folder, /found a folder, wanted a file/],
        ["out", /found a folder, wanted a file/],
      ];
      for (const [path, reason] of refused) {
        await assert.rejects(
          () => engine.rules.validate(writer(path)),
          (error: Error & { diagnostics: { path: string }[] }) => {
            assert.match(error.message, reason);
            assert.match(error.message, /^E403/);
            assert.equal(error.diagnostics[0]!.path, "actions.0.file.path");
            return true;
          },
        );
      }
    }, { store: new DirectoryStore(join(folder, "data")) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
