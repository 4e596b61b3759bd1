import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startAgent, temporaryDirectory, weir } from "./fixture.ts";

async function wordsFor(...line: string[]): Promise<string[]> {
  const { code, stdout } = await weir(["completion", "--words", "--", ...line]);
  assert.equal(code, 0);
  return stdout.split("\n").slice(0, -1);
}

test("commands, verbs, flags and connector types are completed", async () => {
  assert.deepEqual(await wordsFor("ru"), ["rule"]);
  assert.deepEqual(await wordsFor("help", "mo"), ["modbus"]);
  assert.deepEqual(await wordsFor("rule", "st"), ["start", "status", "stop"]);
  assert.deepEqual(await wordsFor("config", "get", "s"), ["sink", "source"]);
  assert.deepEqual(await wordsFor("config", "get", "source", "w"), ["wire"]);
  assert.deepEqual(await wordsFor("config", "--json", "get", "sink", ""), [], "it is no sink");
  assert.deepEqual(await wordsFor("serve", "--data"), ["--data-dir"]);
  assert.deepEqual(await wordsFor("serve", "--data-dir", ""), [], "a path is for the shell");
  assert.deepEqual(await wordsFor("completion", "z"), ["zsh"]);
  assert.deepEqual(await wordsFor("nosuch", ""), []);
});

test("names are those of the agent; without one there are none", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const agent = await startAgent(["--data-dir", join(path, "data")]);
    try {
      const sql = 'CREATE STREAM demo () WITH (TYPE="memory", DATASOURCE="t")';
      assert.equal((await weir(["stream", "create", sql, "--server", agent.url])).code, 0);
      assert.deepEqual(await wordsFor("stream", "get", "--server", agent.url, "de"), ["demo"]);
      assert.deepEqual(await wordsFor("stream", "--server", agent.url, "rm", ""), ["demo"]);
    } finally {
      await agent.stop("SIGKILL");
    }
    assert.deepEqual(await wordsFor("stream", "get", "-s", "http://127.0.0.1:1", ""), []);
  } finally {
    cleanUp();
  }
});

test("the script of bash completes a line", async () => {
  const { path, cleanUp } = temporaryDirectory();
  try {
    const { stdout: script } = await weir(["completion", "bash"]);
    const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
    const engine = process.versions.deno === undefined ? "" : "run -A --no-check";
    writeFileSync(join(path, "weir"), `#!/bin/sh\nexec "${process.execPath}" ${engine} "${main}" "$@"\n`);
    chmodSync(join(path, "weir"), 0o755);
    const ask = `${script}
COMP_WORDS=(weir rule re); COMP_CWORD=2; _weir; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, PATH: `${path}${delimiter}${process.env.PATH}` };
    const { stdout, stderr } = spawnSync("bash", ["-c", ask], { env, encoding: "utf8" });
    assert.deepEqual(stdout.split("\n").slice(0, -1), ["reset", "restart"], stderr);
  } finally {
    cleanUp();
  }
});

test("each shell has a script that it can read, where it is there", async () => {
  for (const [shell, check] of [["bash", "-n"], ["zsh", "-n"], ["fish", "--no-execute"]] as const) {
    const { code, stdout } = await weir(["completion", shell]);
    assert.equal(code, 0);
    assert.match(stdout, /weir completion --words/);
    if (!existsSync(`/usr/bin/${shell}`)) continue;
    assert.equal(spawnSync(shell, [check], { input: stdout }).status, 0, shell);
  }
  assert.equal((await weir(["completion", "tcsh"])).code, 2);
});
