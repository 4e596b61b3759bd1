/**
 * What an agent says of its own health, over a broker that goes away and comes back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Health } from "../../src/admin/health.ts";
import { eventually } from "../eventually.ts";
import { startMosquitto } from "../mosquitto.ts";
import { weir, withAgent } from "./agent.ts";

test("while its broker is away an agent is failing and says which rule and connection wait; then it is well again", async () => {
  const broker = await startMosquitto();
  try {
    await withAgent(async (agent) => {
      const health = async (): Promise<Health> => JSON.parse(await agent.expect(200, "GET", "/api/v1/health"));
      const plant = { id: "plant", typ: "mqtt", props: { server: broker.url } };
      await agent.expect(201, "POST", "/connections", plant);
      const spare = { id: "spare", typ: "mqtt", props: { server: broker.url } };
      await agent.expect(201, "POST", "/connections", spare);
      const confKey = { connectionSelector: "plant" };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/plant", confKey);
      const stream = 'CREATE STREAM demo () WITH (DATASOURCE="demo", TYPE="mqtt", FORMAT="json", CONF_KEY="plant")';
      await agent.expect(201, "POST", "/streams", { sql: stream });
      await agent.expect(201, "POST", "/rules", { id: "r1", sql: "SELECT * FROM demo", actions: [{ nop: {} }] });
      await eventually(async () => (await health()).status === "ok");
      assert.deepEqual(await health(), { status: "ok", ready: true, reasons: [], total: 0 });

      await broker.halt();
      await eventually(async () => (await health()).total === 3);
      const away = await health();
      assert.equal(away.status, "failing");
      assert.deepEqual(
        away.reasons.map(({ area, severity, subject }) => [area, severity, subject]).sort(),
        [["connections", "problem", "plant"], ["connections", "warning", "spare"], ["rules", "problem", "r1"]],
      );
      for (const { message, hint } of away.reasons) {
        assert.match(message, /disconnected/);
        assert.notEqual(hint, "");
      }
      const told = await weir(["health", "--server", agent.url]);
      assert.equal(told.code, 1);
      assert.match(told.stdout, /^failing\nFAIL .*\n +\S/);
      assert.match(told.stdout, /WARN {2}connections {2}spare \(mqtt\) is disconnected/);
      // What is away is no cause to restart the agent.
      await agent.expect(200, "GET", "/healthz");
      await agent.expect(200, "GET", "/readyz");

      await broker.start();
      await eventually(async () => (await health()).status === "ok", 30_000);
      const well = await weir(["health", "--server", agent.url]);
      assert.deepEqual([well.code, well.stdout], [0, "ok\n"]);
    });
  } finally {
    await broker.stop();
  }
});

test("a rule that an error has stopped is a reason, until it runs", async () => {
  await withAgent(async (agent) => {
    const health = async (): Promise<Health> => JSON.parse(await agent.expect(200, "GET", "/api/v1/health"));
    const settings = { data: [{ text: "a".repeat(10_000) }], interval: 1, loop: true };
    await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/texts", settings);
    const stream = 'CREATE STREAM texts () WITH (TYPE="simulator", CONF_KEY="texts")';
    await agent.expect(201, "POST", "/streams", { sql: stream });
    const sql = "SELECT collect(text) AS all FROM texts GROUP BY TUMBLINGWINDOW(hh, 1)";
    const options = { stateBytesMax: 100_000, restartStrategy: { attempts: 0 } };
    await agent.expect(201, "POST", "/rules", { id: "r1", sql, actions: [{ nop: {} }], options });
    await agent.reaches("r1", ({ status }) => status === "stopped by error");
    const { status, reasons } = await health();
    assert.equal(status, "failing");
    assert.equal(reasons[0]!.subject, "r1");
    assert.match(reasons[0]!.message, /Rule r1 is stopped by an error: .*stateBytesMax/);
    assert.match(reasons[0]!.hint, /weir rule status r1/);
    await agent.expect(200, "DELETE", "/rules/r1");
    assert.equal((await health()).status, "ok");
  });
});
