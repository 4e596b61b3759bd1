import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent, temporaryDirectory, weir } from "./fixture.ts";

test("help lists every command, and each command has its own", async () => {
  const { code, stdout } = await weir(["help"]);
  assert.equal(code, 0);
  for (const name of ["serve", "validate", "stream", "table", "rule", "config", "version"]) {
    assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    const own = await weir([name, "--help"]);
    assert.equal(own.code, 0);
    assert.match(own.stdout, new RegExp(`Usage: weir (\\[)?${name}`));
    assert.equal((await weir(["help", name])).stdout, own.stdout);
  }
  assert.equal((await weir(["--help"])).stdout, stdout);
});

const wrong: [string[], RegExp][] = [
  [["srve"], /^weir: unknown command "srve", did you mean "serve"\?\nSee `weir help`\.\n$/],
  [["help", "ruel"], /unknown command "ruel", did you mean "rule"\?/],
  [["serve", "--lisen", "x"], /^weir: unknown flag --lisen, did you mean "--listen"\?\nSee `weir serve --help`\.\n$/],
  [["serve", "--listen"], /^weir: --listen needs a value: --listen HOST:PORT\n/],
  [["serve", "now"], /unexpected "now"/],
  [["rule"], /what shall be done is missing: one of ls, get, create/],
  [["rule", "strat", "r1"], /unknown action "strat", did you mean "start"\?/],
  [["rule", "start"], /the id of the rule is missing/],
  [["rule", "start", "r1", "r2"], /unexpected "r2"/],
  [["rule", "ls", "--json=yes"], /--json takes no value/],
  [["stream", "create"], /the CREATE STREAM statement is missing/],
  [["stream", "create", "x", "-f", "y"], /either as text or with --file/],
  [["stream", "ls", "--server", "http://"], /is not the URL of a server/],
  [["config", "ls", "sorce", "mqtt"], /unknown kind "sorce", did you mean "source"\?/],
  [["validate"], /no file to check was given/],
];

for (const [args, expected] of wrong) {
  test(`weir ${args.join(" ")} ends with 2`, async () => {
    const { code, stdout, stderr } = await weir(args);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, expected);
  });
}

test("version names version, engine and target", async () => {
  assert.match((await weir(["version"])).stdout, /^weir \S+.*\nengine (bun|deno) \S+\ntarget linux-\S+\n$/);
  const json = JSON.parse((await weir(["version", "--json"])).stdout);
  assert.deepEqual(Object.keys(json), ["version", "commit", "engine", "engineVersion", "target"]);
  assert.equal((await weir(["--version"])).code, 0);
});

test("without an agent the commands say so and what to do", async () => {
  // Port 1 of loopback: nothing listens there.
  for (const options of [["--server", "http://127.0.0.1:1"], ["-s", "127.0.0.1:1"]]) {
    const { code, stderr } = await weir(["rule", "ls", ...options]);
    assert.equal(code, 1);
    assert.match(stderr, /^weir: no weir answers at http:\/\/127\.0\.0\.1:1 \(.+\)\n {2}start one with `weir serve`/);
  }
  const { stderr } = await weir(["stream", "ls"], { environment: { WEIR_SERVER: "http://127.0.0.1:1/" } });
  assert.match(stderr, /127\.0\.0\.1:1 /);
});

test("schemas of a running agent", async () => {
  const { path, cleanUp } = temporaryDirectory();
  const agent = await startAgent(["--data-dir", path]);
  const remote = (...args: string[]) => weir(args, { environment: { WEIR_SERVER: agent.url } });
  const text = 'syntax = "proto3"; message Reading { int64 id = 1; }\n';
  const file = join(path, "plant.proto");
  writeFileSync(file, text);
  try {
    assert.equal((await remote("schema", "ls")).stdout, "No schemas are found.\n");
    assert.equal((await remote("schema", "create", "-f", file)).stdout, "protobuf schema plant is created\n");
    assert.equal((await remote("schema", "create", "other", text)).stdout, "protobuf schema other is created\n");
    assert.equal((await remote("schema", "ls")).stdout, "other\nplant\n");
    assert.equal((await remote("schema", "get", "plant")).stdout, text);
    const update = await remote("schema", "update", "plant", "-f", file, "--version", "2");
    assert.equal(update.stdout, "protobuf schema plant is updated\n");
    const lower = await remote("schema", "update", "plant", "-f", file, "--version", "1");
    assert.equal(lower.code, 1);
    assert.match(lower.stderr, /new version \(1\) is lower/);
    const { code, stderr } = await remote("schema", "create", "bad", "mesage M {}");
    assert.equal(code, 1);
    assert.match(stderr, /E403: bad.proto: illegal token 'mesage'/);
    assert.equal((await remote("schema", "rm", "plant")).stdout, "protobuf schema plant is deleted\n");
    assert.equal(JSON.parse((await remote("schema", "get", "other", "--json")).stdout).content, text);
  } finally {
    await agent.stop();
    cleanUp();
  }
});

