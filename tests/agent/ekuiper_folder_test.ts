/**
 * The folder with the connector settings of an eKuiper is used as it is: its confKeys, its connections, and the variables of
 * the environment that change them.
 * @module
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { startMosquitto } from "../mosquitto.ts";
import { Agent, withFolder } from "./agent.ts";

/** As they stand in an installation, with what its users have added. */
function filesOf(broker: string): Readonly<Record<string, string>> {
  return {
    "mqtt_source.yaml": `
#Global MQTT configurations
default:
  qos: 1
  server: "tcp://127.0.0.1:1"
  #username: user1
  #password: password
  #certificationPath: /var/kuiper/xyz-certificate
  #privateKeyPath: /var/kuiper/xyz-private.pem.key
  #connectionSelector: mqtt.localConnection
  insecureSkipVerify: false
demo_conf: #Conf_key
  qos: 0
  server: "${broker}"
  bufferLength: 102400
named:
  connectionSelector: mqtt.plant
`,
    "sources/simulator.yaml": `
default:
  data:
    - temperature: 30.5
      humidity: 60
  interval: 1s
  loop: true
fast:
  data: { temperature: 20 }
  interval: 10
`,
    "sources/memory.yaml": "default: {}\n",
    "sources/file.yaml": `
default:
  fileType: json
  path: data
  interval: 0
  sendInterval: 0
lines:
  fileType: lines
  ignoreStartLines: 1
  actionAfterRead: 0
`,
    "sources/httppull.yaml": `
default:
  url: http://localhost
  method: post
  interval: 10000
  timeout: 5000
  incremental: false
  body: '{}'
  bodyType: json
  insecureSkipVerify: true
  headers:
    Accept: application/json
application_conf:
  incremental: true
  url: http://localhost:9090/
  oAuth:
    access:
      url: 'http://localhost:9090/token'
      body: '{"username": "admin","password": "0000"}'
      expire: '3600'
    refresh:
      url: 'http://localhost:9090/refresh'
      headers:
        identityId: '{{.data.identityId}}'
        token: '{{.data.token}}'
      body: ''
`,
    "sources/httppush.yaml": "default:\n  method: POST\n",
    "sources/redisSub.yaml": `
default:
  address: 127.0.0.1:6379
  username: default
  db: 0
  channels:
    - channel
`,
    "sources/websocket.yaml": "default:\n  addr: 127.0.0.1:8080\n  scheme: ws\n",
    "sources/sql.yaml": `
default:
  interval: 10000
  dburl: mysql://user:test@140.210.204.147/user?parseTime=true
template_config:
  templateSqlQueryCfg:
    TemplateSql: "select * from table where entry_data > {{.entry_data}}"
    indexField: entry_data
    indexValue: "2022-04-13 06:22:32.233"
    indexFieldType: "DATETIME"
    dateTimeFormat: "YYYY-MM-dd HH:mm:ssSSS"
`,
    "sources/edgex.yaml": "default:\n  protocol: tcp\n  server: localhost\n  port: 5573\n  topic: events\n",
    "sources/simulator.json": '{"about": {"trial": false}}',
    "connections/connection.yaml": `
mqtt:
  plant: #connection key
    server: "tcp://127.0.0.1:2"
    qos: 1
    clientid: plant-gateway
  gone:
    server: "tcp://127.0.0.1:3"
    xOperation: delete
edgex:
  redisMsgBus:
    protocol: redis
    server: 127.0.0.1
    port: 6379
    type: redis
`,
    "kuiper.yaml": "basic:\n  restPort: 9081\n",
  };
}

