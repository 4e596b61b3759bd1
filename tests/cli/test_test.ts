import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory, weir } from "./fixture.ts";

/** Writes files, runs `weir test` in their folder, and gives its outcome; `path` is the folder. */
async function inFolder(
  files: Readonly<Record<string, string>>,
  work: (path: string) => Promise<void>,
): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(path, name, ".."), { recursive: true });
      writeFileSync(join(path, name), text);
    }
    await work(path);
  } finally {
    cleanUp();
  }
}

const hot = `case hot readings pass
stream plant (temperature FLOAT, id STRING) WITH (FORMAT="json")
sql SELECT id FROM plant WHERE temperature > 80
rows
{"id":"a","temperature":81}
{"id":"b","temperature":20}
gives [{"id":"a"}]
`;

const wrong = `# A comment stays.
case counts by tens
sql SELECT a, a + 1 AS b FROM demo
rows
{"a":1}
{"a":2}
gives
[{"a":1,"b":2}]
[{"a":2,"b":4}]
`;

test("weir test runs files and folders, and tells how many cases it ran", async () => {
  await inFolder({ "hot.case": hot, "deeper/also.case": hot, "deeper/notes.txt": "no case" }, async (path) => {
    const { code, stdout, stderr } = await weir(["test", path, join(path, "hot.case")]);
    assert.deepEqual([code, stdout, stderr], [0, "2 cases, 0 failed\n", ""]);
  });
});

const enveloped = `case payloads inside of messages are decoded, as by an agent
stream plant () WITH (FORMAT="json", EXTRA='{"payloadFormat": "delimited", "payloadField": "frame"}')
sql SELECT id, col0, col1 FROM plant
rows
{"id":"a","frame":"1,2"}
gives [{"col0":"1","col1":"2","id":"a"}]
`;

test("weir test decodes payloads inside of messages", async () => {
  await inFolder({ "enveloped.case": enveloped }, async (path) => {
    const { code, stdout } = await weir(["test", path]);
    assert.deepEqual([code, stdout], [0, "1 case, 0 failed\n"]);
  });
});

test("weir test shows a failing case with its place and the difference", async () => {
  await inFolder({ "wrong.case": wrong, "hot.case": hot }, async (path) => {
    const { code, stdout } = await weir(["test", path]);
    assert.equal(code, 1);
    assert.equal(
      stdout,
      `FAILED ${path}/wrong.case:2 counts by tens
    [{"a":1,"b":2}]
  - [{"a":2,"b":4}]
  + [{"a":2,"b":3}]
                ^ differs in "b"
2 cases, 1 failed
`,
    );
  });
});

test("weir test --update writes what came out, and only that", async () => {
  const unfinished = `${wrong}
case not finished
sql SELECT wholly_unknown() FROM demo

case an error may be cut short
sql SELECT a + 1 AS b FROM demo
rows
{"a":"x"}
{"a":1}
gives
! E502
[{"b":1}]
`;
  await inFolder({ "wrong.case": unfinished }, async (path) => {
    const file = join(path, "wrong.case");
    const before = await weir(["test", path]);
    assert.match(before.stdout, /not finished\n +no "gives" or "refused" yet, --update writes it:\n/);
    const { code, stdout } = await weir(["test", "--update", path]);
    assert.deepEqual([code, stdout], [0, `${file}: 3 cases updated\n3 cases, 0 failed\n`]);
    assert.equal(
      readFileSync(file, "utf8"),
      unfinished
        .replace('[{"a":2,"b":4}]', '[{"a":2,"b":3}]')
        .replace(
          "sql SELECT wholly_unknown() FROM demo\n",
          "sql SELECT wholly_unknown() FROM demo\nrefused E202 wholly_unknown\n",
        )
        .replace('[{"b":1}]', '[{"b":2}]'),
    );
    assert.equal((await weir(["test", path])).code, 0);
  });
});

test("weir test --filter runs the cases with a text", async () => {
  await inFolder({ "wrong.case": wrong, "hot.case": hot }, async (path) => {
    assert.equal((await weir(["test", path, "--filter", "HOT READ"])).stdout, "1 case, 0 failed\n");
    const none = await weir(["test", path, "--filter", "cold"]);
    assert.deepEqual([none.code, none.stderr], [1, `weir: no case in ${path} has "cold"\n`]);
  });
});

