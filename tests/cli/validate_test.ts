import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectors as entries } from "../../connectors/mod.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { temporaryDirectory, weir } from "./fixture.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";

const connectors = new ConnectorList(entries);
const loadEngine = () =>
  Promise.resolve({ connectors, create: (parts: object) => createEngine({ ...parts, connectors } as never) });

const stream = 'CREATE STREAM demo () WITH (DATASOURCE="t", CONF_KEY="plant")';
const action = { mqtt: { connectionSelector: "cloud", topic: "t" } };
const ruleset = {
  streams: { demo: stream },
  rules: { r: JSON.stringify({ id: "r", sql: "SELECT a FROM demo", actions: [action] }) },
};

async function withFiles(work: (write: (name: string, text: string) => string) => Promise<void>): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  try {
    await work((name, text) => {
      writeFileSync(join(path, name), text);
      return join(path, name);
    });
  } finally {
    cleanUp();
  }
}

test("validate warns of confKeys and connections that it cannot know", () =>
  withFiles(async (write) => {
    const file = write("set.json", JSON.stringify(ruleset));
    const outcome = await weir(["validate", file], { loadEngine });
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal(outcome.stdout, `${file}: ok (2 definitions, 2 warnings)\n`);
    assert.match(
      outcome.stderr,
      /^warning: E406: Unknown configuration key "plant".*\n.*stream demo\.CONF_KEY\n {2}hint: /,
    );
    assert.match(outcome.stderr, /^warning: E406: connection cloud not existed$/m);
    const [report] = JSON.parse((await weir(["validate", file, "--json"], { loadEngine })).stdout);
    assert.deepEqual([report.valid, report.diagnostics.length, report.warnings.length], [true, 0, 2]);
    const other = write("bad.sql", `${stream};\nSELECT b c FROM demo`);
    assert.equal((await weir(["validate", other], { loadEngine })).code, 1);
  }));

test("validate --config knows those of the file, and takes others for mistakes", () =>
  withFiles(async (write) => {
    const file = write("set.json", JSON.stringify(ruleset));
    const sources = 'sources: { mqtt: { plant: { server: "tcp://a:1883" } } }\n';
    const some = write("some.yaml", sources);
    const refused = await weir(["validate", file, "--config", some], { loadEngine });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^E406: connection cloud not existed$/m);
    assert.doesNotMatch(refused.stderr, /plant|warning/);
    const all = write("all.yaml", `${sources}connections: { mqtt: { cloud: { server: "tcp://b:1883" } } }\n`);
    const good = await weir(["validate", file, "-c", all], { loadEngine });
    assert.deepEqual(good, { code: 0, stderr: "", stdout: `${all}: ok\n${file}: ok (2 definitions)\n` });
  }));

test("validate --config tells what is wrong with the configuration itself", () =>
  withFiles(async (write) => {
    const wrong = write("wrong.yaml", "sources: { mqtt: { plant: { sever: x } } }\n");
    const outcome = await weir(["validate", "--config", wrong], { loadEngine });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /the configuration is wrong\nE402: Unknown setting "sever"/);
    assert.ok(outcome.stderr.includes(`${wrong}:1:`), outcome.stderr);
    assert.equal((await weir(["validate"], { loadEngine })).code, 2);
  }));

test("validate warns of schemas, which only an agent has", () =>
  withFiles(async (write) => {
    const create = 'CREATE STREAM p (id BIGINT) WITH (DATASOURCE="t", FORMAT="protobuf", SCHEMAID="plant.Reading")';
    const sql = write("rule.sql", `${create};\nSELECT id FROM p;`);
    const config = write("weir.yaml", "");
    for (const args of [[sql], [sql, "--config", config]]) {
      const outcome = await weir(["validate", ...args], { loadEngine });
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.match(
        outcome.stderr,
        /^warning: E410: There are no schemas here: only an agent keeps them\n.*p\.SCHEMAID/,
      );
    }
  }));

test("validate warns of operands that do not fit, in rules and in statements", () =>
  withFiles(async (write) => {
    const create = 'CREATE STREAM typed (id BIGINT, s STRING) WITH (DATASOURCE="t")';
    const rule = { id: "r", sql: "SELECT id FROM typed WHERE id = '5'", actions: [{ nop: {} }] };
    const file = write("set.json", JSON.stringify({ streams: { typed: create }, rules: { r: JSON.stringify(rule) } }));
    const outcome = await weir(["validate", file], { loadEngine });
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal(outcome.stdout, `${file}: ok (2 definitions, 1 warning)\n`);
    assert.equal(
      outcome.stderr,
      "warning: E213: Cannot compare int = string\n" +
        ` --> ${file} (rules.r):1:28\n` +
        "1 | SELECT id FROM typed WHERE id = '5'\n" +
        "  |                            ^^^^^^^^ write 5 without quotes\n",
    );
    const sql = write("rule.sql", `${create};\nSELECT s + 1 AS x FROM typed;`);
    assert.match((await weir(["validate", sql], { loadEngine })).stdout, /ok \(2 definitions, 1 warning\)/);
  }));
