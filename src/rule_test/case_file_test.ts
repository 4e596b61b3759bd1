import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, parseCases, timeText, withOutcomes } from "./case_file.ts";

const text = `# Two cases.
case one
stream L () WITH ()
table \`my t\` (id BIGINT) WITH (TYPE="memory")
options {"start":"1m","sendNilField":true}
sql SELECT a
  FROM L
rows
# A comment between.
  rows of text
@9s L {"a":1}
meta {"topic":"t/1"}
L {"a":2}

@1h
gives
@9s [{"a":1}]

case two
sql SELECT b FROM demo
refused E204 b
case three
sql SELECT c FROM demo
`;

function parse(): [Case, Case, Case] {
  return parseCases(text, "a.case") as [Case, Case, Case];
}

test("parseCases() reads sections, rows with their times and streams, and where outcomes stand", () => {
  const [one, two, three] = parse();
  assert.deepEqual(one.streams, ["CREATE STREAM L () WITH ()", 'CREATE TABLE `my t` (id BIGINT) WITH (TYPE="memory")']);
  assert.deepEqual(one.rule, { kind: "sql", sql: "SELECT a\n  FROM L" });
  assert.deepEqual([one.line, one.start, one.timed, one.dated], [2, 60_000, true, false]);
  const meta = { topic: "t/1" };
  assert.deepEqual(one.rows, [
    { line: 10, time: undefined, source: undefined, payload: "rows of text", meta: undefined },
    { line: 11, time: 9000, source: "L", payload: '{"a":1}', meta: undefined },
    { line: 13, time: undefined, source: "L", payload: '{"a":2}', meta },
    { line: 15, time: 3_600_000, source: undefined, payload: undefined, meta },
  ]);
  assert.deepEqual(one.expected, { kind: "gives", lines: ['@9s [{"a":1}]'] });
  assert.deepEqual([two.expected, three.expected], [{ kind: "refused", lines: ["E204 b"] }, undefined]);
});

test("withOutcomes() writes outcomes anew and leaves everything else", () => {
  const [one, two, three] = parse();
  const changed = withOutcomes(
    text,
    new Map([
      [one, { kind: "gives", lines: ["[{}]", "- late 1"] }],
      [two, { kind: "gives", lines: [] }],
      [three, { kind: "refused", lines: ["E204 c"] }],
    ]),
  );
  const expected = text
    .replace('gives\n@9s [{"a":1}]\n', "gives\n[{}]\n- late 1\n")
    .replace("refused E204 b\n", "gives\n")
    .replace("sql SELECT c FROM demo\n", "sql SELECT c FROM demo\nrefused E204 c\n");
  assert.equal(changed, expected);
});

test("timeText() writes durations or datetimes, as the case does", () => {
  const [one] = parse();
  assert.equal(timeText(one, 9500), "@9.5s");
  const [dated] = parseCases("case a\nsql SELECT a FROM demo\nrows\n@2026-01-02T03:04:05Z {}\ngives", "a.case");
  assert.equal(dated!.dated, true);
  assert.equal(timeText(dated!, dated!.rows[0]!.time!), "@2026-01-02T03:04:05Z");
});
