/**
 * The table of codes against the code: the text in `provokes` gives the diagnostic or row error it stands beside.
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { type Code, codes } from "../../src/diagnostics/codes.ts";
import { parseCases } from "../../src/rule_test/case_file.ts";
import { runCase } from "../../src/rule_test/run_case.ts";

const streams = `
stream demo () WITH ()
stream typed (temperature FLOAT, humidity FLOAT) WITH ()
stream typed_ab (a FLOAT, b FLOAT) WITH ()
stream typed_ab2 (a FLOAT, b FLOAT) WITH ()
stream strict (a BIGINT) WITH (STRICT_VALIDATION="true")
stream timed () WITH (TIMESTAMP="ts")
`;

/** A graph rule with one operator, which leads to `target`. */
function graphOf(operator: Readonly<Record<string, unknown>>, target = "out"): string {
  const nodes = {
    src: { type: "source", nodeType: "mqtt", props: {} },
    op: { type: "operator", ...operator },
    out: { type: "sink", nodeType: "log", props: {} },
  };
  return JSON.stringify({ graph: { nodes, topo: { sources: ["src"], edges: { src: ["op"], op: [target] } } } });
}

/** What the prose of `provokes` means. */
const instead: Partial<Record<Code, string>> = {
  E217: `rule ${graphOf({ nodeType: "filter", props: { expr: "a" } }, "nowhere")}\nrefused E217`,
  E218: `rule ${graphOf({ nodeType: "filter", props: {} })}\nrefused E218`,
  E512: `rule ${
    graphOf({ nodeType: "script", props: { script: "function exec(msg) { throw new Error('no') }" } })
  }\nrows {}\ngives ! E512`,
  E102: `sql SELECT ${"(".repeat(201)}a${")".repeat(201)} FROM demo\nrefused E102`,
  E103: `sql SELECT '${"x".repeat(256 * 1024)}' FROM demo\nrefused E103`,
  E302: `options {"isEventTime":true}\nsql SELECT a FROM demo\nrefused E302 demo`,
  E303: `options {"sendMetaToSink":true}\nsql SELECT a FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)\nrefused E303`,
  E501: `sql SELECT a FROM demo\nrows {oops\ngives ! E501`,
  E507: `options {"isEventTime":true}\nsql SELECT a FROM timed\nrows {"a":1}\ngives ! E507`,
  E508: `sql SELECT a * a FROM demo\nrows {"a":1e300}\ngives ! E508`,
  E509: `sql SELECT a FROM strict\nrows {"b":1}\ngives ! E509`,
  E511: `sql SELECT 1 FROM demo CROSS JOIN timed GROUP BY TUMBLINGWINDOW(ss, 1)\nrows\n${
    "demo {}\ntimed {}\n".repeat(1001)
  }gives ! E511`,
};

/**
 * What a statement alone does not provoke: tests/engine/joins_test.ts does for stores that are away, limits_test.ts for
 * what a rule may take, template_test.ts in src/template for templates.
 */
const ofRules: ReadonlySet<Code> = new Set(["E510", "E513", "E514", "E515", "E516"]);

/** The rows that `provokes` describes behind its SQL. */
const rows: Partial<Record<Code, string>> = {
  E502: '{"a":"x"}',
  E504: '{"a":5}',
  E505: '{"a":[1]}',
};

function caseTextOf(code: Code): string {
  const { provokes } = codes[code];
  if (instead[code] !== undefined) return instead[code];
  assert.match(provokes, /^SELECT /, `no statement for ${code}`);
  const sql = provokes.replace(/ -- .*$/, "");
  return code.startsWith("E5")
    ? `sql ${sql}\nrows ${rows[code] ?? "{}"}\ngives ! ${code}`
    : `sql ${sql}\nrefused ${code}`;
}

for (const code of Object.keys(codes) as Code[]) {
  if (!/^E[1235]/.test(code) || ofRules.has(code)) continue;
  test(`${code} is provoked`, async () => {
    const text = caseTextOf(code);
    const [c] = parseCases(`case ${code}\n${streams}${text}`, code);
    const { outcome } = await runCase(c!);
    const found = outcome.lines.map((line) => /E\d{3}/.exec(line)?.[0] ?? line);
    assert.ok(found.includes(code), `${text.slice(0, 200)} gives ${found.join(", ")}`);
  });
}
