import assert from "node:assert/strict";
import { test } from "node:test";
import { Agent, withAgent, withFolder } from "../../tests/agent/agent.ts";
import { wireStream, withEngine } from "../../tests/engine/engine.ts";
import { eventually } from "../../tests/eventually.ts";
import { coapClient, freeUdpPort, startCoapServer } from "../../tests/peers/coap.ts";

/** Payloads of the PUTs that the server of libcoap got, in order, without those that came again. */
function putsIn(log: string): string[] {
  const puts = [...log.matchAll(/c:PUT i:([0-9a-f]+) \{[^}]*\} \[[^\]]*\] :: '([^']*)'/g)];
  return puts.map(([, , payload]) => payload!).filter((payload, i, all) => payload !== all[i - 1]);
}

test("a rule observes a sensor and sets a valve", async () => {
  const plant = await startCoapServer();
  try {
    await withAgent(async (agent) => {
      await agent.expect(200, "PUT", "/metadata/sources/coap/confKeys/plant", { uri: plant.url });
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM tank () WITH (TYPE="coap", DATASOURCE="example_data", FORMAT="json", CONF_KEY="plant")',
      });
      await coapClient(["-m", "put", "-e", '{"level":1}', `${plant.url}/example_data`]);
      await agent.expect(201, "POST", "/rules", {
        id: "valve",
        sql: "SELECT level > 80 AS open FROM tank WHERE level > 80 OR level < 20",
        actions: [{ coap: { uri: `${plant.url}/valve`, method: "PUT", sendSingle: true } }],
      });
      const valve = () => putsIn(plant.process.log).filter((payload) => payload.includes("open"));
      await eventually(() => valve().length === 1, 30_000);
      for (const level of [50, 90]) {
        await coapClient(["-m", "put", "-e", JSON.stringify({ level }), `${plant.url}/example_data`]);
      }
      await eventually(() => valve().length === 2, 30_000);
      assert.deepEqual(valve(), ['{"open":false}', '{"open":true}']);
    });
  } finally {
    await plant.stop();
  }
});

test("templates of an action name the resource, the method and the content format of each message", async () => {
  const plant = await startCoapServer();
  try {
    await withEngine(async ({ engine, streams, wire }) => {
      streams.execute(wireStream);
      await engine.rules.create(JSON.stringify({
        id: "valves",
        sql: "SELECT name, method, open FROM s",
        actions: [{
          coap: {
            uri: `${plant.url}/valves/{{.name}}?unit={{.unit | default "none"}}`,
            method: "{{.method}}",
            contentFormat: "application/senml+json",
            fields: ["open"],
            sendSingle: true,
          },
        }],
      }));
      wire.send('{"name":"a b","method":"PUT","open":true}', '{"name":"c","method":"put","open":false}');
      wire.send('{"name":"d","method":"MOVE","open":true}');
      const status = () => engine.rules.status("valves") as Record<string, unknown>;
      await eventually(() => status().sink_coap_0_0_messages_processed_total === 3, 20_000);
      const get = async (path: string) =>
        (await coapClient(["-m", "get", `${plant.url}/valves/${path}`])).stdout.trimEnd();
      assert.equal(await get("a%20b"), '{"open":true}');
      assert.equal(await get("c"), '{"open":false}');
      await eventually(() => /Content-Format:application\/senml\+json, Uri-Query:unit=none/.test(plant.process.log));
      assert.match(String(status().sink_coap_0_0_last_exception), /Bad method "MOVE": wanted POST, PUT/);
    });
  } finally {
    await plant.stop();
  }
});

test("what devices were told is taken survives a server that is dead, and the death of the agent", () =>
  withFolder(async (dataDir) => {
    const cloud = await startCoapServer();
    const port = await freeUdpPort();
    const post = (n: number) => {
      const url = `coap://127.0.0.1:${port}/devices/d1/data`;
      return coapClient(["-m", "post", "-t", "50", "-B", "20", "-e", JSON.stringify({ n }), url]);
    };
    const numbers = () => [
      ...new Set(putsIn(cloud.process.log).flatMap((payload) => payload.match(/"n":(\d+)/)?.[1] ?? []).map(Number)),
    ];
    let agent = await Agent.start({ dataDir });
    try {
      const door = { listen: `127.0.0.1:${port}`, mode: "server" };
      await agent.expect(200, "PUT", "/metadata/sources/coap/confKeys/door", door);
      await agent.expect(201, "POST", "/streams", {
        sql: 'CREATE STREAM data () WITH (TYPE="coap", DATASOURCE="devices/+/data", FORMAT="json", CONF_KEY="door")',
      });
      const action = { uri: `${cloud.url}/up`, method: "PUT", sendSingle: true, ackTimeout: 100, maxRetransmit: 1 };
      await agent.expect(201, "POST", "/rules", {
        id: "up",
        sql: "SELECT n, meta(path) AS path FROM data",
        actions: [{ coap: action }],
        options: { qos: 1 },
      });
      await agent.reaches("up", (status) => status.status === "running");
      assert.equal((await post(0)).stderr, "");
      await eventually(() => numbers().length === 1, 30_000);
      assert.match(putsIn(cloud.process.log).at(-1)!, /"path":"devices\/d1\/data"/);
      await cloud.process.kill();
      // The devices need not wait for the cloud.
      for (let n = 1; n <= 5; n++) assert.equal((await post(n)).stderr, "");
      await agent.end("SIGKILL");
      agent = await Agent.start({ dataDir });
      await cloud.process.start();
      await eventually(() => numbers().includes(5), 60_000);
      assert.deepEqual(numbers(), [0, 1, 2, 3, 4, 5]);
    } finally {
      await agent.remove();
      await cloud.stop();
    }
  }));
