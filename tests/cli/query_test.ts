import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { weir } from "./fixture.ts";

test("weir query names the stream that was meant, or the flag that brings one", async () => {
  const near = await weir(["query", "SELECT * FROM traffic_stream", "--stream", "traffic=rows.ndjson"]);
  assert.equal(near.code, 1);
  assert.match(near.stderr, /E201: Unknown stream or table "traffic_stream"/);
  assert.match(near.stderr, /did you mean "traffic"\?/);
  const far = await weir(["query", "SELECT * FROM cars", "--stream", "traffic=rows.ndjson"]);
  assert.match(far.stderr, /give its rows with --stream NAME=FILE/);
});

/** Standard input with some lines. */
function lines(...texts: string[]) {
  return {
    stdinBytes: async function* () {
      yield await Promise.resolve(new TextEncoder().encode(`${texts.join("\n")}\n`));
    },
  };
}

test("weir query honours STRICT_VALIDATION and DEFAULT", async () => {
  const create = 'CREATE STREAM s (a BIGINT DEFAULT 7, b FLOAT) WITH (STRICT_VALIDATION="true")';
  const { code, stdout, stderr } = await weir(
    ["query", "SELECT a, b FROM s", "--stream", "s=-", "--create", create],
    lines('{"b":1.5,"c":true}', '{"a":1}', '{"a":2,"b":2}'),
  );
  assert.deepEqual([code, stdout], [0, '{"a":7,"b":1.5}\n{"a":2,"b":2}\n']);
  assert.equal(stderr, "weir query: -:2: E509: field b is not found\n");
});

test("weir query --arrival-time drives the clock, and the column is none of the row", async () => {
  const rows = lines('{"at":1000,"v":1}', '{"at":"1970-01-01T00:00:09Z","v":2}', '{"v":3}', '{"at":10500,"v":4}');
  const sql = "SELECT *, window_end() AS e FROM s GROUP BY TUMBLINGWINDOW(ss, 5)";
  const args = ["query", sql, "--stream", "s=-", "--timezone", "UTC", "--arrival-time", "at"];
  const { code, stdout, stderr } = await weir(args, rows);
  assert.deepEqual([code, stdout], [0, '{"e":5000,"v":1}\n{"e":10000,"v":2}\n{"e":15000,"v":4}\n']);
  assert.match(
    stderr,
    /-:3: E507: Arrival column "at": expected Unix milliseconds or a datetime, found no such column/,
  );
});

test("weir query --start and --until bound the clock, and empty windows are told", async () => {
  const sql = "SELECT count(*) AS n, window_end() AS e FROM s GROUP BY TUMBLINGWINDOW(ss, 5)";
  const args = ["query", sql, "--stream", "s=-", "--timezone", "UTC", "--arrival-time", "at"];
  const { stdout } = await weir([...args, "--start", "0", "--until", "1970-01-01T00:00:15Z"], lines('{"at":7000}'));
  assert.equal(stdout, '{"e":5000}\n{"e":10000,"n":1}\n{"e":15000}\n');
  const { code, stderr } = await weir(["query", sql, "--stream", "s=-", "--until", "15000"], lines("{}"));
  assert.equal(code, 2);
  assert.match(stderr, /--until needs --arrival-time or --start/);
});

