import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { type Agent, withAgent, withFolder } from "./agent.ts";
import { publishLines, Subscriber } from "./mosquitto_clients.ts";

const clientId = "weir-shared";

interface Connection {
  readonly status: string;
  readonly err?: string;
  readonly refCount?: number;
  readonly props: Readonly<Record<string, unknown>>;
}

/**
 * Resolves when the broker has granted both streams. Subscriptions that are made before the client is connected share a
 * SUBSCRIBE, so counting the answers would not do.
 */
async function bothSubscribed(broker: Mosquitto): Promise<void> {
  const granted = (topic: string): boolean => {
    const asked = broker.log.indexOf(`\t${topic} (QoS 1)`);
    return asked >= 0 && broker.log.includes(`Sending SUBACK to ${clientId}\n`, asked);
  };
  await eventually(() => granted("in/one") && granted("in/two"), 30_000);
}

async function connection(agent: Agent, id: string): Promise<Connection> {
  return JSON.parse(await agent.expect(200, "GET", `/connections/${id}`));
}

/** Two streams with a rule each, one of them with a sink, all connected alike: by the named connection `plant`. */
async function define(agent: Agent, settings: object = { connectionSelector: "mqtt.plant" }): Promise<void> {
  await agent.expect(200, "PUT", "/metadata/sources/mqtt/confKeys/plant", settings);
  for (const name of ["one", "two"]) {
    await agent.expect(201, "POST", "/streams", {
      sql: `CREATE STREAM ${name} () WITH (DATASOURCE="in/${name}", FORMAT="json", TYPE="mqtt", CONF_KEY="plant")`,
    });
  }
  const forward = { mqtt: { ...settings, topic: "out/one", qos: 1 } };
  await agent.expect(201, "POST", "/rules", { id: "one", sql: "SELECT n FROM one", actions: [forward] });
  await agent.expect(201, "POST", "/rules", { id: "two", sql: "SELECT n FROM two", actions: [{ nop: {} }] });
}

/** The users of the connection do their work with one client, and do not disturb each other. */
async function checkSharing(agent: Agent, broker: Mosquitto): Promise<void> {
  const out = await Subscriber.start(broker, "out/one");
  try {
    await bothSubscribed(broker);
    await publishLines(broker, "in/one", ['{"n":1}', '{"n":2}']);
    await publishLines(broker, "in/two", ['{"n":3}']);
    assert.deepEqual(await out.get(2), ['[{"n":1}]', '[{"n":2}]']);
    await agent.reaches("two", (s) => s.sink_nop_0_0_records_out_total === 1);
    assert.equal(broker.log.split(` as ${clientId} `).length - 1, 1, "one client at the broker");

    await agent.expect(200, "DELETE", "/rules/two");
    await publishLines(broker, "in/one", ['{"n":4}']);
    assert.deepEqual(await out.get(3), ['[{"n":1}]', '[{"n":2}]', '[{"n":4}]']);
    await eventually(() => broker.log.includes(`Received UNSUBSCRIBE from ${clientId}`));
    assert.equal(broker.log.split(` as ${clientId} `).length - 1, 1, "still the same client");
  } finally {
    await out.stop();
  }
}

test("a named connection is one client for streams and sinks, and is protected while rules use it", async () => {
  const broker = await startMosquitto();
  try {
    await withAgent(async (agent) => {
      const props = { server: broker.url, clientid: clientId };
      assert.equal(await agent.expect(201, "POST", "/connections", { id: "plant", typ: "mqtt", props }), "success");
      await eventuallyConnection(agent, ({ status }) => status === "connected");
      await define(agent);
      assert.equal((await connection(agent, "plant")).refCount, 3);

      const refused = await agent.expect(400, "DELETE", "/connections/plant");
      assert.equal(
        JSON.parse(refused).message,
        "drop connection failed: connection plant can't be dropped due to rule references [one two]",
      );
      await agent.expect(400, "PUT", "/connections/plant", { id: "plant", typ: "mqtt", props });
      await checkSharing(agent, broker);
      assert.equal((await connection(agent, "plant")).refCount, 2);

      const source = "source_plant/in/one_0";
      await broker.kill();
      const lost = await eventuallyConnection(agent, ({ status, err }) => status !== "connected" && err !== undefined);
      assert.match(lost.err!, /127\.0\.0\.1/);
      const down = await agent.reaches("one", (s) => s[`${source}_connection_status`] === -1);
      assert.notEqual(down[`${source}_connection_last_disconnected_message`], "");
      assert.ok("op_2_emitter_0_records_in_total" in down && "op_3_decoder_0_records_in_total" in down);
      assert.equal(down.sink_mqtt_0_0_connection_status, -1);
      await broker.start();
      await eventuallyConnection(agent, ({ status }) => status === "connected");
      await agent.reaches("one", (s) => s[`${source}_connection_status`] === 1);

      await agent.expect(200, "DELETE", "/rules/one");
      await agent.expect(200, "PUT", "/connections/plant", { id: "plant", typ: "mqtt", props: { ...props, qos: 0 } })
        .then(() => assert.fail("qos is no property of a connection"), () => {});
      const other = { server: broker.url, clientid: "weir-other" };
      await agent.expect(200, "PUT", "/connections/plant", { id: "plant", typ: "mqtt", props: other });
      await eventually(() => broker.log.includes(" as weir-other "));
      assert.equal(await agent.expect(200, "DELETE", "/connections/plant"), "success");
      await eventually(() => broker.log.includes("Received DISCONNECT from weir-other"));
      assert.equal(JSON.parse((await agent.call("GET", "/connections/plant")).text).error, 1000);
    });
  } finally {
    await broker.stop();
  }
});

