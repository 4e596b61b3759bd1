/**
 * Files sent to a real agent with curl, used by a rule, and taken along into another agent.
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { curl } from "../peers/curl.ts";
import { withAgent, withFolder } from "./agent.ts";

test("a file that curl has sent is read by a rule, exported and imported", async () => {
  await withFolder(async (folder) => {
    const rows = join(folder, "rows.json");
    writeFileSync(rows, '[{"a": 1}, {"a": 2}]');
    await withAgent(async (first) => {
      const sent = await curl(["-F", `uploadFile=@${rows}`, `${first.url}/config/uploads`]);
      assert.deepEqual([sent.status, sent.body], [201, join(first.dataDir, "uploads/rows.json")]);
      assert.equal(
        (await curl(["-F", `uploadFile=@${rows};filename=../x`, `${first.url}/config/uploads`])).status,
        400,
      );
      const sql = 'CREATE STREAM rows () WITH (TYPE="file", DATASOURCE="uploads/rows.json", FORMAT="json")';
      await first.expect(201, "POST", "/streams", { sql });
      await first.expect(201, "POST", "/rules", { id: "r", sql: "SELECT a FROM rows", actions: [{ nop: {} }] });
      await first.reaches("r", (status) => status.sink_nop_0_0_records_out_total === 2);
      const exported = await first.expect(200, "GET", "/data/export");
      assert.deepEqual(JSON.parse(JSON.parse(exported).uploads["rows.json"]).content, readFileSync(rows, "utf8"));
      await withAgent(async (second) => {
        await second.expect(201, "POST", "/config/uploads", { name: "old", content: "x" });
        await second.expect(200, "POST", "/data/import?partial=1", {
          content: '{"uploads": {"more": "{\\"content\\":\\"1\\"}"}}',
        });
        const wrong = await second.expect(400, "POST", "/data/import", {
          content:
            '{"uploads": {"../x": "{\\"content\\":\\"1\\"}", "y": "null", "z": "{\\"file\\":\\"/etc/hostname\\"}"}}',
        });
        assert.deepEqual(Object.keys(JSON.parse(JSON.parse(wrong).message).uploads), ["../x", "y", "z"]);
        const before = JSON.parse(await second.expect(200, "GET", "/config/uploads"));
        assert.equal(before.length, 2);
        await second.expect(200, "POST", "/data/import", { content: exported });
        await second.expect(200, "POST", "/rules/r/start");
        await second.reaches("r", (status) => status.sink_nop_0_0_records_out_total === 2);
        assert.ok(!existsSync(join(second.dataDir, "uploads/old")));
      });
    });
  });
});
