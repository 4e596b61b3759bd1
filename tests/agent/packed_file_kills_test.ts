/**
 * Compressed files of an agent that is killed while it writes them.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { unpack } from "../peers/unpackers.ts";
import { Agent, withFolder } from "./agent.ts";

const rows = 600;
const kills = 4;

for (const compression of ["gzip", "zstd"] as const) {
  test(`files that ${compression} packs are whole after kills of the agent, and nothing is lost`, () =>
    withFolder(async (folder) => {
      const [dataDir, output] = [join(folder, "data"), join(folder, "out")];
      const [input, marks] = [join(folder, "in.csv"), join(folder, "marks")];
      await writeFile(input, Array.from({ length: rows }, (_, n) => `${n}\n`).join(""));
      let agent = await Agent.start({ dataDir });
      try {
        const confKey = { fileType: "csv", sendInterval: 1, columns: ["n"] };
        await agent.expect(200, "PUT", "/metadata/sources/file/confKeys/in", confKey);
        await agent.expect(201, "POST", "/streams", {
          sql: `CREATE STREAM demo (n BIGINT) WITH (DATASOURCE="${input}", TYPE="file", CONF_KEY="in")`,
        });
        const packed = { path: join(output, "out.txt"), compression, rollingCount: 150, sendSingle: true };
        await agent.expect(201, "POST", "/rules", {
          id: "relay",
          sql: "SELECT n FROM demo",
          actions: [{ file: packed }, { file: { path: marks, sendSingle: true } }],
          options: { qos: 1 },
        });
        const count = () => existsSync(marks) ? readFileSync(marks, "utf8").split("\n").length - 1 : 0;
        const reach = async (wanted: number) => {
          const late = Date.now() + 60_000;
          while (count() < wanted) {
            assert.ok(Date.now() < late, `${count()} of ${rows} rows\n${agent.output().stderr}`);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        };
        for (let i = 1; i <= kills; i++) {
          await reach(Math.floor((rows * i) / (kills + 1)));
          await agent.end("SIGKILL");
          agent = await Agent.start({ dataDir });
        }
        await reach(rows);
        const late = Date.now() + 60_000;
        for (let all: string[] = []; !all.includes(String(rows - 1)); all = await numbersIn(output, compression)) {
          assert.ok(Date.now() < late, agent.output().stderr);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      } finally {
        await agent.end("SIGTERM");
      }
      const found = await numbersIn(output, compression);
      const once = [...new Set(found)].map(Number).sort((a, b) => a - b);
      assert.deepEqual(once, Array.from({ length: rows }, (_, n) => n));
      console.log(`${rows} rows over ${kills} kills of the agent: ${found.length} lines in ${compression}`);
    }));
}

/** The numbers in all files, which must be whole. */
async function numbersIn(folder: string, compression: "gzip" | "zstd"): Promise<string[]> {
  const all: string[] = [];
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    if (bytes.length === 0) continue;
    all.push(...unpack(compression, bytes).trimEnd().split("\n").map((line) => String(JSON.parse(line).n)));
  }
  return all;
}