test("an agent uses the connector settings of an eKuiper as they are", async () => {
  const broker = await startMosquitto();
  try {
    await withFolder(async (folder) => {
      const etc = join(folder, "etc");
      for (const [name, text] of Object.entries(filesOf(broker.url))) {
        mkdirSync(dirname(join(etc, name)), { recursive: true });
        writeFileSync(join(etc, name), text);
      }
      const agent = await Agent.start({
        dataDir: join(folder, "data"),
        environment: {
          WEIR__ekuiperDir: etc,
          CONNECTION__MQTT__PLANT__SERVER: broker.url,
          SIMULATOR__FAST__LOOP: "true",
          SOME__OTHER__PROGRAM: "x",
        },
      });
      try {
        const mqtt = await (await fetch(`${agent.url}/metadata/sources/yaml/mqtt`)).json();
        assert.deepEqual(Object.keys(mqtt), ["default", "demo_conf", "named"]);
        const simulator = await (await fetch(`${agent.url}/metadata/sources/yaml/simulator`)).json();
        assert.equal(simulator.fast.loop, true);
        const sql = await (await fetch(`${agent.url}/metadata/sources/yaml/sql`)).json();
        assert.equal(sql.template_config.templateSqlQueryCfg.indexField, "entry_data");
        await eventually(async () => {
          const connections = await (await fetch(`${agent.url}/connections`)).json();
          return connections.length === 1 && connections[0].id === "plant" && connections[0].status === "connected";
        }, 20_000);
        for (const [name, confKey] of [["demo", "demo_conf"], ["plant", "named"]]) {
          const sql = `CREATE STREAM ${name} () WITH (DATASOURCE="t/${name}", CONF_KEY="${confKey}")`;
          await agent.expect(201, "POST", "/streams", { sql });
        }
        const fast = 'CREATE STREAM fast () WITH (TYPE="simulator", CONF_KEY="FAST")';
        await agent.expect(201, "POST", "/streams", { sql: fast });
        const rule = (id: string, sql: string, server: string, topic: string) => ({
          id,
          sql,
          actions: [{ mqtt: { server, topic, sendSingle: true } }],
        });
        await agent.expect(201, "POST", "/rules", rule("feed", "SELECT * FROM fast", broker.url, "t/demo"));
        await agent.expect(201, "POST", "/rules", rule("on", "SELECT * FROM demo", broker.url, "t/plant"));
        await agent.expect(201, "POST", "/rules", rule("end", "SELECT * FROM plant", broker.url, "t/end"));
        await eventually(async () => {
          const status = await (await fetch(`${agent.url}/rules/end/status`)).json();
          return status.sink_mqtt_0_0_records_out_total > 2;
        }, 20_000);
        const { stderr } = agent.output();
        assert.match(stderr, /for a connector that weir has not.* source=edgex file=sources\/edgex.yaml/);
        // A client has no QoS, its subscriptions have.
        const leftOut = stderr.split("\n").filter((line) => line.includes("left out: no connector knows it"));
        assert.equal(leftOut.length, 1, leftOut.join("\n"));
        assert.match(leftOut[0]!, /connection=mqtt key=plant setting=qos file=connections\/connection\.yaml/);
        assert.equal(await agent.end(), 0);
      } finally {
        await agent.end("SIGKILL");
      }
    });
  } finally {
    await broker.stop();
  }
});

test("a wrong value in such a folder stops the start, with its file; a setting that nobody knows does not", async () => {
  await withFolder(async (folder) => {
    const start = (text: string) => {
      writeFileSync(join(folder, "mqtt_source.yaml"), text);
      return Agent.start({ dataDir: join(folder, "data"), environment: { WEIR__ekuiperDir: folder } });
    };
    await assert.rejects(start("default:\n  qos: 7\n"), /E403.*"qos".*\n.*mqtt_source\.yaml: default\.qos/);
    await assert.rejects(start("default: 5\n"), /E401.*"default" must hold keys/);
    const agent = await start("default:\n  server: tcp://127.0.0.1:1\n  kubernetes: true\n");
    try {
      assert.match(agent.output().stderr, /left out: no connector knows it.* key=default setting=kubernetes/);
    } finally {
      await agent.end("SIGKILL");
    }
  });
});
