import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { withAgent, withFolder } from "./agent.ts";
import { publishLines, subscribed } from "./mosquitto_clients.ts";

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
const messages = (from: number, count: number) => numbers(from, count).map((n) => JSON.stringify({ n, m: n % 2 }));

async function readRows(path: string): Promise<{ n: number }[]> {
  return (await readFile(path, "utf8")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

test("rules on a shared stream have one subscription, and none is disturbed when another stops", async () => {
  const broker = await startMosquitto();
  try {
    await withFolder((folder) =>
      withAgent(async (agent) => {
        const settings = { server: broker.url, clientid: "weir-shared", qos: 1 };
        await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/shared", settings);
        await agent.expect(201, "POST", "/streams", {
          sql: 'CREATE STREAM demo () WITH (DATASOURCE="demo", FORMAT="json", TYPE="mqtt", CONF_KEY="shared", ' +
            'SHARED="true")',
        });
        const file = (id: string) => join(folder, `${id}.ndjson`);
        for (const [id, where] of [["even", "m = 0"], ["odd", "m = 1"]] as const) {
          await agent.expect(201, "POST", "/rules", {
            id,
            sql: `SELECT n FROM demo WHERE ${where}`,
            actions: [{ file: { path: file(id), sendSingle: true } }],
          });
        }
        await subscribed(broker, "weir-shared");
        await publishLines(broker, "demo", messages(0, 100), ["-q", "1"]);
        for (const id of ["even", "odd"]) {
          const status = await agent.reaches(id, (s) => s.sink_file_0_0_records_out_total === 50);
          assert.equal(status.source_demo_0_records_in_total, 100);
          assert.equal(status.op_demo_2_decoder_0_records_out_total, 100);
          assert.equal(status.op_3_filter_0_records_out_total, 50);
        }
        assert.equal(broker.log.split(" as weir-shared ").length - 1, 1);
        assert.equal(broker.log.split("Received SUBSCRIBE from weir-shared").length - 1, 1);

        await agent.expect(200, "POST", "/rules/odd/stop");
        await publishLines(broker, "demo", messages(100, 100), ["-q", "1"]);
        await agent.reaches("even", (s) => s.sink_file_0_0_records_out_total === 100);
        assert.equal(broker.log.includes("Received UNSUBSCRIBE from weir-shared"), false);
        assert.equal((await agent.status("odd")).sink_file_0_0_records_out_total, 50);
        await agent.expect(200, "POST", "/rules/odd/start");
        await publishLines(broker, "demo", messages(200, 100), ["-q", "1"]);
        await agent.reaches("even", (s) => s.sink_file_0_0_records_out_total === 150);
        await agent.reaches("odd", (s) => s.sink_file_0_0_records_out_total === 50);
        assert.equal(broker.log.split(" as weir-shared ").length - 1, 1, "the client of the first start");
        assert.deepEqual(await readRows(file("even")), numbers(0, 300).filter((n) => n % 2 === 0).map((n) => ({ n })));
        const odd = numbers(0, 300).filter((n) => n % 2 === 1 && (n < 100 || n >= 200));
        assert.deepEqual(await readRows(file("odd")), odd.map((n) => ({ n })));

        await agent.expect(200, "DELETE", "/rules/odd");
        await agent.expect(200, "DELETE", "/rules/even");
        await agent.expect(200, "DELETE", "/streams/demo");
      })
    );
  } finally {
    await broker.stop();
  }
});

test("a rule with a stuck sink does not hold up the other rules of a shared stream", async () => {
  const broker = await startMosquitto();
  const away = await startMosquitto();
  try {
    await withAgent(async (agent) => {
      const settings = { server: broker.url, clientid: "weir-shared", qos: 1 };
      await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/shared", settings);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM demo () WITH (DATASOURCE="demo", FORMAT="json", TYPE="mqtt", CONF_KEY="shared", ' +
          'SHARED="true")',
      });
      await agent.expect(201, "POST", "/rules", { id: "free", sql: "SELECT n FROM demo", actions: [{ nop: {} }] });
      const stuck = { mqtt: { server: away.url, topic: "t", qos: 1, bufferLength: 100_000 } };
      await agent.expect(201, "POST", "/rules", { id: "stuck", sql: "SELECT n FROM demo", actions: [stuck] });
      await agent.reaches("stuck", (s) => s.sink_mqtt_0_0_connection_status === 1);
      await subscribed(broker, "weir-shared");
      await away.kill();
      await agent.reaches("stuck", (s) => s.sink_mqtt_0_0_connection_status === -1);
      // Of messages that are not acknowledged, mosquitto sends no more than 20.
      await publishLines(broker, "demo", messages(0, 50), ["-q", "1"]);
      await agent.reaches("free", (s) => s.sink_nop_0_0_records_out_total === 50);
      await agent.reaches("stuck", (s) => s.sink_mqtt_0_0_buffer_length === 50);
      await agent.expect(200, "POST", "/rules/stuck/stop");
      await publishLines(broker, "demo", messages(50, 50), ["-q", "1"]);
      await agent.reaches("free", (s) => s.sink_nop_0_0_records_out_total === 100);
      await agent.expect(200, "POST", "/rules/stuck/start");
      await agent.reaches("stuck", (s) => s.status === "running");
      await publishLines(broker, "demo", messages(100, 50), ["-q", "1"]);
      await agent.reaches("free", (s) => s.sink_nop_0_0_records_out_total === 150);
    });
  } finally {
    await away.stop();
    await broker.stop();
  }
});

