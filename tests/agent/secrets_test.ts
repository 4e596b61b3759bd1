/**
 * References to secrets, with a real broker that wants a password.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../eventually.ts";
import { startMosquitto } from "../mosquitto.ts";
import { Agent, weir, withFolder } from "./agent.ts";

test("a password that stands in a file opens a connection, is tried until it is there, and is nowhere to be seen", () =>
  withFolder(async (folder) => {
    const [dir, passwords] = [join(folder, "secrets"), join(folder, "passwords")];
    mkdirSync(dir);
    execFileSync("mosquitto_passwd", ["-b", "-c", passwords, "gateway", "a word of the broker"]);
    const broker = await startMosquitto({ lines: ["allow_anonymous false", `password_file ${passwords}`] });
    const config = join(folder, "weir.yaml");
    const settings = `server: "${broker.url}", username: gateway, password: "file:${folder}/of the file"`;
    writeFileSync(
      config,
      `secrets: { dirs: ["${dir}"] }\nsources: { mqtt: { own: { ${settings} } } }\nauth: { adminToken: "file:${folder}/token" }\n`,
    );
    writeFileSync(join(folder, "of the file"), "a word of the broker\n");
    const without = await weir(["config", "check", "-c", config]);
    assert.match(without.stderr + without.stdout, /E711.*auth\.adminToken.*token/s);
    writeFileSync(join(folder, "token"), "a token of sixteen characters\n");
    const agent = await Agent.start({ dataDir: join(folder, "data"), args: ["--config", config] });
    const headers = { Authorization: "Bearer a token of sixteen characters" };
    const ask = async (method: string, path: string, body?: unknown) => {
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await fetch(agent.url + path, { method, headers, ...text });
      return { status: answer.status, text: await answer.text() };
    };
    try {
      const key = (password: string) => ({ server: broker.url, username: "gateway", password });
      const wrong = await ask("PUT", "/metadata/sources/mqtt/confKeys/b", key("file:/etc/shadow"));
      assert.equal(wrong.status, 400);
      assert.match(wrong.text, /E710/);
      const reference = `file:${dir}/broker`;
      assert.equal((await ask("PUT", "/metadata/sources/mqtt/confKeys/b", key(reference))).status, 200);
      for (const [name, confKey] of [["s", "b"], ["t", "own"]]) {
        const sql =
          `CREATE STREAM ${name} () WITH (DATASOURCE="in", TYPE="mqtt", FORMAT="json", CONF_KEY="${confKey}")`;
        assert.equal((await ask("POST", "/streams", { sql })).status, 201);
        const rule = { id: name, sql: `SELECT * FROM ${name}`, actions: [{ nop: {} }] };
        assert.equal((await ask("POST", "/rules", rule)).status, 201);
      }
      const action = { mqtt: { ...key("env:HOME"), topic: "out" } };
      const refused = await ask("POST", "/rules", { id: "x", sql: "SELECT * FROM s", actions: [action] });
      assert.deepEqual([refused.status, /E710/.test(refused.text)], [400, true]);

      const status = async (id: string) => JSON.parse((await ask("GET", `/rules/${id}/status`)).text);
      await eventually(async () => (await status("t")).source_t_0_connection_status === 1);
      await eventually(async () => /E711/.test((await status("s")).source_s_0_connection_last_disconnected_message));
      assert.equal((await status("s")).status, "running");
      writeFileSync(join(dir, "broker"), "a word of the broker");
      await eventually(async () => (await status("s")).source_s_0_connection_status === 1, 30_000);

      const shown = await ask("GET", "/metadata/sources/yaml/mqtt");
      assert.ok(shown.text.includes(reference), shown.text);
      const exported = await ask("GET", "/data/export");
      assert.ok(exported.text.includes(reference));
      const { stdout, stderr } = agent.output();
      const database = readFileSync(join(folder, "data", "weir.db"), "latin1");
      const wal = readFileSync(join(folder, "data", "weir.db-wal"), "latin1");
      for (
        const text of [shown.text, exported.text, stdout, stderr, database, wal, JSON.stringify(await status("s"))]
      ) {
        assert.ok(!text.includes("a word of the broker"));
      }
    } finally {
      await agent.end("SIGKILL");
      await broker.stop();
    }
  }));
