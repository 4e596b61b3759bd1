/**
 * A rule with `qos` 1 whose device dies in between, and then the agent.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, withFolder } from "../../tests/agent/agent.ts";
import { eventually } from "../../tests/eventually.ts";
import { startSlave } from "../../tests/peers/modbus_slave.ts";

const count = 400;

test("what a rule with qos 1 writes to a device arrives, whatever dies in between", () =>
  withFolder(async (dataDir) => {
    const slave = await startSlave();
    let agent = await Agent.start({ dataDir });
    const values = () => slave.written.map(([, , [value]]) => value!);
    try {
      writeFileSync(
        join(dataDir, "in.jsonl"),
        Array.from({ length: count }, (_, n) => `{"setpoint":${n}}\n`).join(""),
      );
      await agent.expect(200, "PUT", "/metadata/sources/file/confKeys/lines", { fileType: "lines", path: dataDir });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM wanted () WITH (TYPE="file", DATASOURCE="in.jsonl", FORMAT="json", CONF_KEY="lines")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "set",
        sql: "SELECT * FROM wanted",
        options: { qos: 1 },
        actions: [{
          modbus: {
            server: `tcp://127.0.0.1:${slave.port}`,
            timeout: "500ms",
            longestRest: "500ms",
            verify: "read back",
            rowInterval: "2ms",
            tags: [{ name: "setpoint", register: "holding", address: 7 }],
          },
        }],
      });
      const reaches = (n: number) => eventually(() => values().length >= n);
      await reaches(50);
      await slave.kill();
      await agent.reaches("set", (status) => status.sink_modbus_0_0_connection_status !== 1);
      await slave.start();
      await reaches(150);
      slave.freeze();
      await new Promise((done) => setTimeout(done, 700));
      slave.thaw();
      await reaches(250);
      await agent.end("SIGKILL");
      agent = await Agent.start({ dataDir });
      await eventually(() => values().includes(count - 1));
      const firsts = [...new Set(values())];
      assert.deepEqual(firsts, Array.from({ length: count }, (_, n) => n), "each arrives, in order");
      // What is sent again is what was under way, not all.
      assert.ok(values().length < count * 2, `${values().length} writes`);
    } finally {
      await agent.remove();
      await slave.kill();
    }
  }));
