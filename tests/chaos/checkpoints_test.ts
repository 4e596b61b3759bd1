/**
 * Checkpoints where messages stand behind the last entry of the log: a rule that gets state by an update, and one that
 * ends while its sink is away.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withAgent, withFolder } from "../agent/agent.ts";
import { eventually } from "../eventually.ts";
import { ledgersBalance } from "./ledger.ts";
import { relay, Scene } from "./scene.ts";

test("a rule with a promise of delivery that had no state gets windows by an update", () =>
  Scene.with((scene) =>
    withAgent(async (agent) => {
      await scene.define(agent);
      scene.publisher.send(100);
      await scene.allArrive(agent);
      const rule = JSON.parse(await agent.expect(200, "GET", `/rules/${relay}`));
      const sql = "SELECT max(n) AS n FROM s GROUP BY COUNTWINDOW(10)";
      await agent.expect(200, "PUT", `/rules/${relay}`, { ...rule, sql });
      scene.publisher.send(100);
      await eventually(() => scene.heard().length === 110, 30_000);
      const status = await agent.status(relay);
      assert.equal(status.status, "running", String(status.message));
      await ledgersBalance(agent, [relay]);
    })
  ));

test("a rule that ends while its sink is away gives its last window once, after any checkpoint", () =>
  Scene.with((scene) =>
    withFolder((folder) =>
      withAgent(async (agent) => {
        const path = join(folder, "rows.ndjson");
        writeFileSync(path, Array.from({ length: 105 }, (_, n) => `${JSON.stringify({ n })}\n`).join(""));
        await agent.expect(200, "PUT", "/metadata/sources/file/confKeys/lines", { fileType: "lines", sendInterval: 5 });
        await agent.expect(201, "POST", "/streams", {
          sql: `CREATE STREAM rows () WITH (DATASOURCE="${path}", FORMAT="json", TYPE="file", CONF_KEY="lines")`,
        });
        await scene.output.halt();
        await agent.expect(201, "POST", "/rules", {
          id: relay,
          sql: "SELECT max(n) AS n, count(*) AS c FROM rows GROUP BY TUMBLINGWINDOW(hh, 1)",
          actions: [{ mqtt: { server: scene.output.url, topic: "out", qos: 1, sendSingle: true } }],
          options: { qos: 2, checkpointInterval: "300ms" },
        });
        await agent.reaches(relay, (s) => s.sink_mqtt_0_0_records_in_total === 1);
        // Several intervals of checkpoints, in which none is due any more.
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await scene.output.start();
        const done = await agent.reaches(relay, (s) => s.status !== "running" && s.status !== "stopping");
        assert.deepEqual([done.status, done.message], ["stopped", "done"]);
        await eventually(() => scene.arrivals.length > 0, 30_000);
        assert.deepEqual(scene.arrivals.map(({ payload }) => payload), ['{"c":105,"n":104}']);
      })
    )
  ));
