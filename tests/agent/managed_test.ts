/**
 * Rules as files, on real agents: applied as one, followed, refused as one, and not half there after a kill.
 */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { ManagedState } from "../../src/managed/managed_rules.ts";
import { eventually } from "../eventually.ts";
import { Agent, weir, withFolder } from "./agent.ts";

const stream = `CREATE STREAM ticks () WITH (TYPE="simulator", CONF_KEY="fast");\n`;
const config = "sources: { simulator: { fast: { data: [{ n: 1 }, { n: 2 }], interval: 5, loop: true } } }\n";

function rule(id: string, where = "n > 0"): string {
  return JSON.stringify({ id, sql: `SELECT n FROM ticks WHERE ${where}`, actions: [{ nop: {} }] });
}

interface Scene {
  readonly agent: Agent;
  readonly rulesDir: string;
  write(name: string, text: string): void;
  remove(name: string): void;
  state(): Promise<ManagedState>;
  ids(): Promise<string[]>;
  start(): Promise<Agent>;
}

async function withFiles(
  files: Record<string, string>,
  work: (scene: Scene) => Promise<void>,
  yaml = config,
): Promise<void> {
  await withFolder(async (folder) => {
    const [rulesDir, configFile, dataDir] = [join(folder, "rules.d"), join(folder, "weir.yaml"), join(folder, "data")];
    mkdirSync(rulesDir);
    writeFileSync(configFile, yaml);
    const write = (name: string, text: string) => writeFileSync(join(rulesDir, name), text);
    for (const [name, text] of Object.entries(files)) write(name, text);
    const args = ["--config", configFile, "--rules-dir", rulesDir];
    let agent = await Agent.start({ dataDir, args });
    try {
      await work({
        get agent() {
          return agent;
        },
        rulesDir,
        write,
        remove: (name) => rmSync(join(rulesDir, name)),
        state: async () => JSON.parse(await agent.expect(200, "GET", "/api/v1/managed")),
        ids: async () => JSON.parse(await agent.expect(200, "GET", "/rules")).map(({ id }: { id: string }) => id),
        start: async () => agent = await Agent.start({ dataDir, args }),
      });
    } finally {
      await agent.end("SIGKILL");
    }
  });
}

test("files make streams and rules, changes are followed, what did not change goes on, what is gone is removed", () =>
  withFiles({
    "streams.sql": stream,
    "a.json": rule("a"),
    "more.yaml":
      `id: b\nsql: SELECT n FROM ticks\nactions: [{ nop: {} }]\n---\nid: c\nsql: SELECT n FROM ticks\nactions: [{ nop: {} }]\n`,
    ".hidden.json": "{",
    "notes.txt": "not a rule",
  }, async ({ agent, write, remove, state, ids }) => {
    assert.deepEqual(await ids(), ["a", "b", "c"]);
    assert.equal((await state()).state, "applied");
    assert.deepEqual((await state()).managed.map(({ kind, name, file }) => `${kind} ${name} ${file}`).sort(), [
      "rule a a.json",
      "rule b more.yaml",
      "rule c more.yaml",
      "stream ticks streams.sql",
    ]);
    const out = "sink_nop_0_0_records_out_total";
    await agent.reaches("a", (status) => Number(status[out]) > 5);
    const before = Number((await agent.status("a"))[out]);
    write("more.yaml", "id: b\nsql: SELECT n FROM ticks WHERE n > 1\nactions: [{ nop: {} }]\n");
    write("d.json", rule("d"));
    await eventually(async () => (await ids()).join() === "a,b,d", 20_000);
    assert.ok(Number((await agent.status("a"))[out]) >= before, "a goes on");
    assert.match(await agent.expect(200, "GET", "/rules/b"), /n > 1/);
    remove("d.json");
    await eventually(async () => (await ids()).join() === "a,b", 20_000);
  }));

test("a set with a mistake in it is refused as a whole, at its place, until it is right", () =>
  withFiles({ "s.sql": stream, "a.json": rule("a") }, async ({ agent, write, state, ids }) => {
    write("b.json", rule("b"));
    write("s.sql", `${stream}\nCREATE STREAM two () WITH (TYPE="simulator", FORMATT="json");\n`);
    await eventually(async () => (await state()).state === "refused", 20_000);
    const [error] = (await state()).errors;
    assert.deepEqual([error!.file, error!.code, error!.line], ["s.sql", "E407", 3]);
    assert.deepEqual(await ids(), ["a"]);
    const health = JSON.parse(await agent.expect(200, "GET", "/api/v1/health"));
    assert.deepEqual(health.reasons.map(({ area }: { area: string }) => area), ["files"]);
    const dry = await weir(["apply", "--dry-run", "--server", agent.url]);
    assert.equal(dry.code, 1);
    assert.match(dry.stdout, /^s\.sql:3:\d+: E407: .*FORMATT.*\n {4}did you mean .*FORMAT/i);

    write("s.sql", stream);
    write("c.json", rule("b"));
    const doubled = await weir(["apply", "--server", agent.url]);
    assert.match(doubled.stdout, /c\.json: E713: The rule b stands twice: also in b\.json/);
    write("c.json", rule("c"));
    assert.equal((await weir(["apply", "--server", agent.url])).code, 0);
    assert.deepEqual(await ids(), ["a", "b", "c"]);
    const trail = await agent.expect(200, "GET", "/api/v1/audit?actor=files%20folder");
    assert.match(trail, /create rule b/);
    assert.match(trail, /FORMATT/);
  }));