test("streams, tables, rules and confKeys of a running agent", async () => {
  const { path, cleanUp } = temporaryDirectory();
  const agent = await startAgent(["--data-dir", path]);
  const remote = (...args: string[]) => weir(args, { environment: { WEIR_SERVER: agent.url } });
  const says = async (expected: string | RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = await remote(...args);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    if (typeof expected === "string") assert.equal(stdout, expected);
    else assert.match(stdout, expected);
  };
  try {
    await says("No stream definitions are found.\n", "stream", "ls");
    await says("Stream demo is created.\n", "stream", "create", 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="t")');
    const file = join(path, "table.sql");
    writeFileSync(file, "CREATE TABLE t () WITH ()");
    await says("Table t is created.\n", "table", "create", "-f", file);
    await says("NAME  TYPE  FORMAT\ndemo  mqtt  json\n", "stream", "ls");
    await says('[{"name":"t","type":"file","format":"json"}]\n', "table", "ls", "--json");
    await says(/^Fields\n-{80}\na\tbigint\n\nDATASOURCE: t\n$/, "stream", "get", "demo");
    await says(/^\{"Name":"demo",/, "stream", "get", "demo", "--json");

    const rule = '{"id":"r1","sql":"SELECT * FROM demo","actions":[{"log":{}}],"tags":["x"]}';
    await says("No rule definitions are found.\n", "rule", "ls");
    await says("Rule r1 was created successfully.\n", "rule", "create", rule);
    await says("Rule r1 was updated successfully.\n", "rule", "create", rule, "--replace", "r1");
    await says("ID  STATUS   TAGS\nr1  running  x\n", "rule", "ls");
    await says("Rule r1 was stopped.\n", "rule", "stop", "r1");
    await says("Rule r1 was started\n", "rule", "start", "r1");
    await says("Rule r1 was restarted\n", "rule", "restart", "r1");
    await says(/^status: running\nmessage: \n/, "rule", "status", "r1");
    await says(/^\{\n {2}"status": "running"/, "rule", "status", "r1", "--json");
    await says(/^\{\n {2}"id": "r1"/, "rule", "get", "r1");
    await says(`${rule}\n`, "rule", "get", "r1", "--json");
    await says(
      "rule r1: running\ndelivery: at most once; a message may be lost when weir is killed\nselect  *\n└─ stream  demo: all columns\n",
      "rule",
      "explain",
      "r1",
    );
    await says(/^\{\n {2}"id": "r1",\n {2}"state": "running"/, "rule", "explain", "r1", "--json");

    const used = await remote("stream", "rm", "demo");
    assert.equal(used.code, 1);
    assert.match(
      used.stderr,
      /^weir: E705: .* referenced by other rules\n {2}hint: stop r1 first, or drop it with force/,
    );
    await says("Stream demo is dropped.\n", "stream", "rm", "demo", "--force");
    await says("Rule r1 is dropped.\n", "rule", "rm", "r1");
    await says("Table t is dropped.\n", "table", "rm", "t");

    const missing = await remote("rule", "get", "r1");
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^weir: Describe rule error: Rule r1 is not found\.\n/);
    const bad = await remote("stream", "create", 'CREATE STREAM s () WITH (FORMATT="json")');
    assert.match(
      bad.stderr,
      /E407: Unknown stream option "FORMATT"\n +--> sql:1:26\n.*\n.*\^{7} did you mean "FORMAT"\?\n/,
    );

    await says("No confKeys of source wire are found.\n", "config", "ls", "source", "wire");
    const settings = '{"qos":1,"password":"p"}';
    await says("confKey k of source wire is set.\n", "config", "set", "source", "wire", "k", settings);
    await says("k\n", "config", "ls", "source", "wire");
    await says('{\n  "qos": 1,\n  "password": "******"\n}\n', "config", "get", "source", "wire", "k");
    await says("confKey k of source wire is removed.\n", "config", "rm", "source", "wire", "k");
    const wrongKey = await remote("config", "set", "source", "wire", "k", '{"qso":1}');
    assert.match(wrongKey.stderr, /E402: Unknown setting "qso" of the wire source\n.*\n {2}hint: did you mean "qos"\?/);
    const wrongType = await remote("config", "ls", "source", "wier");
    assert.match(wrongType.stderr, /E405: Unknown source type "wier"\n {2}hint: did you mean "wire"\?/);
  } finally {
    await agent.stop("SIGKILL");
    cleanUp();
  }
});

test("validate checks SQL, rules and rulesets over all files together", async () => {
  const { path, cleanUp } = temporaryDirectory();
  const write = (name: string, text: string) => {
    writeFileSync(join(path, name), text);
    return join(path, name);
  };
  try {
    const sql = write(
      "streams.sql",
      '-- one; not two\nCREATE STREAM demo (a BIGINT) WITH (DATASOURCE="a;b");\nSELECT a FROM demo;\n',
    );
    const rule = write("rule.json", '{"id":"r1","sql":"SELECT * FROM demo","actions":[{"log":{}}]}');
    const ruleset = write(
      "set.json",
      JSON.stringify({
        streams: { s2: "CREATE STREAM s2 () WITH ()" },
        tables: {},
        rules: { r2: '{"id":"r2","sql":"SELECT * FROM s2","actions":[{"log":{}}]}' },
      }),
    );
    const good = await weir(["validate", rule, sql, ruleset]);
    assert.equal(good.stderr, "");
    assert.equal(good.code, 0);
    assert.equal(
      good.stdout,
      `${rule}: ok (1 definition)\n${sql}: ok (2 definitions)\n${ruleset}: ok (2 definitions)\n`,
    );

    const badSql = write("bad.sql", "CREATE STREAM x () WITH ();\n\nCREATE STREEM y;\nSELECT a FROM nowhere");
    const bad = await weir(["validate", badSql, write("bad.json", "{"), join(path, "absent.json")]);
    assert.equal(bad.code, 1);
    assert.ok(bad.stderr.includes(`${badSql}:3:8`), bad.stderr);
    assert.ok(bad.stderr.includes(`${badSql}:4:15`), bad.stderr);
    assert.match(bad.stderr, /E703: Not valid JSON/);
    assert.match(bad.stderr, /E703: Cannot read the file/);

    const alone = await weir(["validate", rule, "--json"]);
    assert.equal(alone.code, 1);
    const [report] = JSON.parse(alone.stdout);
    assert.equal(report.valid, false);
    assert.equal(report.diagnostics[0].code, "E201");
  } finally {
    cleanUp();
  }
});