test("weir query merges streams by the time of their rows, and reads tables first", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-query-"));
  try {
    const write = (name: string, ...rows: string[]) => {
      writeFileSync(join(folder, name), `${rows.join("\n")}\n`);
      return `${name.split(".")[0]}=${join(folder, name)}`;
    };
    const l = write("l.ndjson", '{"at":1000,"id":1}', '{"at":6000,"id":2}');
    const r = write("r.csv", "at,id,x", "2000,1,5", "7000,2,6", "8000,2,7");
    const sql = "SELECT l.id AS id, r.x AS x FROM l INNER JOIN r ON l.id = r.id GROUP BY TUMBLINGWINDOW(ss, 5)";
    const expected = '{"id":1,"x":5}\n{"id":2,"x":6}\n{"id":2,"x":7}\n';
    const byArrival = await weir(["query", sql, "--stream", l, "--stream", r, "--arrival-time", "at"]);
    assert.deepEqual([byArrival.stdout, byArrival.stderr], [expected, ""]);
    const byEvent = await weir(["query", sql, "--stream", l, "--stream", r, "--event-time", "at"]);
    assert.deepEqual([byEvent.stdout, byEvent.stderr], [expected, ""]);
    const t = write("t.ndjson", '{"id":2,"name":"pump"}');
    const withTable = await weir([
      ...["query", "SELECT l.id AS id, t.name AS name FROM l LEFT JOIN t ON l.id = t.id", "--stream", l, "--stream", t],
      ...["--create", 'CREATE TABLE t () WITH (TYPE="file")'],
    ]);
    assert.deepEqual([withTable.stdout, withTable.stderr], ['{"id":1}\n{"id":2,"name":"pump"}\n', ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("weir query takes options, and a rule from its file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-query-"));
  try {
    const file = join(folder, "rule.json");
    const rule = { id: "r", sql: "SELECT a, b, rule_id() AS r FROM s", options: { sendNilField: true }, actions: [] };
    writeFileSync(file, JSON.stringify({ ...rule, actions: [{ mqtt: { server: "tcp://nowhere:1", topic: "t" } }] }));
    const fromFile = await weir(["query", "--rule", file, "--stream", "s=-"], lines('{"a":1}'));
    assert.deepEqual([fromFile.stdout, fromFile.stderr], ['{"a":1,"b":null,"r":"r"}\n', ""]);
    const less = await weir(
      ["query", "--rule", file, "--option", "sendnilfield=false", "--stream", "s=-"],
      lines('{"a":1}'),
    );
    assert.equal(less.stdout, '{"a":1,"r":"r"}\n');
    const more = ["query", "SELECT a, b FROM s", "--stream", "s=-", "--option"];
    assert.equal((await weir([...more, "sendNilField=true"], lines('{"a":1}'))).stdout, '{"a":1,"b":null}\n');
    const slip = await weir([...more, "sendNilFeld=true"], lines("{}"));
    assert.equal(slip.code, 1);
    assert.match(slip.stderr, /E402: .*sendNilFeld/);
    const both = await weir(["query", "SELECT a FROM s", "--rule", file, "--stream", "s=-"]);
    assert.equal(both.code, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("weir query prints a row without columns, and tells results that have no form", async () => {
  const counts = "SELECT count(*) AS n FROM s GROUP BY TUMBLINGWINDOW(ss, 5) FILTER (WHERE a > 5)";
  const clock = ["--timezone", "UTC", "--start", "0", "--until", "5000"];
  const empty = await weir(["query", counts, "--stream", "s=-", ...clock], lines('{"a":1}'));
  assert.deepEqual([empty.stdout, empty.stderr], ["{}\n", ""]);
  const large = await weir(["query", "SELECT a * a AS b FROM s", "--stream", "s=-"], lines('{"a":1e300}', '{"a":2}'));
  assert.equal(large.stdout, '{"b":4}\n');
  assert.match(large.stderr, /E508/);
});

test("weir query gives CSV fields the types that the stream declares", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-query-"));
  try {
    const file = join(folder, "d.csv");
    writeFileSync(file, 'id,v,b,s\n1234567890123456789,1.5,true,007\n+7,x,false,a\n,2,true,"1"\n');
    const create = "CREATE STREAM d (id BIGINT, v FLOAT, s STRING) WITH ()";
    const typed = await weir(["query", "SELECT *, id + 1 AS n FROM d", "--stream", `d=${file}`, "--create", create]);
    assert.equal(
      typed.stdout,
      '{"id":1234567890123456789,"n":1234567890123456790,"s":"007","v":1.5}\n{"s":"1","v":2}\n',
    );
    assert.match(typed.stderr, /d\.csv:3: E501: Cannot decode column "v": expected float, found "x"/);
    const plain = await weir(["query", "SELECT s, v FROM d", "--stream", `d=${file}`]);
    assert.equal(plain.stdout, '{"s":7,"v":1.5}\n{"s":"a","v":"x"}\n{"s":"1","v":2}\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("weir query warns of operands that do not fit, and goes on", async () => {
  const { code, stdout, stderr } = await weir(
    ["query", 'SELECT a FROM demo WHERE "a" = 1 OR a = 2', "--stream", "demo=-"],
    lines('{"a":2}'),
  );
  assert.deepEqual([code, stdout], [0, ""]);
  assert.equal(
    stderr,
    "warning: E213: Cannot compare string = int\n" +
      " --> sql:1:26\n" +
      '1 | SELECT a FROM demo WHERE "a" = 1 OR a = 2\n' +
      "  |                          ^^^^^^^ quotes make a string: for the column write a\n" +
      "weir query: E502: Cannot compare string = int\n",
  );
});