test("REST cannot change what files hold, and files not what REST has made; start and stop hold", () =>
  withFiles({ "s.sql": stream, "a.json": rule("a") }, async (scene) => {
    const { write, state } = scene;
    const call = (...args: Parameters<Agent["call"]>) => scene.agent.call(...args);
    for (
      const [method, path, body] of [
        ["PUT", "/rules/a", rule("a", "n > 5")],
        ["DELETE", "/rules/a"],
        ["PUT", "/streams/ticks", { sql: stream }],
        ["PUT", "/rules/a/tags", { tags: ["x"] }],
        ["POST", "/data/import", { content: "{}" }],
      ] as const
    ) {
      const answer = await call(method, path, body);
      assert.equal(answer.status, 409, `${method} ${path}: ${answer.text}`);
      assert.match(answer.text, /E712/);
    }
    assert.equal((await scene.agent.status("a")).status, "running");
    await scene.agent.expect(201, "POST", "/rules", JSON.parse(rule("own")));
    write("own.json", rule("own", "n > 9"));
    await eventually(async () => (await state()).state === "refused", 20_000);
    assert.match((await state()).errors[0]!.message, /own exists and is not managed by files/);
    scene.remove("own.json");
    await scene.agent.expect(200, "POST", "/rules/a/stop");
    await scene.agent.end("SIGTERM");
    const again = await scene.start();
    await again.reaches("own", ({ status }) => status === "running");
    assert.equal((await again.status("a")).status, "stopped");
  }));

test("a ConfigMap that is exchanged by its link is followed", () =>
  withFiles({}, async ({ rulesDir, ids }) => {
    const version = (name: string, files: Record<string, string>) => {
      mkdirSync(join(rulesDir, name));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(rulesDir, name, file), text);
      symlinkSync(name, join(rulesDir, "..data_tmp"));
      renameSync(join(rulesDir, "..data_tmp"), join(rulesDir, "..data"));
    };
    version("..1", { "s.sql": stream, "a.json": rule("a") });
    for (const file of ["s.sql", "a.json"]) symlinkSync(join("..data", file), join(rulesDir, file));
    await eventually(async () => (await ids()).join() === "a", 20_000);
    version("..2", { "s.sql": stream, "a.json": `[${rule("a", "n > 1")}, ${rule("b")}]` });
    await eventually(async () => (await ids()).join() === "a,b", 20_000);
  }));

test("an agent that is killed while it applies has the old set or the new one, and starts with a broken folder", () =>
  withFiles({ "s.sql": stream }, async (scene) => {
    const many = (where: string) => `[${Array.from({ length: 200 }, (_, n) => rule(`r${n}`, where)).join()}]`;
    for (const [round, delay] of [0, 30, 60, 100, 150, 250].entries()) {
      const [before, after] = [`n > ${round}`, `n > ${round + 1}`];
      scene.write("rules.json", many(before));
      await scene.agent.expect(200, "POST", "/api/v1/managed");
      assert.equal((await scene.ids()).length, 200);
      scene.write("rules.json", many(after));
      const applying = scene.agent.call("POST", "/api/v1/managed").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, delay));
      process.kill(scene.agent.pid, "SIGKILL");
      await applying;
      await scene.agent.end("SIGKILL");
      // With a mistake in it, the next start shows what was kept.
      scene.write("rules.json", "{");
      const agent = await scene.start();
      assert.equal((await scene.state()).state, "refused");
      const texts = await Promise.all([0, 77, 199].map((n) => agent.expect(200, "GET", `/rules/r${n}`)));
      const sets = new Set(texts.map((text) => /n > \d+/.exec(text)![0]));
      assert.equal(sets.size, 1, [...sets].join());
      assert.ok([before, after].includes([...sets][0]!));
      assert.equal((await scene.ids()).length, 200);
    }
  }));

test("rules of files obey policies for files", () =>
  withFiles({ "s.sql": stream }, async ({ write, state, ids }) => {
    write("a.json", rule("a"));
    await eventually(async () => (await state()).state === "refused", 20_000);
    assert.match((await state()).errors[0]!.message, /files folder must not write nop: policy p denies it/);
    write("a.json", rule("a").replace("nop", "log"));
    await eventually(async () => (await ids()).length === 1, 20_000);
  }, `${config}policies: [{ name: p, principals: ["files:*"], deny: { write: [{ connector: nop }] } }]\n`));