async function eventuallyConnection(agent: Agent, wanted: (connection: Connection) => boolean): Promise<Connection> {
  const late = Date.now() + 20_000;
  for (;;) {
    const found = await connection(agent, "plant");
    if (wanted(found)) return found;
    assert.ok(Date.now() < late, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a named connection of the configuration file serves like one of the REST interface", async () => {
  const broker = await startMosquitto({ users: { weir: "s3cret" } });
  try {
    await withFolder(async (folder) => {
      const config = join(folder, "weir.yaml");
      await writeFile(
        config,
        [
          "connections:",
          "  mqtt:",
          "    plant:",
          `      server: ${broker.url}`,
          `      clientid: ${clientId}`,
          "      username: weir",
          "      password: s3cret",
          "",
        ].join("\n"),
      );
      await withAgent(async (agent) => {
        await eventuallyConnection(agent, ({ status }) => status === "connected");
        assert.equal((await connection(agent, "plant")).props.password, "******");
        await agent.expect(400, "DELETE", "/connections/plant");
        await define(agent);
        await bothSubscribed(broker);
        assert.equal(broker.log.split(` as ${clientId} `).length - 1, 1);
      }, { args: ["--config", config] });
    });
  } finally {
    await broker.stop();
  }
});

test("rules with the same client id and settings are one client, instead of throwing each other out", async () => {
  const broker = await startMosquitto({ users: { weir: "s3cret" } });
  try {
    await withAgent(async (agent) => {
      const settings = { server: broker.url, clientid: clientId, username: "weir", password: "s3cret" };
      await define(agent, settings);
      const asked = (times: number) =>
        eventually(() => ["in/one", "in/two"].every((topic) => broker.log.split(`\t${topic} (QoS 1)`).length > times));
      await asked(1);
      await broker.kill();
      await broker.start();
      await asked(2);
      await agent.reaches("one", (s) => s.sink_mqtt_0_0_connection_status === 1);
      assert.equal(broker.log.split(` as ${clientId} `).length - 1, 2, "one client before and after the loss");
      assert.ok(!broker.log.includes("session taken over"));
      const all: { id: string; props: { password: string } }[] = JSON.parse(
        await agent.expect(200, "GET", "/connections?forceAll=true"),
      );
      assert.deepEqual(all.map(({ props }) => props.password), ["******"]);
    });
  } finally {
    await broker.stop();
  }
});

test("an unknown connection is refused, with the nearest name", () =>
  withAgent(async (agent) => {
    const props = { server: "tcp://127.0.0.1:1" };
    await agent.expect(201, "POST", "/connections", { id: "plant", typ: "mqtt", props });
    await agent.expect(201, "POST", "/streams", {
      sql: `CREATE STREAM s () WITH (TYPE="simulator", EXTRA='{"data":[{"n":1}],"interval":10,"loop":true}')`,
    });
    const rule = (selector: string) => ({
      id: "r",
      sql: "SELECT n FROM s",
      actions: [{ mqtt: { connectionSelector: selector, topic: "t" } }],
    });
    const answer = JSON.parse(await agent.expect(400, "POST", "/rules", rule("plnt")));
    assert.equal(answer.message, "connection plnt not existed");
    assert.equal(answer.diagnostics[0].hint, 'did you mean "plant"?');
    // A broker that is not there is no reason to refuse.
    await agent.expect(201, "POST", "/rules", rule("plant"));
    const status = await agent.reaches("r", (s) => s.sink_mqtt_0_0_connection_status === -1);
    assert.equal(status.status, "running");
    assert.ok(Number(status.sink_mqtt_0_0_exceptions_total) > 0);
    assert.match(String(status.sink_mqtt_0_0_last_exception), /127\.0\.0\.1:1/);
  }));

test("a rule that leaves a connection with a kept session holds up no other, and a restart loses nothing", async () => {
  const broker = await startMosquitto();
  try {
    await withFolder(async (folder) => {
      const dataDir = join(folder, "data");
      await withAgent(async (agent) => {
        const props = { server: broker.url, clientid: clientId, enableClientSession: true };
        await agent.expect(201, "POST", "/connections", { id: "plant", typ: "mqtt", props });
        await define(agent);
        await bothSubscribed(broker);
        await agent.expect(200, "POST", "/rules/one/stop");
        // Of messages that are not acknowledged, mosquitto sends no more than 20.
        const many = Array.from({ length: 60 }, (_, n) => JSON.stringify({ n }));
        await publishLines(broker, "in/one", many, ["-q", "1"]);
        await publishLines(broker, "in/two", many, ["-q", "1"]);
        await agent.reaches("two", (s) => s.sink_nop_0_0_records_out_total === 60);
        assert.equal(await agent.end(), 0);
        await publishLines(broker, "in/two", many.slice(0, 7), ["-q", "1"]);
      }, { dataDir });
      await withAgent(async (agent) => {
        await agent.reaches("two", (s) => s.sink_nop_0_0_records_out_total === 7);
      }, { dataDir });
    });
  } finally {
    await broker.stop();
  }
});
