import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, withFolder } from "./agent.ts";

const rows = 1000;
const kills = 4;

/** Whole lines of a file that may be growing, or not be there yet. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

test("a file is read once over kills of the agent, with the state behind every row, and then moved", () =>
  withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const [input, output, done] = ["in.csv", "out.ndjson", "done"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(input, `n,text\n${Array.from({ length: rows }, (_, n) => `${n},"a\n${n}"\n`).join("")}`);
    let agent = await Agent.start({ dataDir });
    try {
      const confKey = { fileType: "csv", hasHeader: true, sendInterval: 1, actionAfterRead: 2, moveTo: done };
      await agent.expect(200, "PUT", "/metadata/sources/file/confKeys/in", confKey);
      await agent.expect(201, "POST", "/streams", {
        sql: `CREATE STREAM demo (n BIGINT, text STRING) WITH (DATASOURCE="${input}", TYPE="file", CONF_KEY="in")`,
      });
      await agent.expect(201, "POST", "/rules", {
        id: "relay",
        sql: "SELECT n, lag(n) AS before, acc_sum(n) AS total FROM demo",
        actions: [{ file: { path: output, sendSingle: true } }],
        options: { qos: 2 },
      });
      const reach = async (count: number) => {
        const late = Date.now() + 60_000;
        while (linesOf(output).length < count) {
          assert.ok(Date.now() < late, `${linesOf(output).length} of ${count} rows\n${agent.output().stderr}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      for (let i = 1; i <= kills; i++) {
        await reach(Math.floor((rows * i) / (kills + 1)));
        await agent.end("SIGKILL");
        assert.ok(existsSync(input), "it has not been read to its end");
        agent = await Agent.start({ dataDir });
      }
      await reach(rows);
      const late = Date.now() + 60_000;
      while (existsSync(input)) {
        assert.ok(Date.now() < late, `the file is not moved\n${agent.output().stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.deepEqual(await readdir(done), ["in.csv"]);
    } finally {
      await agent.end("SIGKILL");
    }
    const lines = linesOf(output);
    const results = [...new Set(lines)].map((line) => JSON.parse(line));
    const wanted = Array.from({ length: rows }, (_, n) => ({
      n,
      ...(n === 0 ? {} : { before: n - 1 }),
      total: (n * (n + 1)) / 2,
    }));
    assert.deepEqual(results, wanted);
    console.log(`${rows} rows over ${kills} kills of the agent: ${lines.length} lines`);
  }));
