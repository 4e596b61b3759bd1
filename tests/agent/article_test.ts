import assert from "node:assert/strict";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { withAgent } from "./agent.ts";
import { publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

test("the article's rule turns a thousand messages into exactly the right alerts", async () => {
  const broker = await startMosquitto();
  const alerts = await Subscriber.start(broker, "alerts");
  try {
    await withAgent(async (agent) => {
      const confKey = "/metadata/sources/mqtt/confKeys/plant";
      await agent.expect(200, "PUT", confKey, { server: broker.url, clientid: "weir-plant" });
      const created = await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="demo", FORMAT="json", TYPE="mqtt", CONF_KEY="plant")',
      });
      assert.equal(created, "Stream demo is created.");
      const rule = `{"sql": "SELECT temperature, deviceId FROM demo WHERE temperature > 30", ` +
        `"actions": [{"log": {}}, {"mqtt": {"server": "${broker.url}", "topic": "alerts"}}]}`;
      const answer = await agent.expect(201, "POST", "/rules", rule);
      const id = /^Rule (rule_[0-9a-z]+) was created successfully\.$/.exec(answer)?.[1];
      assert.ok(id, answer);
      assert.equal(JSON.parse(await agent.expect(200, "GET", `/rules/${id}`)).id, id);
      await subscribed(broker, "weir-plant");

      const readings = Array.from({ length: 1000 }, (_, n) => ({
        deviceId: `sensor-${n % 7}`,
        temperature: n % 3 === 0 ? 30 : 20 + (n % 21),
        n,
      }));
      const expected = readings.filter(({ temperature }) => temperature > 30)
        .map(({ deviceId, temperature }) => [{ deviceId, temperature }]);
      assert.equal(expected.length, 330);
      await publishLines(broker, "demo", readings.map((reading) => JSON.stringify(reading)));

      const status = await agent.reaches(id, (s) => s.sink_mqtt_1_0_records_out_total === expected.length);
      assert.equal(status.status, "running");
      assert.equal(status.source_demo_0_records_in_total, 1000);
      assert.equal(status.op_2_decoder_0_records_out_total, 1000);
      assert.equal(status.op_3_filter_0_records_out_total, expected.length);
      assert.equal(status.op_4_project_0_records_out_total, expected.length);
      assert.equal(status.sink_log_0_0_records_out_total, expected.length);
      // A message for an end: after it, nothing else can come.
      await publishLines(broker, "demo", ['{"deviceId":"last","temperature":99}']);
      const lines = await alerts.get(expected.length + 1);
      assert.deepEqual(lines.map((line) => JSON.parse(line)), [...expected, [{ deviceId: "last", temperature: 99 }]]);
      const logged = agent.output().stderr.split("\n").filter((line) => line.includes("msg=result"));
      assert.equal(logged.length, expected.length + 1);
      assert.match(logged[0]!, new RegExp(`rule=${id} .*deviceId.*temperature`));
    });
  } finally {
    await alerts.stop();
    await broker.stop();
  }
});
