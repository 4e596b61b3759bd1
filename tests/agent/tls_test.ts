import assert from "node:assert/strict";
import { test } from "node:test";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { type Agent, withAgent } from "./agent.ts";
import { publishLines, subscribed, Subscriber } from "./mosquitto_clients.ts";

type Settings = Record<string, unknown>;

/** A rule from topic `in/NAME` to `out/NAME`, both ends with these settings. */
async function relay(agent: Agent, name: string, settings: Settings): Promise<void> {
  const source = { ...settings, clientid: `source-${name}` };
  await agent.expect(200, "PUT", `/metadata/sources/mqtt/confKeys/${name}`, source);
  await agent.expect(201, "POST", "/streams", {
    sql: `CREATE STREAM ${name} () WITH (DATASOURCE="in/${name}", FORMAT="json", TYPE="mqtt", CONF_KEY="${name}")`,
  });
  await agent.expect(201, "POST", "/rules", {
    id: name,
    sql: `SELECT n FROM ${name}`,
    actions: [{ mqtt: { ...settings, topic: `out/${name}`, qos: 1 } }],
  });
}

async function checkRelay(agent: Agent, broker: Mosquitto, name: string, settings: Settings): Promise<void> {
  const out = await Subscriber.start(broker, `out/${name}`);
  try {
    await relay(agent, name, settings);
    await subscribed(broker, `source-${name}`);
    await publishLines(broker, `in/${name}`, ['{"n":7}']);
    assert.deepEqual(await out.get(1), ['[{"n":7}]']);
  } finally {
    await out.stop();
  }
}

/** The status of source and sink says why there is no connection. */
async function checkRefused(agent: Agent, name: string, settings: Settings, why: RegExp): Promise<void> {
  await relay(agent, name, settings);
  const status = await agent.reaches(
    name,
    (s) => [s[`source_${name}_0_connection_status`], s.sink_mqtt_0_0_connection_status].every((code) => code === -1),
  );
  assert.equal(status.status, "running");
  for (const node of [`source_${name}_0`, "sink_mqtt_0_0"]) {
    assert.match(String(status[`${node}_connection_last_disconnected_message`]), why);
    assert.match(String(status[`${node}_last_exception`]), why);
  }
}

test("rules read from and write to a broker with TLS; a wrong authority shows in the status", async () => {
  const broker = await startMosquitto({ tls: "server" });
  const { ca, otherCa } = broker.certificates!;
  const server = `ssl://127.0.0.1:${broker.tlsPort}`;
  try {
    await withAgent(async (agent) => {
      await checkRelay(agent, broker, "trusted", { server, rootCaPath: ca });
      await checkRelay(agent, broker, "careless", { server, insecureSkipVerify: true });
      await checkRefused(agent, "other", { server, rootCaPath: otherCa }, /certificate|issuer/i);
      await checkRefused(agent, "unknown", { server }, /certificate|issuer/i);
      const missing = { mqtt: { server, rootCaPath: "/nowhere/ca.pem", topic: "t" } };
      const rule = { id: "missing", sql: "SELECT n FROM trusted", actions: [missing] };
      const answer = JSON.parse(await agent.expect(400, "POST", "/rules", rule));
      assert.match(answer.message, /\/nowhere\/ca\.pem/);
    });
  } finally {
    await broker.stop();
  }
});

test("rules show their certificate to a broker that asks for one", async () => {
  const broker = await startMosquitto({ tls: "mutual" });
  const { ca, clientCert, clientKey } = broker.certificates!;
  const server = `tls://localhost:${broker.tlsPort}`;
  try {
    await withAgent(async (agent) => {
      const mutual = { server, rootCaPath: ca, certificationPath: clientCert, privateKeyPath: clientKey };
      await checkRelay(agent, broker, "mutual", mutual);
      await checkRefused(agent, "anonymous", { server, rootCaPath: ca }, /./);
    });
  } finally {
    await broker.stop();
  }
});
