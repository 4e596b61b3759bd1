/**
 * Rules that read files.
 */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
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

test("a rule over a folder takes its files, and those that come, and goes on when one is bad", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, configs, wire, log }) => {
      const inbox = join(folder, "inbox");
      mkdirSync(inbox);
      writeFileSync(join(inbox, "a.csv.gz"), gzipSync("id,v\n1,2.5\n2,x\n"));
      writeFileSync(join(inbox, "b.csv.gz"), "garbage");
      configs.putConfKey("source", "file", "inbox", {
        fileType: "csv",
        hasHeader: true,
        decompression: "gzip",
        actionAfterRead: 1,
      });
      streams.execute(
        `CREATE STREAM s (id BIGINT, v FLOAT) WITH (TYPE="file", DATASOURCE="${inbox}", CONF_KEY="inbox", ` +
          'STRICT_VALIDATION="true")',
      );
      await engine.rules.create(wireRule("r", "SELECT id, v * 2 AS w, meta(file) AS f FROM s"));
      await eventually(() => wire.written.length === 1);
      assert.deepEqual(wire.written, [`[{"f":"${join(inbox, "a.csv.gz")}","id":1,"w":5}]`]);
      await eventually(() => log.some((line) => /left out until it changes.*b\.csv\.gz/.test(line)));
      await eventually(() => !existsSync(join(inbox, "a.csv.gz")));
      writeFileSync(join(inbox, "c.csv.gz"), gzipSync("id,v\n3,1\n"));
      await eventually(() => wire.written.length === 2);
      assert.match(wire.written[1]!, /"id":3,"w":2/);
      assert.deepEqual(engine.rules.ledger("r").streams[0]!.rows.failed, { E509: 1 });
    })
  ));

test("a rule that is stopped goes on in a log where it stood, though it was rotated meanwhile", () =>
  inFolder((folder) =>
    withEngine(async ({ engine, streams, configs, wire }) => {
      const path = join(folder, "app.log");
      writeFileSync(path, '{"n":1}\nbad\n{"n":2}\n{"n"');
      configs.putConfKey("source", "file", "log", { fileType: "lines", atEnd: "follow" });
      streams.execute(`CREATE STREAM s () WITH (TYPE="file", DATASOURCE="${path}", CONF_KEY="log")`);
      await engine.rules.create(wireRule("r", "SELECT n FROM s", { options: { qos: 1 } }));
      await eventually(() => wire.written.length === 2);
      assert.deepEqual(engine.rules.ledger("r").streams[0]!.payloads!.failed, { E501: 1 });
      await engine.rules.stop("r");
      appendFileSync(path, ":3}\n");
      renameSync(path, `${path}.1`);
      appendFileSync(`${path}.1`, '{"n":4}\n');
      writeFileSync(path, '{"n":5}\n');
      await engine.rules.start("r");
      await eventually(() => wire.written.length === 5);
      assert.deepEqual(wire.written, [1, 2, 3, 4, 5].map((n) => `[{"n":${n}}]`));
      assert.equal(engine.rules.status("r").delivery, "at-least-once");
    })
  ));

test("sendInterval of a file paces a rule", () =>
  inFolder(async (folder) => {
    const clock = new HandClock();
    await withEngine(async ({ engine, streams, configs, wire }) => {
      const path = join(folder, "a.json");
      writeFileSync(path, '[{"n":1},{"n":2}]');
      configs.putConfKey("source", "file", "slow", { sendInterval: "1m" });
      streams.execute(`CREATE STREAM s () WITH (TYPE="file", DATASOURCE="${path}", CONF_KEY="slow")`);
      await engine.rules.create(wireRule("r", "SELECT n FROM s"));
      await eventually(() => wire.written.length === 1);
      await clock.advance(59_000);
      assert.equal(wire.written.length, 1);
      await clock.advance(2000);
      await eventually(() => wire.written.length === 2);
    }, { clock });
  }));
