/**
 * A log that is written and rotated all the time, and an agent that is killed while it follows it.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, withFolder } from "./agent.ts";

const rows = 1200;
const kills = 3;

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

test("no line of a log is lost to a rule with qos 2, and none counts twice, over rotations and kills of the agent", () =>
  withFolder(async (folder) => {
    const [dataDir, log, output] = ["data", "app.log", "out.ndjson"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(log, "");
    let agent = await Agent.start({ dataDir });
    let written = 0;
    let rotations = 0;
    try {
      await agent.expect(200, "PUT", "/metadata/sources/file/confKeys/log", { fileType: "lines", atEnd: "follow" });
      await agent.expect(201, "POST", "/streams", {
        sql: `CREATE STREAM demo () WITH (DATASOURCE="${log}", TYPE="file", FORMAT="json", CONF_KEY="log")`,
      });
      await agent.expect(201, "POST", "/rules", {
        id: "relay",
        sql: "SELECT n, acc_count(n) AS seen FROM demo",
        actions: [{ file: { path: output, sendSingle: true } }],
        options: { qos: 2 },
      });
      const reach = async (count: number) => {
        const late = Date.now() + 60_000;
        while (new Set(linesOf(output)).size < count) {
          assert.ok(Date.now() < late, `${linesOf(output).length} of ${count} rows\n${agent.output().stderr}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      const write = async (count: number) => {
        for (let i = 0; i < count; i++) {
          const line = `{"n":${written++}}\n`;
          await appendFile(log, line.slice(0, 4));
          await appendFile(log, line.slice(4));
        }
      };
      const rotate = async () => {
        for (let n = rotations; n > 0; n--) await rename(`${log}.${n}`, `${log}.${n + 1}`);
        await rename(log, `${log}.1`);
        await writeFile(log, "");
        rotations++;
      };
      await write(100);
      await reach(10);
      for (let i = 1; i <= kills; i++) {
        await write(100);
        await rotate();
        await write(100);
        await agent.end("SIGKILL");
        await write(50);
        await rotate();
        await write(50);
        agent = await Agent.start({ dataDir });
      }
      await write(rows - written);
      await reach(rows);
    } finally {
      await agent.end("SIGTERM");
    }
    const results = [...new Set(linesOf(output))].map((line) => JSON.parse(line));
    assert.deepEqual(results, Array.from({ length: rows }, (_, n) => ({ n, seen: n + 1 })));
  }));
