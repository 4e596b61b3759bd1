import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { withAgent } from "./agent.ts";

test("the level of the log of a running agent changes, and changes back", async () => {
  await withAgent(async (agent) => {
    const restart = async (id: string) => {
      await agent.expect(201, "POST", "/streams", {
        sql: `CREATE STREAM ${id} () WITH (TYPE="memory", DATASOURCE="t")`,
      });
      await agent.expect(201, "POST", "/rules", { id, sql: `SELECT * FROM ${id}`, actions: [{ log: {} }] });
    };
    assert.equal(await agent.expect(204, "PATCH", "/configs", { logLevel: "error" }), "");
    await eventually(() => agent.output().stderr.includes("from=info to=error"));
    await restart("quiet");
    assert.equal(await agent.expect(204, "PATCH", "/configs", { debug: false }), "");
    await agent.expect(204, "PATCH", "/configs", { logLevel: "debug" });
    await eventually(() => agent.output().stderr.includes("from=info to=debug"));
    assert.doesNotMatch(agent.output().stderr, /quiet/);
    assert.doesNotMatch(agent.output().stderr, /to=info/);
  });
});