test("rules make a chain through memory topics", () =>
  withFolder((folder) =>
    withAgent(async (agent) => {
      const path = join(folder, "out.ndjson");
      const data = numbers(0, 20).map((n) => ({ n }));
      await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/numbers", {
        data,
        interval: 1,
        loop: false,
      });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM numbers () WITH (TYPE="simulator", CONF_KEY="numbers")',
      });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM doubled () WITH (TYPE="memory", DATASOURCE="chain/+")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "last",
        sql: "SELECT n, meta(topic) AS topic FROM doubled WHERE n > 10",
        actions: [{ file: { path, sendSingle: true } }],
      });
      const first = { id: "first", sql: "SELECT n * 2 AS n FROM numbers", actions: [{ memory: { topic: "chain/a" } }] };
      await agent.expect(201, "POST", "/rules", first);
      await agent.reaches("last", (s) => s.sink_file_0_0_records_out_total === 14);
      const expected = numbers(6, 14).map((n) => ({ n: n * 2, topic: "chain/a" }));
      assert.deepEqual(await readRows(path), expected);
      await agent.reaches("first", (s) => s.status === "stopped" && s.message === "done");
    })
  ));

test("actions shape what they send", () =>
  withFolder((folder) =>
    withAgent(async (agent) => {
      const data = [
        { id: 1, a: { x: 1 }, list: [{ y: 1 }, { y: 2 }] },
        { id: 2, a: { x: 2 }, list: [] },
        { id: 3, a: 5, list: [] },
      ];
      await agent.expect(200, "PUT", "/metadata/sources/simulator/confKeys/rows", { data, interval: 1, loop: false });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM s () WITH (TYPE="simulator", CONF_KEY="rows")',
      });
      const shapes: Record<string, Record<string, unknown>> = {
        list: {},
        single: { sendSingle: true, fields: ["id", "none"] },
        excluded: { sendSingle: true, excludeFields: ["a", "list"] },
        struct: { dataField: "a" },
        structs: { dataField: "list", sendSingle: true },
        kept: { dataField: "list", omitIfEmpty: true },
        csv: { format: "delimited", fields: ["id", "a"], sendSingle: true },
      };
      const path = (name: string) => join(folder, `${name}.ndjson`);
      await agent.expect(201, "POST", "/rules", {
        id: "shapes",
        sql: "SELECT id, a, list FROM s",
        actions: Object.entries(shapes).map(([name, settings]) => ({ file: { path: path(name), ...settings } })),
      });
      const status = await agent.reaches("shapes", (s) => s.status === "stopped");
      assert.equal(status.message, "done");
      const lines: Record<string, string[]> = {};
      for (const name of Object.keys(shapes)) {
        lines[name] = (await readFile(path(name), "utf8")).split("\n").filter((line) => line !== "");
      }
      assert.deepEqual(lines, {
        list: [
          '[{"a":{"x":1},"id":1,"list":[{"y":1},{"y":2}]}]',
          '[{"a":{"x":2},"id":2,"list":[]}]',
          '[{"a":5,"id":3,"list":[]}]',
        ],
        single: ['{"id":1,"none":null}', '{"id":2,"none":null}', '{"id":3,"none":null}'],
        excluded: ['{"id":1}', '{"id":2}', '{"id":3}'],
        struct: ['{"x":1}', '{"x":2}'],
        structs: ['[{"y":1},{"y":2}]', "[]", "[]"],
        kept: ['[{"y":1},{"y":2}]'],
        csv: ["1,map[x:1]", "2,map[x:2]", "3,5"],
      });
      // What could not be shaped is counted where it failed.
      assert.equal(status["op_file_3_1_encode_0_exceptions_total"], 1);
      assert.match(String(status["op_file_3_1_encode_0_last_exception"]), /dataField "a"/);
    })
  ));