test("weir test --junit writes the form that CI systems read", async () => {
  const odd = wrong.replace("counts by tens", 'a < b & "c"');
  await inFolder({ "hot.case": hot, "odd.case": odd, "torn.case": "sql SELECT a FROM demo\n" }, async (path) => {
    const file = join(path, "report.xml");
    const { code, stdout } = await weir(["test", path, "--junit", file]);
    assert.equal(code, 1);
    assert.match(stdout, /FAILED \S+torn\.case:1: "sql" before the first "case"\n/);
    assert.match(stdout, /2 cases, 1 failed, 1 file not readable\n$/);
    const xml = readFileSync(file, "utf8").replaceAll(/ time="\d+\.\d{3}"/g, "").replaceAll(path, "P");
    assert.equal(
      xml,
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="1">
  <testsuite name="P/hot.case" tests="1" failures="0" errors="0">
    <testcase classname="P/hot.case" name="hot readings pass" file="P/hot.case" line="1"/>
  </testsuite>
  <testsuite name="P/odd.case" tests="1" failures="1" errors="0">
    <testcase classname="P/odd.case" name="a &lt; b &amp; &quot;c&quot;" file="P/odd.case" line="2">
      <failure message="- [{&quot;a&quot;:2,&quot;b&quot;:4}]">  [{&quot;a&quot;:1,&quot;b&quot;:2}]
- [{&quot;a&quot;:2,&quot;b&quot;:4}]
+ [{&quot;a&quot;:2,&quot;b&quot;:3}]
              ^ differs in &quot;b&quot;</failure>
    </testcase>
  </testsuite>
  <testsuite name="P/torn.case" tests="1" failures="0" errors="1">
    <testcase classname="P/torn.case" name="the file" file="P/torn.case">
      <error message="P/torn.case:1: &quot;sql&quot; before the first &quot;case&quot;">P/torn.case:1: &quot;sql&quot; before the first &quot;case&quot;</error>
    </testcase>
  </testsuite>
</testsuites>
`,
    );
  });
});

test("weir test takes a rule as JSON, here or in a file", async () => {
  const rule = JSON.stringify({ id: "hot", sql: "SELECT a, b FROM demo", options: { sendNilField: true } });
  const text = `case here
rule ${rule}
rows {"a":1}
gives [{"a":1,"b":null}]

case in a file
rule ../rules/hot.json
options {"start":"1m"}
rows @2m {"a":1}
gives @120s [{"a":1,"b":null}]

case with a mistake
rule {"id":"r","sql":"SELECT a FROM demo","options":{"sendNil":true}}
refused E402 options.sendNil
`;
  await inFolder({ "cases/a.case": text, "rules/hot.json": rule }, async (path) => {
    const { code, stdout } = await weir(["test", path]);
    assert.deepEqual([code, stdout], [0, "3 cases, 0 failed\n"]);
  });
});

test("weir test decodes by the FORMAT of the stream, and writes datetimes where the case does", async () => {
  const text = `case delimited
stream plant (id STRING, t STRING) WITH (FORMAT="delimited", DELIMITER=";")
options {"start":"2026-01-02T03:04:00Z"}
sql SELECT id, t, event_time() AS at FROM plant
rows
@2026-01-02T03:04:05.5Z a;20
@2026-01-02T03:04:06Z plant b;21
gives
@2026-01-02T03:04:05.500Z [{"at":1767323045500,"id":"a","t":"20"}]
@2026-01-02T03:04:06Z [{"at":1767323046000,"id":"b","t":"21"}]

case binary
stream camera () WITH (FORMAT="binary")
sql SELECT self FROM camera
rows aGVsbG8=
gives [{"self":"aGVsbG8="}]
`;
  await inFolder({ "a.case": text }, async (path) => {
    const { code, stdout } = await weir(["test", path]);
    assert.deepEqual([code, stdout], [0, "2 cases, 0 failed\n"]);
  });
});

test("weir test takes streams and tables from a file of definitions", async () => {
  const sql = `-- What the plant sends.
CREATE STREAM plant (id BIGINT, t FLOAT) WITH (DATASOURCE="plant/+", FORMAT="json");
CREATE TABLE names (id BIGINT, name STRING) WITH (TYPE="memory", DATASOURCE="names", RETAIN_SIZE="10");
`;
  const text = `case names of hot machines
definitions ../plant.sql
sql SELECT names.name AS name FROM plant LEFT JOIN names ON plant.id = names.id WHERE t > 80
rows
names {"id":1,"name":"pump"}
names {"id":2,"name":"fan"}
plant {"id":2,"t":90}
plant {"id":1,"t":20}
gives [{"name":"fan"}]
`;
  await inFolder({ "cases/a.case": text, "plant.sql": sql }, async (path) => {
    const { code, stdout } = await weir(["test", path]);
    assert.deepEqual([code, stdout], [0, "1 case, 0 failed\n"]);
    writeFileSync(join(path, "plant.sql"), `${sql}SELECT id FROM plant`);
    const select = await weir(["test", path]);
    assert.equal(select.code, 1);
    assert.match(select.stdout, /E703: Expected CREATE STREAM or CREATE TABLE\n {3}--> sql:4:1/);
  });
});

test("the examples of the page about testing rules do what it says", async () => {
  const page = readFileSync(new URL("../../docs/testing-rules.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, text]) => ({
    language,
    text: text!,
  }));
  const one = (language: string) => blocks.find((block) => block.language === language)!.text;
  const texts = blocks.filter(({ language }) => language === "text").map(({ text }) => text);
  const [hotCase, tooCool, marked, refused] = texts as [string, string, string, string];
  const files = {
    "plant.sql": one("sql"),
    "overheat.json": one("json"),
    "overheat.case": hotCase,
    "refused.case": refused,
    "machines.ndjson": '{"id":"m1","name":"pump"}\n',
    "recorded.ndjson": '{"at":1000,"id":"m1","temperature":81}\n{"at":9000,"id":"m1","temperature":83}\n',
    "limits.case": `case the sum of two columns
sql SELECT a + b AS sum FROM demo
rows
{"a":1,"b":2}
{"a":3,"b":4}
gives
[{"sum":3}]
[{"sum":5}]
`,
  };
  await inFolder(files, async (path) => {
    const at = (name: string) => join(path, name);
    assert.equal((await weir(["test", at("overheat.case")])).stdout, "1 case, 0 failed\n");
    assert.equal((await weir(["test", at("refused.case")])).stdout, "1 case, 0 failed\n");
    assert.equal((await weir(["test", at("limits.case")])).stdout.replace(`${path}/`, ""), marked);
    const rows = ["--stream", `machines=${at("machines.ndjson")}`, "--stream", `plant=${at("recorded.ndjson")}`];
    const recorded = ["query", "--rule", at("overheat.json"), "--create", one("sql"), ...rows, "--arrival-time", "at"];
    assert.equal((await weir(recorded)).stdout, '{"mean":82,"name":"pump"}\n');
    writeFileSync(at("overheat.json"), one("json").replace("> 80", "> 83"));
    assert.equal((await weir(["test", at("overheat.case")])).stdout.replace(`${path}/`, ""), tooCool);
  });
});

const broken: readonly [string, RegExp][] = [
  ["sql SELECT 1", /a\.case:1: "sql" before the first "case"/],
  ["nothing", /a\.case:1: expected "case", found "nothing"/],
  ["case a\noptoins {}\nsql SELECT a FROM demo", /a\.case:2: expected .*, found "optoins", did you mean "options"\?/],
  ["case a\n\ngives", /a\.case:1: a case needs "sql" or "rule"/],
  ["case a\nsql SELECT a FROM demo\nsql SELECT b FROM demo", /a\.case:3: a second "sql" in one case/],
  ["case a\nsql SELECT a FROM demo\nrule {}", /a\.case:3: a case has either "sql" or "rule"/],
  ["case a\nsql SELECT a FROM demo\nrows\n\n@9x {}\ngives", /a\.case:5: expected a duration such as .*, found "9x"/],
  ["case a\noptions {start:1}\nsql SELECT a FROM demo", /a\.case:2: expected a JSON object, found \{start:1\}/],
  ['case a\noptions {"isEventTimer":true}\nsql SELECT a FROM demo\ngives', /a\.case:1: E402: .*\n.*isEventTimer/],
  ['case a\noptions {"timezone":"Mars"}\nsql SELECT a FROM demo\ngives', /a\.case:1: option "timezone": expected an/],
  [
    "case a\ndefinitions nowhere.sql\nsql SELECT a FROM s\ngives",
    /a\.case:2: cannot read the definitions nowhere\.sql: /,
  ],
  ["case a\nrule nowhere.json\ngives", /a\.case:1: cannot read the rule nowhere\.json: /],
  ['case a\noptions {"qos":1}\nrule {"sql":"SELECT a FROM demo"}\ngives', /a\.case:1: option "qos" stands in the JSON/],
  [
    "case a\nstream l () WITH ()\nstream r () WITH ()\nsql SELECT a FROM l\nrows q {}\ngives",
    /a\.case:5: unknown .* "q"/,
  ],
  ['case a\nstream c () WITH (FORMAT="binary")\nsql SELECT self FROM c\nrows ?\ngives', /a\.case:4: expected Base64/],
];

for (const [text, expected] of broken) {
  test(`weir test tells what is wrong with ${JSON.stringify(text)}`, async () => {
    await inFolder({ "a.case": text }, async (path) => {
      const { code, stdout } = await weir(["test", path]);
      assert.equal(code, 1);
      assert.match(stdout, expected);
    });
  });
}

test("weir test refuses a command line without cases", async () => {
  assert.equal((await weir(["test"])).code, 2);
  await inFolder({ "notes.txt": "", "empty.case": "# nothing\n" }, async (path) => {
    const nothing = await weir(["test", join(path, "empty.case")]);
    assert.deepEqual([nothing.code, nothing.stderr], [1, `weir: no cases in ${path}/empty.case\n`]);
    const missing = await weir(["test", join(path, "missing")]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /cannot read \S+missing: /);
    mkdirSync(join(path, "none"));
    const none = await weir(["test", join(path, "none")]);
    assert.deepEqual([none.code, none.stderr], [1, `weir: no .case files in ${path}/none\n`]);
  });
});
