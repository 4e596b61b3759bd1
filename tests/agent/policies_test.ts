/**
 * Policies of a real agent with a real broker: what they refuse never leaves it.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { AuditPage } from "../../src/admin/audit.ts";
import { eventually } from "../eventually.ts";
import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import { Agent, weir, withFolder } from "./agent.ts";
import { publishLines, Subscriber } from "./mosquitto_clients.ts";

const password = "a password for all";

interface Scene {
  readonly agent: Agent;
  readonly folder: string;
  readonly server: string;
  readonly broker: Mosquitto;
  ask(who: string, method: string, path: string, body?: unknown): Promise<{ status: number; text: string }>;
}

const policies = `
policies:
  - name: line a
    principals: ["user:ada"]
    allow:
      read: [{ stream: demo }, { connector: simulator }]
      write: [{ connector: mqtt, topic: "line-a/#" }, { connector: file, path: "FOLDER/out/**" }, { connector: nop }]
  - name: safety
    principals: ["*"]
    deny:
      write: [{ topic: "safety/#" }]
      read: [{ topic: "secret/#" }]
`;

function asHeaders(who: string): Record<string, string> {
  return { Authorization: `Basic ${btoa(`${who}:${password}`)}` };
}

async function withScene(work: (scene: Scene, restart: () => Promise<void>) => Promise<void>): Promise<void> {
  const broker = await startMosquitto();
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const config = join(folder, "weir.yaml");
    writeFileSync(config, policies.replaceAll("FOLDER", folder));
    for (const [name, role] of [["root", "admin"], ["ada", "editor"], ["bob", "editor"]] as const) {
      const args = ["user", "add", name, "--role", role, "--password-stdin", "--data-dir", dataDir];
      assert.equal((await weir(args, `${password}\n`)).code, 0);
    }
    const start = () => Agent.start({ dataDir, args: ["--config", config] });
    let agent = await start();
    const scene: Scene = {
      get agent() {
        return agent;
      },
      folder,
      server: broker.url,
      broker,
      async ask(who, method, path, body) {
        const text = body === undefined ? {} : { body: JSON.stringify(body) };
        const response = await fetch(agent.url + path, { method, headers: asHeaders(who), ...text });
        return { status: response.status, text: await response.text() };
      },
    };
    try {
      const settings = { server: broker.url };
      assert.equal((await scene.ask("root", "PUT", "/metadata/sources/mqtt/confKeys/b", settings)).status, 200);
      for (const [name, topic] of [["demo", "in"], ["other", "in"], ["hidden", "secret/+"], ["wide", "#"]] as const) {
        const sql = `CREATE STREAM ${name} () WITH (DATASOURCE="${topic}", TYPE="mqtt", FORMAT="json", CONF_KEY="b")`;
        assert.equal((await scene.ask("root", "POST", "/streams", { sql })).status, 201);
      }
      await work(scene, async () => {
        await agent.end("SIGTERM");
        agent = await start();
      });
    } finally {
      await agent.end("SIGKILL");
      await broker.stop();
    }
  });
}

function rule(id: string, action: object, sql = "SELECT * FROM demo", options = {}): object {
  return { id, sql, actions: [action], options };
}

test("a rule that would read or write what its maker may not is refused when it is made, replaced, checked or imported", () =>
  withScene(async ({ ask, server, folder }) => {
    const mqtt = (topic: string) => ({ mqtt: { server, topic } });
    assert.equal((await ask("ada", "POST", "/rules", rule("ok", mqtt("line-a/alerts")))).status, 201);
    assert.equal(
      (await ask("ada", "POST", "/rules", rule("ok2", { file: { path: `${folder}/out/x.txt` } }))).status,
      201,
    );
    const refused: readonly (readonly [who: string, body: object, reason: RegExp])[] = [
      ["ada", rule("r", mqtt("line-b/alerts")), /user ada must not write mqtt \(topic line-b\/alerts\)/],
      ["ada", rule("r", { log: {} }), /must not write log/],
      ["ada", rule("r", { file: { path: `${folder}/out/../x.txt` } }), /must not write file/],
      ["ada", rule("r", mqtt("line-a/x"), "SELECT * FROM other"), /must not read mqtt of other/],
      ["bob", rule("r", mqtt("safety/stop")), /user bob must not write .*: policy safety denies it/],
      ["root", rule("r", { nop: {} }, "SELECT * FROM hidden"), /user root must not read mqtt of hidden/],
      ["root", rule("r", { nop: {} }, "SELECT * FROM wide"), /policy safety denies it/],
    ];
    for (const [who, body, reason] of refused) {
      const made = await ask(who, "POST", "/rules", body);
      assert.equal(made.status, 403, made.text);
      assert.match(JSON.parse(made.text).message, reason);
      assert.equal(JSON.parse(made.text).diagnostics[0].code, "E709");
      assert.equal((await ask(who, "POST", "/rules/validate", body)).status, 403);
      assert.equal((await ask("root", "GET", "/rules/r")).status, 404);
    }
    const replaced = await ask("ada", "PUT", "/rules/ok", rule("ok", mqtt("line-b/alerts")));
    assert.equal(replaced.status, 403);
    assert.match((await ask("root", "GET", "/rules/ok")).text, /line-a\/alerts/);
    const ruleset = { rules: { r: JSON.stringify(rule("r", mqtt("line-b/x"))) }, streams: {}, tables: {} };
    const imported = await ask("ada", "POST", "/ruleset/import", { content: JSON.stringify(ruleset) });
    assert.equal(imported.text, "imported 0 streams, 0 tables and 0 rules");
    const trial = { id: "t", sql: "SELECT * FROM other", sinkProps: {} };
    assert.equal((await ask("ada", "POST", "/ruletest", trial)).status, 403);
    const reached = await ask("ada", "POST", "/metadata/sinks/connection/rest", { url: "http://127.0.0.1:1/" });
    assert.ok([400, 403].includes(reached.status), reached.text);
    assert.equal((await ask("bob", "POST", "/rules", rule("b", { log: {} }))).status, 201);
    const { entries } = JSON.parse((await ask("root", "GET", "/api/v1/audit?actor=user%20ada")).text) as AuditPage;
    const told = entries.find(({ event }) => event.status === 403);
    assert.match(told!.event.reason, /must not/);
  }));

test("a topic that each message says by itself is looked at when it is sent; what is refused is kept aside, not sent", () =>
  withScene(async ({ agent, ask, server, broker }) => {
    const listener = await Subscriber.start(broker, "#", ["-v"]);
    try {
      const action = { mqtt: { server, topic: "{{.to}}", sendSingle: true, qos: 1 } };
      const made = await ask("ada", "POST", "/rules", rule("r", action, "SELECT * FROM demo", { qos: 1 }));
      assert.equal(made.status, 201, made.text);
      const status = async () => JSON.parse((await ask("root", "GET", "/rules/r/status")).text);
      await eventually(async () => (await status()).source_demo_0_connection_status === 1);
      const topics = ["line-a/1", "safety/stop", "line-b/1", "line-a/2"];
      await publishLines(broker, "in", topics.map((to, n) => JSON.stringify({ to, n })));
      await eventually(async () => (await status()).sink_mqtt_0_0_records_out_total === 2);
      await eventually(() => listener.lines.some((line) => line.includes('"n":3') && line.startsWith("line-a/2")));
      const sent = listener.lines.filter((line) => !line.startsWith("in ")).map((line) => line.split(" ")[0]);
      assert.deepEqual(sent, ["line-a/1", "line-a/2"]);
      const dead = JSON.parse((await ask("root", "GET", "/api/v1/rules/r/dead-letters")).text);
      assert.equal(dead.total, 2);
      assert.match(
        dead.letters[0].reason,
        /policy: user ada must not write mqtt \(topic safety\/stop\): policy safety/,
      );
      assert.match(dead.letters[1].reason, /no policy allows it/);
      await eventually(() => /A message was refused by a policy/.test(agent.output().stderr));
    } finally {
      await listener.stop();
    }
  }));

test("a rule stops when its maker loses his account, and starts again neither by itself nor at the next start of the agent", () =>
  withScene(async (scene, restart) => {
    const { ask, server } = scene;
    assert.equal((await ask("ada", "POST", "/rules", rule("r", { mqtt: { server, topic: "line-a/x" } }))).status, 201);
    assert.equal((await ask("root", "POST", "/rules", rule("other", { log: {} }))).status, 201);
    assert.equal((await ask("root", "DELETE", "/api/v1/users/ada")).status, 200);
    const status = async (id: string) => JSON.parse((await ask("root", "GET", `/rules/${id}/status`)).text);
    await eventually(async () => (await status("r")).status === "stopped by error");
    assert.match((await status("r")).message, /E709: user ada is no more/);
    assert.equal((await status("other")).status, "running");
    await restart();
    await eventually(async () => (await status("other")).status === "running");
    assert.equal((await status("r")).status, "stopped by error");
    const text = (await ask("root", "GET", "/rules/r")).text;
    assert.equal((await ask("root", "PUT", "/rules/r", JSON.parse(text))).status, 200);
    await eventually(async () => (await status("r")).status === "running");
  }));

test("a policy with a name that its connector does not know keeps the agent from starting", () =>
  withFolder(async (folder) => {
    const config = join(folder, "weir.yaml");
    const write = (pattern: string) =>
      writeFileSync(config, `policies:\n  - { name: p, principals: ["*"], deny: { write: [${pattern}] } }\n`);
    write("{ connector: mqtt, topik: x }");
    const wrong = await weir(["config", "check", "-c", config]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr + wrong.stdout, /Unknown setting "topik" of mqtt/);
    assert.match(wrong.stderr + wrong.stdout, /topic/);
    write("{ connector: mqttt }");
    await assert.rejects(
      Agent.start({ dataDir: join(folder, "data"), args: ["--config", config] }),
      /Unknown sink type "mqttt"/,
    );
    writeFileSync(config, 'policies:\n  - { name: p, principals: ["ada"] }\n');
    await assert.rejects(
      Agent.start({ dataDir: join(folder, "data"), args: ["--config", config] }),
      /such as user:ada/,
    );
  }));
