/**
 * Rules that read files.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { HandClock } from "../hand_clock.ts";
import { wireRule, withEngine } from "./engine.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-files-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a rule over a file gives its rows with the declared types, and is done at its end", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, configs, wire }) => {
      writeFileSync(join(folder, "a.json"), '[{"id":9007199254740993,"v":1},{"id":"x"},{"id":2}]');
      writeFileSync(join(folder, "a.csv"), "id;v\n9007199254740993;1.5\n");
      writeFileSync(join(folder, "a.tsv"), "7\tx\n");
      configs.putConfKey("source", "file", "csv", { fileType: "csv", hasHeader: true, path: folder });
      configs.putConfKey("source", "file", "lines", { fileType: "lines", path: folder });
      streams.execute(`CREATE STREAM j (id BIGINT, v FLOAT) WITH (TYPE="file", DATASOURCE="${folder}/a.json")`);
      streams.execute(
        'CREATE STREAM c (id BIGINT, v FLOAT) WITH (TYPE="file", DATASOURCE="a.csv", CONF_KEY="csv", DELIMITER=";")',
      );
      streams.execute(
        'CREATE STREAM l (id STRING, v STRING) WITH (TYPE="file", DATASOURCE="a.tsv", CONF_KEY="lines", ' +
          'FORMAT="delimited", DELIMITER="\t")',
      );
      for (
        const [stream, rows] of [
          ["j", ['[{"id":9007199254740993,"v":1}]', '[{"id":2}]']],
          ["c", ['[{"id":9007199254740993,"v":1.5}]']],
          ["l", ['[{"id":"7","v":"x"}]']],
        ] as const
      ) {
        wire.written.length = 0;
        await engine.rules.update("r", wireRule("r", `SELECT id, v FROM ${stream}`));
        await eventually(() => wire.written.length === rows.length);
        await eventually(() => engine.rules.status("r").status !== "running");
        assert.equal(engine.rules.status("r").message, "done");
        assert.deepEqual(wire.written, rows);
      }
    })
  ));

test("a file that is not there is waited for", () =>
  inFolder(async (folder) => {
    const clock = new HandClock();
    await withEngine(async ({ engine, streams, wire, log }) => {
      const path = join(folder, "late.json");
      streams.execute(`CREATE STREAM s () WITH (TYPE="file", DATASOURCE="${path}")`);
      await engine.rules.create(wireRule("r", "SELECT a FROM s"));
      await eventually(() => log.length > 0);
      assert.match(log[0]!, /reason="Cannot read \\".*late\.json\\": no such file"/);
      writeFileSync(path, '[{"a":1}]');
      const give = setInterval(() => void clock.advance(1000), 5);
      try {
        await eventually(() => wire.written.length === 1);
      } finally {
        clearInterval(give);
      }
    }, { clock });
  }));

test("a file that is to be deleted goes when the rule has dealt with it", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, configs, wire }) => {
      const path = join(folder, "once.json");
      writeFileSync(path, '[{"a":1}]');
      configs.putConfKey("source", "file", "once", { actionAfterRead: 1 });
      streams.execute(`CREATE STREAM s () WITH (TYPE="file", DATASOURCE="${path}", CONF_KEY="once")`);
      let release = () => {};
      wire.held = new Promise((resolve) => release = resolve);
      await engine.rules.create(wireRule("r", "SELECT a FROM s"));
      await eventually(() => Number(engine.rules.status("r").source_s_0_records_out_total) === 1);
      assert.equal(existsSync(path), true);
      release();
      await eventually(() => !existsSync(path));
      assert.deepEqual(wire.written, ['[{"a":1}]']);
    })
  ));
