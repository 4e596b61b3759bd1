/**
 * `weir doctor` tells which named connections can be reached: by trying them, or from the agent that runs.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../mosquitto.ts";
import { Agent, weir, withFolder } from "./agent.ts";

test("connections of the file and of the database are tried without an agent, and asked of one that runs", () =>
  withFolder(async (folder) => {
    const broker = await startMosquitto();
    const dataDir = join(folder, "data");
    const file = join(folder, "weir.yaml");
    writeFileSync(
      file,
      `listen: 127.0.0.1:1\ndataDir: ${dataDir}\nconnections:\n  mqtt:\n    plant: { server: "${broker.url}" }\n`,
    );
    const doctor = async (...args: string[]) => {
      const { code, stdout, stderr } = await weir(["doctor", "--config", file, "--json", ...args]);
      assert.equal(stderr, "");
      const { findings } = JSON.parse(stdout) as { findings: { area: string; verdict: string; found: string }[] };
      return { code, connections: findings.filter(({ area }) => area === "connections") };
    };
    const agent = await Agent.start({ dataDir, args: ["--config", file] });
    try {
      const props = { server: "tcp://127.0.0.1:1" };
      await agent.expect(201, "POST", "/connections", { id: "away", typ: "mqtt", props });
      const asked = await doctor("--server", agent.url);
      assert.equal(asked.code, 1);
      assert.match(asked.connections.find(({ found }) => found.startsWith("away"))!.found, /is (dis)?connect(ed|ing)/);
    } finally {
      await agent.end();
      await agent.remove();
    }
    const tried = await doctor();
    assert.equal(tried.code, 1);
    const [away, plant] = tried.connections.toSorted((a, b) => (a.found < b.found ? -1 : 1));
    assert.equal(away!.verdict, "problem");
    assert.match(away!.found, /^away \(mqtt\): .*tcp:\/\/127\.0\.0\.1:1/);
    assert.deepEqual([plant!.verdict, plant!.found], ["ok", "plant (mqtt) can be reached"]);
    await broker.stop();
  }));
