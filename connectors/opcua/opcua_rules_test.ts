import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "../../src/connector/conformance.ts";
import { type Agent, withAgent } from "../../tests/agent/agent.ts";
import { coapClient, freeUdpPort } from "../../tests/peers/coap.ts";
import { type OpcUaServer, startOpcUaServer } from "../../tests/peers/opcua.ts";

const node = (name: string) => ({ name, nodeId: `ns=2;s=${name}` });

/** A rule of its own that counts rows where the nodes are as wanted, and the wait for it. */
async function watch(agent: Agent, id: string, where: string): Promise<() => Promise<unknown>> {
  await agent.expect(201, "POST", "/rules", {
    id,
    sql: `SELECT * FROM plant WHERE ${where}`,
    actions: [{ nop: {} }],
  });
  return () => agent.reaches(id, (status) => Number(status.sink_nop_0_0_records_out_total) > 0);
}

async function createPlant(agent: Agent, { url }: OpcUaServer): Promise<void> {
  await agent.expect(200, "PUT", "/metadata/sources/opcua/confKeys/plant", {
    server: url,
    interval: "20ms",
    timeout: "2s",
    nodes: [node("temperature"), { name: "pump", nodeId: "ns=2;s=flag" }, node("i32")],
  });
  await agent.expect(201, "POST", "/streams", { sql: 'CREATE STREAM plant () WITH (TYPE="opcua", CONF_KEY="plant")' });
}

test("a rule watches a server and writes to it", async () => {
  const server = await startOpcUaServer();
  try {
    await withAgent(async (agent) => {
      await createPlant(agent, server);
      await agent.expect(201, "POST", "/rules", {
        id: "cool",
        sql: "SELECT false AS flag FROM plant WHERE temperature > 20 AND pump",
        actions: [{ opcua: { server: server.url, timeout: "2s", nodes: [node("flag")] } }],
      });
      const switched = await watch(agent, "switched", "pump = false");
      await switched();
    });
  } finally {
    await server.stop();
  }
});

test("what a server that was dead should have got, it gets when it is back", async () => {
  const server = await startOpcUaServer();
  const port = await freeUdpPort();
  try {
    await withAgent(async (agent) => {
      await createPlant(agent, server);
      await agent.expect(200, "PUT", "/metadata/sources/coap/confKeys/door", {
        listen: `127.0.0.1:${port}`,
        mode: "server",
      });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM wishes () WITH (TYPE="coap", DATASOURCE="wish", FORMAT="json", CONF_KEY="door")',
      });
      await agent.expect(201, "POST", "/rules", {
        id: "obey",
        sql: 'SELECT cast(n, "bigint") AS i32 FROM wishes',
        actions: [{ opcua: { server: server.url, timeout: "2s", nodes: [node("i32")] } }],
        options: { qos: 1 },
      });
      await agent.reaches("obey", (status) => status.status === "running");
      const wish = async (n: number) => {
        const url = `coap://127.0.0.1:${port}/wish`;
        assert.equal((await coapClient(["-m", "post", "-B", "20", "-e", JSON.stringify({ n }), url])).stderr, "");
      };
      const first = await watch(agent, "first", "i32 = 1");
      await wish(1);
      await first();
      await server.process.kill();
      for (const n of [2, 3, 4]) await wish(n);
      await realClock.sleep(300);
      await server.process.start();
      const last = await watch(agent, "last", "i32 = 4");
      await last();
      await agent.reaches("obey", (status) => Number(status.sink_opcua_0_0_records_out_total) >= 4);
    });
  } finally {
    await server.stop();
  }
});
