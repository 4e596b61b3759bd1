/**
 * Who may ask an agent: everybody on its machine while nobody has an account, then those with a credential.
 * @module
 */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, weir, withFolder } from "./agent.ts";

/** An address of this machine that is not loopback; undefined where there is none. */
function outside(): string | undefined {
  return Object.values(networkInterfaces()).flat().find((each) => each?.family === "IPv4" && !each.internal)?.address;
}

test("a fresh agent takes requests of its machine only; with an account, only those with a credential", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const first = await Agent.start({ dataDir, args: ["--listen", "0.0.0.0:0"] });
    const { port } = new URL(first.url);
    try {
      assert.equal((await fetch(`http://127.0.0.1:${port}/rules`)).status, 200);
      const address = outside();
      if (address !== undefined) {
        const foreign = await fetch(`http://${address}:${port}/rules`);
        assert.deepEqual([foreign.status, await foreign.text()], [401, "missing_token"]);
        assert.equal((await fetch(`http://${address}:${port}/ping`)).status, 200);
      }
      assert.match(first.output().stderr, /only requests from this machine are taken until there is an account/);
      const running = await weir(["user", "add", "ada", "--role", "admin", "--generate", "--data-dir", dataDir]);
      assert.equal(running.code, 1, "the store is the agent's while it runs");
    } finally {
      await first.end("SIGKILL");
    }

    const added = await weir(["user", "add", "ada", "--role", "admin", "--generate", "--data-dir", dataDir]);
    assert.equal(added.code, 0, added.stderr);
    const password = /^Password: (\S{24})$/m.exec(added.stdout)![1]!;
    const agent = await Agent.start({ dataDir });
    try {
      const asked = await fetch(`${agent.url}/rules`);
      assert.deepEqual([asked.status, await asked.text()], [401, "missing_token"]);
      const server = ["--server", agent.url];
      const without = await weir(["rule", "ls", ...server]);
      assert.equal(without.code, 1);
      assert.match(without.stderr, /the agent wants a credential\n {2}give one with --token or WEIR_TOKEN/);
      const ada = ["--token", `ada:${password}`, ...server];
      assert.equal((await weir(["rule", "ls", ...ada])).code, 0);

      const created = await weir(["token", "create", "ci", "--role", "operator", "--expires-in", "1h", ...ada]);
      assert.equal(created.code, 0, created.stderr);
      const token = created.stdout.trim();
      assert.equal((await weir(["rule", "ls", "--token", token, ...server])).code, 0);
      const sql = 'CREATE STREAM demo () WITH (TYPE="memory", DATASOURCE="t")';
      const refused = await weir(["stream", "create", sql, "--token", token, ...server]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /token ci is operator: editor is needed/);
      assert.match((await weir(["token", "ls", ...ada])).stdout, /^NAME {2}ROLE.*\nci {4}operator {2}\d{4}-/);

      const typed = await weir(
        ["user", "add", "bob", "--role", "viewer", "--password-stdin", ...ada],
        "a very long word\n",
      );
      assert.equal(typed.code, 0, typed.stderr);
      assert.equal((await weir(["rule", "ls", "--token", "bob:a very long word", ...server])).code, 0);
      assert.equal((await weir(["user", "role", "bob", "editor", ...ada])).code, 0);
      assert.match((await weir(["user", "ls", ...ada])).stdout, /ada {3}admin.*\nbob {3}editor/);
      assert.equal((await weir(["user", "rm", "bob", ...ada])).code, 0);
      assert.equal((await weir(["rule", "ls", "--token", "bob:a very long word", ...server])).code, 1);
      assert.match((await weir(["user", "rm", "ada", "--token", `ada:${password}`, ...server])).stderr, /last admin/);
      assert.doesNotMatch(agent.output().stderr, new RegExp(password));
    } finally {
      await agent.end("SIGKILL");
    }
  });
});

test("the admin token of the configuration lets in, and shows nowhere", async () => {
  await withFolder(async (folder) => {
    const token = "a-token-from-outside-0123456789";
    const agent = await Agent.start({
      dataDir: join(folder, "data"),
      environment: { WEIR__auth__adminToken: token },
    });
    try {
      assert.equal((await fetch(`${agent.url}/rules`)).status, 401);
      const headers = { Authorization: `Bearer ${token}` };
      assert.equal((await fetch(`${agent.url}/rules`, { headers })).status, 200);
      assert.equal((await fetch(`${agent.url}/metrics`)).status, 401);
      assert.doesNotMatch(agent.output().stderr, /a-token-from/);
    } finally {
      await agent.end("SIGKILL");
    }
    await assert.rejects(
      Agent.start({ dataDir: join(folder, "other"), environment: { WEIR__auth__adminToken: "short" } }),
      (error: Error) => /auth\.adminToken.*16 characters/.test(error.message) && !/short/.test(error.message),
    );
  });
});
